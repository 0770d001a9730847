//! The backends of the slots, and the pods behind them.

use std::sync::PoisonError;

use bluegreen_core::{Color, Error, ErrorKind, Pair, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::RouteWeights;
use super::rule::Backend;
use crate::error::read;
use crate::selector::{Selector, in_words};

impl RouteWeights {
    /// The pods of both slots.
    pub(super) async fn slot_pods(&self, params: ListParams) -> Result<Pair<Vec<Pod>>> {
        let label = &self.settings.slot_label;
        let query = self.query().await?;
        let action = format!("list pods {query} in {}", self.settings.namespace);
        let params = params.labels(&query);
        let found = read(self.settings.call, action, self.pods_api.list(&params)).await?;
        let mut slots = Pair::new(Vec::new(), Vec::new());
        for pod in found.items {
            match pod.labels().get(label).and_then(|value| Color::parse(value)) {
                Some(Color::Blue) => slots.blue.push(pod),
                Some(Color::Green) => slots.green.push(pod),
                None => {}
            }
        }
        Ok(slots)
    }

    /// The label selector that finds the pods of both slots.
    pub(super) async fn query(&self) -> Result<String> {
        let base = self.base().await?;
        let label = &self.settings.slot_label;
        let mut query: Vec<String> =
            base.iter().map(|(key, value)| format!("{key}={value}")).collect();
        query.push(format!("{label} in ({},{})", Color::Blue, Color::Green));
        Ok(query.join(","))
    }

    /// The backend of a slot, for people: `service agent-blue`.
    pub(super) fn backend(&self, color: Color) -> String {
        let kind = match self.slots.backend {
            Backend::Service => "service",
            Backend::InferencePool => "inferencepool",
        };
        format!("{kind} {}", self.slots.names.of(color))
    }

    /// What the pods of both slots have in common: the selectors of their backends without the
    /// slot.
    pub(crate) async fn base(&self) -> Result<Selector> {
        if let Some(known) = self.lock_base().clone() {
            return Ok(known);
        }
        let (blue, green) =
            tokio::try_join!(self.selector(Color::Blue), self.selector(Color::Green))?;
        let bases = [blue, green].map(|mut selector| {
            selector.remove(&self.settings.slot_label);
            selector
        });
        if bases[0] != bases[1] {
            let action = format!("read the selectors of {}", self.slots.in_words());
            let [blue, green] = bases.map(|base| in_words(&base));
            return Err(Error::new(ErrorKind::Rejected, action).with_source(format!(
                "found {blue} and {green}, wanted them to differ in the slot only"
            )));
        }
        let [base, _] = bases;
        self.keep_base(&base);
        Ok(base)
    }

    /// Keeps what both slots have in common.
    pub(super) fn keep_base(&self, base: &Selector) {
        *self.lock_base() = Some(base.clone());
    }

    fn lock_base(&self) -> std::sync::MutexGuard<'_, Option<Selector>> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn selector(&self, color: Color) -> Result<Selector> {
        let name = self.slots.names.of(color);
        let action = format!("read {} in {}", self.backend(color), self.settings.namespace);
        let call = self.settings.call;
        Ok(match self.slots.backend {
            Backend::Service => selector(&read(call, action, self.services_api.get(name)).await?),
            Backend::InferencePool => {
                selector_of_pool(&read(call, action, self.pools().get(name)).await?)
            }
        })
    }

    /// The `InferencePool`s of the namespace.
    pub(super) fn pools(&self) -> Api<DynamicObject> {
        let backend = Backend::InferencePool;
        let kind = GroupVersionKind::gvk(backend.group(), "v1", backend.kind());
        let resource = ApiResource::from_gvk_with_plural(&kind, POOLS);
        Api::namespaced_with(self.client.clone(), &self.settings.namespace, &resource)
    }
}

/// The plural of the kind `InferencePool`.
pub(super) const POOLS: &str = "inferencepools";

/// The labels of a pool's pods.
pub(super) fn selector_of_pool(pool: &DynamicObject) -> Selector {
    let labels = pool.data.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

pub(super) fn selector(service: &Service) -> Selector {
    service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default()
}
