//! Evidence by fresh connections through an ingress controller.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_core::{Color, Error, ErrorKind, Result, Vantage};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::{IngressSwitch, Slots};
use crate::answers::{Address, count, list};
use crate::{Settings, VersionSource};

impl IngressSwitch {
    /// Returns once so many fresh connections in a row are answered by the version of a slot.
    pub(super) async fn await_answers(
        &self,
        color: Color,
        vantage: &Vantage,
        in_a_row: u32,
    ) -> Result<String> {
        let address = address(vantage, &self.probe_path)?;
        let wanted = versions(&self.version, &self.settings, &self.slots, color).await?;
        count(&address, &self.version, wanted.as_ref(), in_a_row, Duration::ZERO).await;
        Ok(in_words(&address, wanted.as_ref(), in_a_row))
    }
}

/// What answers have shown.
pub(crate) fn in_words(
    address: &Address,
    wanted: Option<&BTreeSet<String>>,
    in_a_row: u32,
) -> String {
    let by = match wanted {
        Some(wanted) => format!(" by {}", list(wanted)),
        None => " by some version, which was not asked".to_owned(),
    };
    format!("{in_a_row} fresh connections in a row to {} answered{by}", address.authority)
}

/// Where connections from this vantage go.
pub(crate) fn address(vantage: &Vantage, probe_path: &str) -> Result<Address> {
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::Rejected, "ask from a vantage").with_source(why.to_owned()))
    };
    match vantage {
        Vantage::Url { url } => Address::at(url, probe_path),
        Vantage::Cluster => refuse(
            "found one inside the cluster, wanted the URL of an ingress controller: an ingress \
             has no address of its own",
        ),
        _ => refuse("this switch does not know it"),
    }
}

/// The versions that the pods of a slot are labelled with; `None` if answers don't tell.
pub(crate) async fn versions(
    source: &VersionSource,
    settings: &Settings,
    slots: &Slots,
    color: Color,
) -> Result<Option<BTreeSet<String>>> {
    if *source == VersionSource::None {
        return Ok(None);
    }
    let pods = slots.slot_pods(ListParams::default().match_any()).await?;
    let label = &settings.version_label;
    let versions: BTreeSet<String> =
        pods.of(color).iter().filter_map(|pod| pod.labels().get(label).cloned()).collect();
    if versions.is_empty() {
        let action = format!("ask which version of {color} answers");
        return Err(Error::new(ErrorKind::Rejected, action)
            .with_source(format!("no pod of {color} has the label {label}")));
    }
    Ok(Some(versions))
}
