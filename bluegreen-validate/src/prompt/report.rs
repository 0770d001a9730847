//! From a run to one judgement, with what it rests on.

use bluegreen_core::{Finding, Judgement, Verdict};

use super::prepare::Prepared;
use super::run::{Ended, Ran};
use super::suite::Suite;
use crate::excerpt::Mask;
use crate::paired::{Cases, Rules, SuiteVerdict, judge_cases, judge_curtailed_cases};

/// More findings than anybody reads, and a record has room for.
const MOST: usize = 50;
/// How many of them may be cases that got worse.
const MOST_CASES: usize = 30;

/// The judgement on a run.
pub(super) fn judgement(suite: &Suite, prepared: &Prepared, ran: &Ran) -> Judgement {
    let found = found(&suite.rules, &ran.results.outcomes(&prepared.cases), &ran.ended);
    let whole = matches!(ran.ended, Ended::Whole | Ended::Decided(_));
    let verdict = match found.verdict {
        // The judge takes what is missing for lost, and may have room for it.
        Verdict::Pass if !whole => Verdict::Inconclusive,
        verdict => verdict,
    };
    let mut evidence = Vec::new();
    evidence.extend(stopped(&suite.name, &ran.ended, Counts::of(ran)));
    evidence.extend(skipped(suite, prepared));
    let reasons = found.reasons.iter().cloned();
    match verdict {
        Verdict::Fail => {
            let before = std::mem::replace(&mut evidence, cases(&found, prepared, ran));
            evidence.extend(reasons.chain(before));
        }
        Verdict::Pass | Verdict::Inconclusive => {
            evidence.extend(reasons);
            evidence.extend(lost(prepared, ran));
            evidence.extend(cases(&found, prepared, ran));
        }
    }
    evidence.truncate(MOST);
    Judgement::new(verdict, summary(&found, verdict, ran))
        .with_evidence(evidence)
        .with_state(ran.state.clone())
}

/// What outcomes come to when a run ends like this.
pub(super) fn found<C: Cases + ?Sized>(rules: &Rules, cases: &C, ended: &Ended) -> SuiteVerdict {
    match ended {
        Ended::Decided(decided) => judge_curtailed_cases(rules, cases, *decided),
        _ => judge_cases(rules, cases),
    }
}

/// How much of a run there is.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Pairs that are known, and lost, of those that were planned.
    pub(super) known: usize,
    pub(super) lost: usize,
    pub(super) planned: usize,
}

impl Counts {
    fn of(ran: &Ran) -> Self {
        let results = &ran.results;
        Self { known: results.known(), lost: results.lost_pairs(), planned: ran.planned }
    }
}

fn summary(found: &SuiteVerdict, verdict: Verdict, ran: &Ran) -> String {
    let points = |share: f64| format!("{:.1} %", share * 100.0);
    let (idle, live) = (points(found.idle.share), points(found.live.share));
    let mut text = match found.overall {
        Some(_) => format!("the candidate passes {idle}, live {live}"),
        None => "nothing could be compared".to_owned(),
    };
    if verdict == Verdict::Fail {
        let worst: Vec<&str> = found.regressed.iter().take(3).map(|it| it.case.as_str()).collect();
        text = format!("{text}; {} of its cases got worse", found.regressed.len());
        if !worst.is_empty() {
            text = format!("{text}, first of them {}", worst.join(", "));
        }
    }
    let (known, planned) = (ran.results.known(), ran.planned);
    match &ran.ended {
        Ended::Whole => {}
        Ended::Decided(_) => text = format!("{text}; decided after {known} of {planned} pairs"),
        Ended::Budget(which) => text = format!("{text}; the budget was spent: {which}"),
        Ended::Time => text = format!("{text}; the time was over"),
        Ended::Away(why) => text = format!("{text}; too many runs were lost: {why}"),
        Ended::Busy(_) => text = format!("{text}; upstream: status 429"),
    }
    let spent = ran.spent;
    format!("{text} ({} calls, {} tokens)", spent.calls, spent.usage().total())
}

/// Why it ended before it was whole.
pub(super) fn stopped(suite: &str, ended: &Ended, counts: Counts) -> Option<Finding> {
    let Counts { known, lost, planned } = counts;
    let found = match ended {
        Ended::Whole | Ended::Decided(_) => return None,
        Ended::Budget(which) => format!("{known}, when the budget was spent: {which}"),
        Ended::Time => format!("{known}, when the time was over"),
        Ended::Away(why) => format!("{known}, and {lost} lost: {why}"),
        Ended::Busy(pause) => {
            let pause = humantime::format_duration(*pause);
            format!("{known}, when upstream answered 429 and asked for a pause of {pause}")
        }
    };
    Some(Finding::new(suite, format!("all {planned} pairs"), found))
}

/// Cases that the suite leaves out because of what they need.
fn skipped(suite: &Suite, prepared: &Prepared) -> Option<Finding> {
    let cases = &prepared.skipped;
    let named: Vec<String> =
        cases.iter().take(10).map(|(case, what)| format!("{case} needs {what}")).collect();
    let more = cases.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let found = format!("{} are left out: {}{more}", cases.len(), named.join(", "));
    (!cases.is_empty()).then(|| Finding::new(suite.name.clone(), "all cases", found))
}

