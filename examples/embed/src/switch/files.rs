//! The files themselves. Everything here may block.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bluegreen_core::{Color, Error, ErrorKind, Problem, Result};
use serde::{Deserialize, Serialize};

/// What the proxy is to do.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Route {
    /// A color, unless somebody else wrote it.
    pub(super) live: String,
    pub(super) epoch: u64,
}

/// What the proxy does, as it says itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Followed {
    pub(super) live: String,
    pub(super) epoch: u64,
    /// The identities of the ready pods that it knows, by color.
    #[serde(default)]
    pub(super) pods: BTreeMap<String, Vec<String>>,
}

/// What stands in the file.
pub(super) enum Found {
    Route(Route),
    /// The text says what.
    Other(String),
}

/// `routing.json` and what stands beside it.
#[derive(Debug)]
pub(super) struct Files {
    route: PathBuf,
    status: PathBuf,
    lock: PathBuf,
    new: PathBuf,
}

impl Files {
    pub(super) fn new(route: PathBuf) -> Self {
        let [status, lock, new] =
            ["status.json", "lock", "new"].map(|extension| route.with_extension(extension));
        Self { route, status, lock, new }
    }

    pub(super) fn route(&self) -> Result<Found> {
        let text = match fs::read(&self.route) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Other("no file".to_owned()));
            }
            Err(error) => return Err(failed("read", &self.route, error)),
        };
        Ok(match serde_json::from_slice(&text) {
            Ok(route) => Found::Route(route),
            Err(error) => Found::Other(format!("no route: {error}")),
        })
    }

    /// `None` while the proxy has written nothing, or nothing that can be read.
    pub(super) fn followed(&self) -> Result<Option<Followed>> {
        match fs::read(&self.status) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.status, error)),
        }
    }

    /// Replaces the route by what `decide` makes of it; no one else can do so meanwhile. `decide`
    /// gives the words for a conflict when the route is not what it wants.
    pub(super) fn change(
        &self,
        action: &str,
        decide: impl FnOnce(Route) -> Result<Route, String>,
    ) -> Result<()> {
        let _lock = self.lock()?;
        let conflict = |why: String| {
            let action = format!("{action} in {}", self.route.display());
            Error::new(ErrorKind::Conflict, action).with_source(why)
        };
        let found = match self.route()? {
            Found::Route(route) => route,
            Found::Other(text) => return Err(conflict(text)),
        };
        let route = decide(found).map_err(conflict)?;
        self.write_new(&route).map_err(|error| failed("write", &self.new, error))?;
        fs::rename(&self.new, &self.route)
            .map_err(|error| failed("replace", &self.route, error))?;
        // From here on it has had its effect, but a power failure may still undo it.
        self.sync_folder().map_err(|error| {
            let action = format!("keep {}", self.route.display());
            Error::new(ErrorKind::Unknown, action).with_source(error)
        })
    }

    /// What stands in the way of a release. The write is tried as far as the file beside.
    pub(super) fn problems(&self) -> Result<Vec<Problem>> {
        let _lock = self.lock()?;
        let route = match self.route()? {
            Found::Route(route) if Color::parse(&route.live).is_some() => route,
            Found::Route(route) => return Ok(vec![self.no_route(&route.live)]),
            Found::Other(text) => return Ok(vec![self.no_route(&text)]),
        };
        let mut problems = Vec::new();
        let behind = match self.followed()? {
            Some(followed) if followed.live == route.live => None,
            Some(followed) => Some(format!("live `{}`", followed.live)),
            None => Some("nothing".to_owned()),
        };
        problems.extend(behind.map(|found| {
            Problem::new("proxy-behind", self.status.display().to_string())
                .found(found)
                .wanted(format!("live `{}`, written by the proxy", route.live))
                .mend("see that the proxy runs, and that it reads and writes in this folder")
        }));
        let tried = self.write_new(&route).and_then(|()| fs::remove_file(&self.new));
        problems.extend(tried.err().map(|error| {
            Problem::new("read-only-folder", self.new.display().to_string())
                .found(error.to_string())
                .wanted("a folder in which this process may write and rename")
        }));
        Ok(problems)
    }

    fn no_route(&self, found: &str) -> Problem {
        Problem::new("no-route", self.route.display().to_string())
            .found(found)
            .wanted(r#"{"live": "blue", "epoch": 0}, or green"#)
            .mend("write down where traffic goes now")
    }

    /// Held until the file is closed, by this process or by its end.
    fn lock(&self) -> Result<File> {
        let opened = File::options().create(true).append(true).open(&self.lock);
        let lock = opened.map_err(|error| failed("open", &self.lock, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                let action = format!("lock {}", self.lock.display());
                Err(Error::new(ErrorKind::Unavailable, action).with_source("another one has it"))
            }
            Err(TryLockError::Error(error)) => Err(failed("lock", &self.lock, error)),
        }
    }

    fn write_new(&self, route: &Route) -> io::Result<()> {
        let mut file = File::create(&self.new)?;
        serde_json::to_writer(&file, route)?;
        file.write_all(b"\n")?;
        file.sync_all()
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.route.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// An error from before there was any effect.
fn failed(action: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Rejected,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{action} {}", path.display())).with_source(error)
}
