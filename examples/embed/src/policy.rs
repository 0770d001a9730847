//! How this project releases: the same for everybody who runs the program.

use bluegreen_core::clock::minutes;
use bluegreen_core::{Change, OperationError, Outcome, Phase, Plan, Ports, Releaser};
use bluegreen_validate::Smoke;

/// Who asks, in records and in the history.
const ACTOR: &str = "embed";

/// What the program is told to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Release this.
    Release(Change),
    /// Go on with the release that was interrupted.
    Resume,
    /// Take the old version back.
    Rollback,
}

impl Command {
    /// Reads `agent=registry.example.com/agent-service:1.3.0` (a container and its new image),
    /// `resume` or `rollback`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "resume" => Some(Self::Resume),
            "rollback" => Some(Self::Rollback),
            _ => {
                let (container, image) = text.split_once('=')?;
                Some(Self::Release(Change::image(container, image)))
            }
        }
    }
}

/// What every candidate has to pass. Its answers must come from its own version.
pub fn releaser(ports: Ports) -> Releaser {
    Releaser::new(ports).actor(ACTOR).gate(Smoke::get("/readyz").expect_version())
}

/// All traffic at once, half an hour in which guards watch and going back is one write, and one old
/// pod that stays. A candidate that went back can be looked at for ten minutes.
pub fn plan() -> Plan {
    let mut plan = Plan::all_at_once().bake(minutes(30)).standby(1);
    plan.keep_failed = minutes(10);
    plan
}

/// Does what it is told, to the end.
///
/// # Errors
/// When it could not be done: another release is under way, the store cannot be reached, …
///
/// # Cancel safety
/// May be dropped at any await: the release stays where it is, to be resumed.
pub async fn carry_out(command: Command, releaser: &Releaser) -> Result<Outcome, OperationError> {
    match command {
        Command::Release(change) => releaser.run(change, &plan()).await,
        Command::Resume => releaser.resume().await,
        Command::Rollback => {
            let operations = releaser.operations();
            let status = operations.rollback(ACTOR, "by hand").await?;
            match status.record.map(|record| record.phase) {
                Some(Phase::Done { outcome }) => Ok(outcome),
                // Traffic is back; now the candidate's slot is put back too.
                _ => operations.finish().await,
            }
        }
    }
}

/// Each kind of end has its code, so that a job can tell them apart.
pub fn exit_code(command: &Command, end: &Result<Outcome, OperationError>) -> u8 {
    match end {
        Ok(Outcome::Released) => 0,
        // That was the point.
        Ok(Outcome::RolledBack { .. }) if *command == Command::Rollback => 0,
        Ok(Outcome::Refused { .. }) => 3,
        Ok(Outcome::Stuck { .. }) | Err(OperationError::Stuck { .. }) => 5,
        Ok(_) => 4,
        Err(OperationError::Busy { .. }) => 6,
        Err(_) => 1,
    }
}
