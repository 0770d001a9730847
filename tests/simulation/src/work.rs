//! What a process does: one operation of the library, with its real driver.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::plan::{OnExpiry, Step, Until};
use bluegreen_core::{Change, OperationError, Operations, Outcome, Plan, Releaser, Share};

use crate::gate::Gate;
use crate::schedule::{Operation, Policy, Setting};
use crate::stage::Stage;

/// Does `operation` as the process of this number, and says what came of it.
pub(crate) async fn of(stage: Arc<Stage>, number: usize, operation: Operation) -> String {
    let ports = stage.ports(number);
    let releaser = Releaser::new(ports.clone()).gate(Gate(Arc::clone(&stage)));
    let operations = Operations::new(ports);
    let told = |outcome: Outcome| match outcome {
        Outcome::Refused { problems } => format!("refused: {problems:?}"),
        other => other.to_string(),
    };
    let status = match operation {
        Operation::Run => {
            let version = (number + 2).to_string();
            let image = format!("example.com/agent:{version}");
            let change = Change::image("agent", image).version(version);
            return said(releaser.run(change, &plan(&stage.setting)).await.map(told));
        }
        Operation::Resume => return said(releaser.resume().await.map(told)),
        Operation::Finish => return said(operations.finish().await.map(told)),
        Operation::Abort => operations.abort("ann", "second thoughts").await,
        Operation::Rollback => operations.rollback("ann", "wrong refunds").await,
        Operation::Approve => operations.approve("ann").await,
        Operation::Promote => operations.promote("ann").await,
        Operation::Pause => operations.pause("ann").await,
        Operation::Unpause => operations.unpause("ann").await,
    };
    if let (Operation::Abort, Ok(status)) = (operation, &status)
        && let Some(envelope) = &status.envelope
    {
        stage.was_aborted(envelope.release.clone());
    }
    said(
        status
            .map(|status| status.record.map_or_else(String::new, |it| it.phase.name().to_string())),
    )
}

fn said(result: Result<String, OperationError>) -> String {
    match result {
        Ok(told) => format!("ok: {told}"),
        Err(OperationError::Port(error)) => format!("error: {}", error.chain()),
        Err(error) => format!("told: {error}"),
    }
}

/// The plan of a setting, with times that are short beside a day and long beside a call.
pub(crate) fn plan(setting: &Setting) -> Plan {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let mut plan = match setting.policy {
        Policy::Steps => Plan::canary([10, 50]).hold(seconds(10)),
        _ => Plan::all_at_once(),
    };
    plan = plan.bake(seconds(10)).standby(setting.standby);
    plan.drain.quiet = seconds(1);
    plan.drain.max = seconds(8);
    match setting.policy {
        Policy::AtOnce => {
            plan = plan.bake(Duration::ZERO);
            plan.drain.quiet = Duration::ZERO;
            plan.drain.max = Duration::ZERO;
        }
        Policy::DrainAndCut => plan.drain.on_expiry = OnExpiry::Cut,
        Policy::Approval => plan = plan.approval(seconds(20)),
        Policy::ApprovedStep => {
            let step = Step::new(Share::percent(20));
            let until = Until::Approved { timeout: seconds(20) };
            plan.steps.insert(0, step.until(until));
        }
        Policy::Bake | Policy::DrainAndKeep | Policy::Steps => {}
    }
    plan.on_drift = setting.on_drift;
    plan.keep_failed = seconds(setting.keep_failed);
    plan.rollout = Some(seconds(30));
    plan.gates = seconds(20);
    plan.converge = seconds(5);
    plan.look = seconds(3);
    plan.call = seconds(2);
    plan
}
