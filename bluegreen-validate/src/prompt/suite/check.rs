//! What can be looked at in an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::clock::duration_text;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{AnswerRelevance, ContextCheck, ContextRecall};
use super::graded::{self, Criteria, Factuality, GraderCheck, Pairwise, Rubric, Webhook};
use super::text;
use super::{
    AssertSet, Distance, Likeness, Limits, TokenLimits, ToolCount, ToolNames, Trajectory,
    Unsupported,
};

/// What is looked at in an answer. In files the names are in kebab case, `contains-any`, as
/// promptfoo has them; what it has not is named in the same way.
///
/// Texts in it are templates that know the variables of the case. What can't be told, because the
/// answer has no tokens in it, say, is an error of the run, and neither held nor not, also under
/// `not-`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Check {
    /// The answer is this text; or, of a list or map, JSON that is equal to it.
    Equals(Value),
    /// It has this text in it.
    Contains(
        #[serde(deserialize_with = "text::one")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text"))]
        String,
    ),
    /// The same, whatever the case of letters.
    Icontains(
        #[serde(deserialize_with = "text::one")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text"))]
        String,
    ),
    /// It has one of these texts in it.
    ContainsAny(
        #[serde(deserialize_with = "text::list")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::texts"))]
        Vec<String>,
    ),
    /// It has all of these texts in it.
    ContainsAll(
        #[serde(deserialize_with = "text::list")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::texts"))]
        Vec<String>,
    ),
    /// It has one of these texts in it, whatever the case of letters.
    IcontainsAny(
        #[serde(deserialize_with = "text::list")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::texts"))]
        Vec<String>,
    ),
    /// It has all of these texts in it, whatever the case of letters.
    IcontainsAll(
        #[serde(deserialize_with = "text::list")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::texts"))]
        Vec<String>,
    ),
    /// It begins with this text.
    StartsWith(
        #[serde(deserialize_with = "text::one")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text"))]
        String,
    ),
    /// It ends with this text.
    EndsWith(
        #[serde(deserialize_with = "text::one")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text"))]
        String,
    ),
    /// It has a match of this regular expression in it: ECMAScript's without flags, unanchored.
    /// With look-around or backreferences, or `\b` where there are letters other than ASCII, it
    /// can't be told of answers of more than 32 KiB. Half of a letter beyond U+FFFF (`\ud83d`) is
    /// refused, because texts here have whole letters only.
    Regex(String),
    /// It is JSON, and as this JSON Schema wants it if there is one.
    /// With look-around or backreferences in its patterns, it can't be told of an answer with more
    /// than 32 KiB of texts in it.
    IsJson(
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::some_schema")
        )]
        Option<Value>,
    ),
    /// It has a JSON object in it that is as this JSON Schema wants it, if there is one.
    ContainsJson(
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::some_schema")
        )]
        Option<Value>,
    ),
    /// It is JSON with these values at these JSON pointers.
    Json(BTreeMap<String, Value>),
    /// It is JSON with something at each of these JSON pointers.
    JsonPresent(Vec<String>),
    /// So many characters.
    Length(Limits),
    /// So many words, which are what blanks are between.
    WordCount(Limits),
    /// At most so many single-character edits away from this text.
    Levenshtein(Distance),
    /// The words that it shares with this text, as ROUGE-1 counts them (F1).
    RougeN(Likeness),
    /// BLEU-4 with the brevity penalty.
    Bleu(Likeness),
    /// Google's BLEU: the smaller of precision and recall of runs of 1 to 4 words.
    Gleu(Likeness),
    /// The words that it shares with this text, without articles and punctuation, as `SQuAD` counts
    /// them (F1).
    SimilarWords(Likeness),
    /// It was complete after this time.
    Latency(
        #[serde(with = "duration_text")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::duration"))]
        Duration,
    ),
    /// Its first token came within this time. Needs an agent that streams.
    FirstToken(
        #[serde(with = "duration_text")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::duration"))]
        Duration,
    ),
    /// So many tokens. Needs an agent that tells them.
    Tokens(TokenLimits),
    /// It cost at most this much, by the suite's prices.
    Cost(f64),
    /// It ended for this reason, whatever the case of letters: `stop`, `length`, `tool_calls`.
    FinishReason(String),
    /// It is a refusal: said to be one by the agent, empty, or worded like one.
    IsRefusal,
    /// Tools were called like this.
    ToolCalls(Trajectory),
    /// Tools were called so often.
    ToolCount(ToolCount),
    /// The names of the tools that were called are these, by F1 of the two sets.
    ToolCallF1(ToolNames),
    /// Tools were called, each one that the request offers, with arguments as its schema wants
    /// them. Needs chat completions with `tools` among the parameters, or the Responses API with
    /// `tools`.
    IsValidOpenaiToolsCall,
    /// A judge finds it to be like this. Needs `judges`, as do the four that follow.
    LlmRubric(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short::<Rubric>")
        )]
        Rubric,
    ),
    /// Its facts do not contradict these, a judge finds.
    Factuality(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short::<Factuality>")
        )]
        Factuality,
    ),
    /// It meets this criterion, a judge finds, which says yes or no and gives no score.
    #[serde(rename = "model-graded-closedqa")]
    ClosedQa(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short::<Rubric>")
        )]
        Rubric,
    ),
    /// A judge gives it so many points by these criteria.
    GEval(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short_or_list::<Criteria>")
        )]
        Criteria,
    ),
    /// It is not worse than the other slot's answer to the same question, a judge finds.
    Pairwise(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short::<Pairwise>")
        )]
        Pairwise,
    ),
    /// It answers the question: those that it would answer are near to it. Needs `judges` and
    /// `embeddings`.
    AnswerRelevance(AnswerRelevance),
    /// The context has what the right answer needs. Needs `judges`, as do the two that follow.
    ContextRecall(ContextRecall),
    /// The context has little in it that the question does not need: the score is the share of its
    /// sentences, or pieces, that a judge finds to be of use.
    ContextRelevance(ContextCheck),
    /// It says nothing that the context does not: the score is the share of its statements that a judge
    /// finds supported. An answer without any statement can't be told.
    ContextFaithfulness(ContextCheck),
    /// It means the same as one of these texts, by the cosine of their vectors. Needs `embeddings`.
    Similar(Likeness),
    /// A service lets it pass.
    Webhook(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short::<Webhook>")
        )]
        Webhook,
    ),
    /// A [`Grader`](crate::prompt::Grader) of one's own lets it pass.
    Grader(
        #[serde(deserialize_with = "graded::read")]
        #[cfg_attr(
            feature = "schema",
            schemars(schema_with = "crate::prompt::schema::short::<GraderCheck>")
        )]
        GraderCheck,
    ),
    /// Several assertions with a threshold of their own.
    AssertSet(AssertSet),
    /// What can't be looked at here: JavaScript, a service that is not reached. In no file of
    /// ours; other formats are read so.
    #[serde(skip_deserializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unsupported(Unsupported),
}

