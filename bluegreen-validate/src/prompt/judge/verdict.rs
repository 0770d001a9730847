//! What a judge says, read strictly: what is no verdict is none, and never one of its own choice.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Grade, Kind, List, Lists};

/// Reads the text of a judge's answer.
pub(super) fn read(kind: &Kind, text: &str) -> Result<Grade, String> {
    match kind {
        Kind::Rubric => {
            let it: Rubric = object(text)?;
            graded(it.pass, Some(it.score), it.reason)
        }
        Kind::ClosedQa => {
            let it: ClosedQa = object(text)?;
            let pass = match it.answer.as_str() {
                "Y" => true,
                "N" => false,
                other => return Err(format!("`{other}`, which is neither Y nor N")),
            };
            graded(pass, None, it.reason)
        }
        Kind::Points => {
            let it: Points = object(text)?;
            if !(0.0..=10.0).contains(&it.points) {
                return Err(format!("{} points, of 0 to 10", it.points));
            }
            Ok(Grade { pass: true, score: it.points / 10.0, reason: it.reason })
        }
        Kind::Factuality(scores) => {
            let it: Facts = object(text)?;
            let index = ["A", "B", "C", "D", "E"].iter().position(|name| *name == it.relation);
            let Some(score) = index.and_then(|index| scores.all().get(index).copied()) else {
                return Err(format!("the relation `{}`, which is none of A to E", it.relation));
            };
            let reason = format!("{}: {}", it.relation, it.reason);
            Ok(Grade { pass: score > 0.0, score, reason })
        }
        Kind::List(_) => Err("a list, which is no verdict".to_owned()),
        Kind::Pair => {
            let it: Pair = object(text)?;
            let score = match it.better.as_str() {
                "A" => 1.0,
                "B" => 0.0,
                "neither" => 0.5,
                other => return Err(format!("`{other}`, which is neither A nor B nor `neither`")),
            };
            Ok(Grade { pass: true, score, reason: it.reason })
        }
    }
}

/// More statements than an answer has that anybody reads.
const MOST_STATEMENTS: usize = 100;

/// Reads the text of a judge that was to list something.
pub(super) fn list(kind: &Kind, text: &str) -> Result<List, String> {
    let Kind::List(lists) = kind else { return Err("a verdict, which is no list".to_owned()) };
    match lists {
        Lists::Questions => {
            let it: Questions = object(text)?;
            texts(it.questions, 3..=3, "questions")
        }
        Lists::Statements => {
            let it: Statements = object(text)?;
            texts(it.statements, 1..=MOST_STATEMENTS, "statements")
        }
        Lists::Supported(count) => {
            let it: Supported = object(text)?;
            marks(it.supported, *count, it.reason)
        }
        Lists::Relevant(count) => {
            let it: Relevant = object(text)?;
            marks(it.relevant, *count, it.reason)
        }
    }
}

fn texts(texts: Vec<String>, wanted: RangeInclusive<usize>, what: &str) -> Result<List, String> {
    if !wanted.contains(&texts.len()) {
        let (least, most) = wanted.into_inner();
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        return Err(format!("{} {what}, of {wanted}", texts.len()));
    }
    if texts.iter().any(|it| it.trim().is_empty()) {
        return Err(format!("an empty text among its {what}"));
    }
    Ok(List::Texts(texts))
}

fn marks(marks: Vec<bool>, wanted: usize, reason: String) -> Result<List, String> {
    if marks.len() != wanted {
        return Err(format!("{} marks for {wanted} parts", marks.len()));
    }
    Ok(List::Marks(marks, reason))
}

/// Reads what a service of one's own says: a whole body.
pub(super) fn of_service(body: &str) -> Result<Grade, String> {
    let it: Service = serde_json::from_str(body).map_err(|error| format!("no verdict: {error}"))?;
    graded(it.pass, it.score, it.reason.unwrap_or_default())
}

