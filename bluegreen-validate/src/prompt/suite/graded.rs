//! What is graded by a model or a service, and how well it must do.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::text;
use crate::HeaderText;

/// An answer is graded by what is written here, in whole sentences.
///
/// In a file it may be the text alone: `llm-rubric: Is polite, and names a date.`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rubric {
    /// What the answer must be like.
    pub rubric: String,
    /// The smallest score from 0 to 1 that will do. The judge must let it pass besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

/// An answer is compared with what is known to be right.
///
/// In a file it may be the text alone: `factuality: It takes 14 days.`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Factuality {
    /// What is known to be right.
    pub expected: String,
    /// What each relation of an answer to it is worth.
    #[serde(default)]
    pub scores: FactScores,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

/// What a relation of an answer's facts to the right ones is worth, from 0 to 1. One that is worth
/// nothing does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FactScores {
    /// A: some of the right facts, and no others.
    pub subset: f64,
    /// B: all the right facts, and others that do not contradict them.
    pub superset: f64,
    /// C: the same facts.
    pub agree: f64,
    /// D: one that contradicts the right ones.
    pub disagree: f64,
    /// E: others, none of which matters for whether it is right.
    pub differ: f64,
}

impl Default for FactScores {
    fn default() -> Self {
        Self { subset: 1.0, superset: 1.0, agree: 1.0, disagree: 0.0, differ: 1.0 }
    }
}

impl FactScores {
    pub(crate) fn all(&self) -> [f64; 5] {
        [self.subset, self.superset, self.agree, self.disagree, self.differ]
    }
}

/// Criteria that are graded one by one; the mean of the scores counts.
///
/// In a file it may be a text or a list: `g-eval: [Is coherent., Is to the point.]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Criteria {
    /// The criteria.
    #[serde(deserialize_with = "text::one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text_or_texts"))]
    pub criteria: Vec<String>,
    /// The smallest mean from 0 to 1 that will do; 0.7 unless told otherwise.
    #[serde(default = "most")]
    pub threshold: f64,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

/// Live's answer and the candidate's are shown to a judge side by side, and it says which is better.
///
/// In a file it may be the text alone: `pairwise: Answers the question, and promises nothing.`
///
/// The judge knows them as A and B, sees both in either order, and is not told which slot an answer
/// is of. Only what it says in both orders is a preference; everything else is a tie. Where live is
/// preferred, the candidate does not hold; where the candidate is, live does not, so that what is
/// mere chance falls on both sides alike. On a tie both hold, as they do, without a judge, where
/// both say the same. An answer that does not hold by the other assertions of its case can't win.
///
/// It stands by itself: neither in a set nor under `not-`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pairwise {
    /// What makes an answer the better one.
    pub criteria: String,
    /// The judges that are asked; all of the suite unless told otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
}

/// A service that grades: it gets `{"output": …, "context": {"prompt": …, "vars": …}}` by `POST`,
/// and answers `{"pass": true, "score": 0.9, "reason": "…"}`, of which `score` and `reason` may be
/// left out.
///
/// In a file it may be the address alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Webhook {
    /// The whole address. It is no template: a case must not choose who is sent its answer.
    pub url: String,
    /// Headers to send, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::headers"))]
    pub headers: BTreeMap<String, HeaderText>,
}

/// A [`Grader`](crate::prompt::Grader) of one's own lets an answer pass.
///
/// In a file it may be the name alone: `grader: whole-parcels`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GraderCheck {
    /// The name of the grader. It is no template.
    pub name: String,
    /// What it is told besides the case and the answer. Strings in it are templates; one that is one
    /// `{{ … }}` and nothing else becomes the value itself.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// The smallest score from 0 to 1 that will do. The grader must let it pass besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl Rubric {
    /// What the answer must be like.
    pub fn new(rubric: impl Into<String>) -> Self {
        Self { rubric: rubric.into(), threshold: None, judges: Vec::new() }
    }
}

impl Factuality {
    /// What is known to be right.
    pub fn new(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), scores: FactScores::default(), judges: Vec::new() }
    }
}

impl Pairwise {
    /// What makes an answer the better one.
    pub fn new(criteria: impl Into<String>) -> Self {
        Self { criteria: criteria.into(), judges: Vec::new() }
    }
}

impl Criteria {
    /// These criteria.
    pub fn new(criteria: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let criteria = criteria.into_iter().map(Into::into).collect();
        Self { criteria, threshold: most(), judges: Vec::new() }
    }
}

impl GraderCheck {
    /// The grader of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: Value::Null, threshold: None }
    }
}

impl Webhook {
    /// The service at this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: BTreeMap::new() }
    }
}

fn most() -> f64 {
    0.7
}

/// What may be written as a text alone, or a list of them.
pub(super) trait Short: Sized {
    /// What is wanted instead of what can't be read.
    const WANTED: &'static str;

    fn short(texts: Vec<String>) -> Option<Self>;
}

fn only(mut texts: Vec<String>) -> Option<String> {
    let text = texts.pop()?;
    texts.is_empty().then_some(text)
}

impl Short for Rubric {
    const WANTED: &'static str = "a text, or a map with `rubric`";

    fn short(texts: Vec<String>) -> Option<Self> {
        only(texts).map(Self::new)
    }
}

impl Short for Factuality {
    const WANTED: &'static str = "a text, or a map with `expected`";

    fn short(texts: Vec<String>) -> Option<Self> {
        only(texts).map(Self::new)
    }
}

impl Short for Pairwise {
    const WANTED: &'static str = "a text, or a map with `criteria`";

    fn short(texts: Vec<String>) -> Option<Self> {
        only(texts).map(Self::new)
    }
}

impl Short for Criteria {
    const WANTED: &'static str = "a text, a list of texts, or a map with `criteria`";

    fn short(texts: Vec<String>) -> Option<Self> {
        Some(Self::new(texts))
    }
}

impl Short for Webhook {
    const WANTED: &'static str = "an address, or a map with `url`";

    fn short(texts: Vec<String>) -> Option<Self> {
        only(texts).map(Self::new)
    }
}

impl Short for GraderCheck {
    const WANTED: &'static str = "the name of a grader, or a map with `name`";

    fn short(texts: Vec<String>) -> Option<Self> {
        only(texts).map(Self::new)
    }
}

/// Reads one in its short form or as a map.
pub(super) fn read<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Short + Deserialize<'de>,
{
    struct Visitor<T>(PhantomData<T>);
    impl<'de, T: Short + Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::WANTED)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            T::short(vec![text.to_owned()]).ok_or_else(|| E::custom(T::WANTED))
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
            let texts = text::list(SeqAccessDeserializer::new(list))?;
            T::short(texts).ok_or_else(|| de::Error::invalid_type(de::Unexpected::Seq, &self))
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_any(Visitor(PhantomData))
}
