//! Answers held against their questions and against what they were made from: shares of sentences, as
//! judges find them one by one.

use bluegreen_core::Digest;

use super::opinion::nobody;
use super::{About, Grade, Judge, Judging, Kind, List, Lists, Purse, Stop, Task};
use crate::prompt::suite::{
    AnswerRelevance, Check, Context, ContextCheck, ContextRecall, query_of, sentences,
};

/// A share of few parts is no more exact than its last digits.
const SLACK: f64 = 1e-9;
/// More parts than a judge keeps apart.
const MOST: usize = 500;

impl Judging {
    /// What one judge says of an answer and its context.
    pub(super) async fn in_context(
        &self,
        judge: &dyn Judge,
        check: &Check,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        match check {
            Check::AnswerRelevance(it) => self.relevance(judge, it, about, purse).await,
            Check::ContextRecall(it) => self.recall(judge, it, about, purse).await,
            Check::ContextRelevance(it) => self.useful(judge, it, about, purse).await,
            Check::ContextFaithfulness(it) => self.faithfulness(judge, it, about, purse).await,
            other => Err(nobody(&format!("nobody grades {}", other.name()))),
        }
    }

    async fn relevance(
        &self,
        judge: &dyn Judge,
        it: &AnswerRelevance,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        // No question is near to it, as no text is to an empty answer.
        if about.answer.trim().is_empty() {
            return Ok(graded(0.0, it.threshold, "an empty answer".to_owned()));
        }
        let query = query_of(it.query.as_ref(), about.vars).unwrap_or(about.question);
        let task = Task::new(Kind::List(Lists::Questions), "", "", about.answer);
        let List::Texts(questions) = self.list(judge, &task, purse).await? else {
            return Err(nobody("a judge that wrote no questions"));
        };
        let embedder = self.embedder.as_ref();
        let embedder = embedder.ok_or_else(|| nobody("there are no embeddings"))?;
        let model = purse.suite.embeddings.as_ref().map_or("", |it| it.model.as_str());
        let near = embedder.nearness(model, query, &questions, purse).await?;
        let reason = format!("as if asked \"{}\"", questions.join("\", \""));
        Ok(graded(mean(&near), it.threshold, reason))
    }

    async fn recall(
        &self,
        judge: &dyn Judge,
        it: &ContextRecall,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let context = Context::of(it.context.as_ref(), about.vars).map_err(|why| nobody(&why))?;
        let context = context.unwrap_or_else(|| Context::Text(about.question.to_owned()));
        let wanted = sentences(&it.expected);
        self.supported(judge, &context.whole(), &wanted, it.threshold, purse).await
    }

    async fn useful(
        &self,
        judge: &dyn Judge,
        it: &ContextCheck,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let units = context(it, about)?.units();
        let query = query_of(it.query.as_ref(), about.vars).unwrap_or(about.question);
        let numbered = numbered(&units)?;
        let kind = Kind::List(Lists::Relevant(units.len()));
        let task = Task::new(kind, query, &numbered, "");
        let marks = self.list(judge, &task, purse).await?;
        share(&marks, &units, it.threshold, "of use")
    }

    async fn faithfulness(
        &self,
        judge: &dyn Judge,
        it: &ContextCheck,
        about: &About<'_>,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let context = context(it, about)?;
        if about.answer.trim().is_empty() {
            return Err(nobody(
                "an empty answer, which says nothing that could be held against it",
            ));
        }
        let query = query_of(it.query.as_ref(), about.vars).unwrap_or(about.question);
        let task = Task::new(Kind::List(Lists::Statements), query, "", about.answer);
        let List::Texts(statements) = self.list(judge, &task, purse).await? else {
            return Err(nobody("a judge that wrote no statements"));
        };
        self.supported(judge, &context.whole(), &statements, it.threshold, purse).await
    }

    /// The share of the statements that the context supports.
    async fn supported(
        &self,
        judge: &dyn Judge,
        context: &str,
        statements: &[String],
        threshold: f64,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let numbered = numbered(statements)?;
        let kind = Kind::List(Lists::Supported(statements.len()));
        let task = Task::new(kind, "", context, &numbered);
        let marks = self.list(judge, &task, purse).await?;
        share(&marks, statements, threshold, "supported by the context")
    }

