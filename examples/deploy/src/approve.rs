//! Who is asked for an approval, beside whoever says `approve`.

use std::path::PathBuf;
use std::sync::Arc;

use bluegreen_core::{Approver, Progress, Reporter as _, Sensitive};
use bluegreen_kube::{AnnotationApprover, Cluster};
use bluegreen_validate::notify::{NotifyConfig, WebhookApprover};
use clap::Args;

use crate::https::HttpsClient;
use crate::notify::{self, sensitive};
use crate::{Failure, client, show};

/// Who may say yes or no to a release with `--approval`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Asked {
    /// Takes an annotation of the live Service for an answer: `bluegreen.dev/approve=DIGEST`, or
    /// `bluegreen.dev/deny=DIGEST:REASON`.
    #[arg(long = "approve-by-annotation", global = true, conflicts_with = "approve_at")]
    pub(crate) by_annotation: bool,
    /// Asks at a URL, http or https, which answers by a signed decision. Better by the variable, since
    /// others see command lines.
    #[arg(long = "approve-at", global = true, value_name = "URL", env = "BLUEGREEN_APPROVE_AT")]
    #[arg(hide_env_values = true, value_parser = sensitive())]
    pub(crate) approve_at: Option<Sensitive>,
    /// A file with the key that question and answer are signed with: `whsec_` and base64 of 24 to 64 bytes.
    #[arg(long = "approve-key-file", global = true, value_name = "FILE")]
    pub(crate) approve_keys: Vec<PathBuf>,
}

impl Asked {
    /// Who is asked, if anybody.
    pub(crate) async fn approver(
        &self,
        cluster: &Cluster,
    ) -> Result<Option<Arc<dyn Approver>>, Failure> {
        if self.by_annotation {
            let screen = show::Screen::new();
            let approver = AnnotationApprover::new(client::connect().await?, cluster.settings())
                .report(move |progress: &Progress| screen.report(progress));
            return Ok(Some(Arc::new(approver)));
        }
        let Some(config) = self.config()? else { return Ok(None) };
        let (url, ports) = (config.url.reveal().unwrap_or_default(), cluster.ports());
        let approver = if url.starts_with("https://") {
            let client = HttpsClient::new(url)?;
            WebhookApprover::through(Arc::new(client), config, &ports)
        } else {
            WebhookApprover::new(config, &ports)
        };
        let approver = approver.map_err(|error| Failure::Error(error.to_string()))?;
        Ok(Some(Arc::new(approver)))
    }

    fn config(&self) -> Result<Option<NotifyConfig>, Failure> {
        let Some(url) = self.approve_at.as_ref().and_then(Sensitive::reveal) else {
            if self.approve_keys.is_empty() {
                return Ok(None);
            }
            let text = "--approve-key-file: found no --approve-at, wanted somebody to ask";
            return Err(Failure::Error(text.to_owned()));
        };
        let config = NotifyConfig::cloud_events(url);
        notify::signed(config, "--approve-key-file", &self.approve_keys).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn parsed(arguments: &[&str]) -> Result<Asked, clap::Error> {
        let all = ["deploy", "resume"].iter().chain(arguments);
        Cli::try_parse_from(all).map(|cli| cli.approve)
    }

    #[test]
    fn nobody_is_asked_unless_somebody_is_named_and_only_one() {
        let nobody = parsed(&[]).unwrap();
        assert!(!nobody.by_annotation && nobody.config().unwrap().is_none());
        assert!(parsed(&["--approve-by-annotation"]).unwrap().by_annotation);
        let both = parsed(&["--approve-by-annotation", "--approve-at", "http://hooks/in"]);
        assert!(both.unwrap_err().to_string().contains("cannot be used with"));
        let alone = parsed(&["--approve-key-file", "key"]).unwrap().config();
        assert!(matches!(alone, Err(Failure::Error(text)) if text.contains("no --approve-at")));
        let given = parsed(&["--approve-at", "http://hooks/token-4711"]).unwrap();
        assert!(!format!("{given:?} {:?}", given.config().unwrap()).contains("4711"));
    }
}
