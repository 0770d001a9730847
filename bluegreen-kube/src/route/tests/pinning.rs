//! Rules that pins add and mirrors, and how they go again.

use super::*;

/// Each rule as its header, if it has one, and its backends.
fn leads(stand_in: &StandIn) -> Vec<(Value, Vec<String>)> {
    let rules = rules(stand_in, AGENT);
    let text = |it: &Value| it["name"].as_str().unwrap().to_owned();
    rules
        .iter()
        .map(|rule| {
            let header = rule["matches"][0]["headers"][0]["value"].clone();
            (header, rule["backendRefs"].as_array().unwrap().iter().map(text).collect())
        })
        .collect()
}

#[tokio::test]
async fn pins_are_rules_after_all_others_and_go_with_the_pins() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let before = rules(&stand_in, AGENT);
    shifted(&switch, &blue(), &pinned(canary(5))).await;
    let both = vec!["agent-blue".to_owned(), "agent-green".to_owned()];
    assert_eq!(
        leads(&stand_in),
        [
            (Value::Null, vec!["files".to_owned()]),
            (Value::Null, both),
            ("blue".into(), vec!["agent-blue".to_owned()]),
            ("green".into(), vec!["agent-green".to_owned()]),
        ]
    );
    let after = rules(&stand_in, AGENT);
    assert_eq!(after[2]["filters"], before[1]["filters"], "it does what its rule does");
    assert_eq!(after[2]["timeouts"], before[1]["timeouts"]);
    assert_eq!(after[2]["matches"][0]["path"], before[1]["matches"][0]["path"]);

    shifted(&switch, &pinned(canary(5)), &pinned(green())).await;
    assert_eq!(rules(&stand_in, AGENT).len(), 4);
    shifted(&switch, &pinned(green()), &green()).await;
    let mut after = rules(&stand_in, AGENT);
    assert_eq!(after[1]["backendRefs"], backends(0, 1_000_000));
    after[1]["backendRefs"] = backends(1, 0);
    assert_eq!(after, before, "nothing of ours is left but weights");
}

#[tokio::test]
async fn rules_of_pins_are_found_by_others_and_among_others() {
    let stand_in = world().await;
    let one = switch(&stand_in);
    one.fence(ONE).await.unwrap();
    shifted(&one, &blue(), &pinned(canary(5))).await;
    let mut theirs = rules(&stand_in, AGENT);
    let mut more = theirs[0].clone();
    more["matches"][0]["path"]["value"] = "/more".into();
    theirs.insert(3, more.clone());
    theirs[2]["timeouts"] = json!({"request": "10s"});
    edit(&stand_in, AGENT, &json!({"spec": {"rules": theirs}}));
    let other = switch(&stand_in);
    assert_eq!(other.observe().await.unwrap().routing(), Some(&pinned(canary(5))));
    other.fence(Epoch::new(2)).await.unwrap();
    other.shift(&pinned(canary(5)), &blue(), Epoch::new(2)).await.unwrap();
    let after = rules(&stand_in, AGENT);
    assert_eq!((after.len(), &after[2]), (3, &more), "theirs stays, ours are gone");
}

#[tokio::test]
async fn rules_of_pins_follow_when_somebody_changes_a_port() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    shifted(&switch, &blue(), &pinned(canary(5))).await;
    let mut rules = rules(&stand_in, AGENT);
    for backend in rules[1]["backendRefs"].as_array_mut().unwrap() {
        backend["port"] = 8080.into();
    }
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    shifted(&switch, &pinned(canary(5)), &pinned(canary(25))).await;
    let after = super::rules(&stand_in, AGENT);
    assert_eq!((after.len(), &after[2]["backendRefs"][0]["port"]), (4, &json!(8080)));
    shifted(&switch, &pinned(canary(25)), &blue()).await;
    assert_eq!(super::rules(&stand_in, AGENT).len(), 2);
}

#[tokio::test]
async fn one_header_may_lead_to_either_slot_in_two_steps() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let everybody_to = |color: Color| {
        let mut routing = canary(5);
        let (name, value) = ("x-slot".to_owned(), "mine".to_owned());
        routing.pins.push(Pin::Header { name, value, color });
        routing
    };
    shifted(&switch, &blue(), &everybody_to(Blue)).await;
    shifted(&switch, &everybody_to(Blue), &everybody_to(Green)).await;
    assert_eq!(leads(&stand_in)[2], ("mine".into(), vec!["agent-green".to_owned()]));
    shifted(&switch, &everybody_to(Green), &blue()).await;
    assert_eq!(rules(&stand_in, AGENT).len(), 2);
}