/// The cases that got worse, the worst first, with what live answered beside what idle did.
fn cases(found: &SuiteVerdict, prepared: &Prepared, ran: &Ran) -> Vec<Finding> {
    let results = &ran.results;
    let mut findings = Vec::new();
    let critical = found.critical.iter().filter(|it| it.verdict == Verdict::Fail);
    let critical: Vec<&str> = critical.map(|it| it.case.as_str()).collect();
    let others = found.regressed.iter().map(|it| it.case.as_str());
    let others = others.filter(|case| !critical.contains(case));
    let told: Vec<&str> = critical.iter().copied().chain(others).take(MOST_CASES).collect();
    let places = prepared.cases.places(&told.iter().copied().collect());
    for case in told {
        let index = places.get(case).copied();
        let example = results.regressed.iter().find(|it| Some(it.case) == index);
        let asked = index.map_or_else(String::new, |index| asked(prepared, index));
        let kind = if critical.contains(&case) { "critical case" } else { "case" };
        let rates = found.regressed.iter().find(|it| it.case == case);
        let rates = rates.map_or_else(String::new, |it| {
            format!("; passed {:.0} % of its runs, live {:.0} %", it.idle * 100.0, it.live * 100.0)
        });
        let finding = match example {
            Some(it) => Finding::new(
                format!("{kind} {case}"),
                format!("{}, as live answers `{}`", it.wanted, it.live),
                format!("{}; the candidate answers `{}`{rates}", it.found, it.idle),
            ),
            None => {
                Finding::new(format!("{kind} {case}"), "as good as live", format!("worse{rates}"))
            }
        };
        findings.push(finding.asked(results.shown(&asked)));
    }
    findings
}

/// Runs that came to nothing, and why.
fn lost<'a>(prepared: &'a Prepared, ran: &'a Ran) -> impl Iterator<Item = Finding> + 'a {
    ran.results.lost.iter().map(|it| {
        let case = prepared.cases.name(it.case);
        Finding::new(format!("case {case}, {}", it.slot), "an answer", it.why.clone())
            .asked(ran.results.shown(&asked(prepared, it.case)))
    })
}

/// What a case asks, for people.
fn asked(prepared: &Prepared, index: usize) -> String {
    prepared.case(index).map_or_else(|_| String::new(), |case| case.asked())
}

/// How keys begin that many services hand out.
const KEYS: [&str; 9] =
    ["sk-", "sk_", "ghp_", "gho_", "github_pat_", "xoxb-", "AKIA", "eyJ", "glpat-"];

/// A text from outside, short, printable, without the secrets of the suite and without what looks
/// like a key.
pub(super) fn scrubbed(mask: &Mask, text: &str) -> String {
    mask.cleaned(text, without_keys)
}

/// The same of several lines, at most so many characters of them.
pub(super) fn scrubbed_lines(mask: &Mask, text: &str, most: usize) -> String {
    mask.cleaned_lines(text, most, without_keys)
}

/// The whole of a text, without secrets and what looks like a key, and otherwise as it is.
pub(super) fn redacted(mask: &Mask, text: &str) -> String {
    mask.whole(text, without_keys)
}

/// A text without what looks like a key. Where it `is_cut` off, the last one may be shorter.
fn without_keys(text: &str, is_cut: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut rest = text;
    while let Some(begin) = rest.find(is_part) {
        clean.push_str(&rest[..begin]);
        let length = rest[begin..].find(|c| !is_part(c)).unwrap_or(rest.len() - begin);
        let word = &rest[begin..begin + length];
        rest = &rest[begin + length..];
        let is_long = word.len() >= 16 || is_cut && rest.is_empty();
        let is_key = is_long && KEYS.iter().any(|key| word.starts_with(key));
        clean.push_str(if is_key { "***" } else { word });
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_begins_as_a_key_does_is_hidden_whole() {
        let mut mask = Mask::default();
        mask.hide("Bearer eyJ0b2tlbiI6ImFiYyJ9+QWxhZGRpbg/T3Blbg==");
        let text = "you sent Bearer eyJ0b2tlbiI6ImFiYyJ9+QWxhZGRpbg/T3Blbg==";
        for found in [scrubbed(&mask, text), scrubbed_lines(&mask, text, 4_000)] {
            assert!(!found.contains("QWxh") && found.contains("***"), "{found}");
        }
        let long = "x ".repeat(7_997) + "sk-abc12345678901234567890";
        assert!(!without_keys(&long[..16_000], true).contains("sk-"), "it is cut off");
    }

    #[test]
    fn what_looks_like_a_key_is_hidden() {
        let mut mask = Mask::default();
        mask.hide("the-suites-own");
        let text =
            "use sk-proj-abcdefgh12345678, the-suites-own or eyJhbGciOiJIUzI1NiJ9.e30.abc ok";
        assert_eq!(scrubbed(&mask, text), "use ***, *** or *** ok");
        assert_eq!(scrubbed(&mask, "sk-short, ärger"), "sk-short, ärger");
        let long = format!("{text}\n").repeat(1_000);
        let shown = scrubbed_lines(&mask, &long, 4_000);
        assert!(shown.starts_with("use ***, *** or *** ok\nuse ***"), "{shown}");
        assert_eq!(shown.chars().count(), 4_001);
        assert!(!shown.contains("sk-p") && !shown.contains("suites") && !shown.contains("eyJ"));
    }

    #[test]
    fn an_answer_without_ascii_letters_is_shown() {
        // Three bytes each, so that no round number of bytes is between two of them.
        let text = "\u{8377}".repeat(100);
        assert_eq!(scrubbed(&Mask::default(), &text), text);
        let text = format!("4711: {text}");
        assert_eq!(scrubbed(&Mask::default(), &text), text);
    }
}
