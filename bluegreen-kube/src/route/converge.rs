//! Waits until there is evidence that traffic follows the routes.

use std::sync::{MutexGuard, PoisonError};

use bluegreen_core::{Color, Evidence, EvidenceKind, Result, Routing};
use tokio::time::Instant;

use super::observe::agree;
use super::{RouteWeights, status};
use crate::remembered::FRESH;
use crate::slices::Sorted;

impl RouteWeights {
    pub(super) async fn await_evidence(
        &self,
        to: &Routing,
        kind: &EvidenceKind,
    ) -> Result<Evidence> {
        // Answers are asked for once there is a reason to expect the right ones.
        let listed = self.await_endpoints(to).await?;
        let detail = match kind {
            EvidenceKind::Answers { vantage, in_a_row } => {
                let answered = self.await_answers(to, vantage, *in_a_row).await?;
                format!("{answered}; {listed}")
            }
            _ => listed,
        };
        Ok(Evidence::new(kind.clone(), detail))
    }

    /// Returns once the routes are what `to` wants them to be, gateways have taken them, and the
    /// slices of each slot with traffic list pods of that slot only.
    async fn await_endpoints(&self, to: &Routing) -> Result<String> {
        let colors: Vec<Color> =
            Color::BOTH.into_iter().filter(|color| to.reaches(*color)).collect();
        let mut routes = self.watch_routes(|config| config);
        let mut endpoints = self.watch_endpoints(&colors).await?;
        tokio::try_join!(routes.listed(), endpoints.changed())?;
        let mut sorted: Vec<(Color, Sorted)> =
            colors.iter().map(|color| (*color, Sorted::default())).collect();
        loop {
            let mut seen = Vec::new();
            for (color, sorted) in &mut sorted {
                let backend = self.backend(*color);
                let listed = endpoints.of(self, *color);
                let pods = |params| self.slot_pods(params);
                sorted.look_for_strangers(&listed, *color, pods).await?;
                if listed.only(&sorted.right) {
                    seen.push(format!("{backend}: {listed}, all of {color}"));
                } else {
                    tracing::debug!(backend, %listed, "endpoints are not yet right");
                }
            }
            let all_listed = seen.len() == colors.len();
            if let Ok(found) = routes.found(|name, found| self.remember(name, found))
                && agree(&found, &self.slots).routing() == Some(to)
            {
                let lacks: Vec<String> = found.iter().flat_map(status::lacks).collect();
                if lacks.is_empty() && all_listed {
                    let names: Vec<_> = found.iter().map(|route| route.name.to_string()).collect();
                    let names = names.join(", ");
                    let undated: Vec<String> = found.iter().flat_map(status::undated).collect();
                    let accepted = match undated.join(" and ") {
                        none if none.is_empty() => "accepted".to_owned(),
                        some => format!("accepted (for {some} it is not said of which generation)"),
                    };
                    return Ok(format!("{names}: {to}, {accepted}; {}", seen.join("; ")));
                }
                tracing::debug!(?lacks, "gateways have not yet taken the routes");
            }
            tokio::select! {
                changed = routes.changed() => changed?,
                changed = endpoints.changed() => changed?,
            }
        }
    }

    /// Returns once the candidate's backend lists every one of `pods` as serving.
    pub(super) async fn await_listed(&self, candidate: Color, pods: &[String]) -> Result<()> {
        let backend = self.backend(candidate);
        let mut endpoints = self.watch_endpoints(&[candidate]).await?;
        loop {
            endpoints.changed().await?;
            let listed = endpoints.of(self, candidate);
            if listed.serves_all(pods) {
                if listed.serves_any() {
                    *self.listed() = Some((candidate, Instant::now()));
                }
                return Ok(());
            }
            tracing::debug!(backend, %listed, wanted = pods.len(), "pods are not yet known");
        }
    }

    /// Whether the endpoints of a slot were seen to serve a moment ago.
    pub(super) fn was_just_listed(&self, color: Color) -> bool {
        self.listed().is_some_and(|(of, at)| of == color && at.elapsed() < FRESH)
    }

    fn listed(&self) -> MutexGuard<'_, Option<(Color, Instant)>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
