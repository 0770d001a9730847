//! What verdicts come to: of one judge or a majority of several, against the wanted score.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{About, Grade, Judge, Judging, Kind, Purse, Stop, Task, webhook};
use crate::prompt::suite::{Check, Criteria};

/// What a check that is graded came to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::prompt) struct Opinion {
    pub(in crate::prompt) holds: bool,
    pub(in crate::prompt) score: f64,
    pub(in crate::prompt) wanted: String,
    pub(in crate::prompt) found: String,
}

/// What the graded checks of a case came to: by turn, behind which is the last answer of all.
#[derive(Clone, Debug, Default)]
pub(in crate::prompt) struct Grades(HashMap<(usize, String), Result<Opinion, String>>);

impl Grades {
    pub(in crate::prompt) fn add(
        &mut self,
        place: usize,
        check: &Check,
        opinion: Result<Opinion, String>,
    ) {
        self.0.insert((place, key(check)), opinion);
    }

    /// What a check came to. One that nobody graded can't be told.
    pub(in crate::prompt) fn of(&self, place: usize, check: &Check) -> Result<Opinion, String> {
        let known = self.0.get(&(place, key(check)));
        known.cloned().unwrap_or_else(|| Err("nobody graded it".to_owned()))
    }
}

fn key(check: &Check) -> String {
    // It has text keys and finite numbers only, so this does not fail.
    serde_json::to_string(check).unwrap_or_default()
}

impl Judging {
    /// What a check comes to.
    pub(super) async fn opinion(
        &self,
        check: &Check,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Opinion, Stop> {
        let wanted = wanted(check);
        match check {
            Check::Similar(like) => {
                let embedder = self.embedder.as_ref();
                let embedder = embedder.ok_or_else(|| nobody("there are no embeddings"))?;
                let model = purse.suite.embeddings.as_ref().map_or("", |it| it.model.as_str());
                let key = about.key(embedder.name(), "similar", &json!(like.to));
                let ask = embedder.nearest(model, about.answer, &like.to, purse);
                let grade = self.known.once(key, ask).await?;
                let holds = grade.score >= like.at_least;
                let found = format!("{:.3}, {}: {}", grade.score, grade.reason, about.answer);
                Ok(Opinion { holds, score: grade.score, wanted, found })
            }
            Check::Webhook(hook) => {
                let key = webhook::key(hook);
                let hook = self.hooks.get(&key).ok_or_else(|| nobody("there is no webhook"))?;
                let key = about.key(&key, "webhook", &json!(about.vars));
                let grade = self.known.once(key, hook.grade(about, purse)).await?;
                let found = format!("score {}, {}", grade.score, grade.reason);
                Ok(Opinion { holds: grade.pass, score: grade.score, wanted, found })
            }
            check => {
                let votes = join_all(
                    self.panel(check).map(|judge| self.vote(judge.as_ref(), check, about, purse)),
                );
                let votes = votes.await.into_iter().zip(self.panel(check));
                majority(votes.map(|(vote, judge)| (judge.name(), vote)).collect(), wanted)
            }
        }
    }

    /// The judges that a check means.
    pub(super) fn panel<'a>(
        &'a self,
        check: &'a Check,
    ) -> impl Iterator<Item = &'a std::sync::Arc<dyn Judge>> {
        let named = check.judges().unwrap_or_default();
        let means = move |judge: &dyn Judge| {
            named.is_empty() || named.iter().any(|name| judge.is_called(name))
        };
        self.judges.iter().filter(move |judge| means(judge.as_ref()))
    }

    /// What one judge says: whether it holds, the wanted score considered.
    async fn vote(
        &self,
        judge: &dyn Judge,
        check: &Check,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let ask = |kind, measure| self.graded(judge, kind, measure, about, purse);
        match check {
            Check::LlmRubric(it) => {
                let grade = ask(Kind::Rubric, &it.rubric).await?;
                let enough = it.threshold.is_none_or(|least| grade.score >= least);
                Ok(Grade { pass: grade.pass && enough, ..grade })
            }
            Check::ClosedQa(it) => ask(Kind::ClosedQa, &it.rubric).await,
            Check::Factuality(it) => ask(Kind::Factuality(it.scores), &it.expected).await,
            Check::GEval(it) => {
                let mut grades = Vec::with_capacity(it.criteria.len());
                for criterion in &it.criteria {
                    grades.push(ask(Kind::Points, criterion).await?);
                }
                mean(it, &grades)
            }
            other => self.in_context(judge, other, about, purse).await,
        }
    }

    async fn graded(
        &self,
        judge: &dyn Judge,
        kind: Kind,
        measure: &str,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let key = about.key(judge.name(), &format!("{kind:?}"), &Value::from(measure));
        let (question, answer) = (about.question, about.answer);
        let task = Task::new(kind, question, measure, answer);
        self.known.once(key, judge.grade(&task, &self.secret, purse)).await
    }
}

pub(super) fn nobody(why: &str) -> Stop {
    Stop::Untold(why.to_owned())
}

