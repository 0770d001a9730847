//! Waits until there is evidence that workers follow the right.

use std::time::Duration;

use bluegreen_core::{Color, Error, ErrorKind, Evidence, EvidenceKind, Result, Routing};
use tokio::time::{Instant, sleep, sleep_until};

use super::QueueSwitch;

/// How often workers are asked.
pub(super) const PACE: Duration = Duration::from_millis(250);

impl QueueSwitch {
    pub(super) async fn await_evidence(
        &self,
        to: &Routing,
        kind: &EvidenceKind,
    ) -> Result<Evidence> {
        if *kind != EvidenceKind::Endpoints {
            let action = format!("wait until workers follow {to}");
            return Err(Error::new(ErrorKind::Rejected, action)
                .with_source("found evidence by answers, wanted none: workers answer nobody"));
        }
        let mut watched = self.watched();
        let mut since = None;
        watched.changed().await?;
        loop {
            let found = watched.objects().get(&self.config_map).map(|it| self.remember(it));
            let Some(right) = found.filter(|right| right.observed().routing() == Some(to)) else {
                since = None;
                tracing::debug!(config_map = self.config_map, %to, "the right is not yet there");
                watched.changed().await?;
                continue;
            };
            let is_back = right.candidate == Some(to.live.other());
            // A fence changes the ConfigMap, and not since when workers could know.
            let since = *since.get_or_insert_with(Instant::now);
            tokio::select! {
                seen = self.followed(to.live, since + self.settles, is_back) => {
                    let detail = format!("configmap {}: {to}; {seen}", self.config_map);
                    return Ok(Evidence::new(kind.clone(), detail));
                }
                changed = watched.changed() => drop(changed?),
            }
        }
    }

    /// Returns once somebody of `to` pulls and nobody of the other slot does. What cannot be known
    /// is taken to be so from `settled` on, and where work goes back, so is a candidate that pulls
    /// all the same: who does not answer, or does not keep to the right, is just what a way back
    /// leaves behind, and its slot is put back next.
    async fn followed(&self, to: Color, settled: Instant, is_back: bool) -> String {
        let waited = format!("{:?} were waited", self.settles);
        let Some(load) = self.pulling.get() else {
            sleep_until(settled).await;
            return format!("nothing says who pulls, so {waited}");
        };
        loop {
            let from = to.other();
            let (here, there) =
                tokio::join!(self.count(load.as_ref(), to), self.count(load.as_ref(), from));
            let is_settled = Instant::now() >= settled;
            let told = format!("{}, {}", here.in_words(to), there.in_words(from));
            match (here.pulls(), there.pulls()) {
                (Some(true), Some(false)) => return told,
                (Some(true) | None, there) if is_settled && (is_back || there != Some(true)) => {
                    return format!("{told}; {waited}");
                }
                _ => tracing::debug!(%to, told, "workers do not follow yet"),
            }
            sleep(PACE).await;
        }
    }
}
