//! One rolling Deployment becomes two slots, while it serves.

use std::time::Duration;

use bluegreen_core::{
    Color, Error, ErrorKind, EvidenceKind, Pair, Problem, Result, Routing, Slot as _,
};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{ObjectMeta, PostParams};
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::{AdoptError, Cluster, Done, discover};
use crate::names::pointer_step;
use crate::{FIELD_MANAGER, error, json_patch};

mod check;
mod seen;

use seen::Seen;

/// How [`adopt`](Cluster::adopt) makes two slots of one Deployment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Adopt {
    /// How long the pods of the new Deployment may take to be ready. 10 minutes.
    pub ready: Duration,
    /// How long the old pods go on after the last request was sent to them, for what they have in
    /// hand and for routers that hear of it late. Nothing is measured, so it should be longer than
    /// the longest answer. 30 seconds.
    pub drain: Duration,
}

/// How long the endpoints of live Services may take to be the new pods only.
const FOLLOWS: Duration = Duration::from_secs(30);

impl Default for Adopt {
    fn default() -> Self {
        Self { ready: Duration::from_mins(10), drain: Duration::from_secs(30) }
    }
}

impl Cluster {
    /// Makes two slots of an agent that one rolling Deployment runs, while it serves: the slots are
    /// the Deployments that the [builder](super::ClusterBuilder::deployment) was told of, neither of
    /// which has to be there.
    ///
    /// 1. The blue one is made as a copy with the slot label, with as many pods. Live Services find
    ///    its pods as soon as these are ready, beside the old ones, which run the same.
    /// 2. Once all are ready, the selectors of the live Services get the slot label, by one
    ///    conditional write each, and only the new pods get requests.
    /// 3. Autoscalers of the old Deployment are copied for either slot.
    /// 4. After [`drain`](Adopt::drain) the old Deployment is given 0 replicas. It is not deleted:
    ///    with its old size, and without the slot label in the selectors, everything is as before.
    /// 5. The green one is made as a copy without pods.
    ///
    /// `told` hears of each thing that was done. What was interrupted goes on when it is called
    /// again with the same names; what is done already is not done again.
    ///
    /// # Errors
    /// [`Refused`](AdoptError::Refused) with everything that stands in the way, before anything is
    /// written. [`Failed`](AdoptError::Failed) when a call fails, the new pods do not get ready, or
    /// the old Deployment is changed meanwhile; the old pods serve then as they did.
    ///
    /// # Cancel safety
    /// Can be dropped at any time, and called again.
    ///
    /// ```no_run
    /// # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen_core::Color;
    /// use bluegreen_kube::{Adopt, Cluster};
    ///
    /// let cluster = Cluster::builder(client, "ai-agents", "agent-service")
    ///     .deployment(Color::Blue, "agent-blue")
    ///     .deployment(Color::Green, "agent-green")
    ///     .connect()
    ///     .await?;
    /// cluster.adopt("agent-service", &Adopt::default(), |done| println!("{done}")).await?;
    /// # Ok(()) }
    /// ```
    pub async fn adopt(
        &self,
        deployment: &str,
        how: &Adopt,
        told: impl Fn(&Done) + Send + Sync,
    ) -> Result<(), AdoptError> {
        let mut seen = self.see(deployment).await?;
        let problems = self.problems_of(&seen).await?;
        if problems.iter().any(Problem::is_refusal) {
            return Err(AdoptError::Refused { deployment: deployment.to_owned(), problems });
        }
        if !seen.is_selected(self, Color::Blue) {
            self.stand_in_for(&seen, how, &told).await?;
            // It may have been rolled since: the copy would take its traffic back to what it was.
            seen = self.see(deployment).await?;
            self.refuse_changed(&seen)?;
            for service in seen.services.iter().filter(|it| !it.names_slot(self)) {
                told(&self.name_slot(&service.object, Color::Blue).await?);
            }
        }
        let to = Routing::all(Color::Blue);
        let following = self.switch.converge(&to, &EvidenceKind::Endpoints);
        within(FOLLOWS, "wait until traffic follows", following).await?;
        for autoscaler in &seen.autoscalers {
            for color in Color::BOTH {
                if let Some(done) = self.copy_autoscaler(autoscaler, color).await? {
                    told(&done);
                }
            }
        }
        if seen.replicas() > 0 {
            tokio::time::sleep(how.drain).await;
            told(&self.retire(&seen).await?);
        }
        if seen.slots.green.is_none() {
            let blue = self.see(deployment).await?.slots.blue;
            let blue = blue.ok_or_else(|| self.missing(Color::Blue))?;
            told(&self.copy(&blue, Color::Green).await?);
        }
        Ok(())
    }

