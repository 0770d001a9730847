//! One run: trouble for a while, then calm, in which every release has to come to an end.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::Color;
use bluegreen_core::memory::{Autoscaler, MemoryCluster, Script, ScriptedRunner};
use tokio::runtime::Builder;

use crate::schedule::{Candidate, Operation, Schedule};
use crate::stage::{Report, Stage, configuration};
use crate::witness::Violation;

/// For how long there is trouble at most.
const TROUBLE: Duration = Duration::from_mins(3);
/// For how long everything may take once it is over. Clocks differ by a minute at most, and no
/// plan takes longer than three.
const END: Duration = Duration::from_mins(15);
/// The time to live of a lease.
const LEASE: Duration = Duration::from_secs(6);
/// Longer than any call is late.
const LATEST: Duration = Duration::from_secs(70);

impl Schedule {
    /// Plays it. The same schedule is the same run, to the last step.
    pub fn play(&self) -> Report {
        self.run(false)
    }

    /// Plays it and writes down every step.
    pub fn trace(&self) -> Report {
        self.run(true)
    }

    fn run(&self, is_traced: bool) -> Report {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.perform(is_traced)),
            Err(error) => Report {
                violation: Some(Violation { promise: "a run begins", seen: error.to_string() }),
                outcome: "nothing",
                steps: 0,
                fingerprint: 0,
                trace: None,
            },
        }
    }

    async fn perform(&self, is_traced: bool) -> Report {
        let stage = Stage::new(self, self.cluster().await, is_traced);
        stage.start(Operation::Run);
        let timed = {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                let mut before = 0;
                for (millis, place) in stage.due() {
                    let pause = Duration::from_millis((millis - before).into());
                    tokio::time::sleep(pause).await;
                    stage.now(place);
                    before = millis;
                }
            })
        };
        let mut waited = Duration::ZERO;
        while waited < TROUBLE
            && !stage.is_broken()
            && !(stage.is_quiet() && (timed.is_finished() || stage.is_spent()))
        {
            waited += Duration::from_secs(1);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        timed.abort();
        stage.calm();
        self.settle(&stage).await;
        if self.setting.encore && !stage.is_broken() {
            encore(&stage).await;
        }
        stage.report()
    }

    /// Somebody sees to it that every release comes to an end.
    async fn settle(&self, stage: &Stage) {
        let began = tokio::time::Instant::now();
        let mut attempts = 0;
        while !stage.is_broken() {
            let is_late = began.elapsed() > END || attempts > 30;
            let record = stage.record();
            let open = record.filter(|it| it.outcome.is_none());
            if open.is_none() && stage.is_quiet() {
                break;
            }
            if is_late {
                let left = open.map_or("a process".to_owned(), |it| {
                    format!("{} while {} ({:?})", it.release, it.phase, it.stuck)
                });
                stage.broken("everything comes to an end", format!("{left} has not ended"));
                break;
            }
            let Some(record) = open else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            if record.is_paused {
                finished(stage, Operation::Unpause).await;
            }
            if record.stuck.is_some() {
                stage.mend();
            }
            attempts += 1;
            finished(stage, Operation::Resume).await;
        }
        // What is still under way arrives.
        tokio::time::sleep(LATEST).await;
        stage.step();
    }

    async fn cluster(&self) -> MemoryCluster {
        let setting = &self.setting;
        let slow = setting.slow_pods.map(|it| Script::ReadyAfter(Duration::from_secs(it.into())));
        let script = match setting.candidate {
            Candidate::Starts => slow.clone().unwrap_or(Script::Ready),
            Candidate::NeverReady => Script::Never,
            Candidate::CannotStart => Script::Fail("the image cannot be pulled".to_owned()),
        };
        let image = |version| format!("example.com/agent:{version}");
        let runner = ScriptedRunner::new()
            .on_image(image("1"), slow.unwrap_or(Script::Ready))
            .on_image(image("2"), script);
        let mut builder = MemoryCluster::builder("agent", configuration("1"))
            .replicas(setting.replicas)
            .idle(configuration("0"), setting.idle_replicas)
            .time_to_live(LEASE)
            .runner(runner);
        if setting.autoscalers {
            for color in Color::BOTH {
                builder = builder.autoscaler(color, Autoscaler::new(1, 6));
            }
        }
        let cluster = builder.build();
        tokio::time::sleep(Duration::from_secs(10)).await;
        cluster
    }
}

/// Begins an operation and waits until it is over, for a time in which it should be.
async fn finished(stage: &Stage, operation: Operation) -> String {
    let number = stage.start(operation);
    let began = tokio::time::Instant::now();
    let mut is_released = operation == Operation::Unpause;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Some(how) = stage.ended(number) {
            return how;
        }
        // Who goes on with it may find what somebody else has written, and wait for a word.
        if !is_released && stage.record().is_some_and(|it| it.is_paused && it.outcome.is_none()) {
            stage.start(Operation::Unpause);
            is_released = true;
        }
        if stage.is_broken() {
            return String::new();
        }
        if began.elapsed() > END {
            stage.broken("everything comes to an end", format!("{operation:?} of p{number}"));
        }
    }
}

/// After all that another release goes as if nothing had been.
async fn encore(stage: &Stage) {
    if !stage.is_whole() {
        return;
    }
    let how = finished(stage, Operation::Run).await;
    let wanted = matches!(
        stage.setting.policy,
        crate::schedule::Policy::Approval | crate::schedule::Policy::ApprovedStep
    );
    let is_over = how == "ok: released" || wanted && how.starts_with("ok: rolled back, undecided");
    if !is_over && !stage.is_broken() {
        stage.broken("the next release is not disturbed by the last one", how);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}