impl Check {
    /// Its name as files have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::Contains(_) => "contains",
            Self::Icontains(_) => "icontains",
            Self::ContainsAny(_) => "contains-any",
            Self::ContainsAll(_) => "contains-all",
            Self::IcontainsAny(_) => "icontains-any",
            Self::IcontainsAll(_) => "icontains-all",
            Self::StartsWith(_) => "starts-with",
            Self::EndsWith(_) => "ends-with",
            Self::Regex(_) => "regex",
            Self::IsJson(_) => "is-json",
            Self::ContainsJson(_) => "contains-json",
            Self::Json(_) => "json",
            Self::JsonPresent(_) => "json-present",
            Self::Length(_) => "length",
            Self::WordCount(_) => "word-count",
            Self::Levenshtein(_) => "levenshtein",
            Self::RougeN(_) => "rouge-n",
            Self::Bleu(_) => "bleu",
            Self::Gleu(_) => "gleu",
            Self::SimilarWords(_) => "similar-words",
            Self::Latency(_) => "latency",
            Self::FirstToken(_) => "first-token",
            Self::Tokens(_) => "tokens",
            Self::Cost(_) => "cost",
            Self::FinishReason(_) => "finish-reason",
            Self::IsRefusal => "is-refusal",
            Self::ToolCalls(_) => "tool-calls",
            Self::ToolCount(_) => "tool-count",
            Self::ToolCallF1(_) => "tool-call-f1",
            Self::IsValidOpenaiToolsCall => "is-valid-openai-tools-call",
            Self::LlmRubric(_) => "llm-rubric",
            Self::Factuality(_) => "factuality",
            Self::ClosedQa(_) => "model-graded-closedqa",
            Self::GEval(_) => "g-eval",
            Self::Pairwise(_) => "pairwise",
            Self::AnswerRelevance(_) => "answer-relevance",
            Self::ContextRecall(_) => "context-recall",
            Self::ContextRelevance(_) => "context-relevance",
            Self::ContextFaithfulness(_) => "context-faithfulness",
            Self::Similar(_) => "similar",
            Self::Webhook(_) => "webhook",
            Self::Grader(_) => "grader",
            Self::AssertSet(_) => "assert-set",
            Self::Unsupported(_) => "unsupported",
        }
    }

    /// Its name; what it is called where it comes from, if it can't be looked at here; and the
    /// grader where that is one's own.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Unsupported(it) => it.kind.clone(),
            Self::Grader(it) => format!("grader: {}", it.name),
            other => other.name().to_owned(),
        }
    }

    /// The judges that it names, if judges grade it.
    pub(crate) fn judges(&self) -> Option<&[String]> {
        match self {
            Self::LlmRubric(it) | Self::ClosedQa(it) => Some(&it.judges),
            Self::Factuality(it) => Some(&it.judges),
            Self::GEval(it) => Some(&it.judges),
            Self::Pairwise(it) => Some(&it.judges),
            Self::AnswerRelevance(it) => Some(&it.judges),
            Self::ContextRecall(it) => Some(&it.judges),
            Self::ContextRelevance(it) | Self::ContextFaithfulness(it) => Some(&it.judges),
            _ => None,
        }
    }

    /// Whether an answer is held against its question or its context by what judges list.
    pub(crate) fn is_in_context(&self) -> bool {
        matches!(
            self,
            Self::AnswerRelevance(_)
                | Self::ContextRecall(_)
                | Self::ContextRelevance(_)
                | Self::ContextFaithfulness(_)
        )
    }

    /// Whether something else grades it.
    pub(crate) fn is_graded(&self) -> bool {
        let others = matches!(self, Self::Similar(_) | Self::Webhook(_) | Self::Grader(_));
        others || self.judges().is_some()
    }
}
