//! The Services that lead to the slots, their endpoints, and the pods behind them.

use std::sync::{Mutex, PoisonError};

use bluegreen_core::{Color, Error, ErrorKind, Pair, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};

use crate::Settings;
use crate::error::read;
use crate::remembered::Remembered;
use crate::selector::{Selector, in_words};
use crate::slices::{Listed, SERVICE_NAME};
use crate::watching::{Watched, any};

/// What stands between a router and the pods of the slots.
pub(crate) struct Slots {
    pub(crate) services: Api<Service>,
    pub(crate) slices: Api<EndpointSlice>,
    pub(crate) pods: Api<Pod>,
    settings: Settings,
    /// The Service of each slot.
    pub(crate) names: Pair<String>,
    /// What the pods of both slots have in common, once it was read.
    base: Mutex<Option<Selector>>,
    /// Whose pods a Service was last seen to lead to, all that were awaited.
    listed: Remembered<String, Color>,
}

impl Slots {
    pub(crate) fn new(client: Client, settings: Settings, names: Pair<String>) -> Self {
        let namespace = &settings.namespace;
        Self {
            services: Api::namespaced(client.clone(), namespace),
            slices: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client, namespace),
            settings,
            names,
            base: Mutex::default(),
            listed: Remembered::default(),
        }
    }

    /// The pods of both slots.
    pub(crate) async fn slot_pods(&self, params: ListParams) -> Result<Pair<Vec<Pod>>> {
        let label = &self.settings.slot_label;
        let mut query: Vec<String> =
            self.base().await?.iter().map(|(key, value)| format!("{key}={value}")).collect();
        query.push(format!("{label} in ({},{})", Color::Blue, Color::Green));
        let query = query.join(",");
        let action = format!("list pods {query} in {}", self.settings.namespace);
        let params = params.labels(&query);
        let found = read(self.settings.call, action, self.pods.list(&params)).await?;
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

    /// What the pods of both slots have in common: the selectors of their Services without the
    /// slot.
    async fn base(&self) -> Result<Selector> {
        if let Some(known) = self.lock_base().clone() {
            return Ok(known);
        }
        let (blue, green) =
            tokio::try_join!(self.selector(Color::Blue), self.selector(Color::Green))?;
        let [blue, green] = [blue, green].map(|mut selector| {
            selector.remove(&self.settings.slot_label);
            selector
        });
        if blue != green {
            let Pair { blue: one, green: other, .. } = &self.names;
            let action = format!("read the selectors of {one} and {other}");
            return Err(Error::new(ErrorKind::Rejected, action).with_source(format!(
                "found {} and {}, wanted them to differ in the slot only",
                in_words(&blue),
                in_words(&green)
            )));
        }
        self.keep_base(&blue);
        Ok(blue)
    }

    /// Keeps what both slots have in common.
    pub(crate) fn keep_base(&self, base: &Selector) {
        *self.lock_base() = Some(base.clone());
    }

    fn lock_base(&self) -> std::sync::MutexGuard<'_, Option<Selector>> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn selector(&self, color: Color) -> Result<Selector> {
        let name = self.names.of(color);
        let action = format!("read service {}/{name}", self.settings.namespace);
        Ok(selector(&read(self.settings.call, action, self.services.get(name)).await?))
    }

    /// Watches the endpoints of these Services.
    pub(crate) fn watch<'a>(
        &self,
        services: impl IntoIterator<Item = &'a str>,
    ) -> Watched<EndpointSlice> {
        let names = services.into_iter().collect::<Vec<_>>().join(",");
        let query = format!("{SERVICE_NAME} in ({names})");
        let config = any(watcher::Config::default().labels(&query));
        let action = format!("watch endpointslices of {names} in {}", self.settings.namespace);
        Watched::new(self.slices.clone(), config, action)
    }

    /// Whether any endpoint of a Service serves.
    pub(crate) async fn serves(&self, service: &str) -> Result<bool> {
        let params = ListParams::default().labels(&format!("{SERVICE_NAME}={service}")).match_any();
        let action = format!("list endpointslices of {service} in {}", self.settings.namespace);
        let slices = read(self.settings.call, action, self.slices.list(&params)).await?;
        Ok(Listed::of(&slices.items, service).serves_any())
    }

    /// Returns once a Service lists every one of `pods`, which are those of a slot, as serving.
    pub(crate) async fn await_listed(
        &self,
        service: &str,
        color: Color,
        pods: &[String],
    ) -> Result<()> {
        let mut slices = self.watch([service]);
        loop {
            let listed = Listed::of(slices.changed().await?.values(), service);
            if listed.serves_all(pods) {
                if listed.serves_any() {
                    self.listed.keep(service.to_owned(), color);
                }
                return Ok(());
            }
            tracing::debug!(service, %listed, wanted = pods.len(), "pods are not yet known");
        }
    }

    /// Whether a Service was seen a moment ago to lead to pods of a slot that serve.
    pub(crate) fn was_just_listed(&self, service: &str, color: Color) -> bool {
        self.listed.recent(service) == Some(color)
    }
}

pub(crate) fn selector(service: &Service) -> Selector {
    service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default()
}
