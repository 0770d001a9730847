//! Leases in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::lock;
use crate::{Clock, Error, ErrorKind, HolderId, Liveness, Problem, Result, Timestamp, Vitality};

/// For how long a lease is good unless said otherwise.
pub(super) const TIME_TO_LIVE: Duration = Duration::from_secs(15);

/// The leases of all driver processes of a cluster. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct MemoryLeases {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    leases: BTreeMap<HolderId, Lease>,
    processes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    process: u64,
    /// How often it was renewed: others see that it changes, whatever their clocks say.
    beat: u64,
    time_to_live: Duration,
}

/// The lease of one driver process. Each one that is made is another process.
pub struct MemoryLiveness {
    leases: MemoryLeases,
    process: u64,
    holder: HolderId,
    time_to_live: Duration,
    clock: Arc<dyn Clock>,
    /// The beat last seen of each other process, and when it was first seen.
    seen: Mutex<BTreeMap<HolderId, (u64, u64, Timestamp)>>,
}

impl MemoryLiveness {
    /// A process that calls itself `holder`, and judges others by `clock`.
    pub fn new(leases: MemoryLeases, holder: impl Into<HolderId>, clock: Arc<dyn Clock>) -> Self {
        let process = {
            let mut table = lock(&leases.table);
            table.processes += 1;
            table.processes
        };
        Self {
            leases,
            process,
            holder: holder.into(),
            time_to_live: TIME_TO_LIVE,
            clock,
            seen: Mutex::default(),
        }
    }

    /// For how long a renewal is good; 15 seconds unless said otherwise.
    #[must_use]
    pub fn with_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
        self
    }

    /// Judges what is seen now against what was seen before, by the own clock only.
    fn judge(&self, holder: &HolderId, lease: Option<Lease>) -> Vitality {
        let mut seen = lock(&self.seen);
        let Some(lease) = lease else {
            seen.remove(holder);
            return Vitality::Gone;
        };
        let now = self.clock.now();
        match seen.get(holder) {
            Some((process, beat, since)) if (*process, *beat) == (lease.process, lease.beat) => {
                if now.since(*since) >= lease.time_to_live {
                    Vitality::Gone
                } else {
                    Vitality::Alive
                }
            }
            _ => {
                seen.insert(holder.clone(), (lease.process, lease.beat, now));
                Vitality::Alive
            }
        }
    }

    fn lease(&self, holder: &HolderId) -> Option<Lease> {
        lock(&self.leases.table).leases.get(holder).copied()
    }
}

#[async_trait]
impl Liveness for MemoryLiveness {
    fn holder(&self) -> HolderId {
        self.holder.clone()
    }

    fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    async fn check(&self) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn renew(&self) -> Result<()> {
        let mut table = lock(&self.leases.table);
        let found = table.leases.get(&self.holder).copied();
        if let Some(other) = found.filter(|lease| lease.process != self.process)
            && self.judge(&self.holder, Some(other)) == Vitality::Alive
        {
            return Err(Error::new(ErrorKind::Conflict, format!("renew lease {}", self.holder))
                .with_source("another process has it"));
        }
        let beat = found.map_or(0, |lease| lease.beat) + 1;
        let lease = Lease { process: self.process, beat, time_to_live: self.time_to_live };
        table.leases.insert(self.holder.clone(), lease);
        Ok(())
    }

    async fn resign(&self) -> Result<()> {
        let mut table = lock(&self.leases.table);
        // The lease of another process of the same name is not this one's to give back.
        if table.leases.get(&self.holder).is_some_and(|lease| lease.process == self.process) {
            table.leases.remove(&self.holder);
        }
        Ok(())
    }

    async fn vitality(&self, holder: &HolderId) -> Result<Vitality> {
        let lease = self.lease(holder);
        Ok(self.judge(holder, lease))
    }
}

impl fmt::Debug for MemoryLiveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLiveness")
            .field("holder", &self.holder)
            .field("time_to_live", &self.time_to_live)
            .finish_non_exhaustive()
    }
}
