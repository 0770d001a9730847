//! A cluster in memory whose traffic goes through a proxy that reads the routing file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::memory::{Faults, MemoryCluster, TokioClock};
use bluegreen_core::{
    Change, Color, Configuration, Container, Operations, Outcome, PhaseName, Ports, Progress,
    Releaser,
};
use embed::{Command, FileSwitch, carry_out, releaser};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Longer than anything here lasts in paused time.
const LONG: Duration = Duration::from_hours(10);

pub(crate) struct World {
    pub(crate) cluster: MemoryCluster,
    pub(crate) folder: Folder,
    /// Ends when it is dropped.
    proxy: JoinSet<()>,
    /// Whether the proxy leaves traffic where it was.
    rests: Arc<AtomicBool>,
    poll: Duration,
}

impl World {
    /// Traffic goes to two pods of blue, and the proxy has said so. Files are looked at every two
    /// seconds, because in paused time it is looking that takes long.
    pub(crate) fn new() -> Self {
        Self::polling(Duration::from_secs(2))
    }

    /// The same where files are looked at so often.
    pub(crate) fn polling(poll: Duration) -> Self {
        let cluster = MemoryCluster::builder("agent-service", configuration())
            .clock(TokioClock::new())
            .build();
        let folder = Folder::new();
        folder.write("routing.json", r#"{"live": "blue", "epoch": 0}"#);
        follow(&cluster, &folder.path, false);
        let rests = Arc::<AtomicBool>::default();
        let (seen, path, still) = (cluster.clone(), folder.path.clone(), rests.clone());
        let mut proxy = JoinSet::new();
        proxy.spawn(async move {
            loop {
                follow(&seen, &path, still.load(Ordering::Relaxed));
                sleep(poll).await;
            }
        });
        Self { cluster, folder, proxy, rests, poll }
    }

    pub(crate) fn switch(&self) -> FileSwitch {
        FileSwitch::new(self.folder.path.join("routing.json"), self.cluster.clock())
            .with_poll(self.poll)
    }

    /// The proxy dies.
    pub(crate) fn stop_proxy(&mut self) {
        self.proxy.abort_all();
    }

    /// The proxy leaves traffic with blue from now on, and still says what it sees.
    pub(crate) fn leave_traffic(&self) {
        self.rests.store(true, Ordering::Relaxed);
    }

    /// Everything that one process acts through: all in memory, but for the switch.
    pub(crate) fn ports(&self, process: &str) -> Ports {
        let mut ports = self.cluster.ports(process);
        ports.switch = Arc::new(self.switch());
        ports
    }

    /// What the file says: `{"live":"blue","epoch":0}`.
    pub(crate) fn routing(&self) -> String {
        self.folder.read("routing.json")
    }

    pub(crate) fn live(&self) -> Color {
        let color = |color: &Color| self.routing().contains(&format!("\"{color}\""));
        Color::BOTH.into_iter().find(color).expect("one of the colors")
    }

    /// Returns once the stored release is in this phase.
    pub(crate) async fn reached(&self, phase: PhaseName) {
        let operations = Operations::new(self.cluster.ports("observer"));
        let waiting = async {
            let mut known = None;
            loop {
                let stored = operations.watch(known).await.unwrap().unwrap();
                if stored.document.current().unwrap().phase.name() == phase {
                    return;
                }
                known = Some(stored.revision);
            }
        };
        timeout(LONG, waiting).await.expect("the phase comes");
    }
}

/// A process with the program in it, and what it told.
pub(crate) struct Process {
    pub(crate) releaser: Releaser,
    told: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub(crate) fn new(ports: Ports) -> Self {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let ear = Arc::clone(&told);
        let report = move |progress: &Progress| ear.lock().unwrap().push(progress.to_string());
        Self { releaser: releaser(ports).report(report), told }
    }

    pub(crate) fn faulty(world: &World, process: &str) -> (Self, Faults) {
        let faults = Faults::new();
        (Self::new(faults.around(world.ports(process))), faults)
    }

    pub(crate) async fn does(&self, command: Command) -> Outcome {
        let end = timeout(LONG, carry_out(command, &self.releaser)).await;
        end.expect("it ends").expect("it can be done")
    }

    /// How many lines with this text were told.
    pub(crate) fn told(&self, text: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

pub(crate) fn new_image() -> Command {
    Command::Release(Change::image("agent", "registry.example.com/agent-service:1.3.0"))
}

fn configuration() -> Configuration {
    let agent = Container::new("registry.example.com/agent-service:1.2.0");
    Configuration::new([("agent".to_owned(), agent)].into()).with_version("1.2.0")
}

/// What the project's proxy does whenever it looks: routes as the file says, and says so.
fn follow(cluster: &MemoryCluster, folder: &Path, rests: bool) {
    let route = fs::read_to_string(folder.join("routing.json")).unwrap_or_default();
    let Ok(mut status) = serde_json::from_str::<serde_json::Value>(&route) else { return };
    if rests {
        status["live"] = Color::Blue.as_str().into();
    }
    for color in Color::BOTH {
        let pods = cluster.pods(color).into_iter().filter(|pod| pod.ready).map(|pod| pod.uid);
        status["pods"][color.as_str()] = pods.collect::<Vec<_>>().into();
    }
    let new = folder.join("routing.status.new");
    fs::write(&new, status.to_string()).unwrap();
    fs::rename(new, folder.join("routing.status.json")).unwrap();
}

/// A folder of its own for each test, gone after it.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap()
    }

    /// Writes as somebody does who asks neither for epochs nor for locks.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
