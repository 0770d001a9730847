//! promptfoo's assertions that models and services grade.

use serde_json::{Map, Value};

use super::assertion::unsupported;
use super::form::{Assert, Test};
use super::values::{text_of, texts_of};
use crate::prompt::suite::{
    AnswerRelevance, Assertion, Check, ContextCheck, ContextRecall, Criteria, FactScores,
    Factuality, Likeness, Pairwise, Rubric, Webhook,
};

/// What a test says about how it is graded.
#[derive(Clone, Debug, Default)]
pub(super) struct Grading {
    provider: Option<Value>,
    words: Option<Value>,
    facts: Option<Value>,
}

impl Grading {
    pub(super) fn of(test: &Test) -> Self {
        let option = |name: &str| test.option(name).cloned();
        Self {
            provider: option("provider"),
            words: option("rubricPrompt"),
            facts: option("factuality"),
        }
    }
}

/// Types that are graded here.
pub(super) const GRADED: [&str; 13] = [
    "answer-relevance",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "factuality",
    "g-eval",
    "llm-rubric",
    "model-graded-closedqa",
    "model-graded-factuality",
    "select-best",
    "similar",
    "similar:cosine",
    "webhook",
];

type Wrong = (String, String);

/// Reads an assertion that is graded. What it says about the grading is followed, or makes it one
/// that can't be looked at here.
pub(super) fn read(
    kind: &str,
    value: &Value,
    assert: &Assert,
    grading: &Grading,
) -> Result<Assertion, Wrong> {
    let wrong = |wanted: &str| (format!("{kind}: {value}"), wanted.to_owned());
    let text = || text_of(value).ok_or_else(|| wrong("a text that is not empty"));
    let texts = || match value {
        Value::Array(_) => texts_of(value).ok_or_else(|| wrong("a list of texts")),
        _ => Ok(vec![text()?]),
    };
    let unfollowed = [
        ("config", assert.config.as_ref()),
        ("contextTransform", assert.context_transform.as_ref()),
    ];
    if let Some((name, value)) = unfollowed.into_iter().find(|(_, it)| it.is_some()) {
        return Ok(unsupported(&format!("{kind} with {name}"), value));
    }
    if kind == "webhook" {
        if assert.threshold.is_some() {
            let wanted = "none: the service says whether it passes";
            return Err(("`threshold` of webhook".to_owned(), wanted.to_owned()));
        }
        let unfollowed = [
            ("provider", assert.provider.as_ref()),
            ("rubricPrompt", assert.rubric_prompt.as_ref()),
        ];
        if let Some((name, value)) = unfollowed.into_iter().find(|(_, it)| it.is_some()) {
            return Ok(unsupported(&format!("webhook with {name}"), value));
        }
        return Ok(Check::Webhook(Webhook::new(text()?)).into());
    }
    let provider = assert.provider.as_ref().or(grading.provider.as_ref());
    if kind.starts_with("similar") {
        // Its provider makes the vectors, and which one does that the suite says.
        if let Some(provider) = assert.provider.as_ref() {
            return Ok(unsupported("similar with a provider of its own", Some(provider)));
        }
        let at_least = assert.threshold.unwrap_or(0.75);
        return Ok(Check::Similar(Likeness { to: texts()?, at_least }).into());
    }
    if let Some(words) = assert.rubric_prompt.as_ref().or(grading.words.as_ref()) {
        return Ok(unsupported(&format!("{kind} with rubricPrompt"), Some(words)));
    }
    let judges = match provider.map(|it| (it, named(it))) {
        None => Vec::new(),
        Some((_, Some(name))) => vec![name],
        Some((provider, None)) => {
            let what = format!("{kind} with a provider that is more than a name");
            return Ok(unsupported(&what, Some(provider)));
        }
    };
    let threshold = assert.threshold;
    // There some versions take what is not said for 0, by which nothing fails, and others for 0.5.
    let least = || {
        let wanted = "`threshold`, more than 0 and at most 1: the share that will do";
        threshold.ok_or_else(|| (format!("{kind} without `threshold`"), wanted.to_owned()))
    };
    let in_context = || {
        Ok::<_, Wrong>(ContextCheck {
            query: None,
            context: None,
            threshold: least()?,
            judges: judges.clone(),
        })
    };
    let check = match kind {
        "answer-relevance" => {
            let threshold = threshold.unwrap_or(0.7);
            Check::AnswerRelevance(AnswerRelevance { query: None, threshold, judges })
        }
        "context-faithfulness" => Check::ContextFaithfulness(in_context()?),
        "context-relevance" => Check::ContextRelevance(in_context()?),
        "context-recall" => {
            let (expected, threshold) = (text()?, least()?);
            Check::ContextRecall(ContextRecall { expected, context: None, threshold, judges })
        }
        "llm-rubric" => Check::LlmRubric(Rubric { rubric: text()?, threshold, judges }),
        "g-eval" => {
            let threshold = threshold.unwrap_or(0.7);
            Check::GEval(Criteria { criteria: texts()?, threshold, judges })
        }
        _ if threshold.is_some() => {
            let found = format!("`threshold` of {kind}");
            return Err((found, "none: it is yes or no".to_owned()));
        }
        // Of the answers of several providers it wants the best; here there are those of two slots.
        "select-best" => Check::Pairwise(Pairwise { criteria: text()?, judges }),
        "model-graded-closedqa" => {
            Check::ClosedQa(Rubric { rubric: text()?, threshold: None, judges })
        }
        _ => {
            let scores = scores(grading.facts.as_ref())?;
            Check::Factuality(Factuality { expected: text()?, scores, judges })
        }
    };
    Ok(check.into())
}

/// The name by which a provider is meant, if it is no more than that.
fn named(provider: &Value) -> Option<String> {
    match provider {
        Value::String(name) => Some(name.clone()),
        Value::Object(entries) if entries.len() == 1 => {
            entries.get("id").and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    }
}

/// What the five relations of facts are worth.
fn scores(value: Option<&Value>) -> Result<FactScores, Wrong> {
    let Some(value) = value else { return Ok(FactScores::default()) };
    let own = value.as_object().map(|entries| {
        let renamed = entries.iter().map(|(name, it)| {
            let name = if name == "differButFactual" { "differ" } else { name.as_str() };
            (name.to_owned(), it.clone())
        });
        Value::Object(renamed.collect::<Map<_, _>>())
    });
    let own = own.and_then(|own| serde_json::from_value(own).ok());
    own.ok_or_else(|| {
        let wanted = "scores of subset, superset, agree, disagree and differButFactual";
        (format!("factuality: {value}"), wanted.to_owned())
    })
}
