//! Traffic moved by a file that this project's own reverse proxy reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Capabilities, Clock, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Observed,
    ObservedState, Problem, Result, Routing, SwitchStrategy,
};

mod files;

use files::{Files, Followed, Found, Route};

/// How often files are looked at, unless told otherwise.
const POLL: Duration = Duration::from_millis(250);

/// All traffic to one slot or the other, as a file says.
///
/// Three files stand side by side, on a local disk:
/// * `routing.json`, `{"live": "blue", "epoch": 7}`, is what this switch writes and the proxy
///   reads. It is replaced as a whole, so nobody ever reads half of it.
/// * `routing.status.json`, `{"live": "blue", "epoch": 7, "pods": {"blue": ["<uid>", …]}}`, is
///   what the proxy writes, also as a whole, when it routes so and when the pods that it knows
///   change. Without it there would be no evidence: that a file was written says nothing of
///   traffic.
/// * `routing.lock` is locked while the first one is compared and replaced. The lock is the
///   operating system's, and goes with the process.
///
/// A write that nobody waits for any more still ends within moments, and does no harm: it
/// compares the epoch like any other.
#[derive(Clone)]
pub struct FileSwitch {
    files: Arc<Files>,
    clock: Arc<dyn Clock>,
    poll: Duration,
}

impl FileSwitch {
    /// Moves traffic by the file at `path`, `routing.json` say. The folder must exist; the first
    /// route is written by whoever sets the proxy up.
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { files: Arc::new(Files::new(path.into())), clock, poll: POLL }
    }

    /// Looks at the files so often; every 250 milliseconds unless told otherwise.
    #[must_use]
    pub fn with_poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Does what may block where that is allowed.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let files = Arc::clone(&self.files);
        tokio::task::spawn_blocking(move || work(&files)).await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Unknown, "use the routing file").with_source(error))
        })
    }
}

#[async_trait]
impl SwitchStrategy for FileSwitch {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "file"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::SWITCH_ONLY
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        let mut problems = self.on_disk(Files::problems).await?;
        for routing in routings {
            problems.extend(self.capabilities().lacks(routing).into_iter().map(|lack| {
                Problem::new("beyond-capabilities", format!("routing {routing}"))
                    .found("a file that names one slot")
                    .wanted(lack)
                    .mend("choose a plan that moves all traffic at once")
            }));
        }
        if *evidence != EvidenceKind::Endpoints {
            problems.push(
                Problem::new("unreachable-vantage", "plan, evidence")
                    .found(evidence.to_string())
                    .wanted("endpoints: the proxy says which pods it routes to"),
            );
        }
        Ok(problems)
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.on_disk(move |files| {
            files.change("fence", |found| {
                refuse_stale(&found, epoch)?;
                Ok(Route { epoch: epoch.number(), ..found })
            })
        })
        .await
    }

    async fn observe(&self) -> Result<Observed> {
        let mut found = self.on_disk(Files::route).await?;
        if let Found::Other(_) = found {
            // Somebody may be in the middle of writing it by hand, which is not done at once.
            self.clock.sleep(self.poll).await;
            found = self.on_disk(Files::route).await?;
        }
        Ok(match found {
            Found::Route(route) => {
                let state = match Color::parse(&route.live) {
                    Some(live) => ObservedState::Routed(Routing::all(live)),
                    None => ObservedState::Foreign(format!("live `{}`", route.live)),
                };
                Observed::new(state, Epoch::new(route.epoch))
            }
            Found::Other(text) => Observed::new(ObservedState::Foreign(text), Epoch::default()),
        })
    }

    /// There is nothing to make ready: the proxy knows the pods of both slots at all times.
    async fn prepare(&self, _: Color, _: Epoch) -> Result<()> {
        Ok(())
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        loop {
            let followed = self.on_disk(Files::followed).await?;
            if followed.is_some_and(|it| pods.iter().all(|pod| it.pods_of(candidate).contains(pod)))
            {
                return Ok(());
            }
            self.clock.sleep(self.poll).await;
        }
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let lacks = self.capabilities().lacks(to);
        if !lacks.is_empty() {
            return Err(Error::new(ErrorKind::Rejected, format!("shift traffic to {to}"))
                .with_source(format!("a file that names one slot has no {}", lacks.join(", "))));
        }
        let (from, to) = (from.live.as_str(), to.live.as_str());
        self.on_disk(move |files| {
            files.change(&format!("shift traffic to {to}"), |found| {
                refuse_stale(&found, epoch)?;
                if found.live != from && found.live != to {
                    return Err(format!("found live `{}`, wanted {from}", found.live));
                }
                Ok(Route { live: to.to_owned(), epoch: epoch.number() })
            })
        })
        .await
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        if *evidence != EvidenceKind::Endpoints {
            return Err(Error::new(ErrorKind::Rejected, format!("see that traffic follows {to}"))
                .with_source(format!("the proxy cannot tell whether {evidence}")));
        }
        loop {
            let read = |files: &Files| Ok((files.route()?, files.followed()?));
            if let (Found::Route(route), Some(followed)) = self.on_disk(read).await?
                && route.live == to.live.as_str()
                && followed.follows(&route)
                && !followed.pods_of(to.live).is_empty()
            {
                let count = followed.pods_of(to.live).len();
                let detail = format!("the proxy routes to {} and its {count} pods", to.live);
                return Ok(Evidence::new(evidence.clone(), detail));
            }
            self.clock.sleep(self.poll).await;
        }
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        loop {
            let observed = self.observe().await?;
            if observed.state != known.state {
                return Ok(observed);
            }
            self.clock.sleep(self.poll).await;
        }
    }

    /// A file does not say who wrote it.
    async fn author(&self) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The words for a conflict, when a higher epoch was stamped.
fn refuse_stale(found: &Route, epoch: Epoch) -> Result<(), String> {
    if found.epoch > epoch.number() {
        return Err(format!("found epoch {}, wanted at most {epoch}", found.epoch));
    }
    Ok(())
}

impl Followed {
    fn follows(&self, route: &Route) -> bool {
        self.live == route.live && self.epoch == route.epoch
    }

    fn pods_of(&self, color: Color) -> &[String] {
        self.pods.get(color.as_str()).map_or(&[], Vec::as_slice)
    }
}

impl std::fmt::Debug for FileSwitch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSwitch").field("files", &self.files).finish_non_exhaustive()
    }
}
