//! One Lease for each driver process: how others see that it lives.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Clock, Error, ErrorKind, HolderId, Liveness, Problem, Result, SystemClock, Timestamp, Vitality,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use crate::error::{read_opt, write};
use crate::rights::{Right, Rules};
use crate::{FIELD_MANAGER, Settings, lease_name};

mod object;
mod seen;

use seen::Seen;

/// For how long a renewal is good unless said otherwise.
const TIME_TO_LIVE: Duration = Duration::from_secs(15);
/// How often a renewal is decided anew because the Lease was changed in between.
const ATTEMPTS: usize = 3;

/// The Lease of this process, named `bluegreen-<holder>`, and a look at those of others.
///
/// One for the process, whatever number of agents it releases. Any number of releases may call
/// [`renew`](Liveness::renew) as often as they like: what was renewed less than a quarter of its
/// time to live ago is not written again, and those that wait for a renewal which fails have failed
/// with it.
///
/// Another process has lapsed once its Lease did not change for the duration that it names,
/// measured by this process's own clock from when it saw the last change. The times written in
/// the Lease are for people.
///
/// Needs the verbs `get`, `create`, `update` and `delete` on `leases` in `coordination.k8s.io`.
pub struct LeaseLiveness {
    client: Client,
    api: Api<Lease>,
    settings: Settings,
    holder: HolderId,
    time_to_live: Duration,
    clock: Arc<dyn Clock>,
    /// Tells this process from another one that calls itself the same.
    process: String,
    held: AsyncMutex<Option<Held>>,
    /// When a renewal last failed, and how.
    failed: Mutex<Option<Failed>>,
    /// Whether a renewal was ever sent. One that was dropped in the middle may have been made.
    is_sent: AtomicBool,
    seen: Mutex<BTreeMap<HolderId, Seen>>,
    rules: Rules,
}

/// The Lease as this process last wrote it.
#[derive(Debug)]
struct Held {
    uid: Option<String>,
    resource_version: Option<String>,
    renewed: Timestamp,
}

/// A renewal that failed.
#[derive(Debug)]
struct Failed {
    at: Instant,
    kind: ErrorKind,
    why: String,
}

impl LeaseLiveness {
    /// The Lease of a process that calls itself `holder`, in the namespace of `settings`.
    pub fn new(client: Client, settings: Settings, holder: impl Into<HolderId>) -> Self {
        Self {
            api: Api::namespaced(client.clone(), &settings.namespace),
            client,
            settings,
            holder: holder.into(),
            time_to_live: TIME_TO_LIVE,
            clock: Arc::new(SystemClock),
            process: format!("{:016x}", RandomState::new().build_hasher().finish()),
            held: AsyncMutex::new(None),
            failed: Mutex::default(),
            is_sent: AtomicBool::new(false),
            seen: Mutex::default(),
            rules: Rules::default(),
        }
    }

    /// Shares the question of rights with other parts.
    pub(crate) fn sharing(mut self, rules: &Rules) -> Self {
        self.rules = rules.clone();
        self
    }

    /// For how long a renewal is good, in whole seconds (rounded up); 15 unless said otherwise.
    #[must_use]
    pub fn with_time_to_live(mut self, time_to_live: Duration) -> Self {
        let whole = Duration::from_secs(time_to_live.as_secs());
        let up = if whole == time_to_live { whole } else { whole + Duration::from_secs(1) };
        self.time_to_live = up.max(Duration::from_secs(1));
        self
    }

