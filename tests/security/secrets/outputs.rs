//! Everything that came out, to be looked through at the end.

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};

use bluegreen_core::Outcome;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::planted;

/// Everything that came out, and the log.
#[derive(Clone)]
pub(crate) struct Outputs {
    texts: Arc<Mutex<Vec<(String, String)>>>,
    log: Log,
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Outputs {
    /// Nothing yet. From now on everything that the libraries log at any level is in it.
    pub(crate) fn new() -> Self {
        let log = Log::default();
        let ours = ["bluegreen_core", "bluegreen_kube", "bluegreen_validate"];
        let ours = Targets::new().with_targets(ours.map(|name| (name, LevelFilter::TRACE)));
        let lines = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_ansi(false);
        tracing_subscriber::registry().with(lines).with(ours).init();
        Self { texts: Arc::default(), log }
    }

    pub(crate) fn text(&self, what: impl Into<String>, text: impl Into<String>) {
        self.texts.lock().unwrap().push((what.into(), text.into()));
    }

    /// In both of its forms.
    pub(crate) fn debug(&self, what: &str, value: &impl Debug) {
        self.text(what, format!("{value:?}"));
        self.text(what, format!("{value:#?}"));
    }

    pub(crate) fn outcome(&self, outcome: &Outcome) {
        self.text("outcome", outcome.to_string());
        self.text("outcome", serde_json::to_string(outcome).unwrap());
        self.debug("outcome", outcome);
    }

    /// None of it has anything in it that was planted.
    #[track_caller]
    pub(crate) fn are_clean(&self) {
        let log = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("release progress"), "the libraries log: {log}");
        let mut all = self.texts.lock().unwrap().clone();
        all.extend(log.lines().map(|line| ("log".to_owned(), line.to_owned())));
        assert!(all.len() > 200, "{} outputs are few", all.len());
        let mut told = Vec::new();
        for (what, text) in &all {
            for secret in planted::ALL {
                // As it is, as JSON has it, as Rust's own form has it, and most of it.
                let escaped = secret.replace('"', "\\\"");
                let twice = escaped.replace('\\', "\\\\").replace('"', "\\\"");
                let most = &secret[secret.len() - 10..];
                if [secret, &escaped, &twice, most].iter().any(|form| text.contains(form)) {
                    told.push(format!("{secret} in {what}: {text}"));
                }
            }
        }
        assert!(told.is_empty(), "{} times: {}", told.len(), told.join("\n"));
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
