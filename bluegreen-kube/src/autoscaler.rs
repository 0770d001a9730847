//! The autoscalers of a Deployment, which must not make it smaller while a release is under way.
//!
//! A `HorizontalPodAutoscaler` is told not to by `behavior.scaleDown.selectPolicy: Disabled`, and a
//! `ScaledObject` of KEDA, which puts back what others change on the autoscaler that it makes, by an
//! annotation of its own. Both go on making it larger.

use std::fmt;
use std::time::Duration;

use bluegreen_core::{Epoch, Error, ErrorKind, Result};
use futures_util::future::{join_all, try_join_all};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::core::gvk::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use tokio::time::Instant;

use crate::remembered::FRESH;
use crate::rights::Right;
use crate::shared::Shared;
use crate::stamp::{Stamp, all};
use crate::{Settings, error, json_patch};

mod bounds;
mod check;
mod note;
mod patch;

#[cfg(test)]
mod tests;

pub(crate) use bounds::{Bounds, due, told};
pub(crate) use check::problems;

/// The group of KEDA.
pub(crate) const KEDA: &str = "keda.sh";

/// How often a write is decided anew because the object was changed in between: its controller
/// writes the status every few seconds.
const ATTEMPTS: usize = 5;

/// How long KEDA may take to bring what stands in its object to the autoscaler that it makes: a
/// second, as it watches them. Less than a call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const STEP: Duration = Duration::from_millis(250);

/// What makes and keeps the size of a Deployment.
#[derive(Clone, Debug)]
pub(crate) struct Autoscaler {
    kind: Kind,
    /// What is to be written to.
    object: DynamicObject,
    /// The `spec` of the `HorizontalPodAutoscaler`, which KEDA makes from its own.
    spec: Value,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Horizontal,
    Keda,
}

impl Kind {
    fn resource(self) -> ApiResource {
        match self {
            Self::Horizontal => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::Keda => ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk(KEDA, "v1alpha1", "ScaledObject"),
                "scaledobjects",
            ),
        }
    }

    fn rights(self) -> [Right; 2] {
        let (group, resource) = match self {
            Self::Horizontal => ("autoscaling", "horizontalpodautoscalers"),
            Self::Keda => (KEDA, "scaledobjects"),
        };
        ["get", "patch"].map(|verb| Right::new(verb, group, resource))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Horizontal => "HorizontalPodAutoscaler",
            Self::Keda => "ScaledObject",
        }
    }
}

impl Autoscaler {
    /// The fewest pods. KEDA goes down to none by itself, whatever it tells the autoscaler that it makes.
    fn minimum(&self) -> u32 {
        match self.kind {
            Kind::Horizontal => number(&self.spec["minReplicas"]).unwrap_or(1),
            Kind::Keda => number(&self.object.data["spec"]["minReplicaCount"]).unwrap_or(0),
        }
    }

    /// Whether it would make a standby of this size larger again. A `HorizontalPodAutoscaler` rests
    /// where a Deployment has no pods, and KEDA does not.
    pub(crate) fn enlarges(&self, standby: u32) -> bool {
        standby < self.minimum() && (standby > 0 || self.kind == Kind::Keda)
    }

    /// Whether a freeze was not followed by a thaw.
    pub(crate) fn is_frozen(&self, settings: &Settings) -> bool {
        self.object.annotations().contains_key(&settings.found_annotation())
    }

    fn maximum(&self) -> Option<u32> {
        number(&self.spec["maxReplicas"])
    }
}

impl fmt::Display for Autoscaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.object.name_any())
    }
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// The autoscalers of one Deployment.
#[derive(Clone, Copy)]
pub(crate) struct Autoscalers<'a> {
    pub(crate) client: &'a Client,
    pub(crate) settings: &'a Settings,
    pub(crate) deployment: &'a str,
    /// All of the namespace, as they were a moment ago.
    pub(crate) listed: &'a Shared<Vec<DynamicObject>>,
}

