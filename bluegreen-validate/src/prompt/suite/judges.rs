//! Who grades answers, and how they are reached.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Check, Prices, Suite};
use crate::HeaderText;

/// A model that grades answers, behind chat completions as OpenAI has them, and many others.
///
/// ```yaml
/// judges:
///   - url: https://models.example/v1
///     model: grader-2
///     headers: { authorization: { env: JUDGE_AUTHORIZATION } }
/// ```
///
/// It is asked with temperature 0, the seed of the suite's rules, and for JSON of a schema. Where it
/// refuses that and says that it is for the schema, it is asked once more without; both calls count. Of several judges each grades every answer, and more than half
/// of all of them must agree: otherwise it can't be told how good the answer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JudgeModel {
    /// What assertions and reports call it; the model's name unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is, up to what stands before `/chat/completions`: `https://models.example/v1`.
    pub url: String,
    /// The name of the model, as the server wants it.
    pub model: String,
    /// Headers to send, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::headers"))]
    pub headers: BTreeMap<String, HeaderText>,
    /// More fields of the request. `null` leaves one out that is sent otherwise: some models take no
    /// `temperature`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// What its tokens cost; what the suite says unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

impl JudgeModel {
    /// A model at this address, which ends before `/chat/completions`.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            name: None,
            url: url.into(),
            model: model.into(),
            headers: BTreeMap::new(),
            parameters: Map::new(),
            prices: None,
        }
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<HeaderText>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// What assertions and reports call it.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model)
    }

    /// Whether an assertion that names a judge means this one. promptfoo's files write the protocol
    /// before the model.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let model = ["openai:chat:", "openai:"].iter().find_map(|it| name.strip_prefix(it));
        name == self.name() || model == Some(self.model.as_str())
    }
}

/// A model that makes vectors of texts, for the checks `similar` and `answer-relevance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EmbeddingModel {
    /// Where it is, up to what stands before `/embeddings`: `https://models.example/v1`.
    pub url: String,
    /// The name of the model, as the server wants it.
    pub model: String,
    /// Headers to send, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::headers"))]
    pub headers: BTreeMap<String, HeaderText>,
    /// What its tokens cost; what the suite says unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

impl EmbeddingModel {
    /// A model at this address, which ends before `/embeddings`.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self { url: url.into(), model: model.into(), headers: BTreeMap::new(), prices: None }
    }
}

impl Suite {
    /// What is to be added so that a check can be graded, if it can't.
    pub(crate) fn ungraded(&self, check: &Check) -> Option<String> {
        if let Check::Similar(_) = check {
            let none = self.embeddings.is_none();
            return none.then(|| "add `embeddings: { url, model }` to the suite".to_owned());
        }
        if let Check::Grader(it) = check {
            let mend =
                format!("bring a grader called `{}` with `PromptRegression::grading`", it.name);
            return (!self.graders.has(&it.name)).then_some(mend);
        }
        let named = check.judges()?;
        if self.judges.is_empty() {
            return Some("add `judges: [{ url, model }]` to the suite".to_owned());
        }
        if let (Check::AnswerRelevance(_), None) = (check, &self.embeddings) {
            return Some("add `embeddings: { url, model }` to the suite".to_owned());
        }
        let unknown = named.iter().find(|name| !self.judges.iter().any(|it| it.is_called(name)));
        unknown.map(|name| format!("add a judge called `{name}` to the suite's `judges`"))
    }
}
