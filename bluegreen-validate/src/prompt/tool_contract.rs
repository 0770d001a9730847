//! The tools that an MCP server offers, as a contract that a candidate has to keep.

use std::path::Path;

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Error, ErrorKind, Judgement, Plan, Problem, Result, Side, Trial, Validator, Verdict,
};
use serde_json::Value;

use crate::ConfigError;
use crate::canonical::canonical;

mod compare;
mod config;
mod session;
mod verdict;

pub use config::{PinnedTool, Strictness, ToolContractConfig};
use session::{Session, Tools, Trouble, Way};

/// Looks whether the candidate, an agent that is an MCP server, offers its tools as those who call them
/// know them.
///
/// ```
/// use bluegreen_validate::prompt::ToolContract;
///
/// // As live offers them.
/// let gate = ToolContract::as_live("/mcp");
/// assert_eq!(gate.problems(), []);
/// // As they are pinned.
/// let text = r#"{
///   "path": "/mcp",
///   "descriptions": "fail",
///   "tools": {
///     "find": {"schema": {"type": "object", "required": ["id"],
///                         "properties": {"id": {"type": "integer"}}}},
///     "refund": {"digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
///     "greet": {}
///   }
/// }"#;
/// let gate = ToolContract::from_text("tools.json", text)?;
/// assert_eq!(gate.config().tools.as_ref().map_or(0, |tools| tools.len()), 3);
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
///
/// # What it comes to
/// * [`Fail`](Verdict::Fail): a tool is missing; an argument is gone, is of another type, takes fewer
///   values, is required now or has other limits; or the candidate answers something that is no list of
///   tools. Each [`Finding`](bluegreen_core::Finding) names tool and argument. Other descriptions, titles
///   and defaults are told, and fail only where
///   [`descriptions`](ToolContractConfig::descriptions) says so; so with tools that are new and
///   [`more`](ToolContractConfig::more).
/// * [`Pass`](Verdict::Pass): none of that.
/// * [`Inconclusive`](Verdict::Inconclusive): a slot has no ready pod; or live, whose tools are the
///   measure, offers none or no list of them.
/// * An error of the kind [`Unavailable`](ErrorKind::Unavailable): a slot did not answer, or with a status
///   that is no success. An error of the kind [`Rejected`](ErrorKind::Rejected): the settings have
///   problems.
///
/// # How it goes about it
/// It speaks MCP over streamable HTTP with one ready pod of the slot: `initialize`,
/// `notifications/initialized`, then `tools/list` page by page, with the session that the server names,
/// which is ended afterwards. Where live does not know `initialize`, by the error -32601 or status 400,
/// 404, 405 or 501, the tools are listed without a session, as MCP has it from 2026-07-28 on; where
/// [`protocol`](ToolContractConfig::protocol) is of that date or a later one, no session is begun at all.
/// With pinned tools of an earlier one a session is wanted. The candidate is asked in the same way as live, because those who call its tools now go on to do so:
/// one that refuses `initialize` where live takes it does not pass, nor one that wants it where live does
/// without. No tool is called.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolContract {
    config: ToolContractConfig,
}

impl ToolContract {
    /// A contract from data.
    pub fn new(config: ToolContractConfig) -> Self {
        Self { config }
    }

    /// The tools as live offers them at `path`.
    pub fn as_live(path: impl Into<String>) -> Self {
        Self::new(ToolContractConfig::new(path))
    }

    /// A contract from a file, JSON or YAML, as its name ends. Reads the file with the blocking calls of
    /// the standard library.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        Self::from_text(&path.display().to_string(), &crate::config_error::text_of(path)?)
    }

    /// A contract from `text`, which is JSON or YAML as `name` ends; problems call it by that name.
    ///
    /// # Errors
    /// All problems of the text at once, each with name, line and column.
    pub fn from_text(name: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(name, text).map(Self::new)
    }

    /// The settings.
    pub fn config(&self) -> &ToolContractConfig {
        &self.config
    }

    /// Everything that is wrong with the settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        self.config.problems()
    }

    /// The digest of a tool by which it may be pinned: of its name and the schema of its arguments,
    /// whatever the order of keys. Other descriptions in the schema make another digest.
    pub fn digest_of(tool: &str, schema: &Value) -> Digest {
        Digest::of(["bluegreen tool 1", tool, &canonical(schema)])
    }

    /// The tools of a slot, and the way to them; none where it has no ready pod.
    async fn tools(
        &self,
        trial: &Trial,
        side: &Side,
        way: Way,
    ) -> Result<Option<Result<(Tools, Way), String>>> {
        let slot = side.state.color;
        let away = |why: String| {
            let action = format!("{}: list the tools of {slot}", self.config.name);
            Error::new(ErrorKind::Unavailable, action).with_source(why)
        };
        let asking = async {
            let mut pods =
                side.client.pods().await.map_err(|error| Trouble::Away(error.chain()))?;
            pods.sort();
            let Some(pod) = pods.into_iter().next() else { return Ok(None) };
            let session = Session::new(&self.config, side.client.as_ref(), pod);
            session.map_err(Trouble::Away)?.tools(way).await.map(Some)
        };
        let asked = tokio::select! {
            biased;
            asked = asking => asked,
            () = trial.clock.sleep(self.config.timeout) => {
                let limit = humantime::format_duration(self.config.timeout);
                Err(Trouble::Away(format!("no whole answer within {limit}")))
            }
        };
        match asked {
            Ok(tools) => Ok(tools.map(Ok)),
            Err(Trouble::Wrong(found) | Trouble::NoMethod(found) | Trouble::Error(found)) => {
                Ok(Some(Err(found)))
            }
            Err(Trouble::Away(why) | Trouble::Unknown(why)) => Err(away(why)),
        }
    }
}

impl From<ToolContractConfig> for ToolContract {
    fn from(config: ToolContractConfig) -> Self {
        Self::new(config)
    }
}

#[async_trait]
impl Validator for ToolContract {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn config_digest(&self) -> Digest {
        self.config.digest()
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(self.problems())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let problems = self.problems();
        if !problems.is_empty() {
            let error = Error::new(ErrorKind::Rejected, format!("prepare {}", self.config.name));
            return Err(error.with_source(ConfigError::new(&self.config.name, problems)));
        }
        let mask = session::mask(&self.config).map_err(|why| {
            let action = format!("prepare {}", self.config.name);
            Error::new(ErrorKind::Rejected, action).with_source(why)
        })?;
        let unknown = |why: String| Ok(Judgement::new(Verdict::Inconclusive, why));
        let pinned = self.config.tools.as_ref().map(verdict::pinned);
        let way = Way::of(&self.config);
        let (wanted, way) = match pinned {
            // Nobody shows then that those who call tools do without a session.
            Some(pinned) => (pinned, if way == Way::Either { Way::Session } else { way }),
            None => match self.tools(trial, &trial.live, way).await? {
                None => return unknown("live has no ready pod".to_owned()),
                Some(Err(found)) => {
                    let found = mask.beginning_of(found.as_bytes());
                    return unknown(format!("live offers no tools: {found}"));
                }
                Some(Ok((tools, _))) if tools.is_empty() => {
                    return unknown("live offers no tools, so there is nothing to keep".to_owned());
                }
                Some(Ok((tools, way))) => (verdict::as_live(&tools), way),
            },
        };
        match self.tools(trial, &trial.candidate, way).await? {
            None => unknown("the candidate has no ready pod".to_owned()),
            Some(found) => {
                let tools = found.map(|(tools, _)| tools);
                Ok(verdict::judge(&self.config, &wanted, tools, &mask))
            }
        }
    }
}
