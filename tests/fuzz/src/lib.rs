//! Whatever is parsed from outside, given things that nobody would send.
//!
//! Each [target](TARGETS) is a function of bytes that calls the libraries as a program would, and
//! panics where a promise is broken: what is malformed is an error or a value, never a panic, takes
//! bounded memory and time, and what can be written reads back the same. `tests/fuzz/README.md` says
//! how the targets are run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a finding")]

mod agent;
mod answer;
mod conversation;
mod definition;
mod evidence;
mod http1;
mod load;
mod migrations;
mod mutate;
mod objects;
mod plan;
mod prometheus;
mod record;
mod scrape;
mod server;
mod stand_in;
mod suite;
mod words;

pub use mutate::mutate;

/// Something that parses, and what must hold of it whatever it is given.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// What it is called on the command line, and its folder in the corpus.
    pub name: &'static str,
    /// Runs it once. It panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 14] = [
    // Records, from the ConfigMap to what a driver makes of them.
    Target { name: "record", run: record::run },
    // Plans and changes.
    Target { name: "plan", run: plan::run },
    // Objects of an API server that lies.
    Target { name: "objects", run: objects::run },
    // Requests to the stand-in.
    Target { name: "stand-in", run: stand_in::run },
    // Answers of agents, as a smoke test reads them.
    Target { name: "answer", run: answer::run },
    // Metrics and JSON with what pods and Envoys have in hand.
    Target { name: "load", run: load::run },
    // Answers of a Prometheus, and what it may not show.
    Target { name: "prometheus", run: prometheus::run },
    // Metrics of pods, scraped twice.
    Target { name: "scrape", run: scrape::run },
    // Definitions of smoke tests in JSON and YAML.
    Target { name: "definition", run: definition::run },
    // Suites of prompts in JSON and YAML, and promptfoo's.
    Target { name: "suite", run: suite::run },
    // Answers of agents, as a suite of prompts reads them, and cassettes.
    Target { name: "conversation", run: conversation::run },
    // Migrations of both dialects.
    Target { name: "migrations", run: migrations::run },
    // Bytes of a connection, in place of HTTP.
    Target { name: "wire", run: http1::run },
    // Images, durations, versions, names.
    Target { name: "words", run: words::run },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Runs `future` in a time of its own that leaps where nothing else is to be done, and gives it up
/// after `seconds` of that time.
fn within<F: Future>(seconds: u64, future: F) -> Option<F::Output> {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
    }
    let limit = std::time::Duration::from_secs(seconds);
    RUNTIME
        .with(|runtime| runtime.block_on(async { tokio::time::timeout(limit, future).await }))
        .ok()
}

/// An error is one line that can be shown, whatever it is about.
fn shown(error: &(dyn std::error::Error + 'static), given: &[u8]) {
    let text = bluegreen_core::chain(error);
    assert!(!text.contains(['\n', '\r']), "{text:?}");
    // A few levels, each with a quote of what was found.
    assert!(text.len() <= 16 * 1024 + 8 * given.len(), "{} bytes", text.len());
}
