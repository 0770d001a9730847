use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::super::Denial;
use super::*;

#[tokio::test]
async fn a_list_has_a_version_and_what_the_selectors_find() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    let maps = maps(&client);
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &map(name, "1")).await.unwrap();
    }
    let names = async |params: ListParams| -> Vec<String> {
        maps.list(&params).await.unwrap().iter().map(ConfigMap::name_any).collect()
    };
    assert_eq!(names(ListParams::default()).await, ["a", "b", "c"]);
    assert_eq!(names(ListParams::default().labels("app in (a, c)")).await, ["a", "c"]);
    assert_eq!(names(ListParams::default().fields("metadata.name=b")).await, ["b"]);
    let all = maps.list(&ListParams::default()).await.unwrap();
    assert_eq!(all.metadata.resource_version, all.items[2].resource_version());

    let elsewhere = self::maps(&stand_in.client("elsewhere"));
    assert!(elsewhere.list(&ListParams::default()).await.unwrap().items.is_empty());
    let everywhere: Api<ConfigMap> = Api::all(client);
    assert_eq!(everywhere.list(&ListParams::default()).await.unwrap().items.len(), 3);
    let wrong = refused(maps.list(&ListParams::default().labels("a===b")).await);
    assert_eq!(wrong.code, 400);
}

#[tokio::test]
async fn a_list_comes_in_pages_until_they_are_forgotten() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &map(name, "1")).await.unwrap();
    }
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    let token = first.metadata.continue_.unwrap();
    let rest = maps.list(&ListParams::default().continue_token(&token)).await.unwrap();
    assert_eq!(rest.items.iter().map(ConfigMap::name_any).collect::<Vec<_>>(), ["c"]);
    maps.create(&PostParams::default(), &map("d", "1")).await.unwrap();
    stand_in.compact();
    let gone = refused(maps.list(&ListParams::default().continue_token(&token)).await);
    assert_eq!((gone.code, gone.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn what_is_not_there_is_404_in_the_servers_words() {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    let missing = refused(maps(&client).get("nope").await);
    assert_eq!((missing.code, missing.reason.as_str()), (404, "NotFound"));
    assert_eq!(missing.message, "configmaps \"nope\" not found");
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let missing = refused(deployments.get_scale("nope").await);
    assert_eq!(missing.message, "deployments.apps \"nope\" not found");
}

#[tokio::test]
async fn who_may_not_is_told_so_and_can_ask_before() {
    let stand_in = StandIn::new();
    stand_in.deny(Denial::new("patch", "deployments/scale").by("bob"));
    let bob = stand_in.client_as("bob", NAMESPACE);
    let deployments: Api<Deployment> = Api::default_namespaced(bob.clone());
    let change = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    let status = refused(deployments.patch_scale("blue", &PatchParams::default(), &change).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        status.message,
        "deployments.apps \"blue\" is forbidden: User \"bob\" cannot patch resource \
         \"deployments/scale\" in API group \"apps\" in the namespace \"agents\""
    );

    let review = |verb: &str| -> SelfSubjectAccessReview {
        from(json!({ "spec": { "resourceAttributes": {
            "namespace": NAMESPACE, "verb": verb, "group": "apps", "resource": "deployments",
            "subresource": "scale",
        } } }))
    };
    let allowed = async |client: &Client, verb: &str| -> bool {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        let answer = reviews.create(&PostParams::default(), &review(verb)).await.unwrap();
        answer.status.unwrap().allowed
    };
    assert!(!allowed(&bob, "patch").await);
    assert!(allowed(&bob, "get").await);
    assert!(allowed(&stand_in.client(NAMESPACE), "patch").await);
    stand_in.allow_all();
    assert!(allowed(&bob, "patch").await);
}

#[tokio::test]
async fn the_server_says_its_version() {
    let version = StandIn::new().client(NAMESPACE).apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "37"));
}