impl Autoscalers<'_> {
    /// All that target the Deployment.
    ///
    /// Read as JSON, because their type differs between the versions of Kubernetes, and from the
    /// cache of the API server: each write tests the version that it was decided on.
    pub(crate) async fn find(&self) -> Result<Vec<Autoscaler>> {
        let params = ListParams::default().match_any();
        let listing = async {
            let action = "list horizontalpodautoscalers";
            let api = self.api(Kind::Horizontal);
            Ok(error::read(self.settings.call, action, api.list(&params)).await?.items)
        };
        let all = self.listed.get_or(FRESH, listing).await?;
        let targets = |autoscaler: &&DynamicObject| {
            let target = &autoscaler.data["spec"]["scaleTargetRef"];
            target["kind"] == "Deployment" && target["name"] == self.deployment
        };
        try_join_all(all.iter().filter(targets).map(|it| self.behind(it))).await
    }

    /// What is to be written to: the autoscaler itself, or what makes it.
    async fn behind(&self, autoscaler: &DynamicObject) -> Result<Autoscaler> {
        let spec = autoscaler.data["spec"].clone();
        let owners = autoscaler.owner_references();
        let keda = owners.iter().find(|owner| {
            owner.kind == "ScaledObject" && owner.api_version.starts_with("keda.sh/")
        });
        let Some(owner) = keda else {
            return Ok(Autoscaler { kind: Kind::Horizontal, object: autoscaler.clone(), spec });
        };
        let action = format!("read scaledobject {}", owner.name);
        let api = self.api(Kind::Keda);
        let object = error::read(self.settings.call, action, api.get(&owner.name)).await?;
        Ok(Autoscaler { kind: Kind::Keda, object, spec })
    }

    /// Keeps those that were found from making the Deployment smaller. What they were told before is
    /// kept in an annotation of each.
    pub(crate) async fn freeze(&self, found: Vec<Autoscaler>, epoch: Epoch) -> Result<()> {
        self.settle(found, "freeze", &patch::freeze, epoch).await
    }

    /// Tells those that were found again what they were told before. Where nobody has frozen them,
    /// only the fencing number is written: it keeps out the late freeze of an older driver.
    pub(crate) async fn thaw(&self, found: Vec<Autoscaler>, epoch: Epoch) -> Result<()> {
        self.settle(found, "thaw", &patch::thaw, epoch).await
    }

    /// Gives those that were found these bounds, and keeps what they had beside what they were told.
    pub(crate) async fn give(
        &self,
        found: Vec<Autoscaler>,
        bounds: &Bounds,
        epoch: Epoch,
    ) -> Result<()> {
        let decide =
            |it: &Autoscaler, epoch, settings: &_| bounds::give(it, bounds, epoch, settings);
        self.settle(found, "give live's bounds to", &decide, epoch).await
    }

    /// Gives those that were found back the bounds that they had.
    pub(crate) async fn give_back(&self, found: Vec<Autoscaler>, epoch: Epoch) -> Result<()> {
        self.settle(found, "give its bounds back to", &bounds::give_back, epoch).await
    }

    /// Lets those that were found make the Deployment as small as this.
    pub(crate) async fn lower(
        &self,
        found: Vec<Autoscaler>,
        least: u32,
        epoch: Epoch,
    ) -> Result<()> {
        let decide =
            |it: &Autoscaler, epoch, settings: &_| bounds::lower(it, least, epoch, settings);
        self.settle(found, "lower the minimum of", &decide, epoch).await
    }

    /// Waits a while until the autoscalers of the Deployment go by bounds that were given.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) if one does not, and would cut a slot of this size.
    pub(crate) async fn follow(&self, bounds: &Bounds, replicas: u32) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Not a list of a moment ago.
            let anew = Shared::default();
            let found = Autoscalers { listed: &anew, ..*self }.find().await?;
            let Some(behind) = found.iter().find(|it| !bounds.are_followed_by(it)) else {
                return Ok(());
            };
            if Instant::now() < deadline {
                tokio::time::sleep(STEP).await;
                continue;
            }
            let maximum = behind.maximum();
            if maximum.is_none_or(|maximum| maximum >= replicas) {
                tracing::warn!(autoscaler = %behind, "KEDA has not yet brought live's bounds to it");
                return Ok(());
            }
            let action =
                format!("wait until KEDA brings live's bounds to the autoscaler of {behind}");
            let found = maximum.unwrap_or_default();
            let why =
                format!("found at most {found} pods, wanted at least {replicas}: is KEDA up?");
            return Err(Error::new(ErrorKind::Unavailable, action).with_source(why));
        }
    }

    /// Those that were found, as they are now. That nothing has to be written is not decided on a list,
    /// which may be from before the last write: no write would find that out.
    pub(crate) async fn anew(&self, found: Vec<Autoscaler>) -> Result<Vec<Autoscaler>> {
        let reading = found.into_iter().map(async |it| {
            let name = it.object.name_any();
            let (action, api) = (format!("read {it}"), self.api(it.kind));
            let object = error::read_opt(self.settings.call, action, api.get(&name)).await?;
            Ok(object.map(|object| Autoscaler { object, ..it }))
        });
        Ok(try_join_all(reading).await?.into_iter().flatten().collect())
    }

    async fn settle(
        &self,
        found: Vec<Autoscaler>,
        verb: &str,
        decide: Decide<'_>,
        epoch: Epoch,
    ) -> Result<()> {
        let writes = found.into_iter().map(|it| self.settle_one(it, verb, decide, epoch));
        all(join_all(writes).await, "autoscaler")
    }

    async fn settle_one(
        &self,
        mut it: Autoscaler,
        verb: &str,
        decide: Decide<'_>,
        epoch: Epoch,
    ) -> Result<()> {
        let action = format!("{verb} {it}");
        let mut attempts = 0;
        loop {
            let metadata = &it.object.metadata;
            Stamp::read(metadata.annotations.as_ref(), self.settings)
                .refuse_higher(epoch, &action)?;
            let operations = decide(&it, epoch, self.settings)
                .map_err(|why| Error::new(ErrorKind::Rejected, &action).with_source(why))?;
            if operations.is_empty() {
                return Ok(());
            }
            attempts += 1;
            match self.send(&it, &action, operations, false).await {
                // Somebody has taken it away, and it makes nothing smaller any more.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict && attempts < ATTEMPTS => {}
                done => return done,
            }
            let name = it.object.name_any();
            let reading = self.api(it.kind);
            let reading = reading.get(&name);
            match error::read_opt(self.settings.call, action.clone(), reading).await? {
                Some(object) => it.object = object,
                None => return Ok(()),
            }
        }
    }

    async fn send(
        &self,
        it: &Autoscaler,
        action: &str,
        operations: Vec<Value>,
        is_dry_run: bool,
    ) -> Result<()> {
        let (api, name) = (self.api(it.kind), it.object.name_any());
        let params = json_patch::params(is_dry_run);
        let patch = json_patch::of(operations, action)?;
        let call = json_patch::send(self.client, &api, &name, &params, &patch);
        error::write(self.settings.call, action, call).await.map(drop)
    }

    /// What finds one again.
    pub(crate) fn place(&self, it: &Autoscaler) -> (Api<DynamicObject>, &'static str, String) {
        let kind = match it.kind {
            Kind::Horizontal => "horizontalpodautoscaler",
            Kind::Keda => "scaledobject",
        };
        (self.api(it.kind), kind, it.object.name_any())
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = kind.resource();
        Api::namespaced_with(self.client.clone(), &self.settings.namespace, &resource)
    }
}

/// What to write, decided on one autoscaler as it was read; nothing where it is as it should be.
///
/// # Errors
/// What is there and cannot be understood.
type Decide<'a> =
    &'a (dyn Fn(&Autoscaler, Epoch, &Settings) -> std::result::Result<Vec<Value>, String> + Sync);
