use super::*;
use crate::Container;
use crate::{Configuration, EnvValue, Problem};

fn live() -> Configuration {
    let mut container = Container::new("registry.example.com/agent-service:1.2.0");
    container.put("OPENAI_API_KEY", EnvValue::Reference("secret agent-secrets/key".to_owned()));
    container.set("AGENT_VERSION", "1.2.0");
    container.set("TEMPERATURE", "0.7");
    Configuration::new(BTreeMap::from([("agent".to_owned(), container)])).with_version("1.2.0")
}

fn resolve(change: &Change) -> std::result::Result<ResolvedChange, Vec<Problem>> {
    change.resolve(&live(), "AGENT_VERSION")
}

fn codes(change: &Change) -> Vec<String> {
    resolve(change).unwrap_err().into_iter().map(|problem| problem.code).collect()
}

#[test]
fn a_delta_keeps_what_it_does_not_name() {
    let change = Change::image("agent", "registry.example.com/agent-service:1.3.0");
    let resolved = resolve(&change).unwrap();
    let agent = &resolved.configuration.containers["agent"];
    assert_eq!(agent.image, "registry.example.com/agent-service:1.3.0");
    assert_eq!(agent.value("TEMPERATURE"), live().containers["agent"].value("TEMPERATURE"));
    assert!(resolved.is_complete());
}

#[test]
fn a_version_is_made_of_tag_and_digest_and_told_to_the_agent() {
    let resolved = resolve(&Change::image("agent", "example.com:5000/a/b:1.3.0")).unwrap();
    assert!(resolved.version().starts_with("1.3.0-"), "{}", resolved.version());
    assert_eq!(resolved.version().len(), "1.3.0-".len() + 8);
    let told = resolved.configuration.containers["agent"].value("AGENT_VERSION").cloned();
    assert_eq!(told, Some(EnvValue::Literal(Sensitive::new(resolved.version()))));
    let untagged = resolve(&Change::image("agent", "example.com/a/b")).unwrap();
    assert_eq!(untagged.version().len(), 8);
}

#[test]
fn the_same_change_has_the_same_digest_and_another_env_another() {
    let change = Change::image("agent", "example.com/a:2").env("TEMPERATURE", "0.2");
    assert_eq!(resolve(&change).unwrap().digest, resolve(&change).unwrap().digest);
    let other = change.clone().env("TEMPERATURE", "0.3");
    assert_ne!(resolve(&change).unwrap().digest, resolve(&other).unwrap().digest);
}

#[test]
fn all_problems_are_reported_at_once() {
    let change = Change::image("sidecar", "Bad Image")
        .env_in("agnet", "A", "1")
        .env("B=C", "2")
        .version("-x");
    assert_eq!(
        codes(&change),
        [
            "unknown-container",
            "malformed-image",
            "unknown-container",
            "malformed-variable",
            "malformed-version"
        ]
    );
}

#[test]
fn malformed_images_are_refused_and_good_ones_are_not() {
    for bad in ["", "a b", "UPPER/case", "a//b", "a:", "a@sha256:xyz", "a:t@g", "example.com/a:b c"]
    {
        assert!(image::check(bad).is_err(), "{bad} should be refused");
    }
    let hex = "0".repeat(64);
    for algorithm in ["", "sha 256", "sha256\n", "+sha256", "sha256+", "256"] {
        let bad = format!("a@{algorithm}:{hex}");
        assert!(image::check(&bad).is_err(), "{bad} should be refused");
    }
    for bad in ["../a", "a/..b", "a-", "_a", "a:-1", "a:.1"] {
        assert!(image::check(bad).is_err(), "{bad} should be refused");
    }
    let digest = format!("example.com/a:1@sha256:{}", "0".repeat(64));
    let [port, six] = ["localhost:5000/a/b:v1.2_x", "[::1]:5000/a"];
    for good in ["a", "a:1", port, six, "Example.com/a", "a/b_c-d.e:_1", &digest] {
        assert_eq!(image::check(good), Ok(()), "{good}");
    }
}

#[test]
fn files_are_part_of_the_one_digest_and_stay_until_others_come() {
    let files = |text: &'static str| ConfigFiles::new([("system.txt", text)]);
    let first = resolve(&Change::files("agent-prompts", files("be kind"))).unwrap();
    assert_ne!(first.digest, live().digest());
    assert!(first.version().starts_with("1.2.0-"), "{}", first.version());
    let other = resolve(&Change::files("agent-prompts", files("be brief"))).unwrap();
    assert_ne!(first.digest, other.digest);
    let image = Change::image("agent", "example.com/a:2").and_files("tools", files("{}"));
    let next = image.resolve(&first.configuration, "AGENT_VERSION").unwrap();
    assert_eq!(next.configuration.config["agent-prompts"], files("be kind"));
    assert_eq!(next.configuration.config["tools"], files("{}"));
    let stored: ResolvedChange =
        serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
    assert_eq!(stored.configuration.digest(), next.digest, "its files are found by their digest");
    let bad = Change::files("Prompts", ConfigFiles::new([("a/b", "")])).version("-");
    let wanted = ["malformed-config-map", "malformed-file", "malformed-version"];
    assert_eq!(codes(&bad), wanted);
}

#[test]
fn literals_lost_in_a_record_are_found_again_where_they_run() {
    let resolved = resolve(&Change::image("agent", "example.com/a:2").version("2")).unwrap();
    let stored = serde_json::to_string(&resolved).unwrap();
    assert!(!stored.contains("0.7"));
    let read: ResolvedChange = serde_json::from_str(&stored).unwrap();
    assert!(!read.is_complete());
    let found = read.completed_from(&resolved.configuration);
    assert!(found.is_complete());
    assert_eq!(found, resolved);
}

#[test]
fn the_version_that_an_agent_is_told_is_not_lost_in_a_record() {
    let resolved = resolve(&Change::image("agent", "example.com/a:2").version("2")).unwrap();
    let stored = serde_json::to_string(&resolved).unwrap();
    let read: ResolvedChange = serde_json::from_str(&stored).unwrap();
    // Live has every other value, but not that of the new version.
    assert_eq!(read.completed_from(&live()), resolved);
}
