use proptest::prelude::*;

use super::*;
use crate::{Change, Digest, Sensitive};

fn live() -> Configuration {
    let mut agent = Container::new("registry.example.com/agent:1.2.0");
    agent.set("AGENT_VERSION", "1.2.0");
    agent.set("API_KEY", "sk-old");
    agent.set("MODEL", "small");
    agent.set("TEMPERATURE", "0.7");
    Configuration::new(BTreeMap::from([("agent".to_owned(), agent)])).with_version("1.2.0")
}

fn files<const N: usize>(files: [(&'static str, &'static str); N]) -> ConfigFiles {
    ConfigFiles::new(files)
}

/// What `change` changes against `live`, of which these files are known.
fn diff(change: &Change, live: &Configuration, known: Option<ConfigFiles>) -> ChangeDiff {
    let known = known.map(|files| ("agent-prompts".to_owned(), files)).into_iter().collect();
    let resolved = change.resolve(live, "AGENT_VERSION").unwrap();
    resolved.diff(live, &known, &change.shown())
}

#[test]
fn every_part_is_told_and_no_secret() {
    let change = Change::image("agent", "registry.example.com/agent:1.3.0")
        .and_model("MODEL", "large")
        .parameter("TEMPERATURE", "0.2")
        .parameter("TOP_P", "0.9")
        .env("API_KEY", "sk-new")
        .env("REGION", "eu-secret")
        .version("1.3.0");
    let found = diff(&change, &live(), None);
    assert_eq!(
        found.to_string(),
        "version: 1.2.0 → 1.3.0\n\
         image of agent: registry.example.com/agent:1.2.0 → registry.example.com/agent:1.3.0\n\
         variable agent/AGENT_VERSION: \"1.2.0\" → \"1.3.0\"\n\
         variable agent/API_KEY: changed, values are not shown\n\
         variable agent/MODEL: \"small\" → \"large\"\n\
         variable agent/REGION: none → a value that is not shown\n\
         variable agent/TEMPERATURE: \"0.7\" → \"0.2\"\n\
         variable agent/TOP_P: none → \"0.9\"\n"
    );
    let told = format!("{found} {found:?} {}", serde_json::to_string(&found).unwrap());
    for secret in ["sk-", "eu-secret"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn a_parameter_that_another_container_hides_is_hidden() {
    let mut live = live();
    live.containers.insert("proxy".to_owned(), Container::new("proxy:1"));
    let change = Change::image("agent", "agent:2").parameter("MODE", "fast");
    assert!(change.shown().contains("MODE"));
    let change = change.env_in("proxy", "MODE", "sk-proxy");
    assert!(!diff(&change, &live, None).to_string().contains("sk-proxy"));
}

#[test]
fn references_are_shown_and_what_is_stored_is_compared_by_digest() {
    let mut before = live();
    let agent = before.containers.get_mut("agent").unwrap();
    agent.put("API_KEY", EnvValue::Reference(r#"{"secretKeyRef":{"key":"k"}}"#.to_owned()));
    let found = diff(&Change::default().env("API_KEY", "sk-1").version("1.2.0"), &before, None);
    let told = found.to_string();
    assert_eq!(
        told,
        "variable agent/API_KEY: from {\"secretKeyRef\":{\"key\":\"k\"}} → a value that is not shown\n"
    );
    let stored = serde_json::to_string(&ResolvedChange::exactly(live())).unwrap();
    assert!(!stored.contains("sk-old"));
    let stored: Configuration =
        serde_json::from_str(&serde_json::to_string(&live()).unwrap()).unwrap();
    let same = ResolvedChange::exactly(stored).diff(&live(), &BTreeMap::new(), &BTreeSet::new());
    assert!(same.is_empty(), "{same}");
}

#[test]
fn prompts_are_compared_line_by_line() {
    let old =
        files([("old.txt", "gone\n"), ("same.txt", "same"), ("system.txt", "a\nb\nc\nd\ne\n")]);
    let new = files([("new.txt", "come"), ("same.txt", "same"), ("system.txt", "a\nb\nc\nD\ne\n")]);
    let mut live = live();
    live.config.insert("agent-prompts".to_owned(), ConfigFiles::known_by(old.digest().clone()));
    let found =
        diff(&Change::files("agent-prompts", new.clone()).version("1.2.0"), &live, Some(old));
    let digest = |text: &str| Digest::of([text]).short().to_owned();
    let before = live.config["agent-prompts"].digest();
    assert_eq!(
        found.to_string(),
        format!(
            "files of agent-prompts: {} → {}\n\
             file agent-prompts/new.txt: is new, 4 bytes ({})\n\
             @@ -0,0 +1 @@\n\
             +come (no end of line)\n\
             file agent-prompts/old.txt: is taken away, 5 bytes ({})\n\
             @@ -1 +0,0 @@\n\
             -gone\n\
             file agent-prompts/system.txt: 10 bytes ({}) → 10 bytes ({})\n\
             @@ -1,5 +1,5 @@\n \
             a\n \
             b\n \
             c\n\
             -d\n\
             +D\n \
             e\n",
            before.short(),
            new.digest().short(),
            digest("come"),
            digest("gone\n"),
            digest("a\nb\nc\nd\ne\n"),
            digest("a\nb\nc\nD\ne\n"),
        )
    );
}

#[test]
fn an_end_of_line_is_a_difference_and_control_characters_are_written_out() {
    let new = files([("a", "x\r\n\u{1b}[2Jy\n")]);
    let found = diff(&Change::files("agent-prompts", new), &live(), Some(files([("a", "x\n")])));
    let told = found.to_string();
    assert!(told.contains("-x\n+x\\r\n+\\u{1b}[2Jy\n"), "{told}");
    assert!(!told.contains('\u{1b}'));
}

#[test]
fn what_nobody_reads_is_told_by_size_and_digest() {
    let of = |old: Vec<u8>, new: Vec<u8>| {
        let change = Change::files("agent-prompts", ConfigFiles::new([("a", new)]));
        let diff = diff(&change, &live(), Some(ConfigFiles::new([("a", old)])));
        diff.config["agent-prompts"].files[0].clone()
    };
    let binary = of(vec![0xff, 0xfe], b"text".to_vec());
    assert_eq!((binary.hunks.len(), binary.before.unwrap().bytes), (0, 2));
    assert_eq!(binary.note.unwrap(), "no text, so it is not shown");
    let large = of(b"a".to_vec(), vec![b'x'; 128 * 1024 + 1]);
    assert_eq!(large.note.unwrap(), "too large to be compared line by line");
    let many = of(b"a".to_vec(), b"\n".repeat(4_001));
    assert_eq!(many.note.unwrap(), "too many lines to be compared");
    let shown = of(Vec::new(), b"x\n".repeat(500));
    assert_eq!(shown.hunks[0].lines.len(), 400);
    assert_eq!(shown.note.unwrap(), "100 more lines are not shown");
    let long = of(Vec::new(), vec![b'x'; 1000]);
    let line = &long.hunks[0].lines[0].text;
    assert!(line.ends_with("… (600 more characters) (no end of line)"), "{line}");
}

#[test]
fn what_is_not_known_of_live_is_said() {
    let new = Change::files("agent-prompts", files([("a", "1")]));
    let plain = diff(&new, &live(), None).to_string();
    assert!(plain.contains("files of agent-prompts: its own → "), "{plain}");
    assert!(plain.contains("live has no files that could be read\n"), "{plain}");
    assert!(plain.contains("\n+1 (no end of line)"), "{plain}");
    let same = diff(&new, &live(), Some(files([("a", "1")]))).to_string();
    assert!(same.contains("the same files, from now on where nobody overwrites them"), "{same}");
    let mut released = live();
    released.config.insert("agent-prompts".to_owned(), ConfigFiles::known_by(Digest::of(["x"])));
    // What was read is not what live ran a moment before.
    let lost = diff(&new, &released, Some(files([("a", "0")]))).to_string();
    assert!(lost.contains("live's files could not be read") && !lost.contains("-0"), "{lost}");
    let back = ResolvedChange::exactly(live()).diff(&released, &BTreeMap::new(), &BTreeSet::new());
    assert!(back.to_string().contains("→ its own\n"), "{back}");
}

#[test]
fn what_is_kept_elsewhere_is_told_with_its_digest() {
    let digest = |version: &str| Digest::of([version]).to_string();
    let prompt = |version: &str| {
        let change = Change::external("refunds", format!("refunds@{version}"), digest(version));
        change.external_in("refunds", "PROMPT").version("1.2.0")
    };
    let live = prompt("7").resolve(&live(), "AGENT_VERSION").unwrap().configuration;
    assert_eq!(
        diff(&prompt("8"), &live, None).to_string(),
        format!(
            "variable agent/PROMPT: \"refunds@7\" → \"refunds@8\"\n\
             external refunds: refunds@7 ({}) → refunds@8 ({})\n",
            Digest::of(["7"]).short(),
            Digest::of(["8"]).short(),
        )
    );
}

prop_compose! {
    fn any_change()(
        image in proptest::option::of("[a-z]{1,8}:[0-9]"),
        env in proptest::collection::vec(("[A-C]", "[a-z]{0,3}"), 0..4),
        model in proptest::option::of("small|large"),
        external in proptest::option::of(0u8..2),
        files in proptest::option::of(proptest::collection::btree_map("[a-c]", "(?s).{0,40}", 1..4)),
        version in proptest::option::of("1\\.2\\.[01]"),
    ) -> Change {
        let mut change = Change::default();
        if let Some(image) = image {
            change = change.and_image("agent", image);
        }
        for (name, value) in env {
            change = change.env(name, value);
        }
        if let Some(model) = model {
            change = change.and_model("MODEL", model);
        }
        if let Some(external) = external {
            let digest = Digest::of([[external]]).to_string();
            change = change.and_external("refunds", format!("refunds@{external}"), digest);
        }
        if let Some(files) = files {
            change = change.and_files("agent-prompts", ConfigFiles::new(files));
        }
        match version {
            Some(version) => change.version(version),
            None => change,
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_told_exactly_where_the_digest_stays(
        change in any_change(),
        before in proptest::option::of(any_change()),
    ) {
        let live = match before {
            Some(before) => before.resolve(&live(), "AGENT_VERSION").unwrap().configuration,
            None => live(),
        };
        let resolved = change.resolve(&live, "AGENT_VERSION").unwrap();
        let diff = resolved.diff(&live, &BTreeMap::new(), &change.shown());
        prop_assert_eq!(diff.is_empty(), resolved.digest == live.digest(), "{}", diff);
        prop_assert_eq!(diff.to_string().is_empty(), diff.is_empty());
    }

    #[test]
    fn what_is_shown_neither_moves_a_cursor_nor_ends_a_line(old in "(?s).{0,80}", new in "(?s).{0,80}") {
        let change = Change::files("agent-prompts", ConfigFiles::new([("a", new)]));
        let found = diff(&change, &live(), Some(ConfigFiles::new([("a", old)])));
        for line in found.lines() {
            prop_assert!(!line.text.chars().any(|it| it.is_control() && it != '\t'), "{:?}", line);
        }
    }

    #[test]
    fn the_new_text_is_that_of_the_old_with_the_difference(
        old in "([ab]\n){0,12}",
        new in "([ab]\n){0,12}",
    ) {
        let change = Change::files("agent-prompts", ConfigFiles::new([("a", new.clone())]));
        let found = diff(&change, &live(), Some(ConfigFiles::new([("a", old.clone())])));
        // All lines are within the context of a difference, or there is none.
        let files = &found.config["agent-prompts"].files;
        let side = |but: LineTag| -> String {
            let lines = files.iter().flat_map(|it| &it.hunks).flat_map(|it| &it.lines);
            lines.filter(|it| it.tag != but).flat_map(|it| [it.text.as_str(), "\n"]).collect()
        };
        prop_assert_eq!(files.is_empty(), old == new);
        prop_assert!(new.contains(&side(LineTag::Removed)) || files[0].hunks.len() > 1);
        prop_assert!(old.contains(&side(LineTag::Added)) || files[0].hunks.len() > 1);
    }
}

#[test]
fn a_secret_stays_one_in_what_programs_read() {
    let value = ShownValue::Hidden;
    assert_eq!(serde_json::to_value(&value).unwrap(), serde_json::json!({"kind": "hidden"}));
    let text = Sensitive::new("0.2");
    let literal = show(&EnvValue::Literal(text), &live(), true);
    let json = serde_json::to_value(&literal).unwrap();
    assert_eq!(json, serde_json::json!({"kind": "literal", "value": "0.2"}));
}
