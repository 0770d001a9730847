//! Queries made ready to be asked.

use std::time::Duration;

use bluegreen_core::{Color, Window};

use super::answer::Asked;
use super::ask::When;
use super::config::PrometheusConfig;
use super::queries::Queries;
use super::template::Template;
use crate::counters::{Part, Span};

/// One query, made ready.
pub(super) struct Prepared<'a> {
    pub(super) part: Part,
    pub(super) text: String,
    pub(super) when: When,
    /// What its answer has to be like.
    pub(super) asked: Asked<'a>,
}

/// The window in milliseconds, moved back.
pub(super) fn span(window: Window, delay: Duration) -> Span {
    let until = window.until.unix_millis().saturating_sub(millis(delay));
    Span { from: until.saturating_sub(millis(window.length)), until }
}

/// All queries of a metric, for one slot and one span that is not empty.
pub(super) fn prepare<'a>(
    config: &'a PrometheusConfig,
    queries: &Queries,
    slot: Color,
    span: Span,
) -> Vec<Prepared<'a>> {
    let length = span.until - span.from;
    let (range, from, when) = match queries.step {
        _ if queries.values => (length, span.from, When::At(span.until)),
        None => {
            let range = length.saturating_add(millis(config.lookback));
            (range, span.until.saturating_sub(range), When::At(span.until))
        }
        Some(step) => {
            let (from, step) = steps(span, millis(step));
            (length, from, When::Each { from, until: span.until, step })
        }
    };
    let range = format!("{range}ms");
    let place = |name: &str| match name {
        "window" => Some(range.clone()),
        _ => config.place(name, slot),
    };
    let mut prepared = Vec::new();
    for (part, all) in queries.parts() {
        for query in all {
            // That it can be read has been seen to.
            let Ok(template) = Template::parse(query) else { continue };
            let asked = Asked {
                part,
                samples: !queries.values,
                from,
                until: span.until,
                target_labels: &config.target_labels,
            };
            prepared.push(Prepared { part, text: template.fill(place), when, asked });
        }
    }
    prepared
}

/// Equal steps, none longer than `longest`, of which the last ends with the span: where the first
/// begins, and how long each is. It begins a few milliseconds before the span where that cannot be
/// divided.
fn steps(span: Span, longest: u64) -> (u64, u64) {
    let length = span.until - span.from;
    let count = length.div_ceil(longest.max(1)).max(1);
    let step = length.div_ceil(count).max(1);
    // Fewer of them may do, since each has grown.
    let count = length.div_ceil(step).max(1);
    (span.until.saturating_sub(step * count), step)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Timestamp;

    use super::*;

    #[test]
    fn a_window_is_asked_for_with_what_came_before_it() {
        let config = PrometheusConfig::new("http://p:9090", "ai", "agent")
            .value("service", "one", "two")
            .lookback(Duration::from_mins(1));
        let queries = Queries::new()
            .sum(r#"s{s="$service"}[$window]"#)
            .count(r#"c{d=~"${deployment:regex}",a="$agent",n="$namespace"}[$window]"#);
        let window = Window::new(Timestamp::from_unix_millis(100_000), Duration::from_secs(10));
        let span = span(window, Duration::from_secs(1));
        assert_eq!(span, Span { from: 89_000, until: 99_000 });
        let found = prepare(&config, &queries, Color::Green, span);
        let found: Vec<_> = found.iter().map(|it| (it.part, &*it.text, it.asked.from)).collect();
        let wanted = [
            (Part::Count, r#"c{d=~"agent-green",a="agent",n="ai"}[70000ms]"#, 29_000),
            (Part::Sum, r#"s{s="two"}[70000ms]"#, 29_000),
        ];
        assert_eq!(found, wanted);
        let values = prepare(&config, &queries.values(), Color::Blue, span);
        assert!(values[1].text.ends_with(r#"s{s="one"}[10000ms]"#), "{}", values[1].text);
    }

    #[test]
    fn steps_are_equal_and_end_with_the_window() {
        for (length, longest, wanted) in [
            (60_000, 15_000, (40_000, 15_000)),
            (60_000, 25_000, (40_000, 20_000)),
            (10_000, 15_000, (90_000, 10_000)),
            (10_001, 5_000, (89_998, 3_334)),
            (5, 1, (99_995, 1)),
        ] {
            let span = Span { from: 100_000 - length, until: 100_000 };
            let (from, step) = steps(span, longest);
            assert_eq!((from, step), wanted);
            assert!(step <= longest && from <= span.from);
            assert!((span.until - from).is_multiple_of(step));
        }
    }
}
