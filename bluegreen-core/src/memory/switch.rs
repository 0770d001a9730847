//! Routing in memory.

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;

use super::world::{Traffic, World, refuse_stale};
use super::{MemoryClient, MemoryCluster};
use crate::{
    AgentClient, Capabilities, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Observed,
    ObservedState, Problem, Result, Routing, Share, SwitchStrategy, Target, Vantage,
};

/// What moves the traffic of a [`MemoryCluster`].
#[derive(Clone, Debug)]
pub struct MemorySwitch {
    cluster: MemoryCluster,
}

impl MemorySwitch {
    pub(super) fn new(cluster: MemoryCluster) -> Self {
        Self { cluster }
    }

    fn read(&self) -> Observed {
        self.cluster.read(|world| world.traffic.observed())
    }

    /// Asks each slot that has traffic `in_a_row` times. The first answer that is wrong, if any.
    async fn ask(&self, to: &Routing, in_a_row: u32) -> Option<String> {
        for color in with_traffic(to) {
            let version =
                self.cluster.read(|world| world.slot(color).template.configuration.version.clone());
            let client = MemoryClient::new(self.cluster.clone(), color);
            for _ in 0..in_a_row {
                let answer = match client.send(&Target::Any, Request::new(Bytes::new())).await {
                    Ok(answer) => answer,
                    Err(error) => return Some(error.chain()),
                };
                let told = answer.headers().get("x-agent-version");
                let told = told.and_then(|value| value.to_str().ok()).map(str::to_owned);
                if told != version {
                    return Some(format!("{color} answered as {told:?}, wanted {version:?}"));
                }
            }
        }
        None
    }
}

#[async_trait]
impl SwitchStrategy for MemorySwitch {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        self.cluster.inner.capabilities
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        let mut problems = self.cluster.read(|world| world.traffic.problems.clone());
        for routing in routings {
            for lack in self.capabilities().lacks(routing) {
                problems.push(
                    Problem::new("beyond-capabilities", format!("routing {routing}"))
                        .found(format!("switch {}, which has no {lack}", self.name()))
                        .wanted(lack)
                        .mend("choose another switch, or a plan that does not need it"),
                );
            }
        }
        if let EvidenceKind::Answers { vantage: Vantage::Url { url }, .. } = evidence {
            problems.push(
                Problem::new("unreachable-vantage", "evidence")
                    .found(format!("{url}, which leads nowhere: the cluster is in memory"))
                    .wanted("endpoints, or answers inside the cluster"),
            );
        }
        Ok(problems)
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.cluster.write(|world| world.traffic.stamp("fence routing", epoch))
    }

    async fn observe(&self) -> Result<Observed> {
        Ok(self.read())
    }

    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.cluster.write(|world| {
            world.traffic.stamp(&format!("prepare routing to {candidate}"), epoch)?;
            world.traffic.prepared = Some(candidate);
            Ok(())
        })
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.cluster
            .when(|world| {
                let slot = &world.slot(candidate).pods;
                let ready = |uid: &String| slot.iter().any(|pod| pod.uid == *uid && pod.ready);
                (world.traffic.follows && pods.iter().all(ready)).then_some(())
            })
            .await;
        Ok(())
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let action = format!("shift traffic to {to}");
        let lacks = self.capabilities().lacks(to);
        if !lacks.is_empty() {
            let reason = format!("switch {} has no {}", self.name(), lacks.join(", "));
            return Err(Error::new(ErrorKind::Rejected, action).with_source(reason));
        }
        if !to.candidate.is_valid() {
            let reason = format!("a share of {} is more than everything", to.candidate);
            return Err(Error::new(ErrorKind::Rejected, action).with_source(reason));
        }
        self.cluster.write(|world| {
            let traffic = &mut world.traffic;
            refuse_stale(&action, traffic.epoch, epoch)?;
            if !traffic.may_go(from, to) {
                let reason = format!("found {}, wanted {from}", traffic.state);
                return Err(Error::new(ErrorKind::Conflict, action).with_source(reason));
            }
            traffic.epoch = epoch;
            traffic.state = ObservedState::Routed(to.clone());
            traffic.author = None;
            Ok(())
        })
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        let action = || format!("wait until traffic follows {to}");
        let changes = &self.cluster.inner.changes;
        loop {
            let seen = changes.count();
            self.cluster.when(|world| follows(world, to).then_some(())).await;
            let wrong = match evidence {
                EvidenceKind::Endpoints => None,
                EvidenceKind::Answers { vantage: Vantage::Cluster, in_a_row } => {
                    self.ask(to, *in_a_row).await
                }
                EvidenceKind::Answers { vantage: Vantage::Url { url }, .. } => {
                    return Err(Error::new(ErrorKind::Rejected, action())
                        .with_source(format!("{url} leads nowhere: the cluster is in memory")));
                }
            };
            if wrong.is_none() {
                let slots: Vec<_> = with_traffic(to).map(Color::as_str).collect();
                let detail = format!("traffic goes to ready pods of {}", slots.join(" and "));
                return Ok(Evidence::new(evidence.clone(), detail));
            }
            // Asking again is of use only once something is different.
            changes.after(seen).await;
        }
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        let differs = |world: &World| {
            let observed = world.traffic.observed();
            (observed.state != known.state).then_some(observed)
        };
        Ok(self.cluster.when(differs).await)
    }

    async fn author(&self) -> Result<Option<String>> {
        Ok(self.cluster.read(|world| world.traffic.author.clone()))
    }
}

impl Traffic {
    fn observed(&self) -> Observed {
        Observed::new(self.state.clone(), self.epoch)
    }

    fn stamp(&mut self, action: &str, epoch: Epoch) -> Result<()> {
        refuse_stale(action, self.epoch, epoch)?;
        self.epoch = epoch;
        Ok(())
    }

    /// A shift that stopped half-way may go on, or back.
    fn may_go(&self, from: &Routing, to: &Routing) -> bool {
        match &self.state {
            ObservedState::Routed(now) => now == from || now == to,
            ObservedState::Between { from: old, to: new } => old == from || new == from,
            ObservedState::Foreign(_) => false,
        }
    }
}

/// The slots that have a share.
fn with_traffic(routing: &Routing) -> impl Iterator<Item = Color> {
    let shares = Color::BOTH.map(|color| (color, routing.share_of(color)));
    shares.into_iter().filter(|(_, share)| *share > Share::NONE).map(|(color, _)| color)
}

fn follows(world: &World, to: &Routing) -> bool {
    let there = matches!(&world.traffic.state, ObservedState::Routed(now) if now == to);
    there
        && world.traffic.follows
        && with_traffic(to).all(|color| world.slot(color).replicas().serving > 0)
}
