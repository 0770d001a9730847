//! The report on an experiment and its release, and what is known of each unit, in files.

use std::convert::Infallible;
use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluegreen_core::{Operations, SystemClock};
use bluegreen_validate::report::{ExperimentReport, ReleaseLog, ReleaseReport};
use bluegreen_validate::{ExperimentConfig, Exposures};

use crate::{say, settings};

/// How often files are written while an experiment goes on.
const EVERY: Duration = Duration::from_secs(5);

/// Larger than what is known of a few million units.
const LARGEST: u64 = 1 << 30;

const UNITS: &str = "exposures.json";
const RELEASE: &str = "report.json";

/// What is collected, and where it goes.
pub(crate) struct Report {
    pub(crate) log: ReleaseLog,
    pub(crate) exposures: Exposures,
    /// The metrics of which outcomes may be told.
    pub(crate) metrics: Arc<[String]>,
    folder: Option<PathBuf>,
    /// Who writes has it, so that an older state never lands after a newer one.
    turn: Arc<Mutex<()>>,
    /// No other process has the folder.
    _lock: Option<File>,
}

impl Report {
    /// Finds out whether anything can be written to the folder, and reads what the process left there with
    /// whose experiment this one goes on.
    pub(crate) fn prepare(
        folder: Option<&Path>,
        config: &ExperimentConfig,
        resumes: bool,
    ) -> Result<Self, String> {
        let (log, exposures) = (ReleaseLog::new(), Exposures::new());
        let metrics = settings::metrics(config).into();
        let Some(folder) = folder else {
            if resumes {
                return Err(
                    "--report: found nothing, wanted the folder of the process before: it has \
                            what is known of each unit"
                        .to_owned(),
                );
            }
            let log = log.experiment(config.clone());
            let turn = Arc::default();
            return Ok(Self { log, exposures, metrics, folder: None, turn, _lock: None });
        };
        let at = |name: &str| folder.join(name);
        let refuse = |path: &Path, found: &dyn Display, wanted: &str| {
            format!("--report: {}: found {found}, wanted {wanted}", path.display())
        };
        let writable = "a folder to write to";
        fs::create_dir_all(folder).map_err(|error| refuse(folder, &error, writable))?;
        let probe = at("probe.part");
        let probing = fs::write(&probe, "").and_then(|()| fs::remove_file(&probe));
        probing.map_err(|error| refuse(folder, &error, writable))?;
        let lock = File::create(at("in-use")).map_err(|error| refuse(folder, &error, writable))?;
        // A file system without locks has none that another process could hold.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(refuse(folder, &"another process at work in it", "one at a time"));
        }
        if !resumes && at(UNITS).exists() {
            let found = "what an experiment has left";
            let wanted = "`resume` to go on with it, or a folder of its own for another";
            return Err(refuse(&at(UNITS), &found, wanted));
        }
        let (folder, lock) = (Some(folder.to_owned()), Some(lock));
        let turn = Arc::default();
        let mut report = Self { log, exposures, metrics, folder, turn, _lock: lock };
        if resumes {
            let path = at(UNITS);
            let refused =
                |why: &dyn Display| refuse(&path, why, "what the process before has left");
            let text = read(&path).map_err(|error| refused(&error))?;
            let known = Exposures::from_json(text.as_bytes());
            report.exposures = known.map_err(|error| refused(&error.chain()))?;
            let path = at(RELEASE);
            let known = read(&path)
                .map_err(|error| error.to_string())
                .and_then(|text| ReleaseReport::from_json(&text).map_err(|error| error.chain()));
            match known {
                Ok(known) => report.log = ReleaseLog::resuming(SystemClock, known),
                // It is for people, and no reason not to go on.
                Err(why) => say(&format!("{} is begun anew: {why}", path.display())),
            }
        }
        report.log = report.log.experiment(config.clone());
        Ok(report)
    }

    /// How the experiment stands, once it has looked.
    pub(crate) fn experiment(&self) -> Option<ExperimentReport> {
        self.log.snapshot().experiments.into_iter().next()
    }

    /// Writes from time to time, and says how it stands, for as long as it is waited for.
    pub(crate) async fn keep(&self, operations: &Operations) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write(operations).await;
            self.log.lines().iter().for_each(|line| say(&format!("| {line}")));
        }
    }

    /// Writes the files. An experiment does not end because they can't be.
    pub(crate) async fn write(&self, operations: &Operations) {
        if let Ok(status) = operations.status().await
            && let Some(record) = &status.record
        {
            self.log.record(record);
        }
        self.save().await;
    }

    /// Writes the files without asking what the release has come to.
    pub(crate) async fn save(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let (log, exposures, turn) = (self.log.clone(), self.exposures.clone(), self.turn.clone());
        // Away from what keeps the lease alive: a disk may be slow. It goes on if nobody waits any more.
        let writing = tokio::task::spawn_blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            files(&folder, &log.snapshot(), &exposures)
        });
        match writing.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => say(&why),
            Err(error) => say(&format!("the report is not written: {error}")),
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > LARGEST {
        return Err(std::io::Error::other(format!("{length} bytes, more than {LARGEST}")));
    }
    fs::read_to_string(path)
}

fn files(folder: &Path, report: &ReleaseReport, exposures: &Exposures) -> Result<(), String> {
    let unwritten = |error: &dyn Display| format!("the report is not written: {error}");
    let json = report.to_json().map_err(|error| unwritten(&error))?;
    let units = exposures.to_json().map_err(|error| unwritten(&error.chain()))?;
    let mut all = vec![
        (RELEASE, json.into_bytes()),
        ("report.md", report.to_markdown().into_bytes()),
        ("report.html", report.to_html().into_bytes()),
        (UNITS, units),
    ];
    if let Some(experiment) = report.experiments.first() {
        let json = experiment.to_json().map_err(|error| unwritten(&error))?;
        all.push(("experiment.json", json.into_bytes()));
    }
    for (name, text) in all {
        let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
        // Whoever looks sees the old file or the new one.
        let written = || {
            let mut file = File::create(&part)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        written().map_err(|error| format!("{} is not written: {error}", path.display()))?;
    }
    Ok(())
}
