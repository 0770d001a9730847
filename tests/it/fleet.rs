//! Several agents that one process drives, with watches and a lease that they share.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Outcome, PhaseName, Reason};
use bluegreen_kube::{Cluster, Fleet, lease_name};
use bluegreen_tests::{Agent, Calls, Release, SERVICE, baking, image, plan, reaches, seconds};
use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

/// Agents beside the first, with one pod each.
const OTHERS: [&str; 3] = ["search", "support", "billing"];

fn deployment(name: &str, color: Color) -> Value {
    let labels = json!({"app": name, "slot": color.as_str(), "version": "1.2.0"});
    json!({
        "metadata": {"name": format!("{name}-{color}"), "labels": labels},
        "spec": {
            "replicas": u32::from(color == Color::Blue),
            "selector": {"matchLabels": {"app": name, "slot": color.as_str()}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": 30,
                    "containers": [{
                        "name": "agent", "image": image("1.2.0"),
                        "env": [{"name": "AGENT_VERSION", "value": "1.2.0"}],
                        "ports": [{"name": "http", "containerPort": 8000}],
                        "readinessProbe": {
                            "httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1,
                        },
                    }],
                },
            },
        },
    })
}

/// Makes the other agents beside this one.
async fn add_others(agent: &Agent) {
    let parameters = PostParams::default();
    for name in OTHERS {
        let service = json!({
            "metadata": {"name": name},
            "spec": {
                "selector": {"app": name, "slot": "blue"},
                "ports": [{"port": 80, "targetPort": "http"}],
            },
        });
        let service: Service = serde_json::from_value(service).unwrap();
        agent.api().create(&parameters, &service).await.unwrap();
        for color in Color::BOTH {
            let wanted: Deployment = serde_json::from_value(deployment(name, color)).unwrap();
            agent.api().create(&parameters, &wanted).await.unwrap();
        }
    }
    agent.all_settled().await;
}

/// Returns once the lease of this process was written so many times.
async fn renewed(agent: &Agent, holder: &str, times: usize) {
    let config =
        watcher::Config::default().fields(&format!("metadata.name={}", lease_name(&holder.into())));
    let writes = watcher(agent.api::<Lease>(), config);
    let writes = writes.filter(|it| std::future::ready(matches!(it, Ok(watcher::Event::Apply(_)))));
    pin_mut!(writes);
    let waiting = async {
        for _ in 0..times {
            writes.next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(seconds(60), waiting).await.expect("the lease is renewed");
}

async fn rolled_back(release: Release) -> Reason {
    let ended = tokio::time::timeout(seconds(60), release).await.expect("it goes back");
    match ended.unwrap().unwrap() {
        Outcome::RolledBack { reason } => reason,
        other => panic!("should be rolled back: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_that_wait_read_nothing_and_each_sees_its_own_agent() {
    let agent = Agent::new().await;
    add_others(&agent).await;
    let (client, calls) = Calls::of(agent.client());
    let fleet = Fleet::new(client).with_holder("fleet");
    let namespace = agent.namespace().name();
    let mut going: BTreeMap<&str, (Cluster, Release)> = BTreeMap::new();
    for name in OTHERS.into_iter().chain([SERVICE]) {
        let cluster = fleet.cluster(namespace, name).connect().await.unwrap();
        let release = baking(&cluster, plan(seconds(900))).await;
        going.insert(name, (cluster, release));
    }
    renewed(&agent, "fleet", 1).await;
    let before = calls.all();
    renewed(&agent, "fleet", 3).await;
    let made = calls.since(&before);
    assert!(made.keys().all(|what| what == "PUT leases"), "{made:?}");
    assert!(made["PUT leases"] <= 4, "{made:?}");

    let (_, crashed) = going.remove("search").unwrap();
    let pods = ListParams::default().labels("app=search,slot=green");
    let pods = agent.api::<Pod>().list(&pods).await.unwrap().items;
    agent.crash(&pods[0]).await;
    let reason = rolled_back(crashed).await;
    assert!(matches!(reason, Reason::Unfit { .. }), "{reason}");

    let (_, moved) = going.remove("support").unwrap();
    let back = Patch::Merge(json!({"spec": {"selector": {"slot": "blue"}}}));
    let services = agent.api::<Service>();
    services.patch("support", &PatchParams::default(), &back).await.unwrap();
    let reason = rolled_back(moved).await;
    assert!(matches!(reason, Reason::External { .. }), "{reason}");

    // By somebody who knows of no fleet.
    let (_, asked) = going.remove(SERVICE).unwrap();
    agent.cluster("ann").await.operations().rollback("ann", "wrong refunds").await.unwrap();
    let reason = rolled_back(asked).await;
    assert!(matches!(reason, Reason::Requested { .. }), "{reason}");
    assert_eq!(agent.live().await, Some(Color::Blue));

    let (cluster, other) = going.remove("billing").unwrap();
    assert!(!other.is_finished(), "nothing has become of it");
    reaches(&cluster, PhaseName::Baking).await;
    other.abort();
    drop(other.await);
    fleet.resign().await.unwrap();
    let left = agent.api::<Lease>().get_opt(&lease_name(&"fleet".into())).await.unwrap();
    assert!(left.is_none(), "{left:?}");
}
