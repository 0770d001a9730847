//! The API server is away in every phase of a release, and for as long as it takes to write and
//! not to know: one outage, in which each of many agents is somewhere else.

use std::fmt;
use std::time::{Duration, Instant};

use bluegreen_core::{
    Color, OperationError, Outcome, PhaseName, Plan, Progress, Reason, Releaser, Slot as _,
};
use bluegreen_kube::Cluster;
use bluegreen_tests::{
    Agent, Cut, Load, Manifests, Outage, Proxy, SERVICE, Side, Yes, change, plan, seconds,
};
use bluegreen_validate::Smoke;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, block_in_place};

/// How many seconds the API server is away, unless `BLUEGREEN_OUTAGE` says otherwise.
const LENGTH: u64 = 60;
/// How long all agents together may take to get to where the outage meets them.
const ARRIVAL: Duration = Duration::from_mins(3);
/// How long a release may take after the outage.
const PATIENCE: Duration = Duration::from_mins(3);

/// Where a release is when the API server goes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// At the beginning of a phase of a release that goes well.
    Forward(PhaseName),
    /// At the beginning of a phase of one that a guard sends back.
    Backward(PhaseName),
    /// The candidate has just been given the traffic.
    Given,
    /// The candidate has just lost the traffic.
    Taken,
}

