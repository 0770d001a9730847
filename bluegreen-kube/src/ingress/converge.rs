//! Waits until there is evidence that traffic follows the Ingresses.

use bluegreen_core::{Evidence, EvidenceKind, Result, Routing};

use super::IngressSwitch;
use super::observe::agree;
use crate::slices::{Listed, Sorted};

impl IngressSwitch {
    pub(super) async fn await_evidence(
        &self,
        to: &Routing,
        kind: &EvidenceKind,
    ) -> Result<Evidence> {
        // Answers are asked for once there is a reason to expect the right ones.
        let listed = self.await_endpoints(to).await?;
        let detail = match kind {
            EvidenceKind::Answers { vantage, in_a_row } => {
                let answered = self.await_answers(to.live, vantage, *in_a_row).await?;
                format!("{answered}; {listed}")
            }
            _ => format!("{listed}; whether the ingress controller has taken it is not shown"),
        };
        Ok(Evidence::new(kind.clone(), detail))
    }

    /// Returns once the Ingresses are what `to` wants them to be, and the slices of the slot's
    /// Service list pods of that slot only.
    async fn await_endpoints(&self, to: &Routing) -> Result<String> {
        let service = self.slots.names.of(to.live);
        let mut ingresses = self.watch_ingresses();
        let mut slices = self.slots.watch([service.as_str()]);
        tokio::try_join!(ingresses.listed(), async { slices.changed().await.map(drop) })?;
        let mut sorted = Sorted::default();
        loop {
            let listed = Listed::of(slices.objects().values(), service);
            let pods = |params| self.slots.slot_pods(params);
            sorted.look_for_strangers(&listed, to.live, pods).await?;
            if let Ok(found) = ingresses.found(|name, found| self.remember(name, found))
                && agree(&found, &self.slots.names).routing() == Some(to)
                && listed.only(&sorted.right)
            {
                let names: Vec<_> = found.iter().map(|ingress| ingress.name.as_str()).collect();
                let names = names.join(", ");
                return Ok(format!(
                    "ingress {names}: {to}; service {service}: {listed}, all of {}",
                    to.live
                ));
            }
            tracing::debug!(service, %listed, "the ingresses or endpoints are not yet right");
            tokio::select! {
                changed = ingresses.changed() => changed?,
                changed = slices.changed() => drop(changed?),
            }
        }
    }
}
