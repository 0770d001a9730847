//! A record that a newer version of this library wrote.

use bluegreen_core::{Color, Document, OperationError, ReleaseStore as _, Routing};
use bluegreen_tests::{Agent, baking, change, plan, seconds};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

#[tokio::test]
async fn a_release_of_a_newer_version_is_not_driven_but_rolled_back() {
    let agent = Agent::new().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let release = baking(&one, plan(seconds(60))).await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    let maps = agent.api::<ConfigMap>();
    let name = two.settings().config_map();
    let data = maps.get(&name).await.unwrap().data.unwrap();
    let (key, text) = data.iter().next().unwrap();
    let mut record: Value = serde_json::from_str(text).unwrap();
    record["format"] = 2.into();
    record["phase"] = json!({"name": "dreaming", "of": "electric sheep"});
    record["envelope"]["mood"] = "good".into();
    let patch = Patch::Merge(json!({"data": {key: record.to_string()}}));
    maps.patch(&name, &PatchParams::default(), &patch).await.unwrap();

    let releaser = two.releaser();
    let refused = [
        releaser.run(change("1.4.0"), &plan(seconds(5))).await.unwrap_err(),
        releaser.resume().await.unwrap_err(),
        two.operations().promote("ann").await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, OperationError::Newer { format: 2 }), "{error}");
    }
    assert_eq!(agent.live().await, Some(Color::Green), "nothing has moved yet");

    let status = two.operations().rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(status.envelope.unwrap().routing, Routing::all(Color::Blue));
    assert_eq!(agent.live().await, Some(Color::Blue));
    let stored = two.store().load().await.unwrap().unwrap();
    let Document::Newer { format: 2, envelope, text } = stored.document else {
        panic!("it stays a record of the newer version")
    };
    assert_eq!(envelope.holder, None);
    let kept: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(kept["phase"], record["phase"]);
    assert_eq!(kept["envelope"]["mood"], "good");
}
