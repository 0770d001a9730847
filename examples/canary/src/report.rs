//! The report on a release: a line for each metric on the terminal, and files.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluegreen_core::{Operations, SystemClock};
use bluegreen_validate::report::{ReleaseLog, ReleaseReport};

use crate::say;

/// How often files are written and lines are printed while a release goes on.
const EVERY: Duration = Duration::from_secs(5);

/// Larger than any report.
const LARGEST: u64 = 64 << 20;

/// What is collected of a release, and where it goes.
pub(crate) struct Report {
    pub(crate) log: ReleaseLog,
    folder: Option<PathBuf>,
    /// Who writes has it, so that an older state never lands after a newer one.
    turn: Arc<Mutex<()>>,
}

impl Report {
    /// Finds out whether anything can be written to the folder before anything is done.
    pub(crate) fn prepare(folder: Option<&Path>, resumes: bool) -> Result<Self, String> {
        let (log, turn) = (ReleaseLog::new(), Arc::default());
        let mut report = Self { log, folder: None, turn };
        let Some(folder) = folder else { return Ok(report) };
        let refuse = |what: &dyn std::fmt::Display| {
            format!("--report {}: found {what}, wanted a folder to write to", folder.display())
        };
        fs::create_dir_all(folder).map_err(|error| refuse(&error))?;
        let probe = folder.join("report.json.part");
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(|it| refuse(&it))?;
        report.folder = Some(folder.to_owned());
        let known = folder.join("report.json");
        let length = fs::metadata(&known).map_or(0, |it| it.len());
        if resumes && (1..LARGEST).contains(&length) {
            let text = fs::read_to_string(&known).map_err(|error| refuse(&error))?;
            match ReleaseReport::from_json(&text) {
                // If it is of another release, the log begins anew by itself.
                Ok(known) => report.log = ReleaseLog::resuming(SystemClock, known),
                Err(error) => say(&format!("{} is begun anew: {}", known.display(), error.chain())),
            }
        }
        Ok(report)
    }

    /// Writes and prints from time to time, for as long as it is waited for.
    pub(crate) async fn keep(&self, operations: &Operations) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write(operations).await;
            for line in self.log.lines() {
                say(&format!("           | {line}"));
            }
        }
    }

    /// Writes the files. A release does not end because they can't be.
    pub(crate) async fn write(&self, operations: &Operations) {
        if let Ok(status) = operations.status().await
            && let Some(record) = &status.record
        {
            self.log.record(record);
        }
        let Some(folder) = self.folder.clone() else { return };
        let (log, turn) = (self.log.clone(), self.turn.clone());
        // Away from what keeps the lease alive: a disk may be slow. It goes on if nobody waits any more.
        let writing = tokio::task::spawn_blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            files(&folder, &log.snapshot())
        });
        match writing.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => say(&why),
            Err(error) => say(&format!("the report is not written: {error}")),
        }
    }
}

fn files(folder: &Path, report: &ReleaseReport) -> Result<(), String> {
    let json = report.to_json().map_err(|error| format!("the report is not written: {error}"))?;
    for (name, text) in [("report.json", json), ("report.html", report.to_html())] {
        let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
        // Whoever looks sees the old file or the new one.
        fs::write(&part, text)
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|error| format!("{} is not written: {error}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bluegreen_core::memory::{MemoryCluster, TokioClock};
    use bluegreen_core::{Capabilities, Change, Configuration, Container, Outcome, Plan, Releaser};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_files_say_how_a_release_went() {
        let folder = std::env::temp_dir().join(format!("canary-release-{}", std::process::id()));
        let container = Container::new("example.com/agent:1");
        let live = Configuration::new(BTreeMap::from([("agent".to_owned(), container)]));
        let cluster = MemoryCluster::builder("agent-service", live.with_version("1"))
            .clock(TokioClock::default())
            .capabilities(Capabilities::ALL)
            .build();
        let report = Report::prepare(Some(&folder), false).unwrap();
        let releaser = Releaser::new(cluster.ports("one")).report(report.log.clone());
        let change = Change::image("agent", "example.com/agent:2").version("2");
        let mut plan = Plan::canary([5, 50]);
        plan.drain.max = Duration::ZERO;
        plan.drain.quiet = Duration::ZERO;
        assert_eq!(releaser.run(change, &plan).await.unwrap(), Outcome::Released);
        report.write(&releaser.operations()).await;

        let json = fs::read_to_string(folder.join("report.json")).unwrap();
        let told = ReleaseReport::from_json(&json).unwrap();
        assert_eq!(told.outcome, Some(Outcome::Released));
        assert_eq!((told.version.as_deref(), told.baseline.as_deref()), (Some("2"), Some("1")));
        let shares: Vec<String> =
            told.shares.points().iter().map(|it| it.green.to_string()).collect();
        assert_eq!(shares, ["0", "0.05", "0.5", "1"]);
        let page = fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(page.contains("<h1>agent-service 2 <span class=\"pass\">released</span></h1>"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn where_nothing_can_be_written_it_is_said_before() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let Err(why) = Report::prepare(Some(Path::new(file)), false) else {
            panic!("it should be refused")
        };
        assert!(why.contains("Cargo.toml") && why.contains("wanted a folder to write to"), "{why}");
    }

    #[test]
    fn files_are_written_and_gone_on_with() {
        let folder = std::env::temp_dir().join(format!("canary-report-{}", std::process::id()));
        let report = Report::prepare(Some(&folder), true).unwrap();
        let mut heard = report.log.snapshot();
        heard.release = Some("r7".to_owned());
        files(&folder, &heard).unwrap();
        let page = fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(page.contains("<dt>release</dt><dd>r7</dd>"), "{page}");
        let again = Report::prepare(Some(&folder), true).unwrap();
        assert_eq!(again.log.snapshot(), heard);
        let anew = Report::prepare(Some(&folder), false).unwrap();
        assert_eq!(anew.log.snapshot().release, None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
