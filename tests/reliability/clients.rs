//! The clients of one agent, who never pause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_tests::{Kept, is_unsent, version_at};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tower::BoxError;

use crate::ledger::{Kind, Ledger};

/// How often a fresh connection is made.
const FRESH: Duration = Duration::from_millis(40);
/// How often a request goes over each connection that is kept.
const KEPT: Duration = Duration::from_millis(100);
/// How many connections of each kind are kept.
const CONNECTIONS: usize = 2;
/// How many streams of each kind there are at any moment.
const STREAMS: u32 = 4;
/// How long each stream is, and what it ends with.
const LENGTH: Duration = Duration::from_secs(30);
const STREAM: &str = "/stream?chunks=61&interval_ms=500";
const END: &[u8] = b" 61/61\n";

/// All clients of one agent.
#[derive(Debug)]
pub(crate) struct Clients {
    seen: Arc<Seen>,
    working: JoinSet<()>,
}

/// What clients of one agent see, and what they may see.
#[derive(Debug)]
pub(crate) struct Seen {
    name: String,
    address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
    /// The version that has all the traffic, while there is evidence that one has, and a number
    /// that is another one after every change.
    settled: watch::Sender<(u64, Option<&'static str>)>,
    /// The version that gave the last stream.
    streamed: watch::Sender<String>,
    over: watch::Sender<bool>,
}

impl Clients {
    pub(crate) fn start(name: String, address: SocketAddr, ledger: Arc<Ledger>) -> Self {
        let seen = Arc::new(Seen {
            name,
            address,
            ledger,
            settled: watch::Sender::default(),
            streamed: watch::Sender::default(),
            over: watch::Sender::default(),
        });
        let mut working = JoinSet::new();
        working.spawn(seen.clone().fresh());
        for kind in [Kind::First, Kind::Second] {
            for _ in 0..CONNECTIONS {
                working.spawn(seen.clone().kept(kind));
            }
        }
        for number in 0..STREAMS {
            for (kind, half) in [(Kind::FirstStream, 0), (Kind::SecondStream, 1)] {
                // So that a switch meets streams of every age.
                let first = Instant::now() + LENGTH * (2 * number + half) / (2 * STREAMS);
                working.spawn(seen.clone().streams(kind, first));
            }
        }
        Self { seen, working }
    }

    pub(crate) fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }

    /// Ends, once everything that is under way is answered.
    pub(crate) async fn stop(self) {
        self.seen.over.send_replace(true);
        self.working.join_all().await;
    }
}

impl Seen {
    /// From now on any version may answer.
    pub(crate) fn moving(&self) {
        self.settled.send_modify(|(turn, version)| (*turn, *version) = (*turn + 1, None));
    }

    /// From now on only this version may answer fresh connections.
    pub(crate) fn settled(&self, version: &'static str) {
        self.settled.send_modify(|(turn, it)| (*turn, *it) = (*turn + 1, Some(version)));
    }

    /// Returns once a stream of this version has begun after now.
    pub(crate) async fn streamed(&self, version: &str) {
        let mut streamed = self.streamed.subscribe();
        while streamed.changed().await.is_ok() {
            if *streamed.borrow_and_update() == version {
                return;
            }
        }
    }

    /// Says who it was that went astray.
    pub(crate) fn wrong(&self, what: &str) {
        self.ledger.wrong(&format!("{}: {what}", self.name));
    }

    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    fn lost(&self, kind: Kind, error: &BoxError) {
        let error = bluegreen_core::chain(error.as_ref());
        let settled = *self.settled.borrow();
        self.ledger.lost(kind, &format!("{}: {error}; settled: {settled:?}", self.name));
    }

    async fn fresh(self: Arc<Self>) {
        let mut turns = interval(FRESH);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over() {
            turns.tick().await;
            let (began, before) = (Instant::now(), *self.settled.borrow());
            let answer = version_at(self.address).await;
            self.ledger.count(Kind::Fresh, |row| row.connections += 1);
            let version = match answer {
                Ok(version) => version,
                Err(error) => {
                    self.lost(Kind::Fresh, &error.into());
                    continue;
                }
            };
            let excluded = self.excludes(&version) && *self.settled.borrow() == before;
            self.ledger.count(Kind::Fresh, |row| {
                row.answered += 1;
                row.other += u64::from(excluded);
            });
            if excluded {
                let took = began.elapsed();
                self.wrong(&format!("{version} answered in {took:?}; settled: {before:?}"));
            }
        }
    }

    async fn kept(self: Arc<Self>, kind: Kind) {
        let mut turns = interval(KEPT);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut kept = None;
        while !self.is_over() {
            turns.tick().await;
            match self.once(kind, &mut kept).await {
                Ok(version) => self.answered(kind, &version),
                Err(error) => {
                    kept = None;
                    self.lost(kind, &error);
                }
            }
        }
    }

    /// One request over the connection that is kept, or a new one where it no longer is.
    async fn once(&self, kind: Kind, kept: &mut Option<Kept>) -> Result<String, BoxError> {
        loop {
            if let Some(connection) = kept
                && !connection.is_kept().await
            {
                *kept = None;
            }
            let connection = match kept {
                Some(connection) => connection,
                None => kept.insert(self.open(kind).await?),
            };
            match connection.get("/").await {
                // It was closed just then. What nobody has begun with is not lost, and sent again.
                Err(error) if is_unsent(&error) => {
                    *kept = None;
                    self.ledger.count(kind, |row| row.again += 1);
                }
                answer => {
                    let answer = answer?;
                    if !answer.status().is_success() {
                        return Err(format!("status {}", answer.status()).into());
                    }
                    return Ok(answer.headers()["x-agent-version"].to_str()?.to_owned());
                }
            }
        }
    }

    async fn streams(self: Arc<Self>, kind: Kind, first: Instant) {
        let mut turns = interval_at(first, LENGTH);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over() {
            tokio::select! {
                _ = turns.tick() => {}
                // Its first turn may be far away.
                () = self.ended() => return,
            }
            match self.stream(kind).await {
                Ok(version) => self.answered(kind, &version),
                Err(error) => self.lost(kind, &error),
            }
        }
    }

    async fn ended(&self) {
        let mut over = self.over.subscribe();
        // The sender is this one's own.
        let _ = over.wait_for(|over| *over).await;
    }

    async fn stream(&self, kind: Kind) -> Result<String, BoxError> {
        let began = Instant::now();
        let mut connection = self.open(kind).await?;
        let mut answer = connection.begin(STREAM).await?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()).into());
        }
        let version = answer.version().to_owned();
        self.streamed.send_replace(version.clone());
        let mut body = Vec::new();
        while let Some(piece) = answer.piece().await {
            body.extend_from_slice(&piece);
        }
        if body.ends_with(END) {
            return Ok(version);
        }
        let last = String::from_utf8_lossy(&body);
        let last = last.lines().last().unwrap_or("nothing").to_owned();
        Err(format!("cut after {last}, {:?} after its beginning", began.elapsed()).into())
    }

    async fn open(&self, kind: Kind) -> Result<Kept, BoxError> {
        self.ledger.count(kind, |row| row.connections += 1);
        match kind {
            Kind::Second | Kind::SecondStream => Kept::open_second(self.address).await,
            _ => Kept::open(self.address).await,
        }
    }

    fn answered(&self, kind: Kind, version: &str) {
        let excluded = self.excludes(version);
        self.ledger.count(kind, |row| {
            row.answered += 1;
            row.other += u64::from(excluded);
        });
    }

    fn excludes(&self, version: &str) -> bool {
        self.settled.borrow().1.is_some_and(|settled| settled != version)
    }
}
