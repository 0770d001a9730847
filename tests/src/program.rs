//! Programs beside the cluster, such as proxies that are configured from it.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::process::Command;

/// The program that a variable names. It ends with this one.
pub fn program(variable: &str) -> Command {
    let path = env::var_os(variable);
    let path: OsString = path.unwrap_or_else(|| panic!("{variable} should name a program"));
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}

/// The program of one of the examples, built by the cargo that runs this test, as it is when all of them
/// are: what they have in common is then compiled once. It is beside this one.
pub async fn example(name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").expect("cargo runs this");
    let mut build = Command::new(cargo);
    build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args([
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        "--bin",
        name,
    ]);
    // What cargo tells a test of its package, build scripts take for a change of theirs: all that
    // depends on one that looks at them would be compiled anew, in the middle of the tests.
    let of_test = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (variable, _) in env::vars_os() {
        let is_of_test = |start: &&str| variable.to_str().is_some_and(|it| it.starts_with(*start));
        if of_test.iter().any(is_of_test) {
            build.env_remove(&variable);
        }
    }
    assert!(build.status().await.unwrap().success(), "{name} can be built");
    let own = env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join(name)
}

/// Ports that nobody listens at, all different. They are none of those that connections get, which
/// could be taken again before the program listens.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    [(); COUNT].map(|()| {
        loop {
            let port = NEXT.fetch_add(1, Ordering::Relaxed);
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}

/// What a program says, in a folder.
pub fn log(folder: &Path, name: &str) -> File {
    File::create(folder.join(format!("{name}.log"))).unwrap()
}

/// A folder of this name among the cluster's logs, which goes with it.
pub fn folder(name: &str) -> PathBuf {
    let run = env::var_os("BLUEGREEN_CLUSTER_RUN").unwrap();
    let folder = PathBuf::from(run).join("logs").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Defines kinds in the cluster, and returns once they are served.
pub(crate) async fn define(folder: &Path) {
    let mut apply = program("BLUEGREEN_KUBECTL");
    apply.args(["apply", "--server-side", "-f"]).arg(folder);
    assert!(apply.status().await.unwrap().success(), "the kinds should be defined");
    let mut wait = program("BLUEGREEN_KUBECTL");
    wait.args(["wait", "--for=condition=Established", "--timeout=60s", "-f"]).arg(folder);
    assert!(wait.status().await.unwrap().success(), "the kinds should be served");
}
