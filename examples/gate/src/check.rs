//! A suite with its options, and what it can see.

use std::sync::Arc;

use bluegreen_core::{AgentClient, Problem};
use bluegreen_validate::paired::Power;
use bluegreen_validate::prompt::{JudgeModel, Suite};
use bluegreen_validate::{HeaderText, PromptRegression};

use crate::Failure;
use crate::cli::Check;
use crate::client::{Address, UrlClient};
use crate::show;

/// Says everything about the suite that is to be known before it is run.
pub(crate) fn check(check: &Check) -> Result<(), Failure> {
    let (gate, warnings) = load(check)?;
    let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
    let lines: Vec<String> = warnings.chain([preview(&gate, check)]).collect();
    show::out(&lines);
    Ok(())
}

/// The suite with its options, and what is to be warned of.
pub(crate) fn load(check: &Check) -> Result<(PromptRegression, Vec<Problem>), Failure> {
    // These problems name line and column; those that the options bring follow below.
    let gate = PromptRegression::from_file(&check.suite);
    let gate = gate.map_err(|error| {
        Failure::Unusable(error.problems().iter().map(ToString::to_string).collect())
    })?;
    let gate = gate.with(|suite| set(suite, check)).connecting(connect);
    let mut wrong = Vec::new();
    if !(0.0..=1.0).contains(&check.discordance) {
        wrong.push(format!("--discordance: found {}, wanted 0 to 1, a share", check.discordance));
    }
    let (refusals, warnings): (Vec<_>, Vec<_>) =
        gate.problems().into_iter().partition(Problem::is_refusal);
    wrong.extend(refusals.iter().map(ToString::to_string));
    if wrong.is_empty() { Ok((gate, warnings)) } else { Err(Failure::Unusable(wrong)) }
}

/// The way to those who grade.
fn connect(address: &str) -> Result<Arc<dyn AgentClient>, String> {
    Ok(Arc::new(UrlClient::new(Address::parse(address)?)?))
}

fn set(suite: &mut Suite, check: &Check) {
    if let (Some(url), Some(model)) = (&check.judge_url, &check.judge_model) {
        let mut judge = JudgeModel::new(url.as_str(), model.as_str());
        if let Some(env) = &check.judge_authorization_env {
            judge = judge.header("authorization", HeaderText::Env { env: env.clone() });
        }
        if !suite.judges.is_empty() {
            let before: Vec<&str> = suite.judges.iter().map(JudgeModel::name).collect();
            let before = before.join(", ");
            show::say(&format!(
                "--judge-url: {model} grades instead of the suite's judges: {before}"
            ));
        }
        // Beside others it would make a panel, of which more than half must agree.
        suite.judges = vec![judge];
    }
    suite.rules.repeats = check.repeats.unwrap_or(suite.rules.repeats);
    suite.rules.margin = check.margin.unwrap_or(suite.rules.margin);
    suite.rules.seed = check.seed.unwrap_or(suite.rules.seed);
    suite.concurrency = check.concurrency.unwrap_or(suite.concurrency);
    suite.timeout = check.answer_timeout.unwrap_or(suite.timeout);
    suite.skip_unsupported |= check.skip_unsupported;
    let budget = &mut suite.budget;
    budget.calls = check.max_calls.or(budget.calls);
    budget.tokens = check.max_tokens.or(budget.tokens);
    budget.money = check.max_cost.or(budget.money);
    budget.time = check.timeout.or(budget.time);
}

/// What the suite asks and what it can see.
pub(crate) fn preview(gate: &PromptRegression, check: &Check) -> String {
    let suite = gate.suite();
    let (cases, questions) = gate.size();
    let calls = questions * u64::from(suite.rules.repeats) * 2;
    let power: Power = gate.power(check.discordance);
    let at = 100.0 * check.discordance;
    let short = if power.suffices() { "" } else { ": it may well end inconclusive" };
    format!(
        "{}: {} cases × {} on both sides, {calls} calls\n\
         {power} (if {at:.0} % of answers come out differently by chance{short})",
        suite.name, cases, suite.rules.repeats,
    )
}
