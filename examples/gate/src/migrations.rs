//! The migrations of a release.

use bluegreen_core::Verdict;
use bluegreen_validate::Migrations;
use bluegreen_validate::migrations::{Locks, Phase};

use crate::cli::MigrationFiles;
use crate::{Failure, show};

/// Prints what was found, and says whether the other slot bears it.
pub(crate) fn judge(files: &MigrationFiles) -> Result<Verdict, Failure> {
    let review = migrations(files).review();
    if let Some(path) = &files.json {
        // Only texts and numbers are in it.
        let text = serde_json::to_string_pretty(&review)
            .map_err(|error| Failure::Error(format!("a report as JSON: {error}")))?;
        std::fs::write(path, text + "\n").map_err(|error| {
            Failure::Unusable(vec![format!("--json {}: {error}", path.display())])
        })?;
    }
    if review.verdict() == Verdict::Inconclusive {
        let problems = review.problems.iter().map(ToString::to_string).collect();
        return Err(Failure::Unusable(problems));
    }
    show::out(&[review.to_string()]);
    Ok(review.verdict())
}

fn migrations(files: &MigrationFiles) -> Migrations {
    let mut all = Migrations::new(files.dialect.into());
    for path in &files.paths {
        all = if path.is_dir() { all.folder(path) } else { all.file(path) };
    }
    if let Some(name) = &files.applied {
        all = all.applied_until(name);
    }
    if files.contract {
        all = all.phase(Phase::Contract);
    }
    if files.allow_locks {
        all = all.locks(Locks::Notice);
    }
    if files.in_transactions {
        all = all.in_transactions();
    }
    if files.lock_timeout_elsewhere {
        all = all.lock_timeout_elsewhere();
    }
    all
}
