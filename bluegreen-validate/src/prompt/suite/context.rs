//! What an answer was made from, and how the two go together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer answers what was asked. A judge says for which three questions it would be the answer, and
/// the mean of the cosines between the vectors of these and of the real one is the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AnswerRelevance {
    /// The question; without it the variable `query`, and without that what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The smallest score, more than 0 and at most 1, that will do; 0.7 unless told otherwise.
    pub threshold: f64,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

impl Default for AnswerRelevance {
    fn default() -> Self {
        Self { query: None, threshold: 0.7, judges: Vec::new() }
    }
}

/// The context has what the right answer needs: the score is the share of the sentences of `expected` that
/// a judge finds in it. The answer itself is not looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContextRecall {
    /// What is known to be right.
    pub expected: String,
    /// The context, a text or a list of texts; without it the variable `context`, and without that what
    /// was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// The smallest score, more than 0 and at most 1, that will do. There is no default: what is enough
    /// only the suite knows, and with none it could not fail.
    pub threshold: f64,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

impl ContextRecall {
    /// The context has so much of this.
    pub fn new(expected: impl Into<String>, threshold: f64) -> Self {
        Self { expected: expected.into(), context: None, threshold, judges: Vec::new() }
    }
}

/// What is wanted of a question, a context and an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContextCheck {
    /// The question; without it the variable `query`, and without that what was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The context, a text or a list of texts; without it the variable `context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// The smallest score, more than 0 and at most 1, that will do. There is no default: what is enough
    /// only the suite knows, and with none it could not fail.
    pub threshold: f64,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

impl ContextCheck {
    /// With the variables `query` and `context`.
    pub fn new(threshold: f64) -> Self {
        Self { query: None, context: None, threshold, judges: Vec::new() }
    }
}

/// What an answer was made from: one text, or pieces that were found one by one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Context {
    Text(String),
    Pieces(Vec<String>),
}

impl Context {
    /// The context of an assertion: its own, or the variable of that name. None where there is neither.
    pub(crate) fn of(
        own: Option<&Value>,
        vars: &BTreeMap<String, Value>,
    ) -> Result<Option<Self>, String> {
        let Some(value) = own.or_else(|| vars.get("context")) else { return Ok(None) };
        let context = match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => {
                let texts = items.iter().map(|it| it.as_str().map(str::to_owned));
                let texts: Option<Vec<String>> = texts.collect();
                Self::Pieces(texts.ok_or_else(|| format!("the context {value}"))?)
            }
            other => return Err(format!("the context {other}")),
        };
        if context.units().is_empty() {
            return Err("an empty context".to_owned());
        }
        Ok(Some(context))
    }

    /// The parts that it is counted by: pieces as they were found; of a text lines, or sentences.
    pub(crate) fn units(&self) -> Vec<String> {
        match self {
            Self::Text(text) => sentences(text),
            Self::Pieces(pieces) => {
                let pieces = pieces.iter().map(|it| it.trim()).filter(|it| !it.is_empty());
                pieces.map(str::to_owned).collect()
            }
        }
    }

    /// All of it as one text.
    pub(crate) fn whole(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Pieces(pieces) => pieces.join("\n\n"),
        }
    }
}

/// The question: that of an assertion, or the variable `query`. None where there is neither.
pub(crate) fn query_of<'a>(
    own: Option<&'a String>,
    vars: &'a BTreeMap<String, Value>,
) -> Option<&'a str> {
    own.map(String::as_str).or_else(|| vars.get("query").and_then(Value::as_str))
}

/// The lines of a text of several, else its sentences. It is no grammar: a sentence ends where `.`, `!` or
/// `?` is before a blank, also after an abbreviation. Numbers of lists are none.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.trim().is_empty()).collect();
    let parts = if lines.len() > 1 { lines } else { cut(text) };
    let parts = parts.into_iter().map(str::trim);
    parts.filter(|it| !it.is_empty() && !is_number(it)).map(str::to_owned).collect()
}

fn cut(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut ends) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        if character.is_whitespace() && ends {
            parts.push(&text[from..at]);
            from = at;
        }
        ends = matches!(character, '.' | '!' | '?');
    }
    parts.push(&text[from..]);
    parts
}

/// `1.` or `2)`, by itself.
fn is_number(part: &str) -> bool {
    let digits = part.strip_suffix(['.', ')']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_cut_into_lines_or_sentences() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("  \n ", &[]),
            (
                "Paris is in France. Rome is not!  Is Bonn?",
                &["Paris is in France.", "Rome is not!", "Is Bonn?"],
            ),
            ("It costs 3.14 euros at a.b.c", &["It costs 3.14 euros at a.b.c"]),
            ("One. Two.\nThree. Four.\n\n", &["One. Two.", "Three. Four."]),
            ("One. Two.\n", &["One.", "Two."]),
            ("1. Paris. 2) Rome. 3. Bonn", &["Paris.", "2) Rome.", "Bonn"]),
            ("Wait... what?! Yes", &["Wait...", "what?!", "Yes"]),
        ];
        for (text, wanted) in cases {
            assert_eq!(sentences(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_context_is_a_text_or_pieces_and_is_not_empty() {
        let none = BTreeMap::new();
        assert_eq!(Context::of(None, &none), Ok(None));
        let pieces = json!(["One. Two.", " ", "Three."]);
        let context = Context::of(Some(&pieces), &none).unwrap().unwrap();
        assert_eq!(context.units(), ["One. Two.", "Three."]);
        let vars = BTreeMap::from([("context".to_owned(), json!("One. Two."))]);
        let context = Context::of(None, &vars).unwrap().unwrap();
        assert_eq!((context.units().len(), context.whole().as_str()), (2, "One. Two."));
        for wrong in [json!(7), json!([]), json!(""), json!([" "]), json!(["a", 1]), json!({})] {
            assert!(Context::of(Some(&wrong), &none).is_err(), "{wrong}");
        }
    }
}
