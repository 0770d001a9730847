//! What EndpointSlices say, judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bluegreen_core::{Color, Pair, Result};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt as _;
use kube::api::ListParams;

use crate::pod::is_ready;

/// The label of a slice with the name of its Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

k8s_openapi::k8s_if_ge_1_36! {
    fn endpoints(slice: &EndpointSlice) -> &[Endpoint] {
        slice.endpoints.as_deref().unwrap_or_default()
    }
}
k8s_openapi::k8s_if_le_1_35! {
    fn endpoints(slice: &EndpointSlice) -> &[Endpoint] {
        &slice.endpoints
    }
}

/// What the slices of one Service list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Listed {
    /// How many slices there are; nothing where pods were looked at.
    slices: Option<usize>,
    /// How many of them are of the address family that has the most.
    slices_of_a_family: usize,
    /// Pods that take traffic now.
    serving: BTreeSet<String>,
    /// Pods that are listed, not ending, and not serving.
    waiting: BTreeSet<String>,
    /// Endpoints that are not ending and belong to no pod.
    strangers: Vec<String>,
    /// Address families that list endpoints of which none serves.
    dead_families: BTreeSet<String>,
}

impl Listed {
    /// What all slices of `service` list. Endpoints that are ending don't count: they get no new
    /// connections as long as another one serves.
    pub(crate) fn of<'a>(
        slices: impl IntoIterator<Item = &'a EndpointSlice>,
        service: &str,
    ) -> Self {
        let mut listed = Self::default();
        let mut slices_of: BTreeMap<&str, usize> = BTreeMap::new();
        let mut families: BTreeMap<&str, bool> = BTreeMap::new();
        for slice in slices {
            if slice.labels().get(SERVICE_NAME).is_none_or(|name| name != service) {
                continue;
            }
            *slices_of.entry(&slice.address_type).or_default() += 1;
            for endpoint in endpoints(slice).iter().filter(|endpoint| !is_terminating(endpoint)) {
                let serves = is_serving(endpoint);
                *families.entry(&slice.address_type).or_default() |= serves;
                match pod_uid(endpoint) {
                    Some(uid) if serves => drop(listed.serving.insert(uid.to_owned())),
                    Some(uid) => drop(listed.waiting.insert(uid.to_owned())),
                    None => listed.strangers.push(endpoint.addresses.join(" ")),
                }
            }
        }
        listed.slices = Some(slices_of.values().sum());
        listed.slices_of_a_family = slices_of.into_values().max().unwrap_or(0);
        let dead = families.into_iter().filter(|(_, serves)| !serves);
        listed.dead_families = dead.map(|(family, _)| family.to_owned()).collect();
        listed
    }

    /// The same of pods themselves, for backends without slices.
    pub(crate) fn of_pods<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Self {
        let mut listed = Self::default();
        let pods = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        for pod in pods {
            let of_its_kind = if is_ready(pod) { &mut listed.serving } else { &mut listed.waiting };
            of_its_kind.extend(pod.uid());
        }
        listed
    }

    /// How many slices there are of the address family that has the most.
    pub(crate) fn slices_of_a_family(&self) -> usize {
        self.slices_of_a_family
    }

    /// Whether every one of `pods` takes traffic.
    pub(crate) fn serves_all(&self, pods: &[String]) -> bool {
        pods.iter().all(|uid| self.serving.contains(uid))
    }

    /// Whether anything takes traffic.
    pub(crate) fn serves_any(&self) -> bool {
        !self.serving.is_empty()
    }

    /// The pods that are listed and are none of `right`.
    pub(crate) fn wrong<'a>(
        &'a self,
        right: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a str> {
        let listed = self.serving.iter().chain(&self.waiting);
        listed.filter(|uid| !right.contains(*uid)).map(String::as_str)
    }

    /// Whether only pods of `right` are listed, and at least one of them serves in each address
    /// family.
    pub(crate) fn only(&self, right: &BTreeSet<String>) -> bool {
        self.strangers.is_empty()
            && self.dead_families.is_empty()
            && !self.serving.is_empty()
            && self.wrong(right).next().is_none()
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let serving = self.serving.len();
        write!(f, "{serving} serving endpoint{}", plural(serving))?;
        if !self.waiting.is_empty() {
            write!(f, " and {} not ready", self.waiting.len())?;
        }
        if !self.strangers.is_empty() {
            write!(f, " and {} that are no pods", self.strangers.len())?;
        }
        match self.slices {
            Some(slices) => write!(f, " in {slices} slice{}", plural(slices)),
            None => Ok(()),
        }
    }
}

/// The identities of pods that a Service may list, and of those that it must not.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) right: BTreeSet<String>,
    /// Those of the other slot, and those that the last look could not find.
    wrong: BTreeSet<String>,
}

impl Sorted {
    /// Pods of the slot `color`, and of the other one.
    pub(crate) fn of(pods: &Pair<Vec<Pod>>, color: Color) -> Self {
        let mut sorted = Self::default();
        sorted.add(pods, color);
        sorted
    }

    /// Pods of which it is known that they are right.
    pub(crate) fn right(right: BTreeSet<String>) -> Self {
        Self { right, wrong: BTreeSet::new() }
    }

    /// One that has ended since is not found any more, and is what it was.
    fn add(&mut self, pods: &Pair<Vec<Pod>>, color: Color) {
        let uids = |color| pods.of(color).iter().filter_map(Pod::uid);
        self.right.extend(uids(color));
        self.wrong.extend(uids(color.other()));
    }

    /// Pods that were not there at the last look are looked for once: in the cache of the server,
    /// which answers at once and mostly has them, and if it does not, in the latest state. No pod
    /// changes its slot, so what the cache has is good.
    pub(crate) async fn look_for_strangers<F>(
        &mut self,
        listed: &Listed,
        color: Color,
        pods: impl Fn(ListParams) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<Pair<Vec<Pod>>>>,
    {
        for params in [ListParams::default().match_any(), ListParams::default()] {
            if listed.wrong(&self.right).all(|uid| self.wrong.contains(uid)) {
                return Ok(());
            }
            self.add(&pods(params).await?, color);
        }
        let still: Vec<String> = listed.wrong(&self.right).map(str::to_owned).collect();
        self.wrong.extend(still);
        Ok(())
    }
}

fn is_terminating(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|conditions| conditions.terminating).unwrap_or(false)
}

/// A Service that publishes pods before they are ready calls all of them `ready`, so that says
/// nothing. Where `serving` is not told, `ready` is what is left, and that means yes when it is
/// not told either.
fn is_serving(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|conditions| conditions.serving.or(conditions.ready)).unwrap_or(true)
}

fn pod_uid(endpoint: &Endpoint) -> Option<&str> {
    let target = endpoint.target_ref.as_ref()?;
    (target.kind.as_deref() == Some("Pod")).then_some(target.uid.as_deref()?)
}

#[cfg(test)]
mod tests;
