use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions};

use super::*;

fn causes(status: &Status) -> Vec<String> {
    let details = status.details.as_ref().unwrap();
    details.causes.iter().map(|cause| cause.field.clone()).collect()
}

fn params(manager: &str) -> PatchParams {
    PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() }
}

#[tokio::test]
async fn creating_gives_an_identity_a_version_and_a_time() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    assert!(made.uid().is_some() && made.resource_version().is_some());
    assert!(made.creation_timestamp().is_some());
    assert_eq!(made.metadata.generation, None);
    assert_eq!(maps.get("a").await.unwrap(), made);

    let again = refused(maps.create(&PostParams::default(), &map("a", "2")).await);
    assert_eq!((again.code, again.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(again.message, "configmaps \"a\" already exists");
}

#[tokio::test]
async fn a_generated_name_is_another_each_time() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let wanted: ConfigMap = from(json!({ "metadata": { "generateName": "a-" } }));
    let first = maps.create(&PostParams::default(), &wanted).await.unwrap().name_any();
    let second = maps.create(&PostParams::default(), &wanted).await.unwrap().name_any();
    assert!(first.starts_with("a-") && first.len() == 7, "{first}");
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_put_of_an_old_version_or_identity_is_a_conflict() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let first = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let mut second = first.clone();
    second.data = map("a", "2").data;
    let second = maps.replace("a", &PostParams::default(), &second).await.unwrap();
    assert_ne!(first.resource_version(), second.resource_version());

    let stale = refused(maps.replace("a", &PostParams::default(), &first).await);
    assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
    let mut other = map("a", "3");
    other.metadata.uid = Some("other".into());
    assert_eq!(refused(maps.replace("a", &PostParams::default(), &other).await).code, 409);
    // Without either there is nothing to compare with.
    maps.replace("a", &PostParams::default(), &map("a", "3")).await.unwrap();
    let missing = refused(maps.replace("b", &PostParams::default(), &map("b", "3")).await);
    assert_eq!(missing.code, 404);
}

#[tokio::test]
async fn a_lease_is_put_with_its_version_or_made() {
    let stand_in = StandIn::new();
    let leases: Api<Lease> = Api::default_namespaced(stand_in.client(NAMESPACE));
    let lease = |seconds: i32| -> Lease {
        from(json!({ "metadata": { "name": "l" }, "spec": {
            "holderIdentity": "me", "leaseDurationSeconds": seconds,
            "renewTime": "2026-11-24T10:09:33.123456Z",
        } }))
    };
    let made = leases.replace("l", &PostParams::default(), &lease(15)).await.unwrap();
    assert_eq!(leases.get("l").await.unwrap(), made);
    let bare = refused(leases.replace("l", &PostParams::default(), &lease(15)).await);
    assert_eq!((bare.code, causes(&bare)), (422, vec!["metadata.resourceVersion".to_owned()]));
    let zero = refused(leases.create(&PostParams::default(), &lease(0)).await);
    assert_eq!(causes(&zero), ["spec.leaseDurationSeconds"]);
}

#[tokio::test]
async fn a_failed_test_is_422_with_empty_details_and_changes_nothing() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let operations = json!([
        { "op": "test", "path": "/data/key", "value": "2" },
        { "op": "replace", "path": "/data/key", "value": "3" },
    ]);
    let failed = refused(patch(&maps, "a", operations).await);
    assert_eq!((failed.code, failed.reason.as_str()), (422, "Invalid"));
    assert!(failed.details.as_ref().is_none_or(|details| details.causes.is_empty()));
    assert_eq!(maps.get("a").await.unwrap(), made);

    let operations = json!([
        { "op": "test", "path": "/metadata/uid", "value": made.uid() },
        { "op": "test", "path": "/data", "value": { "key": "1" } },
        { "op": "replace", "path": "/data/key", "value": "3" },
    ]);
    assert_eq!(patch(&maps, "a", operations).await.unwrap().data.unwrap()["key"], "3");
}

#[tokio::test]
async fn a_merge_patch_with_an_old_version_is_a_conflict() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let merge = |version: Option<String>, value: &str| json!({ "metadata": { "resourceVersion": version }, "data": { "key": value } });
    let first = Patch::Merge(merge(made.resource_version(), "2"));
    maps.patch("a", &PatchParams::default(), &first).await.unwrap();
    let stale = refused(maps.patch("a", &PatchParams::default(), &first).await);
    assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
    let identity = Patch::Merge(json!({ "metadata": { "uid": "other" } }));
    let identity = refused(maps.patch("a", &PatchParams::default(), &identity).await);
    assert_eq!((identity.code, causes(&identity)), (422, vec!["metadata.uid".to_owned()]));
    let missing = refused(maps.patch("b", &PatchParams::default(), &Patch::Merge(json!({}))).await);
    assert_eq!(missing.code, 404);
}