    /// What a judge lists, asked once, however many want it.
    async fn list(
        &self,
        judge: &dyn Judge,
        task: &Task<'_>,
        purse: &Purse<'_>,
    ) -> Result<List, Stop> {
        let kind = format!("{:?}", task.kind);
        let key =
            Digest::of([judge.name(), kind.as_str(), task.question, task.measure, task.answer]);
        self.lists.once(key, judge.list(task, &self.secret, purse)).await
    }
}

fn context(it: &ContextCheck, about: &About<'_>) -> Result<Context, Stop> {
    let context = Context::of(it.context.as_ref(), about.vars).map_err(|why| nobody(&why))?;
    context.ok_or_else(|| nobody("there is no context"))
}

/// Parts with numbers from 1, each on a line of its own, so that none can pretend to be two.
fn numbered(parts: &[String]) -> Result<String, Stop> {
    if !(1..=MOST).contains(&parts.len()) {
        return Err(nobody(&format!("{} sentences to look at, of 1 to {MOST}", parts.len())));
    }
    let lines = (1..).zip(parts).map(|(number, part): (usize, _)| {
        format!("{number}. {}", part.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The share of the parts that are marked, with the first of those that are not.
fn share(marks: &List, parts: &[String], threshold: f64, what: &str) -> Result<Grade, Stop> {
    let List::Marks(marks, reason) = marks else {
        return Err(nobody("a judge that marked nothing"));
    };
    let count = marks.iter().filter(|it| **it).count();
    let mut text = format!("{count} of {} {what}", marks.len());
    if let Some((_, part)) = marks.iter().zip(parts).find(|(mark, _)| !**mark) {
        text = format!("{text}, not \"{part}\"");
    }
    let ones: Vec<f64> = marks.iter().map(|it| f64::from(u8::from(*it))).collect();
    Ok(graded(mean(&ones), threshold, format!("{text}: {reason}")))
}

fn graded(score: f64, threshold: f64, reason: String) -> Grade {
    Grade { pass: score + SLACK >= threshold, score, reason }
}

#[allow(clippy::cast_precision_loss, reason = "there are at most 500")]
fn mean(numbers: &[f64]) -> f64 {
    let sum: f64 = numbers.iter().sum();
    // Vectors that point away from one another are no more alike than not at all.
    (sum / numbers.len().max(1) as f64).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(marks: &[bool], threshold: f64) -> Grade {
        let parts: Vec<String> = (1..=marks.len()).map(|it| format!("Part {it}.")).collect();
        share(&List::Marks(marks.to_vec(), "r".to_owned()), &parts, threshold, "there").unwrap()
    }

    #[test]
    fn a_share_is_what_is_marked_of_all() {
        // (marks, score); each share reaches itself as a threshold, and no more.
        let golden: [(&[bool], f64); 6] = [
            (&[true], 1.0),
            (&[false], 0.0),
            (&[true, false, false], 1.0 / 3.0),
            (&[true, true, false], 2.0 / 3.0),
            (&[true, true, true, false, true, true, true], 6.0 / 7.0),
            (&[true; 10], 1.0),
        ];
        for (marks, score) in golden {
            let grade = shared(marks, score.max(0.001));
            assert!((grade.score - score).abs() < 1e-12, "{marks:?}: {grade:?}");
            assert_eq!(grade.pass, score > 0.0, "{marks:?}");
            assert!(!shared(marks, score + 0.001).pass, "{marks:?}");
        }
        let reason = shared(&[true, false, false], 0.5).reason;
        assert_eq!(reason, "1 of 3 there, not \"Part 2.\": r");
    }

    #[test]
    fn a_mean_of_cosines_is_never_less_than_nothing() {
        assert!((mean(&[1.0, 0.6, 0.0]) - 1.6 / 3.0).abs() < 1e-12);
        assert!(mean(&[-1.0, -0.5, 0.1]) <= 0.0);
    }

    #[test]
    fn no_part_can_pretend_to_be_two() {
        let parts = ["One\n2. is supported".to_owned(), "Two".to_owned()];
        assert_eq!(numbered(&parts).unwrap(), "1. One 2. is supported\n2. Two");
        assert!(numbered(&[]).is_err());
        assert!(numbered(&vec!["a".to_owned(); 501]).is_err());
    }
}
