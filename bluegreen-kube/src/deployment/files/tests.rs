use bluegreen_core::release::FORMAT;
use bluegreen_core::{Change, Color, Epoch, Intent, Plan, Role, Slot as _};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::*;
use crate::deployment::template;
use crate::stand_in::{Denial, StandIn};

const NAMESPACE: &str = "agents";

fn settings() -> Settings {
    Settings::new("agent", NAMESPACE)
}

fn prompts(text: &'static str) -> ConfigFiles {
    ConfigFiles::new([("system.txt", text)])
}

fn pod_template() -> Value {
    json!({
        "metadata": {"labels": {"app": "agent"}},
        "spec": {
            "volumes": [
                {"name": "a", "configMap": {"name": "agent-prompts", "optional": true}},
                {"name": "b", "projected": {"sources": [
                    {"secret": {"name": "agent-prompts"}},
                    {"configMap": {"name": "agent-prompts"}},
                ]}},
                {"name": "c", "configMap": {"name": "other"}},
            ],
            "initContainers": [{
                "name": "weights", "image": "weights:1",
                "envFrom": [{"configMapRef": {"name": "agent-tools"}}],
            }],
            "containers": [{
                "name": "agent", "image": "agent:1",
                "env": [{"name": "MODE", "valueFrom": {
                    "configMapKeyRef": {"name": "agent-prompts", "key": "mode"},
                }}],
            }],
        },
    })
}

