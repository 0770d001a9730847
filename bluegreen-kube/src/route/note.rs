//! What a route says about the last shift: the transition annotation.

use bluegreen_core::{Digest, Epoch, Routing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rule::backends;

/// The last shift of one route, as it is written on the route together with it.
///
/// Weights alone do not say which of two slots with a share is live, nor which rules are there
/// for pins.
///
/// What a later version says beside it is no reason not to go back.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) from: Routing,
    pub(super) to: Routing,
    pub(super) epoch: u64,
    /// The rules that were added for pins, by [what they match and where they lead](identity).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<String>,
}

impl Note {
    pub(super) fn new(from: &Routing, to: &Routing, epoch: Epoch, rules: Vec<String>) -> Self {
        Self { from: from.clone(), to: to.clone(), epoch: epoch.number(), rules }
    }

    /// Which of `rules` were added, in their order; `None` where one that was is not there.
    pub(super) fn added(&self, rules: &[Value]) -> Option<Vec<usize>> {
        if self.rules.is_empty() {
            return Some(Vec::new());
        }
        let mut wanted = self.rules.clone();
        let mut added = Vec::with_capacity(wanted.len());
        // Ours came last. Where somebody has copied one, the copy is the later one all the same,
        // but then both do the same.
        for (index, rule) in rules.iter().enumerate().rev() {
            let found = identity(rule);
            if let Some(at) = wanted.iter().position(|it| *it == found) {
                wanted.swap_remove(at);
                added.push(index);
            }
        }
        added.reverse();
        wanted.is_empty().then_some(added)
    }
}

/// What tells a rule from others: what it matches, and where it leads. Weights and filters may
/// change, and it is still that rule.
pub(super) fn identity(rule: &Value) -> String {
    let mut text = String::new();
    write(&rule["matches"], &mut text);
    for backend in backends(rule) {
        for field in ["group", "kind", "namespace", "name", "port"] {
            text.push('|');
            write(&backend[field], &mut text);
        }
    }
    let digest = Digest::of([text]);
    // As many digits as make two rules of one route differ.
    digest.as_str().trim_start_matches("sha256:").chars().take(16).collect()
}

/// JSON with the keys of objects in order, whatever order they came in.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            text.push('{');
            for key in keys {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(&map[key], text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Color;
    use serde_json::json;

    use super::*;

    fn rule(value: &str, to: &str) -> Value {
        json!({
            "matches": [{"headers": [{"name": "x-slot", "value": value}]}],
            "backendRefs": [{"name": to, "port": 80}],
        })
    }

    fn note(rules: &[&Value]) -> Note {
        let (from, to) = (Routing::all(Color::Blue), Routing::all(Color::Green));
        Note::new(&from, &to, Epoch::new(7), rules.iter().map(|it| identity(it)).collect())
    }

    #[test]
    fn a_rule_is_known_by_what_it_matches_and_where_it_leads() {
        let (one, two) = (rule("a", "blue"), rule("a", "green"));
        assert_ne!(identity(&one), identity(&two));
        assert_ne!(identity(&one), identity(&rule("b", "blue")));
        let mut other = one.clone();
        other["filters"] = json!([{"type": "URLRewrite"}]);
        other["backendRefs"][0]["weight"] = 3.into();
        assert_eq!(identity(&one), identity(&other));
    }

    #[test]
    fn what_was_added_is_found_wherever_it_is_now() {
        let (plain, one, two) = (json!({}), rule("a", "blue"), rule("b", "green"));
        let note = note(&[&one, &two]);
        let rules = [two.clone(), plain.clone(), one.clone()];
        assert_eq!(note.added(&rules), Some(vec![0, 2]));
        assert_eq!(note.added(&[plain.clone(), one.clone()]), None, "one is gone");
        // Somebody's copy is not ours.
        assert_eq!(note.added(&[one.clone(), one, two]), Some(vec![1, 2]));
    }

    #[test]
    fn what_a_later_version_says_beside_it_changes_nothing() {
        let note = note(&[&rule("a", "blue")]);
        let mut text = serde_json::to_value(&note).unwrap();
        text["steps"] = json!([{"at": 1}]);
        text["from"]["region"] = "here".into();
        assert_eq!(serde_json::from_value::<Note>(text).unwrap(), note);
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is_one() {
        let note = note(&[&rule("a", "blue")]);
        let text = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), note);
        for other in ["blue->green@42", "{}", &text.replace("\"epoch\"", "\"age\"")] {
            assert!(serde_json::from_str::<Note>(other).is_err(), "{other}");
        }
    }
}