fn mean(criteria: &Criteria, grades: &[Grade]) -> Result<Grade, Stop> {
    if grades.is_empty() {
        return Err(nobody("there are no criteria"));
    }
    #[allow(clippy::cast_precision_loss, reason = "nobody writes 2^53 criteria")]
    let score = grades.iter().map(|it| it.score).sum::<f64>() / grades.len() as f64;
    // The reason that is worth reading is that of what was met least.
    let worst = grades.iter().min_by(|a, b| a.score.total_cmp(&b.score));
    let reason = worst.map_or_else(String::new, |it| it.reason.clone());
    // A mean of tenths is no more exact than its last digits.
    Ok(Grade { pass: score + 1e-9 >= criteria.threshold, score, reason })
}

/// What more than half of all judges say, those who could not tell among them.
pub(super) fn majority(
    votes: Vec<(&str, Result<Grade, Stop>)>,
    wanted: String,
) -> Result<Opinion, Stop> {
    let count = votes.len();
    let (mut held, mut broken, mut untold) = (Vec::new(), Vec::new(), Vec::new());
    for (name, vote) in votes {
        match vote {
            Ok(grade) if grade.pass => held.push((name, grade)),
            Ok(grade) => broken.push((name, grade)),
            Err(Stop::Untold(why)) => untold.push(why),
            Err(budget) => return Err(budget),
        }
    }
    let holds = held.len() > broken.len();
    let (chosen, others) = if holds { (held, broken.len()) } else { (broken, held.len()) };
    if chosen.len() * 2 <= count {
        let (most, lost) = (chosen.len(), untold.len());
        let why = untold.into_iter().next().map_or_else(String::new, |why| format!("; {why}"));
        if count == 1 {
            return Err(nobody(why.trim_start_matches("; ")));
        }
        let text =
            format!("no majority of {count} judges: {most} against {others}, {lost} can't tell");
        return Err(nobody(&format!("{text}{why}")));
    }
    #[allow(clippy::cast_precision_loss, reason = "there are few judges")]
    let score = chosen.iter().map(|(_, it)| it.score).sum::<f64>() / chosen.len() as f64;
    let said =
        chosen.iter().map(|(name, it)| format!("score {:.2}, {name}: {}", it.score, it.reason));
    let found = said.collect::<Vec<_>>().join("; ");
    Ok(Opinion { holds, score, wanted, found })
}

/// What is wanted, for people.
fn wanted(check: &Check) -> String {
    match check {
        Check::LlmRubric(it) => {
            let least = it.threshold.map(|least| format!(", with a score of at least {least}"));
            format!("\"{}\"{}", it.rubric, least.unwrap_or_default())
        }
        Check::ClosedQa(it) => format!("\"{}\"", it.rubric),
        Check::Factuality(it) => format!("the facts of \"{}\"", it.expected),
        Check::GEval(it) => {
            format!("a mean of at least {} by \"{}\"", it.threshold, it.criteria.join("\", \""))
        }
        Check::Similar(it) => {
            format!("the meaning of \"{}\" to {}", it.to.join("\" or \""), it.at_least)
        }
        Check::AnswerRelevance(it) => format!("an answer to the question, by {}", it.threshold),
        Check::ContextRecall(it) => {
            format!("a context with {} of \"{}\"", it.threshold, it.expected)
        }
        Check::ContextRelevance(it) => {
            format!("a context of which {} is of use", it.threshold)
        }
        Check::ContextFaithfulness(it) => {
            format!("an answer of which the context supports {}", it.threshold)
        }
        Check::Webhook(_) => "that the webhook lets it pass".to_owned(),
        other => other.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(score: Option<f64>) -> Result<Grade, Stop> {
        let grade = |score| Grade { pass: score >= 0.5, score, reason: "r".to_owned() };
        score.map(grade).ok_or_else(|| nobody("broken"))
    }

    fn of(votes: &[Option<f64>]) -> Result<bool, Stop> {
        let votes = votes.iter().map(|it| ("j", vote(*it))).collect();
        majority(votes, String::new()).map(|it| it.holds)
    }

    #[test]
    fn more_than_half_of_all_judges_must_agree() {
        let (yes, no, lost) = (Some(0.9), Some(0.1), None);
        assert_eq!(of(&[yes]), Ok(true));
        assert_eq!(of(&[no]), Ok(false));
        assert_eq!(of(&[yes, no, yes]), Ok(true));
        assert_eq!(of(&[no, lost, no]), Ok(false));
        for tie in
            [&[yes, no][..], &[yes, lost], &[yes, no, lost], &[lost], &[lost, lost, yes], &[]]
        {
            assert!(of(tie).is_err(), "{tie:?}");
        }
        let spent =
            majority(vec![("a", vote(yes)), ("b", Err(Stop::Budget("calls")))], String::new());
        assert_eq!(spent, Err(Stop::Budget("calls")));
    }

    #[test]
    fn what_nobody_graded_cannot_be_told() {
        let check = Check::LlmRubric(crate::prompt::suite::Rubric::new("Is polite."));
        assert!(Grades::default().of(0, &check).is_err());
    }
}
