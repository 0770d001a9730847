//! One rule of a route: whether it leads to the slots, and how much of it to each.

use bluegreen_core::{Color, Pair, Routing, Share};
use serde_json::Value;

use crate::printable::printable;

/// The backends that the slots are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slots {
    pub(super) names: Pair<String>,
    pub(super) backend: Backend,
    pub(super) namespace: String,
}

/// What kind of object a slot's backend is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Backend {
    Service,
    InferencePool,
}

impl Backend {
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::InferencePool => "InferencePool",
        }
    }

    pub(super) const fn group(self) -> &'static str {
        match self {
            Self::Service => "",
            Self::InferencePool => "inference.networking.k8s.io",
        }
    }
}

/// What a rule is to a switch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    /// It leads to both slots, so that its weights are ours.
    Both(Split),
    /// It leads to one slot and not to the other.
    One(Color),
    /// It is none of our business.
    Other,
    /// It refers to the backend of a slot more than once.
    Twice(Color),
}

/// The weights of a rule that leads to both slots.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Split {
    /// Where in its list of backends the slots are.
    pub(super) at: Pair<usize>,
    pub(super) weights: Pair<u64>,
    /// The names of other backends that have a share, too.
    pub(super) others: Vec<String>,
}

impl Slots {
    /// The slot that a reference leads to.
    pub(super) fn color_of(&self, reference: &Value) -> Option<Color> {
        let text = |key: &str, otherwise: &'static str| -> String {
            reference[key].as_str().unwrap_or(otherwise).to_owned()
        };
        let is_here = reference["namespace"].as_str().is_none_or(|it| it == self.namespace);
        let is_kind = text("kind", "Service") == self.backend.kind()
            && text("group", "") == self.backend.group();
        let name = reference["name"].as_str().filter(|_| is_here && is_kind)?;
        Color::BOTH.into_iter().find(|color| self.names.of(*color) == name)
    }

    /// What `rule` is to a switch between these slots.
    pub(super) fn read(&self, rule: &Value) -> Rule {
        let mut at: Pair<Option<usize>> = Pair::new(None, None);
        let mut weights = Pair::new(0, 0);
        let mut others = Vec::new();
        for (index, reference) in backends(rule).iter().enumerate() {
            let weight = weight(reference);
            let Some(color) = self.color_of(reference) else {
                if weight > 0 {
                    others.push(reference["name"].as_str().unwrap_or_default().to_owned());
                }
                continue;
            };
            let (place, share) = match color {
                Color::Blue => (&mut at.blue, &mut weights.blue),
                Color::Green => (&mut at.green, &mut weights.green),
            };
            if place.replace(index).is_some() {
                return Rule::Twice(color);
            }
            *share = weight;
        }
        match (at.blue, at.green) {
            (Some(blue), Some(green)) => {
                Rule::Both(Split { at: Pair::new(blue, green), weights, others })
            }
            (Some(_), None) => Rule::One(Color::Blue),
            (None, Some(_)) => Rule::One(Color::Green),
            (None, None) => Rule::Other,
        }
    }

    /// Both names, for people.
    pub(super) fn in_words(&self) -> String {
        let Pair { blue, green, .. } = &self.names;
        format!("{blue} and {green}")
    }
}

impl Split {
    /// The names of the others, for people.
    pub(super) fn others_in_words(&self) -> String {
        printable(&self.others.join(" and "), 200)
    }

    /// The routing that these weights are. Where both slots have a share, they do not say which of
    /// them is live: that is `live`, or the one with more.
    ///
    /// # Errors
    /// What else they are.
    pub(super) fn routing(&self, live: Option<Color>) -> Result<Routing, String> {
        if !self.others.is_empty() {
            return Err(format!("it gives a share to {}, too", self.others_in_words()));
        }
        let Pair { blue, green, .. } = self.weights;
        let live = match (blue, green) {
            (0, 0) => return Err("both slots have weight 0".to_owned()),
            (_, 0) => return Ok(Routing::all(Color::Blue)),
            (0, _) => return Ok(Routing::all(Color::Green)),
            (blue, green) => {
                let more = if green > blue { Color::Green } else { Color::Blue };
                live.unwrap_or(more)
            }
        };
        let (part, whole) = (*self.weights.of(live.other()), blue + green);
        let all = u64::from(Share::ALL.as_parts_per_million());
        // What has a share is never taken for one that has none, or has all.
        let parts = ((part * all + whole / 2) / whole).clamp(1, all - 1);
        let share = Share::parts_per_million(u32::try_from(parts).unwrap_or(u32::MAX));
        Ok(Routing::all(live).with_candidate(share))
    }
}