    /// Makes the blue Deployment as large as the old one, and waits until all of it is ready.
    async fn stand_in_for(
        &self,
        seen: &Seen,
        how: &Adopt,
        told: &(impl Fn(&Done) + Send + Sync),
    ) -> Result<()> {
        if seen.slots.blue.is_none() {
            let name = self.slots.blue.name();
            let copy = self.slot_of(&seen.old, name, Color::Blue, seen.replicas());
            self.create(&copy, name).await?;
            told(&Done::Adopted { deployment: name.to_owned(), from: seen.old.name_any() });
        }
        let action = format!("wait for the pods of deployment {}", self.slots.blue.name());
        within(how.ready, action, self.slots.blue.await_ready()).await.map(drop)
    }

    /// The old Deployment as a slot, with a note of what it was made from.
    fn slot_of(&self, old: &DynamicObject, name: &str, color: Color, size: u32) -> DynamicObject {
        let mut copy = self.twin_of(old, name, color);
        let slot = &self.settings.slot_label;
        copy.data["spec"]["replicas"] = size.into();
        copy.data["spec"]["selector"]["matchLabels"][slot] = color.as_str().into();
        copy.data["spec"]["template"]["metadata"]["labels"][slot] = color.as_str().into();
        let note = (self.settings.adopted_annotation(), old.uid().unwrap_or_default());
        copy.annotations_mut().extend([note]);
        copy
    }

    /// Gives the old Deployment no pods, if it is still as it was seen.
    async fn retire(&self, seen: &Seen) -> Result<Done> {
        let (name, size) = (seen.old.name_any(), seen.replicas());
        let note = pointer_step(&self.settings.own("adopted-replicas"));
        let mut operations = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": seen.old.metadata.uid}),
            json!({"op": "test", "path": "/spec/replicas", "value": size}),
            json!({"op": "replace", "path": "/spec/replicas", "value": 0}),
        ];
        if seen.old.metadata.annotations.is_none() {
            operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
        }
        // Whoever wants it back knows how large it was.
        operations.push(json!({
            "op": "add", "path": format!("/metadata/annotations/{note}"), "value": size.to_string(),
        }));
        let action = format!("scale deployment {name} to 0");
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let api = discover::api(&self.client, &self.settings);
        let call = json_patch::send(&self.client, &api, &name, &params, &patch);
        error::write(self.settings.call, action, call).await?;
        Ok(Done::Retired { deployment: name, replicas: size })
    }

    /// Copies an autoscaler for a slot, if there is none of that name.
    async fn copy_autoscaler(
        &self,
        from: &HorizontalPodAutoscaler,
        color: Color,
    ) -> Result<Option<Done>> {
        let source = from.name_any();
        let name = format!("{source}-{color}");
        let mut copy = from.clone();
        copy.metadata = ObjectMeta {
            name: Some(name.clone()),
            namespace: from.metadata.namespace.clone(),
            labels: Some(self.kept(from.labels())).filter(|map| !map.is_empty()),
            annotations: Some(self.kept(from.annotations())).filter(|map| !map.is_empty()),
            ..ObjectMeta::default()
        };
        copy.status = None;
        self.slots.of(color).name().clone_into(&mut copy.spec.scale_target_ref.name);
        let api: Api<HorizontalPodAutoscaler> =
            Api::namespaced(self.client.clone(), &self.settings.namespace);
        let action = format!("create horizontalpodautoscaler {name}");
        let post = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        match error::write(self.settings.call, action, api.create(&post, &copy)).await {
            // It is there: somebody made it, or this was interrupted.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
            made => {
                made?;
                Ok(Some(Done::Copied {
                    object: format!("horizontalpodautoscaler {name}"),
                    from: source,
                }))
            }
        }
    }

    fn refuse_changed(&self, seen: &Seen) -> Result<()> {
        let Some(blue) = &seen.slots.blue else { return Err(self.missing(Color::Blue)) };
        if self.is_copy(&seen.old, blue) && seen.replicas() <= seen::replicas(blue) {
            return Ok(());
        }
        let (old, blue) = (seen.old.name_any(), blue.name_any());
        Err(Error::new(ErrorKind::Conflict, format!("adopt deployment {old}")).with_source(format!(
            "deployment {old}: found that it was changed while {blue} got ready, wanted the same \
             pods and no more of them: delete deployment {blue} and begin again"
        )))
    }

    /// Whether a slot runs what the old Deployment runs.
    fn is_copy(&self, old: &DynamicObject, slot: &DynamicObject) -> bool {
        let copy = self.slot_of(old, &slot.name_any(), Color::Blue, 0);
        copy.data["spec"]["template"] == slot.data["spec"]["template"]
    }

    fn missing(&self, color: Color) -> Error {
        Error::new(ErrorKind::NotFound, format!("read deployment {}", self.slots.of(color).name()))
    }

    async fn see(&self, deployment: &str) -> Result<Seen> {
        let names = Pair::from_fn(|color| self.slots.of(color).name());
        Seen::read(&self.client, &self.settings, deployment, names, &self.services).await
    }
}

async fn within<T>(
    limit: Duration,
    action: impl Into<String>,
    waiting: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
        let late = format!("it did not come within {} s", limit.as_secs_f64());
        Err(Error::new(ErrorKind::Unavailable, action).with_source(late))
    })
}