const ALL: [At; 14] = [
    At::Forward(PhaseName::Deploying),
    At::Forward(PhaseName::RollingOut),
    At::Forward(PhaseName::WarmingUp),
    At::Forward(PhaseName::Validating),
    At::Forward(PhaseName::AwaitingApproval),
    At::Forward(PhaseName::Shifting),
    At::Given,
    At::Forward(PhaseName::Baking),
    At::Forward(PhaseName::Draining),
    At::Forward(PhaseName::Retiring),
    At::Backward(PhaseName::Returning),
    At::Taken,
    At::Backward(PhaseName::KeepingFailed),
    At::Backward(PhaseName::Restoring),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_api_server_that_is_away_in_any_phase_delays_a_release_and_no_more() {
    let length = std::env::var("BLUEGREEN_OUTAGE").map_or(LENGTH, |it| it.parse().unwrap());
    let (away, began) = watch::channel(None);
    Outage::forget();
    let (arrive, mut arrived) = mpsc::channel(ALL.len());
    let mut running = JoinSet::new();
    for at in ALL {
        running.spawn(run(at, Meeting { arrive: arrive.clone(), began: began.clone() }));
    }
    drop(arrive);
    for count in 0..ALL.len() {
        tokio::select! {
            one = arrived.recv() => assert!(one.is_some(), "all but {count} should arrive"),
            ended = running.join_next() => panic!("it should not end before: {ended:?}"),
            () = tokio::time::sleep(ARRIVAL) => panic!("only {count} have arrived"),
        }
    }
    let outage = Outage::crash("kube-apiserver");
    away.send_replace(Some(Instant::now()));
    tokio::time::sleep(seconds(length)).await;
    outage.end();
    let ended = Instant::now();
    let mut wrong = Vec::new();
    while let Some(row) = running.join_next().await {
        let Row { at, outcome, when, tally, found } = row.unwrap();
        let after = when.saturating_duration_since(ended);
        let text =
            format!("{at:18} {outcome}, {:.1} s after the end; {tally}", after.as_secs_f64());
        println!("{text}");
        wrong.extend(found.map(|found| format!("{text}; {found}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What came of one release.
#[derive(Debug)]
struct Row {
    at: At,
    outcome: String,
    when: Instant,
    tally: String,
    /// What is not as it should be.
    found: Option<String>,
}

async fn run(at: At, meeting: Meeting) -> Row {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let mut load = Load::gentle(agent.address());
    load.answered_by("1.2.0").await;
    let proxy = Proxy::start(agent.account(), at.cut()).await;
    let client = proxy.access().client();
    let namespace = agent.namespace().name();
    let cluster =
        Cluster::builder(client, namespace, SERVICE).holder("one").connect().await.unwrap();
    let began = meeting.began.clone();
    let releaser = at.releaser(&cluster, meeting.clone());
    let releasing = async {
        let plan = At::plan();
        let release = releaser.run(change("1.3.0"), &plan);
        tokio::time::timeout(PATIENCE + ARRIVAL, release).await
    };
    let cutting = async {
        if at.cut().is_some() {
            proxy.cuts().await;
            meeting.meet().await;
            // The answer comes, and nothing after it.
            proxy.reopen();
        }
    };
    let (ended, ()) = tokio::join!(releasing, cutting);
    let when = Instant::now();
    let tally = load.stop().await;
    let found = at.wrong(&agent, &cluster, ended.as_ref().ok()).await;
    let failed = (!tally.failures.is_empty()).then(|| "traffic failed".to_owned());
    let early = began.borrow().is_none().then(|| "it ended before the outage".to_owned());
    let outcome = match ended {
        Ok(Ok(outcome)) => outcome.to_string(),
        Ok(Err(error)) => bluegreen_core::chain(&error),
        Err(_) => format!("nothing in {PATIENCE:?}"),
    };
    Row { at, outcome, when, tally: tally.to_string(), found: found.or(failed).or(early) }
}

impl At {
    /// The phase at whose beginning it is.
    fn phase(self) -> Option<PhaseName> {
        match self {
            Self::Forward(phase) | Self::Backward(phase) => Some(phase),
            Self::Given | Self::Taken => None,
        }
    }

    /// The write whose answer is held back until the API server is away.
    fn cut(self) -> Option<Cut> {
        let number = match self {
            Self::Forward(_) | Self::Backward(_) => return None,
            Self::Given => 1,
            Self::Taken => 2,
        };
        Some(Cut { write: format!("point {SERVICE}"), number, side: Side::After })
    }

    fn goes_back(self) -> bool {
        matches!(self, Self::Backward(_) | Self::Taken)
    }

    fn plan() -> Plan {
        let mut plan = plan(seconds(2)).approval(PATIENCE);
        plan.warm_up = Some(bluegreen_core::plan::WarmUp::new(PATIENCE));
        plan.keep_failed = seconds(2);
        plan
    }

    fn releaser(self, cluster: &Cluster, meeting: Meeting) -> Releaser {
        let ports = cluster.ports().with_approver(std::sync::Arc::new(Yes));
        let releaser = Releaser::new(ports)
            .gate(Smoke::get("/readyz").expect_version())
            .warm_up(Smoke::get("/").named("warm-up"))
            .report(move |progress: &Progress| {
                if let Progress::Entered { phase, .. } = progress
                    && Some(*phase) == self.phase()
                {
                    meeting.meet_here();
                }
            });
        if self.goes_back() {
            releaser.guard(Smoke::get("/nowhere").named("unfit"))
        } else {
            releaser
        }
    }

    /// What is not as it should be at the end.
    async fn wrong(
        self,
        agent: &Agent,
        cluster: &Cluster,
        ended: Option<&Result<Outcome, OperationError>>,
    ) -> Option<String> {
        let good = match ended {
            Some(Ok(Outcome::Released)) => !self.goes_back(),
            Some(Ok(Outcome::RolledBack { reason: Reason::Unfit { message } })) => {
                self.goes_back() && message.contains("unfit")
            }
            _ => false,
        };
        if !good {
            return Some("another end was wanted".to_owned());
        }
        let wanted = if self.goes_back() { (Color::Blue, 2, 0) } else { (Color::Green, 0, 2) };
        let size = |color| async move {
            let state = cluster.slot(color).state().await.unwrap();
            assert!(!state.open, "the deploy to {color} should be settled");
            state.replicas.wanted
        };
        let (blue, green) = tokio::join!(size(Color::Blue), size(Color::Green));
        let found = (agent.live().await.unwrap(), blue, green);
        (found != wanted)
            .then(|| format!("live, blue and green: found {found:?}, wanted {wanted:?}"))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Forward(phase) | Self::Backward(phase) => phase.as_str(),
            Self::Given => "traffic just given",
            Self::Taken => "traffic just taken",
        })
    }
}

/// Where all releases wait for the outage.
#[derive(Clone)]
struct Meeting {
    arrive: mpsc::Sender<()>,
    began: watch::Receiver<Option<Instant>>,
}

impl Meeting {
    /// Returns once the API server is away.
    async fn meet(&self) {
        let mut began = self.began.clone();
        if began.borrow().is_none() {
            self.arrive.send(()).await.unwrap();
            began.wait_for(Option::is_some).await.unwrap();
        }
    }

    /// The same in the middle of a report, which holds the release where it is.
    fn meet_here(&self) {
        block_in_place(|| Handle::current().block_on(self.meet()));
    }
}