/// The references of a rule.
pub(super) fn backends(rule: &Value) -> &[Value] {
    rule["backendRefs"].as_array().map_or(&[], Vec::as_slice)
}

/// The largest weight that the Gateway API knows.
const MOST: u64 = 1_000_000;

/// The weight of a reference. One that says none has weight 1.
fn weight(reference: &Value) -> u64 {
    match &reference["weight"] {
        Value::Null => 1,
        weight => weight.as_u64().unwrap_or_default().min(MOST),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slots() -> Slots {
        Slots {
            names: Pair::new("agent-blue".to_owned(), "agent-green".to_owned()),
            backend: Backend::Service,
            namespace: "ai-agents".to_owned(),
        }
    }

    fn read(backends: &Value) -> Rule {
        slots().read(&json!({ "backendRefs": backends }))
    }

    fn routing(blue: u64, green: u64, live: Option<Color>) -> Result<Routing, String> {
        let rule = read(&json!([
            {"name": "agent-blue", "port": 80, "weight": blue},
            {"name": "agent-green", "port": 80, "weight": green},
        ]));
        let Rule::Both(split) = rule else { panic!("{rule:?}") };
        split.routing(live)
    }

    #[test]
    fn a_rule_is_ours_if_it_leads_to_both_slots() {
        assert_eq!(read(&json!([])), Rule::Other);
        assert_eq!(slots().read(&json!({"matches": []})), Rule::Other);
        assert_eq!(read(&json!([{"name": "other"}])), Rule::Other);
        let green = json!({"name": "agent-green"});
        assert_eq!(read(&json!([green, {"name": "other"}])), Rule::One(Color::Green));
        assert_eq!(read(&json!([green, green])), Rule::Twice(Color::Green));
        let elsewhere = json!({"name": "agent-blue", "namespace": "elsewhere"});
        assert_eq!(read(&json!([green, elsewhere])), Rule::One(Color::Green));
        let pool = json!({"name": "agent-blue", "kind": "InferencePool",
            "group": "inference.networking.k8s.io"});
        assert_eq!(read(&json!([green, pool])), Rule::One(Color::Green));
        let split = |others: &[&str]| {
            let others = others.iter().map(ToString::to_string).collect();
            Rule::Both(Split { at: Pair::new(1, 0), weights: Pair::new(1, 1), others })
        };
        let blue = json!({"name": "agent-blue", "namespace": "ai-agents"});
        assert_eq!(read(&json!([green, blue])), split(&[]));
        let idle = json!({"name": "idle", "weight": 0});
        assert_eq!(read(&json!([green, blue, idle, {"name": "other"}])), split(&["other"]));
    }

    #[test]
    fn weights_are_shares_whatever_their_sum() {
        let all = |color| Ok(Routing::all(color));
        let share =
            |live, parts| Ok(Routing::all(live).with_candidate(Share::parts_per_million(parts)));
        assert_eq!(routing(1, 0, None), all(Color::Blue));
        assert_eq!(routing(0, 7, Some(Color::Blue)), all(Color::Green));
        assert_eq!(routing(95, 5, None), share(Color::Blue, 50_000));
        assert_eq!(routing(5, 95, None), share(Color::Green, 50_000));
        assert_eq!(routing(5, 95, Some(Color::Blue)), share(Color::Blue, 950_000));
        assert_eq!(routing(1, 1, Some(Color::Green)), share(Color::Green, 500_000));
        assert_eq!(routing(2, 1, None), share(Color::Blue, 333_333));
        assert_eq!(routing(1_000_000, 1, None), share(Color::Blue, 1));
        assert_eq!(routing(1, 1_000_000, Some(Color::Blue)), share(Color::Blue, 999_999));
        assert!(routing(0, 0, None).unwrap_err().contains("weight 0"));
    }

    #[test]
    fn another_backend_with_a_share_is_no_routing_of_ours() {
        let blue = json!({"name": "agent-blue"});
        let rule = read(&json!([blue, {"name": "agent-green"}, {"name": "other"}]));
        let Rule::Both(split) = rule else { panic!("{rule:?}") };
        assert!(split.routing(None).unwrap_err().contains("to other"));
    }
}
