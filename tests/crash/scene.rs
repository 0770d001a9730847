//! What the process does that is killed, and what somebody does who finds that it is dead.

use std::str::FromStr;
use std::sync::Arc;

use bluegreen_core::plan::WarmUp;
use bluegreen_core::{OperationError, PhaseName, Plan, Record, Releaser, Reporter, Silent};
use bluegreen_kube::{Cluster, LeaseLiveness, Settings};
use bluegreen_tests::{Agent, SERVICE, Yes, baking, change, plan, seconds};
use bluegreen_validate::Smoke;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::runtime::wait::await_condition;

/// For how long a killed process counts as alive.
const LEASE: u64 = 3;

/// What is done with a release of 1.3.0 where 1.2.0 is live.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Scene {
    /// The process drives a release with warm-up, gate, approval, bake, drain and retirement.
    Release,
    /// A guard finds the candidate unfit, and the process takes traffic back.
    Guard,
    /// Somebody else rolls back in the bake, and the process that drove the release cleans up.
    Followed,
    /// Nobody drives the release any more, and the process rolls it back and cleans up.
    Rollback,
    /// The release is over, and the process takes the old version back.
    Undo,
}

impl Scene {
    pub(crate) const ALL: [Self; 5] =
        [Self::Release, Self::Guard, Self::Followed, Self::Rollback, Self::Undo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Guard => "guard",
            Self::Followed => "followed",
            Self::Rollback => "rollback",
            Self::Undo => "undo",
        }
    }

    /// The write after which the scene is one of its own: up to there it is as the first one.
    pub(crate) fn begins_after(self) -> Option<&'static str> {
        match self {
            Self::Guard => Some("save the record: baking"),
            // Before that it depends on who is faster.
            Self::Followed => Some("keep guard-pod-health"),
            Self::Release | Self::Rollback | Self::Undo => None,
        }
    }

    fn plan(self) -> Plan {
        let mut plan = plan(match self {
            Self::Release => seconds(1),
            Self::Undo => seconds(0),
            Self::Guard | Self::Followed | Self::Rollback => seconds(60),
        });
        if matches!(self, Self::Release) {
            plan = plan.approval(seconds(60));
            plan.warm_up = Some(WarmUp::new(seconds(30)));
        }
        if matches!(self, Self::Guard | Self::Followed) {
            plan.keep_failed = seconds(1);
        }
        plan
    }

    /// With the validators that the release has, whoever drives it.
    fn releaser(self, cluster: &Cluster, reporter: impl Reporter + 'static) -> Releaser {
        let ports = cluster.ports().with_approver(Arc::new(Yes));
        let releaser = Releaser::new(ports).actor("ann").report(reporter);
        let gate = Smoke::get("/readyz").expect_version();
        match self {
            Self::Release => releaser.gate(gate).warm_up(Smoke::get("/").named("warm-up")),
            Self::Guard => releaser.guard(Smoke::get("/nowhere").named("unfit")),
            Self::Followed | Self::Rollback | Self::Undo => releaser,
        }
    }

    /// What has happened before the process begins.
    pub(crate) async fn prepare(self, agent: &Agent) {
        let before = connect(agent.client(), agent.namespace().name(), "before").await;
        match self {
            Self::Release | Self::Guard | Self::Followed => return,
            Self::Rollback => {
                let release = baking(&before, self.plan()).await;
                first_look(agent).await;
                release.abort();
                assert!(release.await.unwrap_err().is_cancelled());
            }
            Self::Undo => {
                before.releaser().actor("ann").run(change("1.3.0"), &self.plan()).await.unwrap();
            }
        }
        before.operations().resign().await.unwrap();
    }

    /// What the process does.
    pub(crate) async fn act(
        self,
        cluster: &Cluster,
        reporter: impl Reporter + 'static,
    ) -> Result<(), OperationError> {
        let operations = cluster.operations();
        match self {
            Self::Release | Self::Guard | Self::Followed => {
                self.releaser(cluster, reporter).run(change("1.3.0"), &self.plan()).await?;
            }
            Self::Rollback => {
                let operations = operations.report(reporter);
                operations.rollback("ann", "wrong refunds").await?;
                operations.finish().await?;
            }
            Self::Undo => {
                operations.report(reporter).rollback("ann", "wrong refunds").await?;
            }
        }
        Ok(())
    }

    /// What somebody else does meanwhile, once the process is in the bake.
    pub(crate) async fn interfere(self, agent: &Agent) {
        first_look(agent).await;
        let other = connect(agent.client(), agent.namespace().name(), "other").await;
        other.operations().rollback("ann", "wrong refunds").await.unwrap();
        other.operations().resign().await.unwrap();
    }

    /// Whether somebody else interferes.
    pub(crate) fn is_interfered_with(self) -> bool {
        self == Self::Followed
    }

    /// What somebody does who finds that the process is dead: goes on with what is stored, and
    /// where nothing is, gives the same command again.
    pub(crate) async fn go_on(self, cluster: &Cluster) -> Result<(), OperationError> {
        let operations = cluster.operations();
        let stored = cluster.ports().store.load().await?;
        let record = stored.as_ref().and_then(|stored| stored.document.current());
        let phase = record.map(|record| record.phase.name());
        let is_back = phase.is_some_and(PhaseName::is_backward);
        match self {
            Self::Rollback if phase == Some(PhaseName::Baking) => {
                self.act(cluster, Silent).await?;
            }
            Self::Undo if record.is_some_and(|record| !undoes(record)) => {
                self.act(cluster, Silent).await?;
            }
            _ if is_back => {
                operations.finish().await?;
            }
            _ => match self.releaser(cluster, Silent).resume().await {
                Err(OperationError::NoRelease) if phase.is_none() => {
                    self.act(cluster, Silent).await?;
                }
                // It had come to its end, and there is nothing to do.
                Err(OperationError::NoRelease) => {}
                ended => drop(ended?),
            },
        }
        operations.resign().await
    }
}

/// Returns once the guard that is always on has looked, in the first moments of the bake, and has
/// kept what it saw.
async fn first_look(agent: &Agent) {
    let name = "agent-service-bluegreen-r1-guard-pod-health";
    let is_there = |found: Option<&ConfigMap>| found.is_some();
    let kept = Box::pin(await_condition(agent.api(), name, is_there));
    tokio::time::timeout(seconds(30), kept).await.expect("a state is kept").unwrap();
}

fn undoes(record: &Record) -> bool {
    record.undoes.is_some()
}

impl FromStr for Scene {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scene| scene.name() == text).ok_or(())
    }
}

/// The agent as a process of this name sees it, which is dead soon after it is silent.
pub(crate) async fn connect(client: Client, namespace: &str, holder: &str) -> Cluster {
    let lease = LeaseLiveness::new(client.clone(), Settings::new(SERVICE, namespace), holder);
    let lease = Arc::new(lease.with_time_to_live(seconds(LEASE)));
    Cluster::builder(client, namespace, SERVICE).liveness(lease).connect().await.unwrap()
}
