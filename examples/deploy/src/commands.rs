//! One function for each thing that can be done.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bluegreen_core::{
    Color, OperationError, Operations, Outcome, PhaseName, Progress, Releaser, Reporter, Slot,
    Status,
};
use bluegreen_kube::{Adopt, AdoptError, Cluster, Done};
use bluegreen_validate::notify::Notifier;
use tokio::signal::unix::{SignalKind, signal};

use crate::approve::Asked;
use crate::cli::{Adoption, Cli, Command, Gates, Output, Release, Why};
use crate::metrics::Served;
use crate::{Failure, client, metrics, notify, release, show};

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let json = cli.output == Output::Json;
    let mut builder = Cluster::builder(client::connect().await?, &cli.namespace, &cli.service)
        .cluster_name(&cli.cluster);
    if let Some(in_flight) = cli.in_flight {
        builder = builder.load(|ports| release::load(in_flight, ports));
    }
    if let Command::Adopt(it) = &cli.command {
        for color in Color::BOTH {
            builder = builder.deployment(color, it.slot(color));
        }
    }
    let cluster =
        builder.connect().await.map_err(|error| Failure::Error(bluegreen_core::chain(&error)))?;
    let notifier = cli.notify.notifier(&cluster.ports())?;
    let metrics = cli.metrics.serve(&cli.command, &cluster.ports()).await?;
    let approve = cli.approve;
    let session = Session { cluster, actor: cli.actor, json, notifier, metrics, approve };
    let done = Box::pin(session.carry_out(cli.command)).await;
    tokio::join!(
        notify::flush(session.notifier.as_ref()),
        linger(&done, metrics::linger(session.metrics.as_ref())),
    );
    done
}

/// Lets somebody fetch the last metrics, unless the command was interrupted, or is now.
async fn linger(done: &Result<(), Failure>, lingering: impl Future<Output = ()>) {
    // Whoever interrupts wants the process to end, and a release that it leaves should be seen as left.
    if !matches!(done, Err(Failure::Interrupted)) {
        interruptible(lingering).await;
    }
}

/// An agent, who does something with it, and who is told.
struct Session {
    cluster: Cluster,
    actor: String,
    json: bool,
    notifier: Option<Notifier>,
    metrics: Option<Served>,
    approve: Asked,
}

impl Session {
    async fn carry_out(&self, command: Command) -> Result<(), Failure> {
        let operations = self.cluster.operations();
        let actor = self.actor.as_str();
        match command {
            Command::Init => self.done(&self.cluster.init().await),
            Command::Adopt(it) => self.adopt(&it).await,
            Command::Detach => self.done(&self.cluster.detach().await),
            Command::Plan(it) => self.plan(&it).await,
            Command::Deploy(it) => self.deploy(&it).await,
            Command::Resume(gates) => self.resume(&gates).await,
            Command::Status => self.status(operations.status().await),
            Command::Rollback(why) => {
                let back = self.watched().rollback(actor, &why.reason).await;
                self.back(back, &why).await
            }
            Command::Abort(why) => {
                let back = self.watched().abort(actor, &why.reason).await;
                self.back(back, &why).await
            }
            Command::Promote => self.status(operations.promote(actor).await),
            Command::Approve => self.status(operations.approve(actor).await),
            Command::OverrideFreeze { reason } => {
                self.status(operations.override_freeze(actor, reason).await)
            }
            Command::Pause => self.status(operations.pause(actor).await),
            Command::Continue => self.status(operations.unpause(actor).await),
            Command::History => {
                show::history(&operations.history().await?, self.json);
                Ok(())
            }
        }
    }

