//! The process that is killed.

use std::process::{ExitCode, Stdio};

use bluegreen_core::Progress;
use bluegreen_tests::{Access, Agent, Proxy};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::scene::{self, Scene};

/// With this argument the program is such a process.
pub(crate) const WORD: &str = "victim";
/// What it calls itself.
pub(crate) const HOLDER: &str = "one";

/// Does what the process of this scene does, and tells of each phase that it enters.
pub(crate) async fn act(scene: &str, address: &str, namespace: &str) -> ExitCode {
    let scene: Scene = scene.parse().expect("the name of a scene");
    let access = Access::through(address.parse().expect("the address of a proxy"));
    let cluster = scene::connect(access.client(), namespace, HOLDER).await;
    let tell = |progress: &Progress| {
        if let Progress::Entered { phase, .. } = progress {
            println!("{phase}");
        }
    };
    match scene.act(&cluster, tell).await {
        Ok(()) => {
            cluster.operations().resign().await.expect("the lease can be given back");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", bluegreen_core::chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Such a process, seen from outside.
#[derive(Debug)]
pub(crate) struct Victim {
    process: Child,
    phases: watch::Receiver<Vec<String>>,
    _reading: JoinHandle<()>,
}

impl Victim {
    /// Starts it, with nothing but this way to the cluster.
    pub(crate) fn start(scene: Scene, proxy: &Proxy, agent: &Agent) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([WORD, scene.name(), &proxy.address().to_string(), agent.namespace().name()])
            .env_remove("KUBECONFIG")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (told, phases) = watch::channel(Vec::new());
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                told.send_modify(|phases: &mut Vec<String>| phases.push(line));
            }
        });
        Self { process, phases, _reading: reading }
    }

    /// Returns once it has entered a phase; for ever if it ends before.
    pub(crate) async fn enters(&self, phase: &str) {
        let mut phases = self.phases.clone();
        if phases.wait_for(|all| all.iter().any(|it| it == phase)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The phases that it has entered so far.
    pub(crate) fn phases(&self) -> Vec<String> {
        self.phases.borrow().clone()
    }

    /// Kills it with SIGKILL. Whether it was there to be killed.
    pub(crate) async fn kill(&mut self) -> bool {
        self.process.kill().await.unwrap();
        self.process.wait().await.unwrap().code().is_none()
    }

    /// Stops it where it is, or lets it go on. Whether it was there.
    pub(crate) async fn signal(&self, name: &str) -> bool {
        let Some(id) = self.process.id() else { return false };
        let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status();
        sent.await.unwrap().success()
    }

    /// Returns once it has ended by itself; whether it says that all went well.
    pub(crate) async fn ends(&mut self) -> bool {
        self.process.wait().await.unwrap().success()
    }
}
