//! From the spec of an object to a change, a plan and gates.

use bluegreen_core::{Change, ConfigFiles, Digest, Plan, Problem};

use crate::crd::{AgentReleaseSpec, ChangeSpec};

/// What an object asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What the release brings.
    pub(crate) change: Change,
    /// How it goes about it.
    pub(crate) plan: Plan,
    /// The paths that the candidate's pods must answer.
    pub(crate) smoke: Vec<String>,
    /// The digest of the change as it is asked for: another one is another release.
    pub(crate) digest: String,
}

impl Wanted {
    /// What a spec asks for, or everything that makes no sense in it. What stands in the way on the
    /// cluster is found by the release itself.
    pub(crate) fn read(spec: &AgentReleaseSpec) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let plan = match serde_json::from_value::<Plan>(spec.plan.clone()) {
            Ok(plan) => {
                let problems = plan.problems();
                let refusals = problems.iter().filter(|problem| problem.is_refusal());
                wrong.extend(refusals.map(Problem::to_string));
                plan
            }
            Err(error) => {
                wrong.push(format!("spec.plan: {error}"));
                Plan::default()
            }
        };
        // Maps are sorted, so the same change always has the same text.
        match serde_json::to_string(&spec.change) {
            Ok(text) if wrong.is_empty() => Ok(Self {
                change: change(&spec.change),
                plan,
                smoke: spec.smoke.clone(),
                digest: Digest::of([text]).to_string(),
            }),
            Ok(_) => Err(wrong),
            Err(error) => Err(vec![format!("spec.change: {error}")]),
        }
    }
}

fn change(spec: &ChangeSpec) -> Change {
    let mut change = Change::default();
    for (container, image) in &spec.images {
        change = change.and_image(container, image);
    }
    for it in &spec.env {
        change = match &it.container {
            Some(container) => change.env_in(container, &it.name, &it.value),
            None => change.env(&it.name, &it.value),
        };
    }
    if let Some(model) = &spec.model {
        change = change.and_model(&model.env_var, &model.name);
    }
    for (config_map, files) in &spec.files {
        let files = files.iter().map(|(name, content)| (name.clone(), content.clone()));
        change = change.and_files(config_map, ConfigFiles::new(files));
    }
    for (name, it) in &spec.external {
        change = change.and_external(name, &it.reference, &it.digest);
        if let Some(variable) = &it.env_var {
            change = change.external_in(name, variable);
        }
    }
    match &spec.version {
        Some(version) => change.version(version),
        None => change,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn spec(change: &Value, plan: &Value) -> AgentReleaseSpec {
        let spec = json!({"service": "agent", "change": change, "plan": plan});
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn all_that_a_change_has_can_be_said() {
        let digest = Digest::of(["x"]).to_string();
        let spec = spec(
            &json!({
                "images": {"agent": "a:2"},
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2", "container": "proxy"}],
                "model": {"envVar": "MODEL", "name": "large"},
                "files": {"agent-prompts": {"system.txt": "Be kind."}},
                "external": {"refunds": {"reference": "prompts/7", "digest": digest, "envVar": "P"}},
                "version": "2",
            }),
            &json!({"bake": {"hold": "5m"}}),
        );
        let wanted = Wanted::read(&spec).unwrap();
        let all = Change::image("agent", "a:2")
            .env("A", "1")
            .env_in("proxy", "B", "2")
            .and_model("MODEL", "large")
            .and_files("agent-prompts", ConfigFiles::new([("system.txt", "Be kind.")]))
            .and_external("refunds", "prompts/7", digest)
            .external_in("refunds", "P")
            .version("2");
        assert_eq!(wanted.change, all);
        assert_eq!(wanted.plan.bake.hold, Duration::from_mins(5));
    }

    #[test]
    fn another_change_has_another_digest_and_another_plan_has_not() {
        let digest = |image: &str, plan: Value| {
            let spec = spec(&json!({"images": {"agent": image}}), &plan);
            Wanted::read(&spec).unwrap().digest
        };
        assert_eq!(digest("a:2", json!({})), digest("a:2", json!({"standby": 1})));
        assert_ne!(digest("a:2", json!({})), digest("a:3", json!({})));
        let files = |text: &str| {
            let spec = spec(&json!({"files": {"prompts": {"system.txt": text}}}), &json!({}));
            Wanted::read(&spec).unwrap().digest
        };
        assert_ne!(files("Be kind."), files("Be brief."));
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused_with_every_problem() {
        let read = |plan: Value| Wanted::read(&spec(&json!({}), &plan)).unwrap_err().join("\n");
        assert!(read(json!({"bakes": {}})).contains("unknown field `bakes`"));
        assert!(read(json!({"bake": {"hold": "soon"}})).contains("spec.plan: `soon`"));
        let both = json!({"look": "0s", "freeze": {"zone": "Mars/Olympus", "windows": []}});
        let told = read(both);
        for part in ["look", "Mars/Olympus", "windows"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