    /// Says at once what was done, for it takes minutes.
    async fn adopt(&self, it: &Adoption) -> Result<(), Failure> {
        let mut how = Adopt::default();
        (how.ready, how.drain) = (it.ready, it.drain);
        how.allowed_owners.extend(it.allow_owner.iter().cloned());
        how.ignored_services.extend(it.ignore_service.iter().cloned());
        let told = Mutex::new(Vec::new());
        let tell = |done: &Done| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(done.clone());
            if !self.json {
                show::done(std::slice::from_ref(done), false);
            }
        };
        show::adopting(it);
        match self.cluster.adopt(&it.deployment, &how, tell).await {
            Ok(()) => {
                let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
                if self.json || told.is_empty() {
                    show::done(&told, self.json);
                }
                Ok(())
            }
            Err(AdoptError::Refused { problems, .. }) => {
                Err(Failure::Outcome(Outcome::Refused { problems }))
            }
            Err(error) => Err(Failure::Error(bluegreen_core::chain(&error))),
        }
    }

    fn done(&self, done: &bluegreen_core::Result<Vec<Done>>) -> Result<(), Failure> {
        match done {
            Ok(done) => {
                show::done(done, self.json);
                Ok(())
            }
            Err(error) => Err(Failure::Error(error.chain())),
        }
    }

    fn status(&self, status: Result<Status, OperationError>) -> Result<(), Failure> {
        show::status(&status?, self.json);
        Ok(())
    }

    /// The only container of the live slot, if there is only one.
    async fn only_container(&self) -> Result<Option<String>, Failure> {
        // Both slots have the same containers, or preflight says so.
        let mut found = Err(Failure::Error("neither slot can be read".to_owned()));
        for color in Color::BOTH {
            match self.cluster.slot(color).state().await {
                Ok(state) => {
                    let mut names = state.running.containers.into_keys();
                    let only = names.next();
                    return Ok(if names.next().is_some() { None } else { only });
                }
                Err(error) => found = Err(Failure::Error(error.chain())),
            }
        }
        found
    }

    async fn releaser(&self, gates: &Gates) -> Result<Releaser, Failure> {
        let mut ports = self.cluster.ports();
        ports.approver = self.approve.approver(&self.cluster).await?;
        release::gates(Releaser::new(ports).actor(self.actor.as_str()), gates)
    }

    fn watched(&self) -> Operations {
        let (screen, listeners) = (show::Screen::new(), self.listeners());
        self.cluster.operations().report(move |progress: &Progress| {
            screen.report(progress);
            for listener in &listeners {
                listener.report(progress);
            }
        })
    }

    /// Who else hears what happens.
    fn listeners(&self) -> Vec<Box<dyn Reporter>> {
        let notifier = self.notifier.clone().map(|it| Box::new(it) as Box<dyn Reporter>);
        let metrics = self.metrics.clone().map(|it| Box::new(it) as Box<dyn Reporter>);
        notifier.into_iter().chain(metrics).collect()
    }

    async fn plan(&self, it: &Release) -> Result<(), Failure> {
        let change = release::change(it, self.only_container().await?.as_deref())?;
        let releaser = self.releaser(&it.gates).await?;
        let problems = releaser.check(&change, &release::plan(it, &self.actor)).await?;
        // Where live cannot be read, the problems say why.
        let diff = match releaser.diff(&change).await {
            Err(error) if problems.iter().any(bluegreen_core::Problem::is_refusal) => {
                show::warning(&bluegreen_core::chain(&error));
                None
            }
            diff => diff?,
        };
        show::plan(diff.as_ref(), &problems, self.json);
        if problems.iter().any(bluegreen_core::Problem::is_refusal) {
            return Err(Failure::Outcome(Outcome::Refused { problems: Vec::new() }));
        }
        Ok(())
    }

    async fn deploy(&self, it: &Release) -> Result<(), Failure> {
        let change = release::change(it, self.only_container().await?.as_deref())?;
        let plan = release::plan(it, &self.actor);
        let releaser = self.releaser(&it.gates).await?;
        self.drive(releaser, async |releaser| releaser.run(change, &plan).await).await
    }

    async fn resume(&self, gates: &Gates) -> Result<(), Failure> {
        let releaser = self.releaser(gates).await?;
        self.drive(releaser, async |releaser| releaser.resume().await).await
    }

    /// Drives a release to its end. Ctrl-C and SIGTERM leave it where it is, to be resumed.
    async fn drive(
        &self,
        releaser: Releaser,
        go: impl AsyncFnOnce(&Releaser) -> Result<Outcome, OperationError>,
    ) -> Result<(), Failure> {
        let cluster = &self.cluster;
        let holder = cluster.liveness().holder();
        let events = std::sync::Arc::new(cluster.events(holder.as_str()));
        let (screen, heard) = (show::Screen::new(), events.clone());
        let listeners = self.listeners();
        let releaser = releaser.report(move |progress: &Progress| {
            screen.report(progress);
            heard.report(progress);
            for listener in &listeners {
                listener.report(progress);
            }
        });
        let outcome = interruptible(go(&releaser)).await;
        let resigning = releaser.operations().resign().await;
        events.flush(Duration::from_secs(2)).await;
        let Some(outcome) = outcome else { return Err(Failure::Interrupted) };
        let outcome = outcome?;
        if let Err(error) = resigning {
            show::warning(&bluegreen_core::chain(&error));
        }
        match outcome {
            Outcome::Released => {
                let status = cluster.operations().status().await?;
                show::status(&status, self.json);
                Ok(())
            }
            other => Err(Failure::Outcome(other)),
        }
    }

    /// After traffic is back, sees to it that the candidate's slot is put back too.
    async fn back(&self, status: Result<Status, OperationError>, why: &Why) -> Result<(), Failure> {
        let status = status?;
        let phase = status.record.as_ref().map(|record| record.phase.name());
        let over = phase.is_none_or(|phase| phase == PhaseName::Done);
        show::status(&status, self.json);
        if over || why.no_wait {
            // Traffic is back, whatever becomes of the lease.
            if let Err(error) = self.cluster.operations().resign().await {
                show::warning(&bluegreen_core::chain(&error));
            }
            return Ok(());
        }
        let operations = self.watched();
        let finished = interruptible(operations.finish()).await;
        operations.resign().await?;
        match finished {
            None => Err(Failure::Interrupted),
            Some(outcome) => match outcome? {
                Outcome::Stuck { stuck } => Err(Failure::Outcome(Outcome::Stuck { stuck })),
                _ => Ok(()),
            },
        }
    }
}

/// What `work` comes to; `None` if somebody interrupts it first.
async fn interruptible<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(terminate) => terminate.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = work => Some(result),
        _ = tokio::signal::ctrl_c() => None,
        _ = terminated => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::process;

    use tokio::time::timeout;

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn nobody_lingers_after_an_interruption() {
        timeout(BOUND, linger(&Err(Failure::Interrupted), pending())).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_lingers_can_be_interrupted() {
        // Heard here too, so that it is in no case the end of the tests.
        let _heard = signal(SignalKind::terminate()).unwrap();
        let interrupting = async {
            let status = process::Command::new("sh").args(["-c", "kill -TERM $PPID"]).status();
            assert!(status.unwrap().success());
        };
        let lingering = timeout(BOUND, linger(&Ok(()), pending()));
        let (lingered, ()) = tokio::join!(lingering, interrupting);
        lingered.unwrap();
    }
}
