#![allow(clippy::float_cmp, reason = "what was written exactly is read exactly")]

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn all(text: &str) -> Result<Vec<Sample<'_>>, String> {
    samples(text).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn only(text: &str) -> Sample<'_> {
    let [only] = <[_; 1]>::try_from(all(text).unwrap()).unwrap();
    only
}

#[test]
fn what_agents_and_proxies_write_is_read() {
    let vllm = "# HELP vllm:num_requests_running Number of requests in model execution batches.\n\
                # TYPE vllm:num_requests_running gauge\n\
                vllm:num_requests_running{engine=\"0\",model_name=\"meta/llama\"} 3.0\n";
    let sample = only(vllm);
    assert_eq!((&*sample.name, sample.value), ("vllm:num_requests_running", 3.0));
    assert_eq!(sample.label("model_name"), Some("meta/llama"));
    assert_eq!(sample.label("model"), None);
    let envoy = "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"blue\"} 0\n";
    assert_eq!(only(envoy).label("envoy_cluster_name"), Some("blue"));

    let exemplar = "a_bucket{le=\"0.1\"} 8 1.5 # {trace_id=\"KOO\"} 0.067 1.4\n# EOF\n";
    assert_eq!(only(exemplar).value, 8.0);
    assert!(is_whole(exemplar) && !is_whole(vllm) && is_whole("# EOF"));
    assert_eq!(only("a 1 1764000000000").value, 1.0);
    assert_eq!(only("\ta { b = \"c\" , }  7 \r\n").label("b"), Some("c"));
    assert_eq!(only("a{}1").value, 1.0);
    assert_eq!(only(r#"{"my.gauge", "a.b"="c"} 2"#).name, "my.gauge");
    assert_eq!(only(r#"a{b="\\ \" \n \x é"} 2"#).label("b"), Some("\\ \" \n \\x é"));
    assert!(only("a NaN").value.is_nan() && only("a +Inf").value.is_infinite());
    assert_eq!(all("\n\n# a comment\n"), Ok(Vec::new()));
}

#[test]
fn a_line_that_makes_no_sense_spoils_the_rest() {
    for (text, wanted) in [
        ("a 1\nb\nc 1", "line 2 of the metrics: it has no value"),
        ("a x", "line 1 of the metrics: its value is no number"),
        ("{b=\"c\"} 1", "line 1 of the metrics: it has no name"),
        ("1a 1", "line 1 of the metrics: it has no name"),
        ("a{b} 1", "line 1 of the metrics: a label has no value"),
        ("a{b=c} 1", "line 1 of the metrics: a label's value is not quoted"),
        ("a{b=\"c} 1", "line 1 of the metrics: a quoted text does not end"),
        ("a{b=\"c\\", "line 1 of the metrics: a quoted text does not end"),
        ("a{b=\"c\" 1", "line 1 of the metrics: its labels do not end"),
        ("a{=\"c\"} 1", "line 1 of the metrics: a label has no name"),
        ("a{\"b\"} 1", "line 1 of the metrics: it has two names"),
        ("a 1 x", "line 1 of the metrics: its time is no number"),
        ("a 1 2 3", "line 1 of the metrics: there is more than a value and a time"),
        ("a 1\n# EOF\nb 1", "line 3 of the metrics: it comes after the end"),
        ("<!DOCTYPE html>", "line 1 of the metrics: it has no name"),
    ] {
        assert_eq!(all(text).unwrap_err(), wanted, "{text}");
    }
    assert_eq!(samples("a 1\nb\nc 1").count(), 2);
}

/// A text with everything that must be escaped in it.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![Just('\\'), Just('"'), Just('\n'), Just('}'), Just(','), any::<char>()],
        0..12,
    )
    .prop_map(|characters| characters.into_iter().filter(|c| *c != '\r').collect())
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        lines in proptest::collection::vec(
            (
                "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
                proptest::collection::vec(("[a-zA-Z_][a-zA-Z0-9_]{0,4}", text()), 0..4),
                any::<f64>().prop_filter("NaN is not itself", |it| !it.is_nan()),
                proptest::option::of(0u64..2_000_000_000),
            ),
            0..8,
        ),
    ) {
        let mut written = String::new();
        for (name, labels, value, time) in &lines {
            let labels = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value)));
            let labels = labels.collect::<Vec<_>>().join(",");
            let time = time.map_or(String::new(), |time| format!(" {time}"));
            writeln!(written, "{name}{{{labels}}} {value}{time}").unwrap();
        }
        let read = all(&written).unwrap();
        prop_assert_eq!(read.len(), lines.len());
        for (sample, (name, labels, value, _)) in read.iter().zip(&lines) {
            prop_assert_eq!(&sample.name, name);
            prop_assert_eq!(sample.value.to_bits(), value.to_bits());
            let found: Vec<_> =
                sample.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            prop_assert_eq!(&found, labels);
        }
    }

    #[test]
    fn no_text_is_a_panic(text in any::<String>()) {
        let _ = all(&text);
    }

    #[test]
    fn no_metrics_with_something_wrong_are_a_panic(
        at in 0usize..60,
        with in prop_oneof![Just("{"), Just("}"), Just("\""), Just("\\"), Just("é"), Just("\n"), Just(" ")],
    ) {
        let mut text = "vllm:running{a=\"b\\n\",c=\"d\"} 3.0 17\n# EOF\n".to_owned();
        text.insert_str(at.min(text.len()), with);
        let _ = all(&text);
    }
}
