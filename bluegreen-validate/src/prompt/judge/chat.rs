//! A model behind chat completions that grades.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::endpoint::{Endpoint, Purse, Stop};
use super::{Connector, Grade, Judge, LONGEST, List, Place, Task, verdict, words};
use crate::prompt::suite::{JudgeModel, OpenAiAgent, Suite};
use crate::prompt::template::Scope;

/// In what words servers speak of the schema that they do not take, `_` and `-` read as blanks.
const SCHEMA_WORDS: [&str; 5] =
    ["response format", "responseformat", "schema", "structured output", "json object"];

/// A model behind chat completions.
pub(super) struct Chat {
    model: JudgeModel,
    endpoint: Endpoint,
    /// Whether it has refused to be told a schema.
    is_plain: AtomicBool,
}

impl Chat {
    pub(super) fn new(
        suite: &Suite,
        model: &JudgeModel,
        connector: &Connector,
    ) -> Result<Self, String> {
        let place = Place::parse(&model.url, "/chat/completions")?;
        let mut agent = OpenAiAgent::new(model.model.as_str());
        agent.path.clone_from(&place.path);
        agent.headers.clone_from(&model.headers);
        agent.parameters = parameters(suite, model);
        let name = format!("judge {}", model.name());
        let endpoint = Endpoint::new(name, suite, agent, &place, connector)?;
        let endpoint = endpoint.priced(model.prices);
        Ok(Self { model: model.clone(), endpoint, is_plain: AtomicBool::new(false) })
    }

    async fn asked(
        &self,
        task: &Task<'_>,
        secret: &str,
        purse: &Purse<'_>,
    ) -> Result<String, Stop> {
        let length: usize = task.texts().map(str::len).sum();
        if length > LONGEST {
            let why = format!("{length} bytes to grade, at most {LONGEST} are shown to it");
            return Err(self.endpoint.untold(&why));
        }
        let messages = words::messages(task, secret);
        let request = self.endpoint.request(&Scope::new(), &messages)?;
        let own = self.model.parameters.contains_key("response_format");
        if own || self.is_plain.load(Ordering::Relaxed) {
            return self.text(request, purse).await;
        }
        let mut with_schema = request.clone();
        if let Ok(Value::Object(mut body)) = serde_json::from_slice(request.body()) {
            body.insert("response_format".to_owned(), task.kind.schema());
            *with_schema.body_mut() = Value::Object(body).to_string().into();
        }
        match self.text(with_schema, purse).await {
            // Many servers know no schemas, and say so in words of their own.
            Err(Stop::Untold(why)) if self.is_refused(&why) => {
                let text = self.text(request, purse).await?;
                self.is_plain.store(true, Ordering::Relaxed);
                Ok(text)
            }
            other => other,
        }
    }

    /// Whether the server says by its status that it does not take such a request, and in the body
    /// that it is for the schema. A request that is refused for anything else (a model that is
    /// unknown, a text that is too long) would be refused without it, too, and be paid for twice.
    fn is_refused(&self, why: &str) -> bool {
        let said = why.strip_prefix(self.endpoint.name()).unwrap_or_default();
        let by_status =
            ["400", "422"].iter().any(|status| said.starts_with(&format!(": status {status} ")));
        let said = said.to_lowercase().replace(['_', '-'], " ");
        by_status && SCHEMA_WORDS.iter().any(|words| said.contains(words))
    }

    async fn text(
        &self,
        request: http::Request<bytes::Bytes>,
        purse: &Purse<'_>,
    ) -> Result<String, Stop> {
        let answer = self.endpoint.ask(request, purse).await?;
        if answer.refusal.is_some() {
            return Err(self.endpoint.untold("it refuses to grade this"));
        }
        if answer.finish_reason.as_deref().is_some_and(|it| it != "stop") {
            let reason = answer.finish_reason.unwrap_or_default();
            return Err(self.endpoint.untold(&format!("its verdict ended for `{reason}`")));
        }
        Ok(answer.text)
    }
}

#[async_trait]
impl Judge for Chat {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn is_called(&self, name: &str) -> bool {
        self.model.is_called(name)
    }

    async fn grade(&self, task: &Task<'_>, secret: &str, purse: &Purse<'_>) -> Result<Grade, Stop> {
        let text = self.asked(task, secret, purse).await?;
        verdict::read(&task.kind, &text).map_err(|why| self.endpoint.untold(&why))
    }

    async fn list(&self, task: &Task<'_>, secret: &str, purse: &Purse<'_>) -> Result<List, Stop> {
        let text = self.asked(task, secret, purse).await?;
        verdict::list(&task.kind, &text).map_err(|why| self.endpoint.untold(&why))
    }
}

/// What is sent besides messages: as far as it goes the same each time.
fn parameters(suite: &Suite, model: &JudgeModel) -> Map<String, Value> {
    let mut parameters = Map::new();
    parameters.insert("temperature".to_owned(), 0.into());
    parameters.insert("seed".to_owned(), suite.rules.seed.into());
    parameters.extend(model.parameters.clone());
    parameters.retain(|_, value| !value.is_null());
    parameters
}