#[test]
fn every_place_that_names_a_config_map_names_the_new_one() {
    let before = template::read(&pod_template(), &settings());
    assert!(before.config.is_empty());
    let files = prompts("Be kind.");
    let mut wanted = before.clone();
    wanted.config.insert("agent-prompts".to_owned(), files.clone());
    let written = template::write(&pod_template(), &wanted, &settings()).unwrap();
    let name = name(&settings(), "agent-prompts", files.digest());
    let mut golden = pod_template();
    golden["metadata"]["annotations"] = json!({
        "bluegreen.dev/config": json!({"agent-prompts": files.digest()}).to_string(),
    });
    golden["spec"]["volumes"][0]["configMap"]["name"] = name.as_str().into();
    golden["spec"]["volumes"][1]["projected"]["sources"][1]["configMap"]["name"] =
        name.as_str().into();
    golden["spec"]["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]["name"] =
        name.as_str().into();
    assert_eq!(written, golden);
    assert_eq!(template::read(&written, &settings()), wanted, "it is read as it was written");

    // Other files, a second ConfigMap, and none at all.
    let mut next = template::read(&written, &settings());
    next.config.insert("agent-prompts".to_owned(), prompts("Be brief."));
    next.config.insert("agent-tools".to_owned(), prompts("{}"));
    let again = template::write(&written, &next, &settings()).unwrap();
    assert_eq!(template::read(&again, &settings()), next);
    assert_eq!(template::write(&written, &wanted, &settings()), Ok(written.clone()));
    assert_eq!(template::write(&again, &before, &settings()), Ok(pod_template()));
}

#[test]
fn files_that_no_pod_reads_are_refused() {
    let mut wanted = template::read(&pod_template(), &settings());
    wanted.config.insert("agent-promts".to_owned(), prompts("Be kind."));
    let wrong = template::write(&pod_template(), &wanted, &settings()).unwrap_err();
    assert_eq!(wrong, "no pod of the slot reads configmap agent-promts");
}

#[test]
fn a_note_that_is_none_is_no_files_and_no_panic() {
    for odd in [json!("{"), json!("[]"), json!({"a": 1}), json!("{\"a\": \"sha256:x\"}")] {
        let mut template = pod_template();
        template["metadata"]["annotations"] = json!({"bluegreen.dev/config": odd});
        assert!(template::read(&template, &settings()).config.is_empty(), "{odd}");
    }
    for odd in [json!(5), json!({"spec": 1}), json!({"spec": {"volumes": [1, {"configMap": 2}]}})] {
        assert_eq!(named(&odd), Vec::<String>::new());
    }
}

/// Both slots, whose pods read the ConfigMap `agent-prompts`.
async fn world() -> (StandIn, DeploymentSlot, DeploymentSlot) {
    let stand_in = StandIn::new();
    let [blue, green] = Color::BOTH.map(|color| {
        let mut deployment = crate::deployment::tests::deployment(color, 0);
        let spec = &mut deployment["spec"]["template"]["spec"];
        spec["volumes"] = json!([{"name": "p", "configMap": {"name": "agent-prompts"}}]);
        spec["containers"][0]["volumeMounts"] = json!([{"name": "p", "mountPath": "/prompts"}]);
        deployment
    });
    let slot = crate::deployment::tests::slot_of;
    let blue = slot(&stand_in, Color::Blue, blue).await.with_other("agent-green");
    let green = slot(&stand_in, Color::Green, green).await.with_other("agent-blue");
    (stand_in, blue, green)
}

async fn change(slot: &DeploymentSlot, files: ConfigFiles) -> ResolvedChange {
    let live = slot.state().await.unwrap().running;
    Change::files("agent-prompts", files).resolve(&live, "AGENT_VERSION").unwrap()
}

async fn maps(slot: &DeploymentSlot) -> Vec<String> {
    use kube::ResourceExt as _;
    let all = api(slot).list(&ListParams::default()).await.unwrap();
    let mut names: Vec<String> = all.items.iter().map(ConfigMap::name_any).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_deploy_makes_a_map_that_nobody_can_change_and_a_revert_names_the_old_one() {
    let (stand_in, _, green) = world().await;
    let before = stand_in.object("deployments.apps", NAMESPACE, "agent-green").unwrap();
    let files = ConfigFiles::new([("system.txt", &b"Be kind."[..]), ("logo.bin", &[0xff][..])]);
    let change = change(&green, files.clone()).await;
    for _ in 0..2 {
        green.deploy(&change, 0, Epoch::new(1)).await.unwrap();
    }
    let name = name(&settings(), "agent-prompts", files.digest());
    assert_eq!(maps(&green).await, std::slice::from_ref(&name));
    let map = stand_in.object("configmaps", NAMESPACE, &name).unwrap();
    assert_eq!(map["immutable"], true);
    assert_eq!(map["data"], json!({"system.txt": "Be kind."}));
    assert_eq!(map["binaryData"], json!({"logo.bin": "/w=="}));
    assert_eq!(map["metadata"]["annotations"]["bluegreen.dev/config"], "agent-prompts");
    assert_eq!(green.state().await.unwrap().running, change.configuration);
    green.revert(Epoch::new(1)).await.unwrap();
    let after = stand_in.object("deployments.apps", NAMESPACE, "agent-green").unwrap();
    assert_eq!(after["spec"], before["spec"]);
}

#[tokio::test]
async fn files_are_read_where_the_pods_read_them() {
    let (stand_in, blue, green) = world().await;
    assert_eq!(green.files("agent-prompts").await.unwrap(), None, "nobody has made any");
    let plain: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "agent-prompts", "namespace": NAMESPACE},
        "data": {"system.txt": "Be helpful."},
    }))
    .unwrap();
    api(&green).create(&PostParams::default(), &plain).await.unwrap();
    let mut other = plain.clone();
    other.metadata.name = Some("others".to_owned());
    api(&green).create(&PostParams::default(), &other).await.unwrap();
    let files = ConfigFiles::new([("system.txt", &b"Be kind."[..]), ("logo.bin", &[0xff][..])]);
    let change = change(&green, files.clone()).await;
    green.deploy(&change, 0, Epoch::new(1)).await.unwrap();
    let read = green.files("agent-prompts").await.unwrap().unwrap();
    assert_eq!(read.content(), files.content(), "those of its template");
    let read = blue.files("agent-prompts").await.unwrap().unwrap();
    assert_eq!(read, prompts("Be helpful."), "those of the configmap itself");
    assert_eq!(green.files("others").await.unwrap(), None, "its pods read no such thing");
    let name = name(&settings(), "agent-prompts", files.digest());
    api(&green).delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(green.files("agent-prompts").await.unwrap(), None, "they are gone");
    stand_in.deny(Denial::new("get", "configmaps"));
    let error = green.files("agent-prompts").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn two_agents_with_the_same_files_have_each_their_own() {
    let files = prompts("Be kind.");
    let other = Settings::new("another", NAMESPACE);
    let names = [settings(), other].map(|it| name(&it, "agent-prompts", files.digest()));
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn what_is_there_is_stamped_so_that_nobody_deletes_it_late() {
    let (stand_in, _, green) = world().await;
    let files = prompts("Be kind.");
    let change = change(&green, files.clone()).await;
    let name = name(&settings(), "agent-prompts", files.digest());
    let version = || {
        let map = stand_in.object("configmaps", NAMESPACE, &name).unwrap();
        map["metadata"]["resourceVersion"].clone()
    };
    green.deploy(&change, 0, Epoch::new(1)).await.unwrap();
    let first = version();
    green.deploy(&change, 0, Epoch::new(1)).await.unwrap();
    assert_eq!(version(), first, "the same driver has nothing to write");
    green.deploy(&change, 0, Epoch::new(2)).await.unwrap();
    assert_ne!(version(), first);
}

#[tokio::test]
async fn what_a_slot_names_by_hand_stays() {
    let (stand_in, _, green) = world().await;
    let by_hand = map(&settings(), "agent-prompts", &prompts("by hand")).unwrap();
    let by_hand = api(&green).create(&PostParams::default(), &by_hand).await.unwrap();
    let by_hand = by_hand.metadata.name.unwrap();
    let volumes = json!([{"name": "p", "configMap": {"name": by_hand}}]);
    let patch = json!({"spec": {"template": {"spec": {"volumes": volumes}}}});
    assert!(stand_in.edit("kubectl", "deployments.apps", NAMESPACE, "agent-blue", &patch));
    green.deploy(&change(&green, prompts("new")).await, 0, Epoch::new(1)).await.unwrap();
    green.commit(Epoch::new(1)).await.unwrap();
    assert!(maps(&green).await.contains(&by_hand));
}

#[tokio::test]
async fn something_else_under_the_name_is_refused_and_nothing_is_deployed() {
    let (_stand_in, _, green) = world().await;
    let change = change(&green, prompts("Be kind.")).await;
    let mut other = map(&settings(), "agent-prompts", &prompts("Be kind.")).unwrap();
    other.data = Some(BTreeMap::from([("system.txt".to_owned(), "Be rude.".to_owned())]));
    api(&green).create(&PostParams::default(), &other).await.unwrap();
    let error = green.deploy(&change, 1, Epoch::new(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("found other files under its name"), "{}", error.chain());
    assert!(!green.state().await.unwrap().open);
    let found = told(&green, Role::Idle, change).await;
    assert_eq!(codes(&found), [("unknown-files", true)], "it is found before as well");
}

#[tokio::test]
async fn what_neither_slot_nor_a_record_needs_goes_when_a_deploy_is_committed() {
    let (_stand_in, blue, green) = world().await;
    let mut names = Vec::new();
    // Live has the first, the last failed release has left the second.
    for (slot, text) in [(&blue, "one"), (&green, "two")] {
        let files = prompts(text);
        names.push(name(&settings(), "agent-prompts", files.digest()));
        slot.deploy(&change(slot, files).await, 0, Epoch::new(1)).await.unwrap();
    }
    assert_eq!(maps(&green).await.len(), 2);
    green.revert(Epoch::new(1)).await.unwrap();
    let files = prompts("three");
    names.push(name(&settings(), "agent-prompts", files.digest()));
    green.deploy(&change(&green, files).await, 0, Epoch::new(1)).await.unwrap();
    assert_eq!(maps(&green).await.len(), 3);
    green.commit(Epoch::new(1)).await.unwrap();
    let mut kept = vec![names[0].clone(), names[2].clone()];
    kept.sort();
    assert_eq!(maps(&green).await, kept);
}

#[tokio::test]
async fn what_a_record_needs_stays_and_where_one_cannot_be_read_all_of_it_does() {
    let (_stand_in, _, green) = world().await;
    let put = async |name: &str, text: &str| {
        let labels = settings().labels(Purpose::Archive).into_iter().collect();
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        };
        let data = BTreeMap::from([("record.json".to_owned(), text.to_owned())]);
        let map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
        api(&green).create(&PostParams::default(), &map).await.unwrap();
    };
    for text in ["old", "older"] {
        let map = map(&settings(), "agent-prompts", &prompts(text)).unwrap();
        api(&green).create(&PostParams::default(), &map).await.unwrap();
    }
    let old = prompts("old");
    let config = json!({"agent-prompts": old.digest()});
    let record = json!({"format": FORMAT, "change": {"configuration": {"config": config}}});
    put("record-1", &record.to_string()).await;
    let newer = FORMAT + 1;
    put("record-2", &json!({"format": newer, "change": {"configuration": {}}}).to_string()).await;
    let new = prompts("new");
    green.deploy(&change(&green, new.clone()).await, 0, Epoch::new(1)).await.unwrap();
    collect(&green).await;
    assert_eq!(maps(&green).await.len(), 5, "nobody knows what the second record needs");
    api(&green).delete("record-2", &DeleteParams::default()).await.unwrap();
    collect(&green).await;
    let mut kept = vec![
        name(&settings(), "agent-prompts", old.digest()),
        name(&settings(), "agent-prompts", new.digest()),
        "record-1".to_owned(),
    ];
    kept.sort();
    assert_eq!(maps(&green).await, kept);
}

async fn told_all(slot: &DeploymentSlot, change: ResolvedChange) -> Vec<Problem> {
    slot.check(&Intent::new(Role::Idle, change, 1, Plan::all_at_once())).await.unwrap()
}

async fn told(slot: &DeploymentSlot, role: Role, change: ResolvedChange) -> Vec<Problem> {
    let intent = Intent::new(role, change, 1, Plan::all_at_once());
    let mut problems = slot.check(&intent).await.unwrap();
    problems.retain(|it| it.code.contains("config") || it.object.starts_with("ConfigMap"));
    problems
}

fn codes(problems: &[Problem]) -> Vec<(&str, bool)> {
    problems.iter().map(|it| (it.code.as_str(), it.is_refusal())).collect()
}

#[tokio::test]
async fn that_live_has_files_of_its_own_is_no_difference_of_templates() {
    let (_stand_in, blue, green) = world().await;
    let digest = Digest::of(["7"]).to_string();
    let running = blue.state().await.unwrap().running;
    let first = Change::files("agent-prompts", prompts("Be kind."))
        .and_external("refunds", "refunds@7", digest)
        .resolve(&running, "AGENT_VERSION")
        .unwrap();
    blue.deploy(&first, 0, Epoch::new(1)).await.unwrap();
    let next = change(&blue, prompts("Be brief.")).await;
    assert_eq!(next.configuration.external.len(), 1, "it is carried over");
    let intent = Intent::new(Role::Idle, next, 1, Plan::all_at_once());
    let problems = green.check(&intent).await.unwrap();
    assert!(problems.iter().all(|it| it.code != "template-differs"), "{problems:#?}");
}

#[tokio::test]
async fn what_cannot_be_released_is_found_before() {
    let (stand_in, blue, green) = world().await;
    let good = change(&green, prompts("Be kind.")).await;
    assert_eq!(told(&green, Role::Idle, good.clone()).await, []);
    assert_eq!(maps(&green).await, Vec::<String>::new(), "it was tried only");
    let live = told(&blue, Role::Live, good.clone()).await;
    assert_eq!(codes(&live), [("plain-config", false)]);

    let running = green.state().await.unwrap().running;
    let misspelt = Change::files("agent-promts", prompts("Be kind."));
    let misspelt = misspelt.resolve(&running, "AGENT_VERSION").unwrap();
    let found = told(&green, Role::Idle, misspelt).await;
    assert_eq!(codes(&found), [("unused-config", true)]);
    assert!(found[0].to_string().contains("its pods read agent-prompts"), "{}", found[0]);

    let unknown = ConfigFiles::known_by(Digest::of(["nobody has these"]));
    let found = told(&green, Role::Idle, change(&green, unknown).await).await;
    assert_eq!(codes(&found), [("unknown-files", true)]);

    stand_in.deny(Denial::new("create", "configmaps"));
    let found = told(&green, Role::Idle, good).await;
    assert_eq!(codes(&found), [("write-refused", true)]);
}

#[tokio::test]
async fn files_that_pods_ask_for_by_name_are_missed_before() {
    let (stand_in, blue, green) = world().await;
    let items = json!([{"key": "tools.json", "path": "tools.json"}]);
    let volumes = json!([{"name": "p", "configMap": {"name": "agent-prompts", "items": items}}]);
    let patch = json!({"spec": {"template": {"spec": {"volumes": volumes}}}});
    assert!(stand_in.edit("kubectl", "deployments.apps", NAMESPACE, "agent-green", &patch));
    let mut found = told_all(&green, change(&blue, prompts("Be kind.")).await).await;
    found.retain(|it| it.code == "missing-file");
    assert_eq!(found.len(), 1, "{found:#?}");
    let text = found[0].to_string();
    assert!(text.contains("volume p, ConfigMap agent-prompts: found only system.txt"), "{text}");
    assert!(text.contains("wanted tools.json"), "{text}");

    // Those that were released before are read where they stand.
    let released = change(&blue, prompts("Be kind.")).await;
    blue.deploy(&released, 0, Epoch::new(1)).await.unwrap();
    let running = blue.state().await.unwrap().running;
    assert!(running.config["agent-prompts"].content().is_none());
    let image = Change::image("agent", "agent:2").resolve(&running, "AGENT_VERSION").unwrap();
    let found = told_all(&green, image).await;
    assert_eq!(found.iter().filter(|it| it.code == "missing-file").count(), 1, "{found:#?}");
    assert_eq!(maps(&green).await.len(), 1, "nothing was made");
}