#[tokio::test]
async fn what_changes_nothing_leaves_the_version_alone() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let same = Patch::Merge(json!({ "data": { "key": "1" } }));
    assert_eq!(maps.patch("a", &params("other"), &same).await.unwrap(), made);
}

#[tokio::test]
async fn a_dry_run_answers_and_stores_nothing() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let answer = maps.create(&dry, &map("a", "1")).await.unwrap();
    assert!(answer.uid().is_some() && answer.resource_version().is_none());
    assert!(maps.get_opt("a").await.unwrap().is_none());

    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let change = Patch::Merge(json!({ "data": { "key": "2" } }));
    let answer =
        maps.patch("a", &PatchParams { dry_run: true, ..params("x") }, &change).await.unwrap();
    assert_eq!(answer.data.unwrap()["key"], "2");
    maps.delete("a", &DeleteParams { dry_run: true, ..DeleteParams::default() }).await.unwrap();
    assert_eq!(maps.get("a").await.unwrap(), made);
}

#[tokio::test]
async fn fields_belong_to_who_set_them() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let ann = PostParams { field_manager: Some("ann".into()), ..PostParams::default() };
    maps.create(&ann, &map("a", "1")).await.unwrap();
    let change = Patch::Merge(json!({ "data": { "key": "2" } }));
    let patched = maps.patch("a", &params("bob"), &change).await.unwrap();
    let owners: Vec<_> = patched
        .managed_fields()
        .iter()
        .map(|entry| (entry.manager.clone().unwrap(), entry.fields_v1.clone().unwrap().0))
        .collect();
    assert_eq!(
        owners,
        [
            ("ann".into(), json!({ "f:metadata": { "f:labels": { "f:app": {} } } })),
            ("bob".into(), json!({ "f:data": { "f:key": {} } })),
        ]
    );
}

#[tokio::test]
async fn a_delete_tests_what_it_is_told_to() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let only = |uid: Option<String>, resource_version: Option<String>| {
        let preconditions = Some(Preconditions { uid, resource_version });
        DeleteParams { preconditions, ..DeleteParams::default() }
    };
    let uid = only(Some("other".into()), None);
    assert_eq!(refused(maps.delete("a", &uid).await).code, 409);
    let version = only(None, Some("1".into()));
    assert_eq!(refused(maps.delete("a", &version).await).code, 409);
    maps.delete("a", &only(made.uid(), made.resource_version())).await.unwrap();
    assert_eq!(refused(maps.delete("a", &DeleteParams::default()).await).code, 404);
}

#[tokio::test]
async fn a_finalizer_keeps_an_object_until_it_goes() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let mut wanted = map("a", "1");
    wanted.metadata.finalizers = Some(vec!["example.com/held".into()]);
    maps.create(&PostParams::default(), &wanted).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps.patch("a", &PatchParams::default(), &free).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn the_generation_counts_what_is_asked_for() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    create_deployment(&client, "blue", 1, "agent:1").await;
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let generation = |made: &Deployment| made.metadata.generation.unwrap();
    let before = generation(&deployments.get("blue").await.unwrap());

    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    let labelled = deployments.patch("blue", &PatchParams::default(), &label).await.unwrap();
    assert_eq!(generation(&labelled), before);
    let scaled = Patch::Merge(json!({ "spec": { "replicas": 2 } }));
    let scaled = deployments.patch("blue", &PatchParams::default(), &scaled).await.unwrap();
    assert_eq!(generation(&scaled), before + 1);
    let status = Patch::Merge(json!({ "status": { "replicas": 99 }, "spec": { "replicas": 9 } }));
    let status = deployments.patch("blue", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(status.status.unwrap().replicas, Some(2));
}