#[tokio::test]
async fn a_rule_of_a_pin_that_is_gone_is_told() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    shifted(&switch, &blue(), &pinned(canary(5))).await;
    let mut rules = rules(&stand_in, AGENT);
    rules.pop();
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    let observed = switch.observe().await.unwrap();
    let text = "httproute agent lacks some of the 2 rules that its pins had, or they were changed";
    assert_eq!(observed.state, ObservedState::Foreign(text.to_owned()));
    let error = switch.shift(&pinned(canary(5)), &blue(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
}

#[tokio::test]
async fn a_cookie_is_a_pin_only_where_the_gateway_is_said_to_match_expressions() {
    let stand_in = world().await;
    let mut to = canary(5);
    let (name, value) = ("slot".to_owned(), "green".to_owned());
    to.pins.push(Pin::Cookie { name, value, color: Green });
    let plain = switch(&stand_in);
    plain.fence(ONE).await.unwrap();
    let error = plain.shift(&blue(), &to, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{}", error.chain());
    let problems = plain.check(std::slice::from_ref(&to), &EvidenceKind::Endpoints).await.unwrap();
    assert!(problems.iter().any(|it| it.code == "beyond-capabilities"), "{problems:?}");
    let able = switch(&stand_in).with_cookie_pins();
    shifted(&able, &blue(), &to).await;
    let header = &rules(&stand_in, AGENT)[2]["matches"][0]["headers"][0];
    let wanted = json!({"type": "RegularExpression", "name": "cookie",
        "value": "^(.*;[ ]*)?slot=green[ ]*(;.*)?$"});
    assert_eq!(*header, wanted);
}

#[tokio::test]
async fn a_mirror_is_a_filter_that_goes_again() {
    let stand_in = world().await;
    let switch = switch(&stand_in).with_mirror();
    switch.fence(ONE).await.unwrap();
    let before = rules(&stand_in, AGENT);
    shifted(&switch, &blue(), &mirrored(blue(), 100)).await;
    let filter = |share: Value| {
        let mut mirror = json!({"backendRef":
            {"group": "", "kind": "Service", "name": "agent-green", "port": 80}});
        mirror.as_object_mut().unwrap().extend(share.as_object().unwrap().clone());
        json!({"type": "RequestMirror", "requestMirror": mirror})
    };
    let filters = |stand_in: &StandIn| rules(stand_in, AGENT)[1]["filters"][1].clone();
    assert_eq!(filters(&stand_in), filter(json!({})));
    shifted(&switch, &mirrored(blue(), 100), &mirrored(blue(), 7)).await;
    assert_eq!(filters(&stand_in), filter(json!({"percent": 7})));
    let mut little = blue();
    little.mirror = Some(Mirror::new(Share::parts_per_million(1234)));
    shifted(&switch, &mirrored(blue(), 7), &little).await;
    let fraction = json!({"fraction": {"numerator": 1234, "denominator": 1_000_000}});
    assert_eq!(filters(&stand_in), filter(fraction));
    // Requests that are pinned to live are copied too, and those to the candidate are not.
    let both = pinned(little.clone());
    shifted(&switch, &little, &both).await;
    let counts: Vec<usize> = rules(&stand_in, AGENT)[1..]
        .iter()
        .map(|rule| rule["filters"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [2, 2, 1]);
    shifted(&switch, &both, &canary(5)).await;
    shifted(&switch, &canary(5), &blue()).await;
    let mut after = rules(&stand_in, AGENT);
    after[1]["backendRefs"] = backends(1, 0);
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_mirror_beside_a_share_is_refused() {
    let stand_in = world().await;
    let switch = switch(&stand_in).with_mirror();
    switch.fence(ONE).await.unwrap();
    let to = mirrored(canary(5), 100);
    let error = switch.shift(&blue(), &to, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{}", error.chain());
    let problems = switch.check(&[to], &EvidenceKind::Endpoints).await.unwrap();
    assert!(problems.iter().any(|it| it.code == "beyond-capabilities"), "{problems:?}");
}
