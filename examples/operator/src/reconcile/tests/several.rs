//! Several objects for one agent, and objects that are gone.

use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use tokio::sync::mpsc;

use super::*;

#[tokio::test]
async fn of_two_objects_for_one_agent_the_first_counts() {
    let world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    world.says(NAME, "Baking").await;
    world.ask("a-second", "3", "0s").await;
    let object = world.says("a-second", "Duplicate").await;
    assert!(message(&object).starts_with("found agent, which has"), "{}", message(&object));
    assert_eq!(truths(&object), ["Stalled"]);
}

#[tokio::test]
async fn of_two_objects_of_one_second_the_one_counts_whose_release_it_is() {
    let mut world = World::new().await;
    world.ask("b-first", "2", "0s").await;
    world.says("b-first", "Released").await;
    world.until("b-first", |object| object.finalizers().is_empty()).await;
    world.stop().await;
    world.ask("a-second", "3", "0s").await;
    for name in ["a-second", "b-first"] {
        let patch = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}});
        let all = "agentreleases.bluegreen.dev";
        assert!(world.stand_in.edit("the clock", all, NAMESPACE, name, &patch));
    }
    world.operate("two");
    let object = world.says("a-second", "Duplicate").await;
    assert!(message(&object).starts_with("found b-first, which has"), "{}", message(&object));
    world.says("b-first", "Released").await;
    assert_eq!(world.live(), "green");
    // Nor does it begin when somebody takes that release back: it stays until the spec changes.
    world.cluster().await.operations().rollback("ann", "wrong refunds").await.unwrap();
    world.says("b-first", "Overtaken").await;
    world.stop().await;
    world.operate("three");
    world.says("a-second", "Duplicate").await;
    assert_eq!(world.live(), "blue");
    // It is its turn when the first one goes.
    world.api().delete("b-first", &DeleteParams::default()).await.unwrap();
    world.patch_named("a-second", spec("4", "0s")).await;
    let object = world.says("a-second", "Released").await;
    assert_eq!(object.status.unwrap().version.as_deref(), Some("4"));
}

#[tokio::test]
async fn what_an_object_left_that_was_torn_away_is_taken_back_by_the_next_one() {
    let mut world = World::new().await;
    world.ask("torn", "2", "1h").await;
    world.says("torn", "Baking").await;
    world.stop().await;
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.api().patch("torn", &PatchParams::default(), &patch).await.unwrap();
    world.api().delete("torn", &DeleteParams::default()).await.unwrap();
    world.operate("two");
    world.ask(NAME, "3", "0s").await;
    let is = |object: &AgentRelease| {
        let status = object.status.clone().unwrap_or_default();
        reason_of(&status) == "Released" && status.version.as_deref() == Some("3")
    };
    world.until(NAME, is).await;
    assert_eq!(world.ends().await, [true, false]);
}

#[tokio::test]
async fn an_object_that_is_made_anew_under_its_name_takes_back_what_the_first_one_left() {
    for is_driven in [false, true] {
        let mut world = World::new().await;
        world.ask(NAME, "2", "1h").await;
        world.says(NAME, "Baking").await;
        if !is_driven {
            world.stop().await;
        }
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        world.api().patch(NAME, &PatchParams::default(), &patch).await.unwrap();
        world.api().delete(NAME, &DeleteParams::default()).await.unwrap();
        world.ask(NAME, "3", "0s").await;
        // Times of creation have whole seconds, and all of this takes less than one.
        let patch = json!({"metadata": {"creationTimestamp": "2050-01-01T00:00:00Z"}});
        let all = "agentreleases.bluegreen.dev";
        assert!(world.stand_in.edit("the clock", all, NAMESPACE, NAME, &patch));
        if !is_driven {
            world.operate("two");
        }
        let is = |object: &AgentRelease| {
            let status = object.status.clone().unwrap_or_default();
            reason_of(&status) == "Released" && status.version.as_deref() == Some("3")
        };
        world.until(NAME, is).await;
        assert_eq!(world.ends().await, [true, false], "driven: {is_driven}");
    }
}

#[tokio::test]
async fn what_is_known_of_objects_that_are_gone_is_forgotten() {
    let world = World::new().await;
    let (objects, mut writer) = reflector::store();
    let client = world.client();
    let settings = Settings::new("operator", NAMESPACE);
    let context = Context {
        liveness: Arc::new(LeaseLiveness::new(client.clone(), settings, "context")),
        client: client.clone(),
        namespace: NAMESPACE.to_owned(),
        cluster_name: "test".to_owned(),
        drivers: Drivers::new(1, mpsc::unbounded_channel().0),
        objects,
        agents: Mutex::default(),
    };
    let cluster = world.cluster().await;
    let mut both = Vec::new();
    for name in ["one", "two"] {
        let mut object = AgentRelease::new(name, serde_json::from_value(spec("2", "0s")).unwrap());
        object.metadata.uid = Some(name.to_owned());
        object.spec.service = name.to_owned();
        let look = Look { object: &object, context: &context };
        let attempt = look.first(&Wanted::read(&object.spec).unwrap(), None);
        context.drivers.note(name, &attempt);
        context.agents.lock().unwrap().insert(name.to_owned(), cluster.clone());
        writer.apply_watcher_event(&Event::Apply(object.clone()));
        both.push(object);
    }
    context.forget_the_gone();
    assert_eq!((context.drivers.len(), context.agents.lock().unwrap().len()), (2, 2));
    writer.apply_watcher_event(&Event::Delete(both.remove(0)));
    context.forget_the_gone();
    assert_eq!((context.drivers.len(), context.agents.lock().unwrap().len()), (1, 1));
    assert!(context.drivers.attempt("two").is_some());
}

#[tokio::test]
async fn more_agents_than_places_are_released_and_no_more_at_once_than_there_are() {
    let world = World::new().await;
    let agents: Vec<String> = (0..5).map(|number| format!("many-{number}")).collect();
    for agent in &agents {
        world.add_agent(agent, agent).await;
        let mut spec = spec("2", "100ms");
        spec["service"] = json!(agent);
        let object = AgentRelease::new(agent, serde_json::from_value(spec).unwrap());
        world.api().create(&PostParams::default(), &object).await.unwrap();
    }
    let mut times = Vec::new();
    for agent in &agents {
        world.says(agent, "Released").await;
        let name = format!("{agent}-bluegreen");
        let map = world.stand_in.object("configmaps", NAMESPACE, &name).unwrap();
        let record: Value =
            serde_json::from_str(map["data"]["record.json"].as_str().unwrap()).unwrap();
        let time = |value: &Value| value.as_str().unwrap().to_owned();
        times.push((time(&record["started"]["at"]), time(&record["since"])));
    }
    for (began, _) in &times {
        let at_once = times.iter().filter(|(other, ended)| other <= began && began < ended);
        assert!(at_once.count() <= 2, "{times:?}");
    }
}
