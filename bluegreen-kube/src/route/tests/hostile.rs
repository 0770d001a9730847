//! Routes that no API server should have taken. They are told of, and nothing of them is written.

use super::*;

/// A route of somebody who means no good, and what is made of it.
async fn odd(change: impl FnOnce(&mut Value)) -> StandIn {
    let stand_in = world().await;
    let mut spec = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap()["spec"].clone();
    change(&mut spec);
    replace(&stand_in, &spec);
    stand_in
}

/// A route that nothing was ever written to but its whole `spec`.
fn replace(stand_in: &StandIn, spec: &Value) {
    edit(stand_in, AGENT, &json!({"spec": null, "metadata": {"annotations": null}}));
    edit(stand_in, AGENT, &json!({"spec": spec}));
}

/// Everything that a switch does with a route, which ends, and says nothing that is long or moves
/// a cursor.
async fn is_borne(what: &str, stand_in: &StandIn) {
    let switch = switch(stand_in).with_mirror().with_cookie_pins();
    let mut said = Vec::new();
    let fenced = switch.fence(ONE).await;
    said.extend(fenced.err().map(|error| error.chain()));
    let observed = switch.observe().await.unwrap();
    let from = match &observed.state {
        ObservedState::Routed(routing) => routing.clone(),
        other => {
            said.push(other.to_string());
            blue()
        }
    };
    let routings = [pinned(canary(5)), mirrored(blue(), 10), green()];
    let problems = switch.check(&routings, &EvidenceKind::Endpoints).await.unwrap();
    said.extend(problems.iter().map(|it| format!("{} {} {}", it.object, it.found, it.wanted)));
    for to in &routings {
        // What is done once, is done for good: each begins anew.
        let shifted = switch.shift(&from, to, ONE).await;
        said.extend(shifted.err().map(|error| error.chain()));
        if let Some(at) = switch.observe().await.unwrap().routing() {
            let _ = switch.shift(at, &from, ONE).await;
        }
    }
    is_fit_to_be_shown(what, &said);
}

fn is_fit_to_be_shown(what: &str, said: &[String]) {
    for text in said {
        assert!(text.len() < 2_000, "{what}: {} bytes: {text:.300}", text.len());
        assert!(!text.contains(char::is_control), "{what}: {text:?}");
    }
}

/// What stands in place of what should be there.
fn odds() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(18_446_744_073_709_551_615_u64),
        json!(-9_223_372_036_854_775_808_i64),
        json!(1e300),
        json!("\u{1b}[2J"),
        json!("x".repeat(100_000)),
        json!([]),
        json!({}),
        json!([null, 1, "a", [], {}]),
        json!({"name": {}, "value": [], "weight": "1", "type": 1}),
    ]
}

/// Where something else may stand.
const PLACES: [&str; 24] = [
    "/parentRefs",
    "/parentRefs/0",
    "/parentRefs/0/name",
    "/parentRefs/0/port",
    "/hostnames",
    "/hostnames/0",
    "/rules",
    "/rules/0",
    "/rules/1",
    "/rules/1/matches",
    "/rules/1/matches/0",
    "/rules/1/matches/0/path",
    "/rules/1/matches/0/headers",
    "/rules/1/filters",
    "/rules/1/filters/0",
    "/rules/1/filters/0/type",
    "/rules/1/backendRefs",
    "/rules/1/backendRefs/0",
    "/rules/1/backendRefs/0/name",
    "/rules/1/backendRefs/0/port",
    "/rules/1/backendRefs/0/weight",
    "/rules/1/backendRefs/0/namespace",
    "/rules/1/timeouts",
    "/rules/1/sessionPersistence",
];

/// A route as a server would have to give it that checks nothing.
fn read(object: Value) -> Object {
    let found: DynamicObject = serde_json::from_value(object).unwrap();
    Object::read(&RouteName::new(RouteKind::Http, AGENT), &found, &settings())
}

#[tokio::test]
async fn whatever_stands_in_a_route_is_borne() {
    let stand_in = world().await;
    let whole = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap();
    let slots = switch(&stand_in).slots;
    for place in PLACES {
        for value in odds() {
            let what = format!("{place}: {value:.40}");
            let mut object = whole.clone();
            put(&mut object["spec"], place, value);
            let route = read(object);
            let mut said = status::lacks(&route);
            said.extend(route.routing(&slots).err());
            for to in [pinned(canary(5)), mirrored(blue(), 10), green()] {
                said.extend(patch::make(&route, &to, &slots).err());
            }
            is_fit_to_be_shown(&what, &said);
        }
    }
}

#[tokio::test]
async fn whatever_the_api_server_gives_is_borne() {
    let stand_in = world().await;
    let whole = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap()["spec"].clone();
    for place in PLACES {
        for value in [Value::Null, json!("\u{1b}[2J"), json!([null, 1])] {
            let what = format!("{place}: {value:.40}");
            let mut spec = whole.clone();
            put(&mut spec, place, value);
            replace(&stand_in, &spec);
            is_borne(&what, &stand_in).await;
        }
    }
}

