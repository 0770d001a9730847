//! Who else gets or gives the requests of what is adopted.

use bluegreen_core::{Problem, Result};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, ObjectMeta};
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};

use super::Adopt;
use super::seen::Seen;
use crate::cluster::Cluster;
use crate::error;
use crate::selector::as_query;
use crate::slotless::has_ended;

impl Cluster {
    /// Services that lead to the old pods and are not named: they would lead to both slots, and so to
    /// every candidate before anybody has judged it.
    pub(super) async fn other_services(&self, seen: &Seen, how: &Adopt) -> Result<Vec<Problem>> {
        let settings = &self.settings;
        let services: Api<Service> = Api::namespaced(self.client.clone(), &settings.namespace);
        let action = format!("list services in {}", settings.namespace);
        let params = ListParams::default();
        let all = error::read(settings.call, action, services.list(&params)).await?.items;
        let labels = &seen.old.data["spec"]["template"]["metadata"]["labels"];
        let mut problems = Vec::new();
        for service in all {
            let name = service.name_any();
            let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
            let is_known = self.services.contains(&name) || how.ignored_services.contains(&name);
            let finds = |(key, value): (&String, &String)| labels[key] == **value;
            if is_known || selector.is_empty() || !selector.iter().all(finds) {
                continue;
            }
            problems.push(
                Problem::new("unlisted-service", format!("service {name}, spec.selector"))
                    .found(format!(
                        "{}, which finds the pods of deployment {}",
                        as_query(&selector),
                        seen.old.name_any()
                    ))
                    .wanted("every Service that leads to the agent to move with the switch")
                    .mend("name it as another live Service, or as one to ignore if it is to stay"),
            );
        }
        Ok(problems)
    }

    /// What else than the pods of the old Deployment, and of its copy, gets requests: it would not any
    /// more.
    pub(super) async fn other_pods(&self, seen: &Seen) -> Result<Vec<Problem>> {
        let (client, settings) = (&self.client, &self.settings);
        let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), &settings.namespace);
        let pods: Api<Pod> = Api::namespaced(client.clone(), &settings.namespace);
        let action = format!("list replicasets in {}", settings.namespace);
        let sets = error::read(settings.call, action, sets.list(&ListParams::default())).await?;
        let note = settings.adopted_annotation();
        let is_copy =
            |it: &&DynamicObject| it.annotations().get(&note) == seen.old.metadata.uid.as_ref();
        let blue = seen.slots.blue.as_ref().filter(is_copy);
        let own: Vec<Option<&str>> = [Some(&seen.old), blue]
            .into_iter()
            .flatten()
            .map(|it| it.metadata.uid.as_deref())
            .collect();
        let own: Vec<Option<&str>> = sets
            .items
            .iter()
            .filter(|set| own.contains(&controller(&set.metadata)))
            .map(|set| set.metadata.uid.as_deref())
            .collect();
        let mut problems = Vec::new();
        for service in &seen.services {
            let mut base = service.selector.clone();
            base.remove(&settings.slot_label);
            let query = as_query(&base);
            let action = format!("list pods {query} in {}", settings.namespace);
            let params = ListParams::default().labels(&query);
            let found = error::read(settings.call, action, pods.list(&params)).await?;
            let is_other = |pod: &&Pod| {
                let owner = controller(&pod.metadata);
                !has_ended(pod) && (owner.is_none() || !own.contains(&owner))
            };
            let mut others: Vec<String> =
                found.items.iter().filter(is_other).map(Pod::name_any).collect();
            let count = others.len();
            if count > 0 {
                others.truncate(3);
                let more =
                    if count > 3 { format!(" and {} more", count - 3) } else { String::new() };
                problems.push(
                    Problem::new("other-pods", format!("service {}", service.object.name_any()))
                        .found(format!("it selects {}{more}", others.join(", ")))
                        .wanted(format!(
                            "pods of deployment {} only: others would get no requests any more",
                            seen.old.name_any()
                        ))
                        .mend("give them other labels, or a Service of their own"),
                );
            }
        }
        Ok(problems)
    }
}

/// The identity of what has made an object, and answers for it.
fn controller(metadata: &ObjectMeta) -> Option<&str> {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.as_str())
}
