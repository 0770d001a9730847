//! Checks of what an answer took: time, tokens, money; and of why it ended.

use std::time::Duration;

use super::{Answer, Check, Prices, Seen};

pub(super) fn look(
    check: &Check,
    answer: &Answer,
    prices: Option<&Prices>,
) -> Result<Seen, String> {
    match check {
        Check::Latency(limit) => Ok(within(*limit, answer.total)),
        Check::FirstToken(limit) => {
            let first = answer.first_token.ok_or("the answer had no first token")?;
            Ok(within(*limit, first))
        }
        Check::Tokens(limits) => {
            let usage = answer.usage.ok_or("the answer does not tell its tokens")?;
            let over = [
                ("input", limits.input, usage.input),
                ("output", limits.output, usage.output),
                ("all", limits.total, usage.total()),
            ];
            let over = over.iter().filter_map(|(what, limit, found)| {
                limit.filter(|limit| found > limit).map(|limit| (what, limit, found))
            });
            Ok(match over.into_iter().next() {
                Some((what, limit, found)) => {
                    Seen::new(false, format!("at most {limit} tokens ({what})"), found.to_string())
                }
                None => Seen::new(true, "few enough tokens", usage.total().to_string()),
            })
        }
        Check::Cost(limit) => {
            let usage = answer.usage.ok_or("the answer does not tell its tokens")?;
            let prices = prices.ok_or("the suite has no prices")?;
            let cost = usage.cost(prices);
            if !cost.is_finite() {
                return Err("a cost that is no number".to_owned());
            }
            Ok(Seen::new(
                cost <= *limit,
                format!("a cost of at most {limit}"),
                format!("{cost:.6}"),
            ))
        }
        Check::FinishReason(wanted) => {
            let found = answer.finish_reason.as_deref();
            let holds = found.is_some_and(|found| found.eq_ignore_ascii_case(wanted));
            let found = found.unwrap_or("none");
            Ok(Seen::new(holds, format!("the end to be for `{wanted}`"), format!("`{found}`")))
        }
        other => Err(format!("{} is no limit", other.name())),
    }
}

fn within(limit: Duration, took: Duration) -> Seen {
    let shown = |it: Duration| format!("{:.3} s", it.as_secs_f64());
    Seen::new(took <= limit, format!("at most {}", shown(limit)), shown(took))
}
