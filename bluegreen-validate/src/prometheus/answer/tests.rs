use super::*;

const LABELS: [&str; 2] = ["job", "instance"];

fn read(part: Part, samples: bool, text: &str) -> Result<Vec<Series>, String> {
    let target_labels = LABELS.map(str::to_owned);
    let asked =
        Asked { part, samples, from: 100_000, until: 200_000, target_labels: &target_labels };
    let mut mask = Mask::default();
    mask.hide("sk-12345");
    series(text.as_bytes(), asked, &mask)
}

fn matrix(items: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{items}]}}}}"#)
}

fn vector(items: &str) -> String {
    matrix(items).replace("matrix", "vector")
}

#[test]
fn samples_of_each_series_are_read() {
    let text = matrix(
        r#"{"metric":{"__name__":"x_bucket","job":"a","instance":"b","code":"200","le":"0.5"},
            "values":[[100,"1"],[150.5,"2"],[200.000,"1e3"]]},
           {"metric":{"__name__":"x_bucket","job":"a","instance":"b","code":"200","le":"+Inf"},
            "values":[]}"#,
    );
    let found = read(Part::Buckets, true, &text).unwrap();
    assert_eq!(found[0].samples, [(100_000, 1.0), (150_500, 2.0), (200_000, 1000.0)]);
    assert_eq!(found[0].name.as_deref(), Some("x_bucket"));
    assert_eq!((found[0].bound, found[1].bound), (Bound::parse("0.5"), Bound::parse("Inf")));
    assert_eq!(found[0].child, found[1].child);
    assert_eq!(found[0].target, r#"[Some("a"), Some("b")]"#);
    assert_eq!(read(Part::Count, true, &matrix("")), Ok(Vec::new()));
    let found = read(Part::Sum, false, &vector(r#"{"metric":{},"value":[199.2,"0.5"]}"#)).unwrap();
    assert_eq!(found[0].samples, [(199_200, 0.5)]);
}

#[test]
fn what_is_no_good_answer_is_no_number() {
    let sample = |sample: &str| matrix(&format!(r#"{{"metric":{{"a":"b"}},"values":[{sample}]}}"#));
    let error = r#"{"status":"error","errorType":"bad_data","error":"no sk-12345 here"}"#;
    let warned = matrix("").replace("}}", r#"},"warnings":["a store is gone"],"infos":["x"]}"#);
    let partial = matrix("").replace("}}", r#"},"isPartial":true}"#);
    let native = matrix(r#"{"metric":{},"histograms":[[150,{}]]}"#);
    for (text, wanted) in [
        (String::new(), "found an answer that is none of Prometheus: `EOF"),
        ("<html>".to_owned(), "found an answer that is none of Prometheus: `expected value"),
        ("{}".to_owned(), "found the status ``"),
        (
            error.to_owned(),
            "found the status `error` (`bad_data`: `no *** here`), wanted `success`",
        ),
        (r#"{"status":"success"}"#.to_owned(), "found no data"),
        (warned, "found the warning `a store is gone`, wanted all"),
        (partial, "found a part (`isPartial`), wanted all"),
        (vector(""), "found a result of the type `vector`, wanted `matrix`; select counters"),
        (matrix("").replace("matrix", "scalar"), "found a result of the type `scalar`, wanted"),
        (native, "`{}`: found a native histogram"),
        (sample(r#"[150,"NaN"]"#), r#"`{"a": "b"}`: found NaN at 150.000, wanted a number from 0"#),
        (sample(r#"[150,"+Inf"]"#), r#"`{"a": "b"}`: found inf at"#),
        (sample(r#"[150,"-1"]"#), r#"`{"a": "b"}`: found -1 at"#),
        (sample(r#"[150,"one"]"#), "found an answer that is none of Prometheus: `a value is no"),
        (sample("[150,1]"), "found an answer that is none of Prometheus: `invalid type"),
        (sample(r#"[99.9,"1"]"#), r#"`{"a": "b"}`: found a sample of the time 99.900, wanted one"#),
        (sample(r#"[200.1,"1"]"#), r#"`{"a": "b"}`: found a sample of the time 200.100"#),
        (sample(r#"[1e300,"1"]"#), "found an answer that is none of Prometheus: `1e300 is no time"),
        (sample(r#"[150,"1"],[150,"2"]"#), r#"`{"a": "b"}`: found times that do not rise"#),
    ] {
        let why = read(Part::Count, true, &text).unwrap_err();
        assert!(why.starts_with(wanted), "{text}: {why}");
    }
    let bucket = |le: &str| matrix(&format!(r#"{{"metric":{{{le}}},"values":[]}}"#));
    for le in ["", r#""le":"NaN""#, r#""le":"many""#] {
        assert!(read(Part::Buckets, true, &bucket(le)).is_err(), "{le}");
    }
    assert!(
        read(Part::Count, false, &vector(r#"{"metric":{}}"#)).unwrap_err().contains("no value")
    );
    let early = vector(r#"{"metric":{},"value":[198,"1"]}"#);
    assert!(read(Part::Count, false, &early).unwrap_err().contains("of the time 198.000"));
    assert!(read(Part::Count, false, &matrix("")).unwrap_err().contains("wanted `vector`"));
}

#[test]
fn what_is_said_of_an_answer_is_short() {
    let long = "x".repeat(100_000);
    for text in [
        matrix(&format!(r#"{{"metric":{{"{long}":"{long}"}},"values":[[1,"1"]]}}"#)),
        matrix(&format!(r#"{{"metric":"{long}"}}"#)),
        matrix("").replace("matrix", &long),
        format!(r#"{{"status":"{long}"}}"#),
        format!(r#"{{"status":"error","error":"{long}","errorType":"{long}"}}"#),
    ] {
        let why = read(Part::Count, true, &text).unwrap_err();
        assert!(why.len() < 1000, "{}", why.len());
    }
}

#[test]
fn what_is_after_the_end_is_taken_for_the_end_or_left_out() {
    let text = |values: &str| matrix(&format!(r#"{{"metric":{{}},"values":[{values}]}}"#));
    let found = read(Part::Count, true, &text(r#"[150,"1"],[200.001,"2"]"#)).unwrap();
    assert_eq!(found[0].samples, [(150_000, 1.0), (200_000, 2.0)]);
    let found = read(Part::Count, true, &text(r#"[150,"1"],[200,"10"],[200.001,"3"]"#)).unwrap();
    assert_eq!(found[0].samples, [(150_000, 1.0), (200_000, 10.0)]);
    let span = crate::counters::Span { from: 150_000, until: 200_000 };
    assert_eq!(crate::counters::totals(&[(Part::Count, found)], span).count, Some(9.0));
}
