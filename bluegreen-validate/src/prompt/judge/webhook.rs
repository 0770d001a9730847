//! Services of one's own that grade.

use serde_json::{Value, json};

use super::endpoint::{Endpoint, Purse, Stop};
use super::{About, Connector, Grade, Place, verdict};
use crate::prompt::suite::{HttpAgent, Suite, Webhook};
use crate::prompt::template::Scope;

/// A service of one's own.
pub(super) struct Hook(Endpoint);

/// What makes a service another one.
pub(super) fn key(hook: &Webhook) -> String {
    // It has text keys only, so this does not fail.
    serde_json::to_string(hook).unwrap_or_default()
}

impl Hook {
    pub(super) fn new(
        suite: &Suite,
        hook: &Webhook,
        connector: &Connector,
    ) -> Result<Self, String> {
        let place = Place::parse(&hook.url, "")?;
        let body = json!({
            "output": "{{ output }}",
            "context": {"prompt": "{{ question }}", "vars": "{{ vars }}"},
        });
        let mut agent = HttpAgent::post(place.path.as_str(), body, "text");
        agent.headers.clone_from(&hook.headers);
        let name = format!("webhook at {}", place.origin);
        Ok(Self(Endpoint::new(name, suite, agent, &place, connector)?.free()))
    }

    pub(super) async fn grade(&self, about: &About<'_>, purse: &Purse<'_>) -> Result<Grade, Stop> {
        let vars: Value = about.vars.iter().map(|(name, it)| (name.clone(), it.clone())).collect();
        let scope = Scope::from([
            ("output".to_owned(), Value::from(about.answer)),
            ("question".to_owned(), Value::from(about.question)),
            ("vars".to_owned(), vars),
        ]);
        let answer = self.0.ask(self.0.request(&scope, &[])?, purse).await?;
        verdict::of_service(&answer.text).map_err(|why| self.0.untold(&why))
    }
}
