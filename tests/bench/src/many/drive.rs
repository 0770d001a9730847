//! The process that drives the releases, and is measured.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluegreen_core::{Change, OperationError, Outcome, PhaseName, Plan, Progress};
use bluegreen_kube::{Cluster, ClusterBuilder, Fleet};
use bluegreen_tests::{Access, Calls, image};
use futures_util::future::join_all;
use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::figures::{median, memory, processor, sockets};
use super::{ALONE, AT_ONCE, PATIENCE, agent};

/// How many of those that are not measured begin at a time.
const OTHERS: usize = 16;
/// How long it is looked at what waiting costs.
const LOOK: Duration = Duration::from_mins(3);

/// Who makes the ways to agents.
enum Source {
    Fleet(Fleet),
    /// Every agent for itself.
    Client(Client),
}

impl Source {
    fn builder(&self, namespace: &str, name: &str) -> ClusterBuilder {
        match self {
            Self::Fleet(fleet) => fleet.cluster(namespace, name),
            Self::Client(client) => Cluster::builder(client.clone(), namespace, name),
        }
    }
}

/// A release that goes on by itself.
struct Going {
    begun: Instant,
    phase: watch::Receiver<PhaseName>,
    /// When it entered each phase.
    entered: Arc<Mutex<Vec<(PhaseName, Instant)>>>,
    task: JoinHandle<Result<Outcome, OperationError>>,
}

/// How long a release took to its switch.
#[derive(Clone, Copy, Debug)]
struct Took {
    whole: Duration,
    /// Without the time in which its pods started.
    overhead: Duration,
}

/// `COUNT [--each-for-itself] NAMESPACE…`
pub(crate) async fn drive(mut arguments: impl Iterator<Item = String>) {
    let count: usize = arguments.next().unwrap().parse().unwrap();
    let (flags, namespaces): (Vec<_>, Vec<_>) = arguments.partition(|it| it.starts_with("--"));
    let (client, calls) = Calls::of(Access::admin().await.client());
    let source =
        if flags.is_empty() { Source::Fleet(Fleet::new(client)) } else { Source::Client(client) };
    eprintln!("an idle process: {:.1} MiB", memory().0);
    let mut all = Vec::with_capacity(count);
    let mut alone = Vec::new();
    for number in 0..ALONE.min(count) {
        let mut going = begin(&source, &namespaces, number).await;
        alone.push(going.switched().await);
        all.push(going);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let numbers: Vec<usize> = (all.len()..count.min(ALONE + AT_ONCE)).collect();
    let clusters = join_all(numbers.iter().map(|number| connect(&source, &namespaces, *number)));
    let mut together: Vec<Going> = clusters.await.into_iter().map(|it| release(&it)).collect();
    let at_once = join_all(together.iter_mut().map(Going::switched)).await;
    all.append(&mut together);
    show("one alone", &alone);
    show(&format!("{} at once", at_once.len()), &at_once);
    let begun = Instant::now();
    while all.len() < count {
        let next: Vec<usize> = (all.len()..count.min(all.len() + OTHERS)).collect();
        let beginning = next.iter().map(|number| begin(&source, &namespaces, *number));
        let mut next = join_all(beginning).await;
        join_all(next.iter_mut().map(Going::switched)).await;
        all.append(&mut next);
    }
    eprintln!("the others have switched after {:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_mins(1)).await;
    look(&calls, count).await;
    assert!(all.iter().all(|going| !going.task.is_finished()), "every release still waits");
    for going in &all {
        going.task.abort();
    }
}

async fn connect(source: &Source, namespaces: &[String], number: usize) -> Cluster {
    let (namespace, name) = agent(namespaces, number);
    source.builder(namespace, &name).connect().await.unwrap()
}

async fn begin(source: &Source, namespaces: &[String], number: usize) -> Going {
    release(&connect(source, namespaces, number).await)
}

fn release(cluster: &Cluster) -> Going {
    let (tell, phase) = watch::channel(PhaseName::Preflight);
    let begun = Instant::now();
    let entered = Arc::new(Mutex::new(vec![(PhaseName::Preflight, begun)]));
    let noted = entered.clone();
    let releaser = cluster.releaser().report(move |progress: &Progress| {
        if let Progress::Entered { phase, .. } = progress {
            noted.lock().unwrap().push((*phase, Instant::now()));
            tell.send_replace(*phase);
        }
    });
    let change = Change::image("agent", image("1.3.0")).version("1.3.0");
    let plan = Plan::all_at_once().bake(Duration::from_hours(6));
    let task = tokio::spawn(async move { releaser.run(change, &plan).await });
    Going { begun, phase, entered, task }
}

impl Going {
    /// Returns once traffic has followed.
    async fn switched(&mut self) -> Took {
        let baking = self.phase.wait_for(|phase| *phase == PhaseName::Baking);
        if tokio::time::timeout(PATIENCE, baking).await.is_ok_and(|it| it.is_ok()) {
            return self.took();
        }
        panic!("a release did not switch: {:?}", (&mut self.task).await);
    }

    fn took(&self) -> Took {
        let entered = self.entered.lock().unwrap();
        let at = |wanted: PhaseName| entered.iter().find(|(phase, _)| *phase == wanted);
        let end = at(PhaseName::Baking).unwrap().1;
        let rolling = entered.windows(2).filter(|pair| pair[0].0 == PhaseName::RollingOut);
        let starting: Duration = rolling.map(|pair| pair[1].1 - pair[0].1).sum();
        let whole = end - self.begun;
        Took { whole, overhead: whole.saturating_sub(starting) }
    }
}

fn show(what: &str, all: &[Took]) {
    let mut whole: Vec<Duration> = all.iter().map(|it| it.whole).collect();
    let mut overhead: Vec<Duration> = all.iter().map(|it| it.overhead).collect();
    if all.is_empty() {
        return;
    }
    println!(
        "{what}: command → traffic follows {:?} (highest {:?}), without the pods' own time {:?} \
         (highest {:?})",
        median(&mut whole),
        whole[whole.len() - 1],
        median(&mut overhead),
        overhead[overhead.len() - 1],
    );
}

/// What it costs that all of them wait.
async fn look(calls: &Calls, count: usize) {
    let (before, used, begun) = (calls.all(), processor(), Instant::now());
    tokio::time::sleep(LOOK).await;
    let took = begun.elapsed().as_secs_f64();
    let cpu = processor().saturating_sub(used).as_secs_f64() / took * 100.0;
    let (now, most) = memory();
    let made = calls.since(&before);
    #[allow(clippy::cast_precision_loss, reason = "counts of requests are small")]
    let rate = made.values().sum::<u64>() as f64 / took;
    println!("{count} releases that wait, for {took:.0} s:");
    println!("memory {now:.1} MiB (most so far {most:.1}), {cpu:.2} % of a core");
    println!("{rate:.2} API requests a second: {made:?}");
    println!("{} connections", sockets());
}