fn graded(pass: bool, score: Option<f64>, reason: String) -> Result<Grade, String> {
    let score = score.unwrap_or(if pass { 1.0 } else { 0.0 });
    Grade { pass, score, reason }.checked()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rubric {
    reason: String,
    pass: bool,
    score: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosedQa {
    reason: String,
    answer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Points {
    reason: String,
    points: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    reason: String,
    relation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    reason: String,
    better: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what it says first makes it say better what it says then")]
struct Questions {
    reason: String,
    questions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what it says first makes it say better what it says then")]
struct Statements {
    reason: String,
    statements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Supported {
    reason: String,
    supported: Vec<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relevant {
    reason: String,
    relevant: Vec<bool>,
}

#[derive(Deserialize)]
struct Service {
    pass: bool,
    score: Option<f64>,
    reason: Option<String>,
}

/// The one JSON object that a text is, by itself or as a block of code. Among other words it may be one
/// that is quoted from the answer.
fn object<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let text = text.trim();
    let block = text.strip_prefix("```").and_then(|it| it.strip_suffix("```"));
    let text = block.map_or(text, |it| it.strip_prefix("json").unwrap_or(it)).trim();
    if !text.starts_with('{') {
        return Err("words that are no JSON object".to_owned());
    }
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    if !matches!(objects.next(), Some(Ok(_))) {
        return Err("JSON that breaks off, or is none".to_owned());
    }
    if !text[objects.byte_offset()..].trim().is_empty() {
        return Err("more than one JSON object, which must be the verdict".to_owned());
    }
    serde_json::from_str(text).map_err(|error| format!("a verdict that is none: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompt::suite::FactScores;

    #[test]
    fn a_verdict_stands_alone_or_in_a_block_of_code() {
        let verdict = r#"{"reason": "so {it} is", "pass": true, "score": 0.5}"#;
        for text in [
            verdict.to_owned(),
            format!("\n {verdict}\n"),
            format!("```json\n{verdict}\n```"),
            format!("```\n{verdict}```\n"),
        ] {
            let grade = read(&Kind::Rubric, &text).unwrap();
            assert_eq!((grade.pass, grade.score, grade.reason.as_str()), (true, 0.5, "so {it} is"));
        }
        // It may be the answer that says so.
        for text in [
            format!("I can't grade this, it only says {verdict}"),
            format!("{verdict}\nsays the answer"),
            format!("{verdict} {verdict}"),
            format!("It says:\n```json\n{verdict}\n```"),
        ] {
            assert!(read(&Kind::Rubric, &text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_verdict_is_an_error_and_neither_pass_nor_fail() {
        for text in [
            "",
            "pass",
            "{}",
            "[true]",
            r#"{"reason": "r", "pass": true, "score": 0.9"#,
            r#"{"reason": "r", "pass": true}"#,
            r#"{"reason": "r", "score": 1}"#,
            r#"{"reason": "r", "pass": "true", "score": 1}"#,
            r#"{"reason": "r", "pass": true, "score": NaN}"#,
            r#"{"reason": "r", "pass": true, "score": null}"#,
            r#"{"reason": "r", "pass": true, "score": 1e999}"#,
            r#"{"reason": "r", "pass": true, "score": 7}"#,
            r#"{"reason": "r", "pass": true, "score": -0.1}"#,
            r#"{"reason": "r", "pass": true, "score": 0}"#,
            r#"{"reason": "r", "pass": false, "score": 1}"#,
            r#"{"reason": "r", "pass": false, "pass": true, "score": 0.5}"#,
            r#"{"reason": "r", "pass": true, "score": 0.5, "verdict": "fail"}"#,
        ] {
            assert!(read(&Kind::Rubric, text).is_err(), "{text}");
        }
        assert!(read(&Kind::ClosedQa, r#"{"reason": "", "answer": "Yes"}"#).is_err());
        assert!(read(&Kind::Points, r#"{"reason": "", "points": 11}"#).is_err());
        for text in ["", "{\"pass\": 1}", "{\"score\": 1}", "{\"pass\": true, \"score\": 2}"] {
            assert!(of_service(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_as_many_as_were_asked_about() {
        let of = |lists, text: &str| list(&Kind::List(lists), text);
        let marks = of(Lists::Supported(2), r#"{"reason": "r", "supported": [true, false]}"#);
        assert_eq!(marks, Ok(List::Marks(vec![true, false], "r".to_owned())));
        let questions = of(Lists::Questions, r#"{"reason": "", "questions": ["a", "b", "c"]}"#);
        assert_eq!(questions, Ok(List::Texts(vec!["a".into(), "b".into(), "c".into()])));
        for (lists, text) in [
            (Lists::Supported(2), r#"{"reason": "r", "supported": [true]}"#),
            (Lists::Supported(2), r#"{"reason": "r", "supported": [true, true, true]}"#),
            (Lists::Supported(2), r#"{"reason": "r", "supported": [true, "true"]}"#),
            (Lists::Supported(2), r#"{"reason": "r", "supported": [true, null]}"#),
            (Lists::Supported(2), r#"{"reason": "r", "relevant": [true, true]}"#),
            (Lists::Supported(2), r#"{"supported": [true, true]}"#),
            (Lists::Relevant(1), r#"{"reason": "r", "relevant": true}"#),
            (Lists::Relevant(1), "[true]"),
            (Lists::Relevant(1), "all of it"),
            (Lists::Questions, r#"{"reason": "", "questions": ["a", "b"]}"#),
            (Lists::Questions, r#"{"reason": "", "questions": ["a", "b", " "]}"#),
            (Lists::Statements, r#"{"reason": "", "statements": []}"#),
            (Lists::Statements, r#"{"reason": "", "statements": "a"}"#),
        ] {
            assert!(of(lists, text).is_err(), "{lists:?}: {text}");
        }
    }

    #[test]
    fn each_kind_has_its_own_verdict() {
        let yes = read(&Kind::ClosedQa, r#"{"reason": "r", "answer": "Y"}"#).unwrap();
        let no = read(&Kind::ClosedQa, r#"{"reason": "r", "answer": "N"}"#).unwrap();
        assert_eq!((yes.pass, no.pass), (true, false));
        let points = read(&Kind::Points, r#"{"reason": "r", "points": 7}"#).unwrap();
        assert!((points.score - 0.7).abs() < 1e-9);
        let facts = Kind::Factuality(FactScores::default());
        let of = |name: &str| {
            read(&facts, &format!(r#"{{"reason": "r", "relation": "{name}"}}"#)).map(|it| it.pass)
        };
        assert_eq!((of("A"), of("C"), of("D")), (Ok(true), Ok(true), Ok(false)));
        assert!(of("F").is_err());
        let better = |name: &str| {
            let text = json!({"reason": "r", "better": name}).to_string();
            read(&Kind::Pair, &text).map(|it| it.score)
        };
        assert_eq!((better("A"), better("B"), better("neither")), (Ok(1.0), Ok(0.0), Ok(0.5)));
        for name in ["", "a", "A and B", "tie", "C"] {
            assert!(better(name).is_err(), "{name}");
        }
        assert!(of_service(r#"{"pass": true}"#).unwrap().pass);
    }
}
