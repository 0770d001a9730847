//! How alike two texts are.

use std::collections::HashMap;

use super::{Answer, Check, Seen};
use crate::prompt::suite::Likeness;

/// Texts longer than this are not compared character by character, which takes the product of both
/// lengths.
const LONGEST: usize = 20_000;

pub(super) fn look(check: &Check, answer: &Answer) -> Result<Seen, String> {
    let text = answer.text.as_str();
    Ok(match check {
        Check::Levenshtein(distance) => {
            let wanted = format!("at most {} edits to `{}`", distance.at_most, distance.to);
            // The difference in length alone may tell.
            let apart = text.chars().count().abs_diff(distance.to.chars().count()) as u64;
            if apart > distance.at_most {
                let found = format!("at least {apart} in {}", found(answer));
                return Ok(Seen::new(false, wanted, found));
            }
            let length = text.len().max(distance.to.len());
            if length > LONGEST {
                return Err(format!("{length} bytes, more than {LONGEST}, are not compared"));
            }
            let edits = strsim::levenshtein(text, &distance.to) as u64;
            Seen::new(edits <= distance.at_most, wanted, format!("{edits} in {}", found(answer)))
        }
        Check::RougeN(like) => best(like, answer, "ROUGE-1", |to| rouge(text, to)),
        Check::Bleu(like) => best(like, answer, "BLEU", |to| bleu(text, to)),
        Check::Gleu(like) => best(like, answer, "GLEU", |to| gleu(text, to)),
        Check::SimilarWords(like) => best(like, answer, "shared words", |to| words(text, to)),
        other => return Err(format!("{} is no score", other.name())),
    })
}

fn found(answer: &Answer) -> String {
    super::text::found(answer)
}

/// The best score of all texts.
fn best(like: &Likeness, answer: &Answer, what: &str, score: impl Fn(&str) -> f64) -> Seen {
    let score = like.to.iter().map(|to| score(to)).fold(0.0, f64::max);
    let to = like.to.first().map_or("", String::as_str);
    Seen {
        holds: score >= like.at_least,
        score,
        wanted: format!("{what} of at least {} with `{to}`", like.at_least),
        found: format!("{score:.3} in {}", found(answer)),
    }
}

/// Lower-case words, with punctuation as words of their own.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    for symbol in text.chars().flat_map(char::to_lowercase) {
        if symbol.is_alphanumeric() {
            word.push(symbol);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !symbol.is_whitespace() {
            tokens.push(symbol.to_string());
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

fn blanks(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// How often each run of `length` words is there.
fn runs(words: &[String], length: usize) -> HashMap<&[String], u64> {
    let mut counts = HashMap::new();
    for run in words.windows(length) {
        *counts.entry(run).or_insert(0) += 1;
    }
    counts
}

/// How many runs two texts share, each as often as both have it.
fn shared(left: &HashMap<&[String], u64>, right: &HashMap<&[String], u64>) -> u64 {
    left.iter().map(|(run, count)| (*count).min(right.get(run).copied().unwrap_or(0))).sum()
}

#[allow(clippy::cast_precision_loss, reason = "answers are bounded far below 2^53 words")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn f1(shared: u64, left: u64, right: u64) -> f64 {
    ratio(2 * shared, left + right)
}

/// ROUGE-1: F1 of clipped counts of words (Lin 2004).
fn rouge(text: &str, to: &str) -> f64 {
    let (text, to) = (tokens(text), tokens(to));
    f1(shared(&runs(&text, 1), &runs(&to, 1)), text.len() as u64, to.len() as u64)
}

/// F1 of words without articles and punctuation (Rajpurkar et al. 2016). Two texts that have none
/// are alike.
fn words(text: &str, to: &str) -> f64 {
    let normal = |text: &str| -> Vec<String> {
        let plain: String = text.chars().filter(|c| !c.is_ascii_punctuation()).collect();
        let words = blanks(&plain).into_iter();
        words.filter(|word| !matches!(word.as_str(), "a" | "an" | "the")).collect()
    };
    let (text, to) = (normal(text), normal(to));
    if text.is_empty() && to.is_empty() {
        return 1.0;
    }
    f1(shared(&runs(&text, 1), &runs(&to, 1)), text.len() as u64, to.len() as u64)
}

/// BLEU-4 of one sentence: the geometric mean of the precisions of runs of 1 to 4 words, times the
/// brevity penalty (Papineni et al. 2002). Without a shared run of some length it is 0.
fn bleu(text: &str, to: &str) -> f64 {
    let (text, to) = (blanks(text), blanks(to));
    if text.is_empty() {
        return 0.0;
    }
    let mut logs = 0.0;
    for length in 1..=4 {
        let own = runs(&text, length);
        let precision = ratio(shared(&own, &runs(&to, length)), own.values().sum());
        if precision == 0.0 {
            return 0.0;
        }
        logs += precision.ln() / 4.0;
    }
    let brevity = ratio(to.len() as u64, text.len() as u64);
    let penalty = if brevity > 1.0 { (1.0 - brevity).exp() } else { 1.0 };
    penalty * logs.exp()
}

/// GLEU: the smaller of precision and recall of all runs of 1 to 4 words (Wu et al. 2016).
fn gleu(text: &str, to: &str) -> f64 {
    let (text, to) = (blanks(text), blanks(to));
    let (mut common, mut own, mut theirs) = (0, 0, 0);
    for length in 1..=4 {
        let (left, right) = (runs(&text, length), runs(&to, length));
        common += shared(&left, &right);
        own += left.values().sum::<u64>();
        theirs += right.values().sum::<u64>();
    }
    ratio(common, own).min(ratio(common, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-4, "{found} is not {wanted}");
    }

    // The numbers below were worked out by hand from the definitions.

    #[test]
    fn rouge_counts_words_as_often_as_both_have_them() {
        // 5 shared of 6 and 6: "the" twice, "cat", "on", "mat".
        near(rouge("The cat sat on the mat", "the cat was on the mat"), 10.0 / 12.0);
        near(rouge("the the the", "the"), 2.0 / 4.0);
        near(rouge("", "the"), 0.0);
    }

    #[test]
    fn bleu_is_one_for_the_same_and_punishes_brevity() {
        let text = "it arrives on tuesday at noon";
        near(bleu(text, text), 1.0);
        // All 4 words fit, of 6 wanted: exp(1 - 6/4).
        near(bleu("it arrives on tuesday", text), (-0.5_f64).exp());
        near(bleu("it arrives", text), 0.0);
        near(bleu("", text), 0.0);
    }

    #[test]
    fn gleu_is_the_smaller_of_precision_and_recall() {
        let text = "it arrives on tuesday at noon";
        // 4+3+2+1 runs of 6+5+4+3.
        near(gleu("it arrives on tuesday", text), 10.0 / 18.0);
        near(gleu(text, "it arrives on tuesday"), 10.0 / 18.0);
        near(gleu("", ""), 0.0);
    }

    #[test]
    fn shared_words_pass_over_articles_and_punctuation() {
        near(words("The parcel arrives, on Tuesday!", "parcel arrives tuesday"), 6.0 / 7.0);
        near(words("a", "the"), 1.0);
    }
}
