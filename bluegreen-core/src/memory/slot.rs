//! A slot in memory.

use std::mem;

use async_trait::async_trait;

use super::MemoryCluster;
use super::world::{Found, SlotWorld, World};
use crate::{
    Color, ConfigFiles, EnvValue, Epoch, Error, ErrorKind, Intent, Problem, ResolvedChange, Result,
    Role, Slot, SlotState,
};

/// One of the slots of a [`MemoryCluster`].
#[derive(Clone, Debug)]
pub struct MemorySlot {
    cluster: MemoryCluster,
    color: Color,
}

impl MemorySlot {
    pub(super) fn new(cluster: MemoryCluster, color: Color) -> Self {
        Self { cluster, color }
    }

    fn write(&self, action: &str, epoch: Epoch, write: impl FnOnce(&mut SlotWorld)) -> Result<()> {
        self.cluster.write(|world| {
            let slot = world.slot_mut(self.color);
            slot.stamp(action, epoch)?;
            write(slot);
            Ok(())
        })
    }

    /// Ready, hopeless, or not yet.
    fn settled(&self, world: &World) -> Option<Result<SlotState>> {
        let slot = world.slot(self.color);
        if let Err(error) = slot.must_exist("wait for") {
            return Some(Err(error));
        }
        if let Some(pod) = slot.pods.iter().find(|pod| pod.hopeless) {
            let reason = pod.trouble.clone().unwrap_or_default();
            let action = format!("wait for slot {}", self.color);
            return Some(Err(Error::new(ErrorKind::Rejected, action).with_source(reason)));
        }
        let ready =
            slot.pods.len() == slot.wanted as usize && slot.pods.iter().all(|pod| pod.ready);
        ready.then(|| slot.state())
    }
}

#[async_trait]
impl Slot for MemorySlot {
    fn color(&self) -> Color {
        self.color
    }

    async fn state(&self) -> Result<SlotState> {
        self.cluster.read(|world| world.slot(self.color).state())
    }

    async fn check(&self, intent: &Intent) -> Result<Vec<Problem>> {
        let object = format!("slot {}", self.color);
        let mut problems = self.cluster.read(|world| {
            let slot = world.slot(self.color);
            let mut problems = slot.problems.clone();
            if !slot.exists {
                problems.push(
                    Problem::new("no-such-slot", &object).found("nothing").wanted("the slot"),
                );
            } else if intent.role == Role::Live
                && slot.replicas().serving == 0
                && !intent.plan.bootstrap
            {
                problems.push(
                    Problem::new("no-live-pods", &object)
                        .found("no pod that is ready")
                        .wanted("at least one, to compare with and to go back to")
                        .mend("make the slot healthy, or release with a bootstrap plan"),
                );
            }
            problems
        });
        if intent.role == Role::Idle {
            let lacking = lacking(&intent.change);
            if !lacking.is_empty() {
                problems.push(
                    Problem::new("unknown-literals", &object)
                        .found(format!("no text for {}", lacking.join(", ")))
                        .wanted("the text of every literal that is to be written"),
                );
            }
        }
        for problem in &mut problems {
            if intent.plan.allows(&problem.code, &problem.object) {
                *problem = problem.clone().warning();
            }
        }
        Ok(problems)
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.write("fence", epoch, |_| ())
    }

    async fn deploy(&self, change: &ResolvedChange, replicas: u32, epoch: Epoch) -> Result<()> {
        let lacking = lacking(change);
        if !lacking.is_empty() {
            let reason =
                format!("the text of {} is not known, only its digest", lacking.join(", "));
            let action = format!("deploy to slot {}", self.color);
            return Err(Error::new(ErrorKind::Rejected, action).with_source(reason));
        }
        let mut configuration = change.configuration.clone();
        self.cluster.write(|world| world.fill(&mut configuration)).map_err(|unknown| {
            let reason = format!("nobody has the files of {unknown}, only their digest is known");
            Error::new(ErrorKind::Rejected, format!("deploy to slot {}", self.color))
                .with_source(reason)
        })?;
        self.write("deploy to", epoch, |slot| {
            let found = Found { template: slot.template.clone(), wanted: slot.wanted };
            slot.found.get_or_insert(found);
            slot.template = slot.template.with(configuration);
            slot.wanted = replicas;
            slot.author = None;
        })
    }

    async fn await_ready(&self) -> Result<SlotState> {
        let begun = self.cluster.read(|world| {
            let slot = world.slot(self.color);
            (slot.template.hash().to_owned(), slot.wanted)
        });
        let changed = |world: &World| {
            let slot = world.slot(self.color);
            (slot.exists && slot.template.hash() != begun.0 || slot.wanted < begun.1).then(|| {
                let action = format!("wait for slot {}", self.color);
                Err(Error::new(ErrorKind::Conflict, action).with_source("it was changed"))
            })
        };
        self.cluster.when(|world| self.settled(world).or_else(|| changed(world))).await
    }

    async fn scale(&self, replicas: u32, epoch: Epoch) -> Result<()> {
        self.write("scale", epoch, |slot| slot.wanted = replicas)
    }

    async fn freeze(&self, epoch: Epoch) -> Result<()> {
        self.write("freeze the autoscaler of", epoch, |slot| {
            if let Some(autoscaler) = &mut slot.autoscaler {
                autoscaler.frozen = true;
            }
        })
    }

    async fn thaw(&self, epoch: Epoch) -> Result<()> {
        self.write("thaw the autoscaler of", epoch, |slot| {
            if let Some(autoscaler) = &mut slot.autoscaler {
                autoscaler.frozen = false;
            }
        })
    }

    async fn commit(&self, epoch: Epoch) -> Result<()> {
        self.write("commit", epoch, |slot| slot.found = None)
    }

    async fn revert(&self, epoch: Epoch) -> Result<()> {
        self.write("revert", epoch, |slot| {
            if let Some(found) = mem::take(&mut slot.found) {
                slot.template = found.template;
                slot.wanted = found.wanted;
            }
        })
    }

    async fn watch(&self, known: &SlotState) -> Result<SlotState> {
        self.cluster
            .when(|world| match world.slot(self.color).state() {
                Ok(state) if state == *known => None,
                result => Some(result),
            })
            .await
    }

    async fn author(&self) -> Result<Option<String>> {
        Ok(self.cluster.read(|world| world.slot(self.color).author.clone()))
    }

    async fn caveats(&self) -> Result<Vec<String>> {
        Ok(self.cluster.read(|world| world.slot(self.color).caveats.clone()))
    }

    async fn files(&self, config_map: &str) -> Result<Option<ConfigFiles>> {
        self.cluster.read(|world| {
            let slot = world.slot(self.color);
            slot.must_exist("read the files of")?;
            let files = slot.template.configuration.config.get(config_map);
            Ok(files.and_then(|files| world.files.get(files.digest())).cloned())
        })
    }
}

/// The variables whose text is not known.
fn lacking(change: &ResolvedChange) -> Vec<String> {
    let containers = &change.configuration.containers;
    containers
        .iter()
        .flat_map(|(name, container)| container.env.iter().map(move |variable| (name, variable)))
        .filter(|(_, variable)| match &variable.value {
            EnvValue::Literal(text) => text.reveal().is_none(),
            EnvValue::Reference(_) => false,
        })
        .map(|(name, variable)| format!("{name}/{}", variable.name))
        .collect()
}
