use serde_json::json;

use super::*;

fn document() -> Value {
    json!({
        "metadata": { "name": "a", "annotations": { "x/y": "1" } },
        "list": ["a", "b"], "nothing": null,
    })
}

fn apply(document: &Value, patch: &Value) -> Result<Value, Refusal> {
    apply_json(document, patch.to_string().as_bytes())
}

fn applies(operation: &Value) -> bool {
    apply(&document(), &json!([operation])).is_ok()
}

#[test]
fn a_test_compares_whole_values() {
    assert!(applies(&json!({"op": "test", "path": "/metadata/annotations/x~1y", "value": "1"})));
    assert!(applies(
        &json!({"op": "test", "path": "/metadata/annotations", "value": {"x/y": "1"}})
    ));
    assert!(applies(&json!({"op": "test", "path": "/list/1", "value": "b"})));
    assert!(!applies(&json!({"op": "test", "path": "/metadata/annotations/x~1y", "value": 1})));
    assert!(!applies(&json!({"op": "test", "path": "/list/2", "value": null})));
}

#[test]
fn a_patch_that_copies_without_end_is_refused() {
    let mut patch = Vec::new();
    for number in 0..64 {
        patch.push(json!({"op": "copy", "from": "", "path": format!("/metadata/{number}")}));
    }
    let refusal = apply(&document(), &json!(patch)).unwrap_err();
    assert_eq!(refusal.code, 413);
    assert!(apply(&document(), &json!(patch[..4])).is_ok());
}

// Each of these was asked of a real server of version 1.37.
#[test]
fn a_test_for_null_passes_where_only_the_last_key_is_missing() {
    assert!(applies(&json!({"op": "test", "path": "/metadata/annotations/no", "value": null})));
    assert!(applies(&json!({"op": "test", "path": "/metadata/labels", "value": null})));
    assert!(!applies(&json!({"op": "test", "path": "/metadata/labels/no", "value": null})));
    assert!(!applies(&json!({"op": "test", "path": "/metadata/labels", "value": "x"})));
}

#[test]
fn a_replace_of_a_missing_key_adds_it_and_a_remove_fails() {
    assert!(applies(&json!({"op": "replace", "path": "/metadata/annotations/no", "value": "w"})));
    assert!(!applies(&json!({"op": "replace", "path": "/metadata/labels/no", "value": "w"})));
    assert!(!applies(&json!({"op": "add", "path": "/metadata/labels/no", "value": "w"})));
    assert!(!applies(&json!({"op": "remove", "path": "/metadata/annotations/no"})));
    assert!(!applies(&json!({"op": "replace", "path": "/list/2", "value": "w"})));
}

#[test]
fn a_failed_operation_undoes_all_and_tells_nothing() {
    let before = document();
    let refusal = apply(
        &before,
        &json!([
            {"op": "replace", "path": "/metadata/name", "value": "b"},
            {"op": "test", "path": "/metadata/name", "value": "a"},
        ]),
    )
    .unwrap_err();
    assert_eq!(refusal.code, 422);
    assert_eq!(refusal.body["details"], json!({}));
    assert_eq!(before, document());
}

#[test]
fn lists_take_an_element_in_the_middle_and_at_the_end() {
    let patched = apply(
        &document(),
        &json!([
            {"op": "add", "path": "/list/1", "value": "x"},
            {"op": "add", "path": "/list/-", "value": "z"},
            {"op": "move", "from": "/list/0", "path": "/first"},
            {"op": "copy", "from": "/first", "path": "/metadata/copy"},
        ]),
    )
    .unwrap();
    assert_eq!(patched["list"], json!(["x", "b", "z"]));
    assert_eq!((&patched["first"], &patched["metadata"]["copy"]), (&json!("a"), &json!("a")));
}

#[test]
fn what_is_no_patch_is_a_bad_request() {
    assert_eq!(apply(&document(), &json!({"op": "test"})).unwrap_err().code, 400);
    assert_eq!(apply_merge(&document(), &json!([])).unwrap_err().code, 400);
    assert!(!applies(&json!({"op": "bogus", "path": "/list"})));
}

#[test]
fn a_merge_patch_removes_with_null_and_replaces_lists() {
    let patch = json!({"metadata": {"annotations": {"x/y": null, "z": "2"}}, "list": ["c"]});
    let merged = apply_merge(&document(), &patch).unwrap();
    assert_eq!(merged["metadata"], json!({"name": "a", "annotations": {"z": "2"}}));
    assert_eq!(merged["list"], json!(["c"]));
}

#[test]
fn a_test_compares_texts_as_they_are_written() {
    let document =
        json!({"e": "a=1&b=<2>", "plain": "é\n\"\\\u{1}", "lines": "\u{2028}", "a&b": 1});
    let passes = |patch: &str| match apply_json(&document, patch.as_bytes()) {
        Ok(patched) => {
            assert_eq!(patched, document, "{patch}");
            true
        }
        Err(refusal) => {
            assert_eq!((refusal.code, &refusal.body["details"]), (422, &json!({})), "{patch}");
            false
        }
    };
    for (path, value, wanted) in [
        ("/e", r#""a=1\u0026b=\u003c2\u003e""#, true),
        ("/e", r#""a=1&b=<2>""#, false),
        ("/e", r#""a=1\u0026b=\u003C2\u003E""#, false),
        ("/plain", r#""é\n\"\\\u0001""#, true),
        ("/plain", r#""\u00e9\n\"\\\u0001""#, false),
        ("/lines", r#""\u2028""#, true),
        ("/lines", "\"\u{2028}\"", false),
        // Keys are read, on both sides.
        ("/a&b", "1", true),
        (r"/a\u0026b", "1", true),
        (
            "",
            r#"{"a&b":1,"e":"a=1\u0026b=\u003c2\u003e","plain":"é\n\"\\\u0001","lines":"\u2028"}"#,
            true,
        ),
    ] {
        let patch = format!(r#"[{{"op": "test", "path": "{path}", "value": {value}}}]"#);
        assert_eq!(passes(&patch), wanted, "{patch}");
    }
}

#[test]
fn what_a_patch_has_written_is_tested_as_it_was_sent() {
    for (sent, tested, wanted) in
        [("a&b", "a&b", true), ("a&b", r"a\u0026b", false), (r"a\u0026b", r"a\u0026b", true)]
    {
        let patch = format!(
            r#"[{{"op": "replace", "path": "/k", "value": "{sent}"}},
                {{"op": "test", "path": "/k", "value": "{tested}"}}]"#
        );
        let patched = apply_json(&json!({"k": "v"}), patch.as_bytes());
        assert_eq!(patched.is_ok(), wanted, "{patch}");
        assert!(patched.is_err() || patched.is_ok_and(|it| it["k"] == "a&b"), "{patch}");
    }
}