    /// The clock by which this process judges others.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn action(&self, verb: &str, name: &str) -> String {
        format!("{verb} lease {}/{name}", self.settings.namespace)
    }

    async fn read(&self, name: &str) -> Result<Option<Lease>> {
        read_opt(self.settings.call, self.action("read", name), self.api.get(name)).await
    }

    /// Writes the Lease as it should be after `last`, which is what was last read or written.
    async fn put(&self, last: Option<&Lease>, version: Option<String>) -> Result<Lease> {
        let name = lease_name(&self.holder);
        let mut lease = object::renewed(self, last, self.clock.now());
        let post =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.is_sent.store(true, Ordering::Relaxed);
        match version {
            None => {
                let call = self.api.create(&post, &lease);
                write(self.settings.call, self.action("create", &name), call).await
            }
            version => {
                lease.metadata.resource_version = version;
                let call = self.api.replace(&name, &post, &lease);
                write(self.settings.call, self.action("update", &name), call).await
            }
        }
    }

    /// Whether this very process wrote it.
    fn is_ours(&self, found: &Lease) -> bool {
        object::process(found, &self.settings) == Some(&self.process)
    }

    /// Whose Lease was found where ours was expected. Another process's that still lives is a
    /// conflict; one that lapsed is taken over.
    fn take_over(&self, found: &Lease) -> Result<()> {
        if self.is_ours(found) || self.judge(&self.holder, Some(found)) == Vitality::Gone {
            return Ok(());
        }
        let action = self.action("update", &lease_name(&self.holder));
        Err(Error::new(ErrorKind::Conflict, action)
            .with_source(format!("another process calls itself {} and lives", self.holder)))
    }

    fn judge(&self, holder: &HolderId, lease: Option<&Lease>) -> Vitality {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match lease.and_then(|lease| Seen::of(lease, holder, self.clock.now())) {
            None => {
                all.remove(holder);
                Vitality::Gone
            }
            Some(now) => match all.get(holder) {
                Some(before) if before.is_same(&now) => now.vitality(before),
                _ => {
                    all.insert(holder.clone(), now);
                    Vitality::Alive
                }
            },
        }
    }

    /// The failure of a renewal that was under way when this one was asked for: a server that does
    /// not answer is not asked a thousand times over by those who have waited for its answer.
    fn failed_since(&self, asked: Instant) -> Result<()> {
        match self.last_failure().as_ref().filter(|failed| failed.at > asked) {
            Some(failed) => {
                let action = self.action("update", &lease_name(&self.holder));
                Err(Error::new(failed.kind, action).with_source(failed.why.clone()))
            }
            None => Ok(()),
        }
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write_renewal(&self, held: &mut Option<Held>) -> Result<()> {
        let name = lease_name(&self.holder);
        let mut version = held.as_ref().and_then(|held| held.resource_version.clone());
        let mut last = None;
        let mut conflict = None;
        for _ in 0..ATTEMPTS {
            // Others count from when they see it, which is not before it was written.
            let renewed = self.clock.now();
            match self.put(last.as_ref(), version.clone()).await {
                Ok(lease) => {
                    let (uid, resource_version) = (lease.uid(), lease.resource_version());
                    *held = Some(Held { uid, resource_version, renewed });
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    // It was deleted. For an update of a Lease that is not there the API server
                    // has an internal error to tell, so only a look shows it.
                    ErrorKind::NotFound | ErrorKind::Unknown
                        if version.is_some() && self.read(&name).await?.is_none() =>
                    {
                        (version, last) = (None, None);
                        conflict = Some(error);
                    }
                    ErrorKind::Conflict => {
                        last = self.read(&name).await?;
                        if let Some(found) = &last {
                            self.take_over(found)?;
                        }
                        version = last.as_ref().and_then(kube::ResourceExt::resource_version);
                        conflict = Some(error);
                    }
                    _ => return Err(error),
                },
            }
        }
        let action = self.action("update", &name);
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }
}

#[async_trait]
impl Liveness for LeaseLiveness {
    fn holder(&self) -> HolderId {
        self.holder.clone()
    }

    fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    async fn check(&self) -> Result<Vec<Problem>> {
        let rights = ["get", "create", "update", "delete"]
            .map(|verb| Right::new(verb, "coordination.k8s.io", "leases"));
        self.rules.missing(&self.client, &self.settings, &rights).await
    }

    async fn renew(&self) -> Result<()> {
        let asked = Instant::now();
        let mut held = self.held.lock().await;
        if let Some(held) = &*held
            && self.clock.now().since(held.renewed) < self.time_to_live / 4
        {
            return Ok(());
        }
        self.failed_since(asked)?;
        let renewed = self.write_renewal(&mut held).await;
        if let Err(error) = &renewed {
            let failed = Failed { at: Instant::now(), kind: error.kind(), why: error.chain() };
            *self.last_failure() = Some(failed);
        }
        renewed
    }

    async fn resign(&self) -> Result<()> {
        let mut held = self.held.lock().await;
        if !self.is_sent.load(Ordering::Relaxed) {
            return Ok(());
        }
        let name = lease_name(&self.holder);
        let mut last = held.as_ref().map(|it| (it.uid.clone(), it.resource_version.clone()));
        for _ in 0..ATTEMPTS {
            // What was read or written last may be older than a renewal that was dropped.
            let (uid, resource_version) = match last.take() {
                Some(last) => last,
                None => match self.read(&name).await? {
                    Some(found) if self.is_ours(&found) => (found.uid(), found.resource_version()),
                    // Not there, or another process's by now: it is not ours to give back.
                    _ => break,
                },
            };
            let preconditions = Preconditions { uid, resource_version };
            let params = DeleteParams::default().preconditions(preconditions);
            let call = self.api.delete(&name, &params);
            match write(self.settings.call, self.action("delete", &name), call).await {
                Ok(_) => break,
                Err(error) => match error.kind() {
                    ErrorKind::NotFound => break,
                    ErrorKind::Conflict => {}
                    _ => return Err(error),
                },
            }
        }
        *held = None;
        Ok(())
    }

    async fn vitality(&self, holder: &HolderId) -> Result<Vitality> {
        let lease = self.read(&lease_name(holder)).await?;
        Ok(self.judge(holder, lease.as_ref()))
    }
}

impl fmt::Debug for LeaseLiveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseLiveness")
            .field("namespace", &self.settings.namespace)
            .field("holder", &self.holder)
            .field("time_to_live", &self.time_to_live)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
