//! What goes wrong within the operator, and what others leave to it.

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;

use super::*;

#[tokio::test]
async fn a_driver_that_panics_is_said_and_followed_by_another_one() {
    let world = World::new().await;
    world.panics.store(2, Relaxed);
    world.ask(NAME, "2", "0s").await;
    let object = world.until(NAME, |it| it.status.is_some() && message(it).contains("panic")).await;
    assert!(message(&object).contains("which is a bug"), "{}", message(&object));
    assert_eq!(truths(&object), ["Reconciling"]);
    let object = world.says(NAME, "Released").await;
    assert_eq!((world.live().as_str(), world.panics.load(Relaxed)), ("green", 0));
    assert!(!message(&object).contains("panic"), "{}", message(&object));
    let events: Api<Event> = Api::namespaced(world.stand_in.client(NAMESPACE), NAMESPACE);
    let events = events.list(&ListParams::default()).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|it| it.note.as_deref().unwrap_or_default().contains("panic"))
        .map(|it| it.type_.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(told, ["Warning"; 2]);
}
