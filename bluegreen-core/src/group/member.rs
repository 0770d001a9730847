//! What a group needs of a releaser: a release that knows its group.

use std::sync::Arc;

use crate::release::Membership;
use crate::{AgentName, Change, OperationError, Outcome, PhaseName, Plan, Problem, Releaser};

impl Releaser {
    /// What it releases.
    pub(super) fn agent(&self) -> &AgentName {
        &self.driver.ports.agent
    }

    /// Whether both release the same agent, as far as that can be seen: agents of two namespaces may
    /// have the same name.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver.ports.store, &other.driver.ports.store)
    }

    /// The preflight of a member, and whether another release is under way. A failed one that is kept to
    /// be looked at gives way, as it does to any release.
    pub(super) async fn check_member(
        &self,
        change: &Change,
        plan: &Plan,
        membership: &Membership,
    ) -> Result<Vec<Problem>, OperationError> {
        let mut problems = self.look_before(change, plan, Some(membership)).await?;
        let Some(stored) = self.operations().stored().await? else { return Ok(problems) };
        let problem = Problem::new("group-busy", "release").wanted("none under way");
        let Some(record) = stored.document.current() else {
            problems.push(problem.found("one of a newer version of this library"));
            return Ok(problems);
        };
        if !matches!(record.phase.name(), PhaseName::Done | PhaseName::KeepingFailed) {
            let release = &record.envelope.release;
            let found = format!("{release} ({})", record.phase.name());
            let problem = problem.found(found);
            problems.push(match &record.group {
                Some(it) => problem.mend(format!("it is of group {}: `resume` that", it.group)),
                None => problem,
            });
        }
        Ok(problems)
    }

    /// Begins the release of a member.
    pub(super) async fn run_member(
        &self,
        change: Change,
        plan: &Plan,
        membership: Membership,
    ) -> Result<Outcome, OperationError> {
        Box::pin(self.begin(change, plan, Some(membership))).await
    }
}
