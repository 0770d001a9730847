//! Evidence by fresh connections through the live Services.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_core::{Color, Error, ErrorKind, Result, Vantage};
use futures_util::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::ServiceSwitch;
use crate::VersionSource;
use crate::answers::{self, Address, list};

/// How long answers have to stay right where a Service has several slices. Whoever routes learns of
/// each slice on its own, and kube-proxy follows no more than once in a second (`minSyncPeriod`, by
/// default). In between, a few answers in a row are right by chance: with one endpoint of five still
/// wrong, one row of twenty in a hundred.
const LASTING: Duration = Duration::from_millis(1_500);

impl ServiceSwitch {
    /// Returns once `in_a_row` fresh connections to each address were answered by the slot; for
    /// some time where the endpoints are in more than one of `slices`.
    pub(super) async fn await_answers(
        &self,
        color: Color,
        vantage: &Vantage,
        in_a_row: u32,
        slices: usize,
    ) -> Result<String> {
        let wanted = self.versions(color).await?;
        let addresses = self.addresses(vantage).await?;
        let lasting = if slices > 1 { LASTING } else { Duration::ZERO };
        let counted = addresses.iter().map(|address| {
            answers::count(address, &self.version, wanted.as_ref(), in_a_row, lasting)
        });
        join_all(counted).await;
        let places: Vec<_> = addresses.iter().map(|at| at.authority.as_str()).collect();
        let by = match &wanted {
            Some(wanted) => format!(" by {}", list(wanted)),
            None => " by some version, which was not asked".to_owned(),
        };
        let row = if lasting.is_zero() {
            format!("{in_a_row} fresh connections in a row")
        } else {
            format!("{in_a_row} fresh connections in a row and all others within {lasting:?}")
        };
        Ok(format!("{row} to {} answered{by}", places.join(", ")))
    }

    /// The versions that the pods of a slot are labelled with; `None` if answers don't tell.
    async fn versions(&self, color: Color) -> Result<Option<BTreeSet<String>>> {
        if self.version == VersionSource::None {
            return Ok(None);
        }
        let mut versions = BTreeSet::new();
        for name in &self.services {
            let any = ListParams::default().match_any();
            let pods = self.slot_pods(&self.base(name).await?, any).await?;
            let label = &self.settings.version_label;
            versions
                .extend(pods.of(color).iter().filter_map(|pod| pod.labels().get(label).cloned()));
        }
        if versions.is_empty() {
            let label = &self.settings.version_label;
            return Err(Error::new(
                ErrorKind::Rejected,
                format!("ask which version of {color} answers"),
            )
            .with_source(format!("no pod of {color} has the label {label}")));
        }
        Ok(Some(versions))
    }

    /// Where connections from this vantage go.
    pub(super) async fn addresses(&self, vantage: &Vantage) -> Result<Vec<Address>> {
        match vantage {
            Vantage::Cluster => {
                let services =
                    try_join_all(self.services.iter().map(|name| self.get(name))).await?;
                services.iter().map(|service| self.cluster_address(service)).collect()
            }
            Vantage::Url { url } => Ok(vec![Address::at(url, &self.probe_path)?]),
            _ => Err(Error::new(ErrorKind::Rejected, "ask from a vantage")
                .with_source("this switch does not know it")),
        }
    }

    fn cluster_address(&self, service: &Service) -> Result<Address> {
        let name = service.name_any();
        let refuse = |reason: String| {
            Error::new(ErrorKind::Rejected, self.action("ask", &name)).with_source(reason)
        };
        let spec = service.spec.clone().unwrap_or_default();
        let ip = spec.cluster_ip.filter(|ip| !ip.is_empty() && ip != "None");
        let ip = ip.ok_or_else(|| refuse("it has no cluster IP to connect to".to_owned()))?;
        let ports = spec.ports.unwrap_or_default();
        let is_tcp = |protocol: &Option<String>| {
            protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
        };
        let first = || ports.iter().find(|port| is_tcp(&port.protocol)).map(|port| port.port);
        let port = self.probe_port.map(i32::from).or_else(first);
        let port = port.ok_or_else(|| refuse("it has no TCP port".to_owned()))?;
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip };
        let authority = format!("{host}:{port}");
        let path = self.probe_path.parse();
        Ok(Address::new(
            authority.parse().map_err(|error| refuse(format!("{authority}: {error}")))?,
            path.map_err(|error| refuse(format!("{}: {error}", self.probe_path)))?,
        ))
    }
}
