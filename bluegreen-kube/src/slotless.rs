//! A live Service whose selector names no slot yet: which slot has its traffic all the same.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::selector::{Selector, as_query};
use crate::{Settings, error};

/// Where a selector that names no slot leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Leads {
    /// To pods of this slot only: to name it changes nothing for them.
    To(Color),
    /// Elsewhere, and to what.
    Unclear(String),
}

/// Whether a selector finds pods and names no slot.
pub(crate) fn is_slotless(selector: &Selector, slot_label: &str) -> bool {
    !selector.is_empty() && !selector.contains_key(slot_label)
}

/// Looks at the pods that a selector finds. Those that have ended get no traffic.
pub(crate) async fn leads(
    pods: &Api<Pod>,
    settings: &Settings,
    selector: &Selector,
) -> Result<Leads> {
    let query = as_query(selector);
    let list = format!("list pods {query} in {}", settings.namespace);
    let params = ListParams::default().labels(&query);
    let found = error::read(settings.call, list, pods.list(&params)).await?;
    Ok(judge(&found.items, &settings.slot_label))
}

fn judge(pods: &[Pod], slot_label: &str) -> Leads {
    let mut count: BTreeMap<Option<Color>, usize> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !has_ended(pod)) {
        let color = pod.labels().get(slot_label).and_then(|label| Color::parse(label));
        *count.entry(color).or_default() += 1;
    }
    if let (1, Some((Some(color), _))) = (count.len(), count.first_key_value()) {
        return Leads::To(*color);
    }
    let found: Vec<String> = count
        .iter()
        .map(|(color, count)| {
            let pods = if *count == 1 { "pod" } else { "pods" };
            match color {
                Some(color) => format!("{count} {pods} of {color}"),
                None => format!("{count} {pods} of neither slot"),
            }
        })
        .collect();
    Leads::Unclear(if found.is_empty() { "no pods".to_owned() } else { found.join(", ") })
}

pub(crate) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(pods: &[(Option<&str>, &str)]) -> Leads {
        let pod = |(slot, phase): &(Option<&str>, &str)| {
            let labels = slot.map(|slot| json!({"app": "agent", "slot": slot}));
            let labels = labels.unwrap_or_else(|| json!({"app": "agent"}));
            let pod = json!({"metadata": {"labels": labels}, "status": {"phase": phase}});
            serde_json::from_value(pod).unwrap()
        };
        judge(&pods.iter().map(pod).collect::<Vec<Pod>>(), "slot")
    }

    #[test]
    fn only_pods_of_one_slot_tell_which_one_is_live() {
        let (blue, green) = ((Some("blue"), "Running"), (Some("green"), "Pending"));
        assert_eq!(judged(&[blue, blue]), Leads::To(Color::Blue));
        assert_eq!(judged(&[green]), Leads::To(Color::Green));
        let unclear = |pods: &[(Option<&str>, &str)], text: &str| {
            assert_eq!(judged(pods), Leads::Unclear(text.to_owned()));
        };
        unclear(&[], "no pods");
        unclear(&[blue, green, blue], "2 pods of blue, 1 pod of green");
        unclear(&[blue, (None, "Running")], "1 pod of neither slot, 1 pod of blue");
        unclear(&[(Some("purple"), "Running")], "1 pod of neither slot");
        // One that was evicted long ago does not matter.
        assert_eq!(judged(&[blue, (Some("green"), "Failed")]), Leads::To(Color::Blue));
    }
}
