use serde_json::{Value, json};

use super::*;

fn endpoint(uid: &str, conditions: &Value) -> Value {
    json!({
        "addresses": ["10.0.0.1"], "conditions": conditions,
        "targetRef": {"kind": "Pod", "name": uid, "uid": uid},
    })
}

fn serving(uid: &str) -> Value {
    endpoint(uid, &json!({"ready": true, "serving": true, "terminating": false}))
}

fn slice(service: &str, family: &str, endpoints: &[Value]) -> EndpointSlice {
    serde_json::from_value(json!({
        "metadata": {"name": "s", "labels": {SERVICE_NAME: service}},
        "addressType": family, "endpoints": endpoints, "ports": [],
    }))
    .unwrap()
}

fn right() -> BTreeSet<String> {
    ["a", "b"].map(str::to_owned).into()
}

fn is_right(slices: &[EndpointSlice]) -> bool {
    Listed::of(slices, "agent").only(&right())
}

#[test]
fn only_pods_of_the_slot_are_right() {
    assert!(is_right(&[slice("agent", "IPv4", &[serving("a"), serving("b")])]));
    assert!(is_right(&[slice("agent", "IPv4", &[serving("a")])]), "one serves: that is enough");
    assert!(!is_right(&[slice("agent", "IPv4", &[serving("a"), serving("old")])]));
}

#[test]
fn all_slices_of_all_families_count() {
    let four = slice("agent", "IPv4", &[serving("a")]);
    let six = |uid| slice("agent", "IPv6", &[serving(uid)]);
    assert!(is_right(&[four.clone(), six("b")]));
    assert!(!is_right(&[four.clone(), six("old")]));
    assert!(is_right(&[four, slice("other", "IPv4", &[serving("old")])]));
}

#[test]
fn slices_of_each_family_are_counted() {
    let of = |families: &[&str]| {
        let slices: Vec<_> = families.iter().map(|it| slice("agent", it, &[])).collect();
        Listed::of(&slices, "agent").slices_of_a_family()
    };
    assert_eq!([of(&[]), of(&["IPv4", "IPv6"]), of(&["IPv4", "IPv6", "IPv6"])], [0, 1, 2]);
}

#[test]
fn nothing_is_not_right() {
    assert!(!is_right(&[]));
    assert!(!is_right(&[slice("agent", "IPv4", &[])]));
    let none: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "s", "labels": {SERVICE_NAME: "agent"}},
        "addressType": "IPv4", "endpoints": null,
    }))
    .unwrap();
    assert!(!is_right(&[none]), "the placeholder of a selector that finds nothing");
}

#[test]
fn an_empty_family_is_no_objection_and_a_dead_one_is() {
    let four = slice("agent", "IPv4", &[serving("a")]);
    assert!(is_right(&[four.clone(), slice("agent", "IPv6", &[])]), "pods have no such address");
    let waiting = endpoint("b", &json!({"ready": false, "serving": false}));
    assert!(!is_right(&[four, slice("agent", "IPv6", &[waiting])]));
}

#[test]
fn ending_endpoints_do_not_count() {
    let ending = endpoint("old", &json!({"ready": false, "serving": true, "terminating": true}));
    assert!(is_right(&[slice("agent", "IPv4", &[serving("a"), ending.clone()])]));
    assert!(!is_right(&[slice("agent", "IPv4", &[ending])]));
}

#[test]
fn serving_is_what_counts_and_not_ready() {
    // A Service that publishes pods before they are ready calls them ready.
    let early = endpoint("a", &json!({"ready": true, "serving": false}));
    assert!(!is_right(&[slice("agent", "IPv4", &[early])]));
    assert!(is_right(&[slice("agent", "IPv4", &[endpoint("a", &json!({"ready": true}))])]));
    assert!(is_right(&[slice("agent", "IPv4", &[endpoint("a", &json!({}))])]));
}

#[test]
fn an_endpoint_that_is_no_pod_is_wrong() {
    let stranger = json!({"addresses": ["192.0.2.1"], "conditions": {"ready": true}});
    assert!(!is_right(&[slice("agent", "IPv4", &[serving("a"), stranger])]));
}

#[test]
fn a_preview_knows_pods_that_serve() {
    let slices =
        [slice("preview", "IPv4", &[serving("a"), endpoint("b", &json!({"serving": false}))])];
    let listed = Listed::of(&slices, "preview");
    assert!(listed.serves_all(&["a".to_owned()]));
    assert!(!listed.serves_all(&["a".to_owned(), "b".to_owned()]));
    assert!(listed.serves_all(&[]));
    assert_eq!(listed.to_string(), "1 serving endpoint and 1 not ready in 1 slice");
}
