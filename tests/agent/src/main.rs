//! The agent of the test cluster: an HTTP server that answers with its version
//! and misbehaves in the ways that a release tool must cope with.
//!
//! `agent` serves as the environment says ([`config`]); `agent pause` only waits
//! for SIGTERM, which is all that the sandbox container of a pod has to do. Both
//! are in one static binary, so that one layer serves every image.

mod body;
mod config;
mod connection;
mod routes;
mod state;
mod worker;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time;

use crate::config::Config;
use crate::connection::Orders;
use crate::state::State;

/// How long an agent that was told to exit waits for its open requests.
const EXIT_GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match start() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("agent: {error}");
            ExitCode::from(2)
        }
    }
}

fn start() -> io::Result<u8> {
    // One thread: an agent is small, a test machine has few cores, and many run on it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match std::env::args().nth(1).as_deref() {
        None => {
            let config = Config::from_env(|name| std::env::var(name).ok())
                .map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
            LocalSet::new().block_on(&runtime, serve(config))
        }
        Some("pause") => runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            println!("pauses");
            terminate.recv().await;
            Ok(0)
        }),
        Some(other) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("unknown mode {other:?}: give none, or `pause`"),
        )),
    }
}

/// Serves until something ends the agent, and returns the exit code.
async fn serve(config: Config) -> io::Result<u8> {
    // Before anything that takes time: a process 1 without a handler never sees SIGTERM.
    let mut terminate = signal(SignalKind::terminate())?;
    if let Some(after) = config.crash_after {
        tokio::task::spawn_local(async move {
            time::sleep(after).await;
            eprintln!("agent: crashes, as AGENT_CRASH_AFTER_MS says");
            std::process::exit(1);
        });
    }
    tokio::select! {
        () = time::sleep(config.start_delay) => {}
        () = terminated(&mut terminate, config.ignore_sigterm) => return Ok(0),
    }

    let listener = TcpListener::bind(("0.0.0.0", config.port)).await?;
    println!("agent {} listens on {}", config.version, listener.local_addr()?);
    // Each connection has a receiver, so that it is known when the last one is over.
    let orders = Rc::new(watch::Sender::new(Orders::default()));
    let state = Rc::new(State::new(&config, Rc::clone(&orders)));
    let worker = tokio::task::spawn_local(worker::work(Rc::clone(&state)));
    // Once SIGTERM has come this is the time at which new connections are refused.
    let mut closing = None;
    let code = loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A failed accept is the client's doing, or passes: the agent goes on.
                if let Ok((stream, _)) = accepted {
                    let connection = connection::serve(stream, Rc::clone(&state), orders.subscribe());
                    tokio::task::spawn_local(connection);
                }
            }
            () = terminated(&mut terminate, config.ignore_sigterm), if closing.is_none() => {
                println!("agent {} was told to end", config.version);
                state.set_ready(false);
                closing = Some(time::Instant::now() + config.term_delay);
            }
            () = until(closing) => break None,
            code = state.exit_requested() => break Some(code),
        }
    };
    drop(listener);
    match code {
        None => {
            // Nothing that it has taken is lost.
            let (_, ()) = tokio::join!(worker, ended(&orders));
            Ok(0)
        }
        Some(code) => {
            // Long enough for the answer to the request that asked for it.
            drop(time::timeout(EXIT_GRACE, ended(&orders)).await);
            Ok(code)
        }
    }
}

/// Tells all connections that the agent ends, and waits until they are over.
async fn ended(orders: &watch::Sender<Orders>) {
    orders.send_modify(|orders| orders.end = true);
    orders.closed().await;
}

/// Waits for a SIGTERM that counts.
async fn terminated(signal: &mut Signal, ignored: bool) {
    while signal.recv().await.is_some() {
        if !ignored {
            return;
        }
        println!("agent: ignores SIGTERM, as AGENT_IGNORE_SIGTERM says");
    }
}

async fn until(deadline: Option<time::Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
