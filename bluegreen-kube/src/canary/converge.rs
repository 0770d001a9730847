//! Waits until there is evidence that traffic follows the primary and the canary.

use std::time::Duration;

use bluegreen_core::{
    Color, Error, ErrorKind, Evidence, EvidenceKind, Pin, Result, Routing, Vantage,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::IngressCanary;
use crate::answers::count;
use crate::ingress::answers::{address, in_words, versions};
use crate::slices::{Listed, Sorted};

/// How long answers have to stay right where one slot gets everything. nginx takes up changes no more
/// often than about once in three seconds, and until then the other slot may have a small share: with
/// 5 %, a third of all rows of twenty answers has none of it.
const LASTING: Duration = Duration::from_secs(5);

impl IngressCanary {
    pub(super) async fn await_evidence(
        &self,
        to: &Routing,
        kind: &EvidenceKind,
    ) -> Result<Evidence> {
        // Answers are asked for once there is a reason to expect the right ones.
        let whole = Routing::all(to.live);
        let primary = self.inner().converge(&whole, &EvidenceKind::Endpoints);
        let (primary, canary) = tokio::try_join!(primary, self.await_canary(to))?;
        let listed = format!("{canary}; {}", primary.detail);
        let detail = match kind {
            EvidenceKind::Answers { vantage, in_a_row } => {
                let answered = self.await_answers(to, vantage, *in_a_row).await?;
                format!("{answered}; {listed}")
            }
            _ => format!("{listed}; whether nginx has taken the canary is not shown"),
        };
        Ok(Evidence::new(kind.clone(), detail))
    }

    /// Returns once the routing is `to`, and, where requests come through the canary, its Service
    /// lists pods of the candidate only.
    async fn await_canary(&self, to: &Routing) -> Result<String> {
        let candidate = to.live.other();
        let mut objects = self.watch_objects();
        let mut slices = self.slots.watch([self.service.as_str()]);
        slices.changed().await?;
        let mut sorted = Sorted::default();
        loop {
            let (observed, found) = self.read_if_there().await?;
            let is_routed = observed.routing() == Some(to);
            if is_routed && !to.reaches(candidate) {
                let there = if found.is_some() { "" } else { ", without a canary" };
                return Ok(format!("ingress {}: {to}{there}", self.canary));
            }
            let listed = Listed::of(slices.objects().values(), &self.service);
            let pods = |params| self.slots.slot_pods(params);
            sorted.look_for_strangers(&listed, candidate, pods).await?;
            if is_routed && found.is_some() && listed.only(&sorted.right) {
                let (canary, service) = (&self.canary, &self.service);
                return Ok(format!(
                    "ingress {canary}: {to}; service {service}: {listed}, all of {candidate}"
                ));
            }
            tracing::debug!(%listed, is_routed, "the canary is not yet right");
            let main = found.map_or(observed, |found| found.main);
            tokio::select! {
                changed = objects.changed() => changed?,
                changed = slices.changed() => drop(changed?),
                changed = self.inner().watch(&main) => drop(changed?),
            }
        }
    }

    /// Returns once fresh connections are answered as `to` says, as far as answers can show that:
    /// by either slot where both have a share, and pinned ones by the slot of their pin.
    async fn await_answers(
        &self,
        to: &Routing,
        vantage: &Vantage,
        in_a_row: u32,
    ) -> Result<String> {
        let address = address(vantage, &self.probe_path)?;
        let of = |color| versions(&self.version, &self.settings, &self.slots, color);
        let mut wanted = of(to.live).await?;
        if !to.is_whole() {
            let more = of(to.live.other()).await?;
            wanted = wanted.zip(more).map(|(mut one, more)| {
                one.extend(more);
                one
            });
        }
        let lasting = if to.is_whole() { LASTING } else { Duration::ZERO };
        count(&address, &self.version, wanted.as_ref(), in_a_row, lasting).await;
        let mut seen = vec![in_words(&address, wanted.as_ref(), in_a_row)];
        if !lasting.is_zero() {
            seen.push(format!("and all others within {lasting:?}"));
        }
        let mut pinned: Vec<Color> = Vec::new();
        for pin in &to.pins {
            if pinned.contains(&pin.color()) {
                continue;
            }
            let wanted = of(pin.color()).await?;
            let mut address = address.clone();
            address.headers = headers(pin)?;
            count(&address, &self.version, wanted.as_ref(), 1, Duration::ZERO).await;
            seen.push(format!("a request pinned to {} answered by it", pin.color()));
            pinned.push(pin.color());
        }
        let is_shown = wanted.is_some() && Color::BOTH.iter().all(|color| pinned.contains(color));
        if !to.is_whole() && !is_shown {
            seen.push("share not verified".to_owned());
        }
        Ok(seen.join(", "))
    }
}

/// What a request says that a pin chooses the slot of.
fn headers(pin: &Pin) -> Result<HeaderMap> {
    let refuse = |what: String| Error::new(ErrorKind::Rejected, "ask with a pin").with_source(what);
    let (name, value) = match pin {
        Pin::Header { name, value, .. } => {
            let name = HeaderName::from_bytes(name.as_bytes());
            (name.map_err(|error| refuse(error.to_string()))?, value.clone())
        }
        Pin::Cookie { name, value, .. } => (header::COOKIE, format!("{name}={value}")),
        _ => return Err(refuse("this switch does not know such pins".to_owned())),
    };
    let value = HeaderValue::from_str(&value).map_err(|error| refuse(error.to_string()))?;
    Ok(HeaderMap::from_iter([(name, value)]))
}