/// Puts `value` at `place`, whose parent is there.
fn put(spec: &mut Value, place: &str, value: Value) {
    let (parent, key) = place.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { spec } else { spec.pointer_mut(parent).unwrap() };
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}

#[tokio::test]
async fn whatever_a_gateway_says_is_borne() {
    let stand_in = world().await;
    let whole = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap();
    for value in odds() {
        for place in ["parents", "conditions", "condition", "parentRef"] {
            let mut object = whole.clone();
            let status = &mut object["status"];
            match place {
                "parents" => status["parents"] = value.clone(),
                "conditions" => status["parents"][0]["conditions"] = value.clone(),
                "parentRef" => status["parents"][0]["parentRef"] = value.clone(),
                _ => {
                    for field in ["status", "reason", "message", "observedGeneration"] {
                        status["parents"][0]["conditions"][0][field] = value.clone();
                    }
                }
            }
            let route = read(object);
            let said = [status::lacks(&route), status::undated(&route)].concat();
            assert!(!said.is_empty(), "{place}: {value:.40}");
            is_fit_to_be_shown(&format!("{place}: {value:.40}"), &said);
        }
    }
}

#[tokio::test]
async fn a_mirror_of_any_size_is_borne() {
    let stand_in = world().await;
    let whole = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap();
    let slots = switch(&stand_in).slots;
    for part in odds() {
        for field in ["percent", "fraction", "numerator", "denominator"] {
            let mut object = whole.clone();
            let rule = &mut object["spec"]["rules"][1];
            let mut mirror = json!({ "backendRef": rule["backendRefs"][1] });
            match field {
                "numerator" | "denominator" => {
                    let mut fraction = json!({"numerator": u64::MAX, "denominator": 0});
                    fraction[field] = part.clone();
                    mirror["fraction"] = fraction;
                }
                field => mirror[field] = part.clone(),
            }
            rule["filters"] = json!([{"type": "RequestMirror", "requestMirror": mirror}]);
            let routing = read(object).routing(&slots).unwrap();
            assert!(routing.mirror.unwrap().share.is_valid(), "{field}: {part:.40}");
        }
    }
}

#[tokio::test]
async fn what_is_no_note_is_shown_short() {
    let stand_in = world().await;
    let odd = "\u{1b}[2J".repeat(10_000);
    for key in ["bluegreen.dev/transition", "bluegreen.dev/epoch"] {
        edit(&stand_in, AGENT, &json!({"metadata": {"annotations": {key: odd}}}));
        is_borne(key, &stand_in).await;
        edit(&stand_in, AGENT, &json!({"metadata": {"annotations": {key: null}}}));
    }
}

#[tokio::test]
async fn a_match_that_is_none_is_told_where_a_pin_would_be_added_to_it() {
    let stand_in = world().await;
    let slots = switch(&stand_in).slots;
    for (matches, told) in [
        (json!([{}, "all"]), "found a match that is no object, wanted one"),
        (json!([{"headers": "x"}]), "found a match whose headers are no list"),
        (json!("all"), "found matches that are no list"),
    ] {
        let mut object = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap();
        object["spec"]["rules"][1]["matches"] = matches;
        let route = read(object);
        let error = patch::make(&route, &pinned(canary(5)), &slots).unwrap_err();
        assert_eq!(error, format!("httproute agent, rule 1: {told}"));
        assert_eq!(patch::make(&route, &canary(5), &slots).unwrap().added, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_thousand_rules_between_the_slots_all_move() {
    let stand_in = odd(|spec| {
        let rule = spec["rules"][1].clone();
        spec["rules"] = (0..1_000)
            .map(|number| {
                let mut rule = rule.clone();
                rule["matches"][0]["path"]["value"] = format!("/{number}").into();
                rule
            })
            .collect();
        let parent = |number: usize| json!({"name": format!("public-{number}")});
        spec["parentRefs"] = (0..300).map(parent).collect();
        spec["hostnames"] = (0..300).map(|number| json!(format!("{number}.example.com"))).collect();
    })
    .await;
    let mut twin = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap();
    twin["metadata"] = json!({"name": "twin"});
    create(&stand_in, "httproutes", route("twin")).await;
    edit(&stand_in, "twin", &json!({"spec": twin["spec"]}));
    let switch = switch(&stand_in);
    let route = switch.read(&switch.routes[0]).await.unwrap();
    let made = patch::make(&route, &pinned(canary(5)), &switch.slots).unwrap();
    assert_eq!((made.rules.len(), made.added.len()), (3_000, 2_000));
    let note = note::Note::new(&blue(), &pinned(canary(5)), ONE, made.added);
    assert_eq!(note.added(&made.rules).map(|added| added.len()), Some(2_000));
    let problems = switch.check(&[canary(5)], &EvidenceKind::Endpoints).await.unwrap();
    assert_eq!(problems.iter().filter(|it| it.code == "same-match").count(), 1);
}
