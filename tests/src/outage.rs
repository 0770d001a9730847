//! A program of the cluster that is away for a while.

use std::process::Command;

/// The script that does it.
const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/component");

/// The programs that are cut off where the API server is away.
const CLIENTS: [&str; 4] = ["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];

/// One program of the cluster is away, until this ends or is dropped.
///
/// The whole cluster suffers, so a test that makes one runs by itself.
#[derive(Debug)]
pub struct Outage {
    program: &'static str,
    back: &'static str,
}

impl Outage {
    /// The program crashes, and is not started again.
    pub fn crash(program: &'static str) -> Self {
        run(program, "stop");
        Self { program, back: "start" }
    }

    /// The program goes deaf: its connections stay open, and nothing is answered.
    pub fn freeze(program: &'static str) -> Self {
        run(program, "pause");
        Self { program, back: "continue" }
    }

    /// The program is back when this returns.
    pub fn end(self) {
        drop(self);
    }

    /// Starts everything anew that talks to the API server: after an outage each of them tries
    /// again ever less often, up to minutes later, which is not what the next test is about.
    pub fn forget() {
        for program in CLIENTS {
            Self::crash(program).end();
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        run(self.program, self.back);
    }
}

/// Blocks: meanwhile nothing else happens in a test of one thread.
fn run(program: &str, action: &str) {
    let cluster = std::env::var("BLUEGREEN_CLUSTER").expect("the cluster needs a name");
    let status = Command::new(COMPONENT).args([program, action, &cluster]).status().unwrap();
    assert!(status.success(), "{program} {action}: {status}");
}
