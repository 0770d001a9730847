//! Texts that are read by hand-written rules: images, durations, versions, names, addresses.

use bluegreen_core::plan::Leave;
use bluegreen_core::{Actor, Change, Color, Configuration, Container, Digest, Plan, ReleaseId};
use bluegreen_kube::{Settings, lease_name};
use bluegreen_validate::{Percentile, Request, Smoke, StatusRange};
use serde_json::json;

pub(crate) fn run(given: &[u8]) {
    let text = String::from_utf8_lossy(given);
    let text = text.as_ref();
    changes(text);
    names(text);
    plans(text);
    requests(text);
    let _ = (Color::parse(text), Actor::new(text).to_string());
    if let Some(digest) = Digest::parse(text) {
        assert_eq!((digest.as_str(), digest.short().len()), (text, 8));
    }
}

fn changes(text: &str) {
    let live = Configuration::new([("agent".to_owned(), Container::new("a:1"))].into());
    for change in [
        Change::image("agent", text),
        Change::image(text, "a:2"),
        Change::image("agent", "a:2").version(text),
        Change::default().env(text, text),
        Change::default().env_in(text, "A", text),
        Change::model(text, text),
    ] {
        match change.resolve(&live, text) {
            Ok(resolved) => {
                let version = resolved.version();
                assert!((1..=63).contains(&version.len()) && version.is_ascii(), "{version:?}");
                let image = &resolved.configuration.containers["agent"].image;
                assert!(image.len() <= 512 && !image.contains(char::is_whitespace), "{image:?}");
            }
            Err(problems) => drop(problems.iter().map(ToString::to_string).collect::<Vec<_>>()),
        }
    }
}

/// Names of objects come out as the API server takes them, whatever they are made of.
fn names(text: &str) {
    let settings = Settings::new("agent", "ns");
    let release = ReleaseId::new(text);
    for name in [
        settings.archive_config_map(&release),
        settings.blob_config_map(&release, text),
        lease_name(&text.into()),
    ] {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        assert!(!name.is_empty() && name.len() <= 253 && name.chars().all(fits), "{name:?}");
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(name.starts_with(edge) && name.ends_with(edge), "{name:?}");
    }
}

fn plans(text: &str) {
    let written = json!({"bake": {"hold": text}, "rollout": text, "look": text});
    if let Ok(mut plan) = serde_json::from_value::<Plan>(written) {
        plan.drain.leave = Some(Leave::post(text).method(text));
        let _ = plan.problems();
        let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
    }
    let mut plan = Plan::all_at_once().leave(text).conversations_by_cookie(text).allow(text);
    plan.drain.leave = Some(Leave::post(text).method(text));
    let _ = plan.problems();
    let _ = serde_json::from_value::<bluegreen_core::Timestamp>(text.into()).map(|at| {
        let again: bluegreen_core::Timestamp = serde_json::from_value(json!(at)).unwrap();
        assert_eq!(again, at);
    });
}

fn requests(text: &str) {
    let smoke = Smoke::get(text)
        .header(text, text)
        .expect_header(text, text)
        .expect_json(text, text)
        .expect_json_present(text)
        .expect_version_in_header(text)
        .and(Request::get("/").body(text));
    let _ = (smoke.problems(), format!("{smoke:?}"));
    let _ = serde_json::from_value::<StatusRange>(text.into()).map(|range| {
        let again: StatusRange = serde_json::from_value(json!(range)).unwrap();
        assert_eq!(again, range);
    });
    let _ = serde_json::from_value::<Percentile>(text.into());
}
