//! Ingresses as nobody would write them.

use super::*;

fn read(spec: &Value) -> Object {
    let object = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "agent", "uid": "1", "resourceVersion": "1"}, "spec": spec,
    });
    Object::read(&serde_json::from_value(object).unwrap(), &settings())
}

fn slots() -> Pair<String> {
    Pair::new("agent-blue".to_owned(), "agent-green".to_owned())
}

#[test]
fn fields_of_any_type_are_borne() {
    for odd in [json!(null), json!(7), json!("x"), json!([1, [2]]), json!({"a": {}})] {
        for spec in [
            odd.clone(),
            json!({"rules": odd}),
            json!({"rules": [odd]}),
            json!({"rules": [{"http": odd}]}),
            json!({"rules": [{"http": {"paths": odd}}]}),
            json!({"rules": [{"http": {"paths": [odd]}}]}),
            json!({"rules": [{"http": {"paths": [{"backend": odd}]}}]}),
            json!({"rules": [{"http": {"paths": [{"backend": {"service": odd}}]}}]}),
            json!({"rules": [{"http": {"paths": [{"backend": {"service": {"name": odd}}}]}}]}),
            json!({"defaultBackend": odd}),
        ] {
            assert!(read(&spec).color(&slots()).is_err(), "{spec}");
        }
        let backend = json!({"service": {"name": "agent-blue", "port": odd}});
        assert_eq!(read(&json!({"defaultBackend": backend})).color(&slots()), Ok(Blue));
    }
}

#[test]
fn what_is_told_is_short_and_moves_no_cursor() {
    let long = format!("/\u{1b}[2J{}", "x".repeat(10_000));
    let spec = json!({"rules": [{"host": long, "http": {"paths": [
        {"path": long, "backend": {"service": {"name": "agent-blue"}}},
        {"path": long, "backend": {"service": {"name": "agent-green"}}},
    ]}}]});
    let told = read(&spec).color(&slots()).unwrap_err();
    assert!(told.len() < 1000 && !told.contains(char::is_control), "{told}");
}

#[tokio::test]
async fn a_thousand_paths_are_moved_by_one_patch_and_told_in_few_words() {
    let stand_in = world().await;
    let mut much = spec(&stand_in, AGENT);
    let paths = much["rules"][0]["http"]["paths"].as_array_mut().unwrap();
    for number in 0..1000 {
        paths.push(path(&format!("/foreign/{number}"), "files"));
        paths.push(path(&format!("/ours/{number}"), "agent-blue"));
    }
    edit(&stand_in, AGENT, &json!({"spec": much}));
    let switch = switch(&stand_in);
    let found = switch.check(&[green()], &EvidenceKind::Endpoints).await.unwrap();
    let foreign = found.iter().find(|it| it.code == "foreign-paths").unwrap();
    assert!(foreign.found.len() < 1000, "{}", foreign.found);
    assert!(foreign.found.ends_with(", and 991 more"), "{}", foreign.found);
    switch.fence(ONE).await.unwrap();
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(spec(&stand_in, AGENT), led_to(&much, Green));
}