#[tokio::test]
async fn a_scale_is_tested_and_set_through_the_subresource() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    create_deployment(&client, "blue", 2, "agent:1").await;
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let found = deployments.get_scale("blue").await.unwrap();
    assert_eq!(found.status.unwrap().selector.unwrap(), "app=agent,slot=blue");

    let of = |was: i32, to: i32| {
        Patch::<()>::Json(from(json!([
            { "op": "test", "path": "/metadata/uid", "value": found.metadata.uid },
            { "op": "test", "path": "/spec/replicas", "value": was },
            { "op": "replace", "path": "/spec/replicas", "value": to },
        ])))
    };
    let failed = refused(deployments.patch_scale("blue", &PatchParams::default(), &of(7, 3)).await);
    assert_eq!(failed.code, 422);
    let scaled = deployments.patch_scale("blue", &PatchParams::default(), &of(2, 3)).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(3));
    let negative =
        refused(deployments.patch_scale("blue", &PatchParams::default(), &of(3, -1)).await);
    assert_eq!(causes(&negative), ["spec.replicas"]);

    let stale: Scale = from(json!({
        "metadata": { "name": "blue", "namespace": NAMESPACE, "resourceVersion": "1" },
        "spec": { "replicas": 1 },
    }));
    let stale = refused(deployments.replace_scale("blue", &PostParams::default(), &stale).await);
    assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
    assert_eq!(to_json(&deployments.get("blue").await.unwrap())["spec"]["replicas"], 3);
    assert_eq!(stand_in.count("patch", "deployments/scale"), 3);
}

#[tokio::test]
async fn what_is_evidently_wrong_is_422_with_causes() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    create_deployment(&client, "blue", 1, "agent:1").await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    for (change, field) in [
        (json!({ "spec": { "replicas": -1 } }), "spec.replicas"),
        (
            json!({ "spec": { "template": { "metadata": { "labels": { "slot": "x" } } } } }),
            "spec.template.metadata.labels",
        ),
        (
            json!({ "spec": { "template": { "spec": { "containers": [{ "name": "agent" }] } } } }),
            "spec.template.spec.containers[0].image",
        ),
    ] {
        let change = Patch::Merge(change);
        let status = refused(deployments.patch("blue", &PatchParams::default(), &change).await);
        assert_eq!((status.code, causes(&status)), (422, vec![field.to_owned()]));
        assert!(status.message.starts_with("Deployment.apps \"blue\" is invalid: "));
    }

    let services: Api<Service> = Api::default_namespaced(client.clone());
    let service = from(json!({
        "metadata": { "name": "agent" },
        "spec": { "selector": { "app": "agent" }, "ports": [{ "port": 80 }] },
    }));
    services.create(&PostParams::default(), &service).await.unwrap();
    let move_it = Patch::Merge(json!({ "spec": { "clusterIP": "10.0.0.9" } }));
    let moved = refused(services.patch("agent", &PatchParams::default(), &move_it).await);
    assert_eq!(causes(&moved), ["spec.clusterIPs[0]"]);

    let maps = maps(&client);
    let bad = refused(maps.create(&PostParams::default(), &map("A_b", "1")).await);
    assert_eq!(causes(&bad), ["metadata.labels", "metadata.name"].split_at(1).1);
}

#[tokio::test]
async fn a_field_of_another_type_is_refused() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let operations = json!([{ "op": "replace", "path": "/data/key", "value": 3 }]);
    let refusal = refused(patch(&maps, "a", operations).await);
    assert_eq!((refusal.code, causes(&refusal)), (422, vec!["patch".to_owned()]));
}

#[tokio::test]
async fn a_namespace_has_to_be_there() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    let elsewhere: Api<ConfigMap> = Api::namespaced(client, "nowhere");
    let refusal = refused(elsewhere.create(&PostParams::default(), &map("a", "1")).await);
    assert_eq!(refusal.message, "namespaces \"nowhere\" not found");
}

#[tokio::test]
async fn an_unknown_kind_is_there_once_it_is_added() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    let kind = kube::core::GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject");
    let kind = kube::core::ApiResource::from_gvk(&kind);
    let objects: Api<kube::core::DynamicObject> = Api::default_namespaced_with(client, &kind);
    assert_eq!(refused(objects.get("a").await).code, 404);
    stand_in.add_kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject");
    let object = from(json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": { "name": "a" }, "spec": { "minReplicaCount": 1 },
    }));
    objects.create(&PostParams::default(), &object).await.unwrap();
    let change = Patch::Merge(json!({ "spec": { "minReplicaCount": 2 } }));
    let changed = objects.patch("a", &PatchParams::default(), &change).await.unwrap();
    assert_eq!(changed.metadata.generation, Some(2));
}
