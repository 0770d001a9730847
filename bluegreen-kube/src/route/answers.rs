//! Evidence by fresh connections through a gateway.

use std::collections::BTreeSet;

use std::time::Duration;

use bluegreen_core::{Color, Error, ErrorKind, Pin, Result, Routing, Vantage};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::RouteWeights;
use crate::VersionSource;
use crate::answers::{Address, count, list};

/// How long answers have to stay right where one slot gets everything. A gateway takes up new weights a
/// little later, and until then the other slot may have a small share: with 5 %, a third of all rows of
/// twenty answers has none of it.
const LASTING: Duration = Duration::from_millis(1_500);

impl RouteWeights {
    /// Returns once fresh connections are answered as `to` says, as far as answers can show that.
    ///
    /// Where one slot has everything, that is so many answers in a row by its version. Where both
    /// have a share, it is so many by either of them; and wherever pins choose a slot, one request
    /// that is pinned to it has to be answered by it.
    pub(super) async fn await_answers(
        &self,
        to: &Routing,
        vantage: &Vantage,
        in_a_row: u32,
    ) -> Result<String> {
        let address = self.address(vantage)?;
        let mut wanted = self.versions(to.live).await?;
        if !to.is_whole() {
            let more = self.versions(to.live.other()).await?;
            wanted = wanted.zip(more).map(|(mut one, more)| {
                one.extend(more);
                one
            });
        }
        let lasting = if to.is_whole() { LASTING } else { Duration::ZERO };
        count(&address, &self.version, wanted.as_ref(), in_a_row, lasting).await;
        let by = match &wanted {
            Some(wanted) => format!(" by {}", list(wanted)),
            None => " by some version, which was not asked".to_owned(),
        };
        let place = address.authority.as_str();
        let mut seen =
            vec![format!("{in_a_row} fresh connections in a row to {place} answered{by}")];
        if !lasting.is_zero() {
            seen.push(format!("and all others within {lasting:?}"));
        }
        let mut pinned = Vec::new();
        for pin in &to.pins {
            if pinned.contains(&pin.color()) {
                continue;
            }
            let wanted = self.versions(pin.color()).await?;
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

    /// Where connections from this vantage go.
    pub(super) fn address(&self, vantage: &Vantage) -> Result<Address> {
        let refuse = |why: &str| {
            Err(Error::new(ErrorKind::Rejected, "ask from a vantage").with_source(why.to_owned()))
        };
        match vantage {
            Vantage::Url { url } => Address::at(url, &self.probe_path),
            Vantage::Cluster => refuse(
                "found one inside the cluster, wanted the URL of a gateway: a route has no \
                 address of its own",
            ),
            _ => refuse("this switch does not know it"),
        }
    }

    /// The versions that the pods of a slot are labelled with; `None` if answers don't tell.
    async fn versions(&self, color: Color) -> Result<Option<BTreeSet<String>>> {
        if self.version == VersionSource::None {
            return Ok(None);
        }
        let pods = self.slot_pods(ListParams::default().match_any()).await?;
        let label = &self.settings.version_label;
        let versions: BTreeSet<String> =
            pods.of(color).iter().filter_map(|pod| pod.labels().get(label).cloned()).collect();
        if versions.is_empty() {
            let action = format!("ask which version of {color} answers");
            return Err(Error::new(ErrorKind::Rejected, action)
                .with_source(format!("no pod of {color} has the label {label}")));
        }
        Ok(Some(versions))
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
