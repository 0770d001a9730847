//! Reviews of texts, and trials.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bluegreen_core::clock::minutes;
use bluegreen_core::{
    Clock, Color, Configuration, Container, ReleaseId, Side, SlotState, SystemClock, Trial,
};
use bluegreen_validate::migrations::{Dialect, Review};
use bluegreen_validate::{AddressClient, Migrations};

/// A release of one text, whose session bounds its locks.
pub(crate) fn migrations(dialect: Dialect, sql: &str) -> Migrations {
    Migrations::new(dialect).lock_timeout_elsewhere().text("m.sql", sql)
}

/// The names of the rules that a review names, in the order of its findings.
pub(crate) fn rules(review: &Review) -> Vec<&'static str> {
    assert!(review.problems.is_empty(), "{review}");
    review.findings.iter().map(|it| it.rule.id()).collect()
}

/// Every line of `table` is a statement, and the rules that name it.
pub(crate) fn all(dialect: Dialect, table: &[(&str, &[&str])]) {
    let mut wrong = Vec::new();
    for (sql, wanted) in table {
        let review = migrations(dialect, sql).review();
        let found = rules(&review);
        if found != *wanted {
            wrong.push(format!("{sql}\n  wanted {wanted:?}\n  found  {found:?}\n{review}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

/// A first look at a candidate of this version.
pub(crate) fn trial(version: &str) -> Trial {
    let side = |color: Color, version: &str| {
        let containers = BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]);
        let running = Configuration::new(containers).with_version(version);
        let client = Arc::new(AddressClient::new(Vec::<String>::new()));
        Side::new(SlotState::new(color, color.as_str(), running), client)
    };
    let deadline = SystemClock.now().plus(minutes(30));
    Trial::new(
        ReleaseId::new("r1"),
        side(Color::Green, version),
        side(Color::Blue, "1.2.0"),
        deadline,
    )
}

/// A folder of one's own with files; it ends with this value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("migrations-{}-{number}", std::process::id());
        let folder = Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
