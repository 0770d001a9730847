//! Waits until EndpointSlices list what they should.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use bluegreen_core::{Color, Evidence, EvidenceKind, Result, Routing};
use futures_util::future::try_join_all;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::runtime::watcher;

use super::ServiceSwitch;
use crate::selector::Selector;
use crate::slices::{Listed, SERVICE_NAME, Sorted};
use crate::watching::{Watched, any};

impl ServiceSwitch {
    pub(super) async fn await_evidence(
        &self,
        to: &Routing,
        kind: &EvidenceKind,
    ) -> Result<Evidence> {
        // Answers are asked for once there is a reason to expect the right ones.
        let (listed, slices) = self.await_endpoints(to.live).await?;
        let detail = match kind {
            EvidenceKind::Answers { vantage, in_a_row } => {
                let answered = self.await_answers(to.live, vantage, *in_a_row, slices).await?;
                format!("{answered}; {listed}")
            }
            _ => listed,
        };
        Ok(Evidence::new(kind.clone(), detail))
    }

    /// Returns once the slices of every live Service list pods of this slot only, and says how
    /// many slices of one address family were seen to be a Service's at most.
    async fn await_endpoints(&self, color: Color) -> Result<(String, usize)> {
        let names = self.services.iter().map(String::as_str);
        let mut watched = self.watch_slices(&names.collect::<Vec<_>>());
        let bases = try_join_all(self.services.iter().map(|name| self.base(name))).await?;
        let any = ListParams::default().match_any();
        let sort = bases.iter().map(|base| self.first_sorted(base, color, any.clone()));
        let sort = try_join_all(sort);
        let (mut sorted, _) = tokio::try_join!(sort, watched.changed())?;
        let mut slices = 0;
        loop {
            let mut seen = Vec::with_capacity(self.services.len());
            let services = self.services.iter().zip(&bases).zip(&mut sorted);
            for ((name, base), sorted) in services {
                let listed = Listed::of(watched.objects().values(), name);
                slices = slices.max(listed.slices_of_a_family());
                let pods = |params| self.slot_pods(base, params);
                sorted.look_for_strangers(&listed, color, pods).await?;
                if listed.only(&sorted.right) {
                    seen.push(format!("service {name}: {listed}, all of {color}"));
                } else {
                    tracing::debug!(service = name, %listed, %color, "endpoints are not yet right");
                }
            }
            if seen.len() == self.services.len() {
                return Ok((seen.join("; "), slices));
            }
            watched.changed().await?;
        }
    }

    /// The pods whose endpoints were awaited are the candidate's, and need not be listed in the
    /// very moment in which everybody else is busy with the switch. Others are looked for.
    async fn first_sorted(
        &self,
        base: &Selector,
        color: Color,
        params: ListParams,
    ) -> Result<Sorted> {
        if let Some((_, right)) = self.listed().as_ref().filter(|(of, _)| *of == color) {
            return Ok(Sorted::right(right.clone()));
        }
        Ok(Sorted::of(&self.slot_pods(base, params).await?, color))
    }

    pub(super) async fn base(&self, name: &str) -> Result<Selector> {
        match self.known(name) {
            Some(known) => Ok(known.base),
            None => Ok(self.read(name).await?.base),
        }
    }

    /// Returns once the preview Service lists every one of `pods` as serving: the endpoint
    /// controller knows them then, whatever Service selects them.
    pub(super) async fn await_listed(&self, candidate: Color, pods: &[String]) -> Result<()> {
        let preview = self.settings.preview_service();
        let mut watched = self.watch_slices(&[&preview]);
        loop {
            let listed = Listed::of(watched.changed().await?.values(), &preview);
            if listed.serves_all(pods) {
                *self.listed() = Some((candidate, pods.iter().cloned().collect()));
                return Ok(());
            }
            tracing::debug!(service = preview, %listed, wanted = pods.len(), "pods are not yet known");
        }
    }

    fn listed(&self) -> MutexGuard<'_, Option<(Color, BTreeSet<String>)>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch_slices(&self, services: &[&str]) -> Watched<EndpointSlice> {
        let query = match services {
            [only] => format!("{SERVICE_NAME}={only}"),
            all => format!("{SERVICE_NAME} in ({})", all.join(",")),
        };
        let config = any(watcher::Config::default().labels(&query));
        let action = format!(
            "watch endpointslices of {} in {}",
            services.join(", "),
            self.settings.namespace
        );
        Watched::new(self.slices_api.clone(), config, action)
    }
}
