//! How traffic is routed, read from the live Services.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Observed, ObservedState, Pair, Result};
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::live::{Live, decode, select};
use super::{Known, ServiceSwitch};
use crate::error::read;
use crate::selector::{Selector, as_query};
use crate::slotless::{self, Leads, is_slotless};
use crate::watching::{Filter, Scope, number};

impl ServiceSwitch {
    pub(super) async fn read_routing(&self) -> Result<Observed> {
        let read = try_join_all(self.services.iter().map(|name| self.read(name))).await?;
        self.decode(read).await
    }

    pub(super) async fn watch_routing(&self, known: &Observed) -> Result<Observed> {
        let action = match self.services.as_slice() {
            [only] => self.action("watch", only),
            _ => format!("watch services in {}", self.settings.namespace),
        };
        let version = |name: &String| {
            self.known(name).map(|known| number(Some(&known.live.resource_version)))
        };
        let at_least = self.services.iter().filter_map(version).max().unwrap_or_default();
        let mut watched = self.watches.watched(
            &self.services_api,
            Scope::all().with_managers(),
            &Filter::Named(self.services.clone()),
            at_least,
            action,
        );
        loop {
            let found = watched.changed().await?;
            let missing = self.services.iter().find(|name| !found.contains_key(*name));
            let observed = if let Some(name) = missing {
                let text = format!("service {name} is not there");
                Observed::new(ObservedState::Foreign(text), known.epoch)
            } else {
                let services = self.services.iter().filter_map(|name| found.get(name));
                let read = services.map(|service| self.remember(service)).collect();
                Box::pin(self.decode(read)).await?
            };
            if observed.state != known.state {
                return Ok(observed);
            }
        }
    }

    /// A selector that names no slot is taken for one of the slot that alone has pods.
    ///
    /// A base that differs from the one that was known is meant if it still selects pods of the
    /// slot: somebody gave the Service and its pods another label. Else it is foreign.
    async fn decode(&self, read: Vec<Known>) -> Result<Observed> {
        let label = &self.settings.slot_label;
        let mut bases = BTreeMap::new();
        let mut lives = Vec::with_capacity(read.len());
        let mut unclear = Vec::new();
        for Known { mut live, mut base, .. } in read {
            match self.leads(&live).await? {
                Some(Leads::To(color)) => live.selector = select(&live.selector, label, color),
                Some(Leads::Unclear(found)) => unclear.push(format!("{} finds {found}", live.name)),
                None => {}
            }
            let found = live.base(label);
            if found != base && live.color(label).is_some() && self.has_pods(&live).await? {
                self.adopt(&live.name);
                base = found;
            }
            bases.insert(live.name.clone(), base);
            lives.push(live);
        }
        let mut observed = decode(&lives, &bases, label);
        if let ObservedState::Foreign(text) = &mut observed.state
            && !unclear.is_empty()
        {
            *text = format!("{text}: {}", unclear.join(", "));
        }
        Ok(observed)
    }

    /// Where a live Service leads whose selector names no slot; `None` if it names one.
    pub(super) async fn leads(&self, live: &Live) -> Result<Option<Leads>> {
        if !is_slotless(&live.selector, &self.settings.slot_label) {
            return Ok(None);
        }
        slotless::leads(&self.pods_api, &self.settings, &live.selector).await.map(Some)
    }

    async fn has_pods(&self, live: &Live) -> Result<bool> {
        let one = ListParams::default().limit(1);
        Ok(!self.pods(&as_query(&live.selector), one).await?.is_empty())
    }

    /// The pods that a label selector finds. `params` say how fresh they have to be.
    pub(super) async fn pods(&self, query: &str, params: ListParams) -> Result<Vec<Pod>> {
        let params = params.labels(query);
        let action = format!("list pods {query} in {}", self.settings.namespace);
        let call = self.pods_api.list(&params);
        Ok(read(self.settings.call, action, call).await?.items)
    }

    /// The pods of both slots that a Service with this base can select, and which slot each
    /// belongs to.
    pub(super) async fn slot_pods(
        &self,
        base: &Selector,
        params: ListParams,
    ) -> Result<Pair<Vec<Pod>>> {
        let label = &self.settings.slot_label;
        let base = as_query(base);
        let comma = if base.is_empty() { "" } else { "," };
        let query = format!("{base}{comma}{label} in ({},{})", Color::Blue, Color::Green);
        let mut slots = Pair::new(Vec::new(), Vec::new());
        for pod in self.pods(&query, params).await? {
            match pod.labels().get(label).and_then(|value| Color::parse(value)) {
                Some(Color::Blue) => slots.blue.push(pod),
                Some(Color::Green) => slots.green.push(pod),
                None => {}
            }
        }
        Ok(slots)
    }
}
