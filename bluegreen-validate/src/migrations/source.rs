//! The files of a release: which, in which order, and what is wrong with them.

use std::cmp::Ordering;
use std::io::Read;
use std::path::{Path, PathBuf};

use bluegreen_core::Problem;

/// The longest file in bytes.
pub(super) const LONGEST: u64 = 1024 * 1024;
/// The most files of one release.
const MOST_FILES: usize = 1_000;
/// How deep below a folder files are looked for: `migrations/0007_names/up.sql`.
const DEEPEST: usize = 3;

/// A text with SQL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Source {
    /// What findings call it.
    pub(super) name: String,
    /// Its name below the folder that it was found in; what is applied is told by it.
    pub(super) below: String,
    pub(super) text: String,
}

/// The file of this path.
pub(super) fn file(path: &Path, below: &str) -> Result<Source, Box<Problem>> {
    let name = path.display().to_string();
    let refuse = |found: String, wanted: &str| {
        Box::new(Problem::new("unreadable-migration", &name).found(found).wanted(wanted))
    };
    let unreadable = |error: std::io::Error| refuse(error.to_string(), "a file that can be read");
    // What blocks when it is opened is no file: a pipe, say.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(refuse("something else".to_owned(), "a file"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(refuse("more than 1 MiB".to_owned(), "a file of at most 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refuse(format!("bytes that are no text at byte {at}"), "UTF-8 text")
    })?;
    Ok(Source { name: name.clone(), below: below.to_owned(), text })
}

/// The files below `folder` whose names end in `.sql`, as tools apply them: by name, numbers by their
/// value. What takes a migration back (`down.sql`, `*.down.sql`) is not part of a release.
pub(super) fn folder(folder: &Path) -> (Vec<Source>, Vec<Problem>) {
    let mut paths = Vec::new();
    let mut problems = Vec::new();
    list(folder, DEEPEST, &mut paths, &mut problems);
    let below = |path: &Path| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let mut files: Vec<(String, PathBuf)> =
        paths.into_iter().map(|path| (below(&path), path)).collect();
    files.sort_by(|(one, _), (other, _)| natural(one, other));
    let object = folder.display().to_string();
    if files.len() > MOST_FILES {
        let found = format!("{} files", files.len());
        let wanted = format!("at most {MOST_FILES} of one release");
        problems.push(Problem::new("too-many-migrations", &object).found(found).wanted(wanted));
        files.truncate(MOST_FILES);
    }
    if files.is_empty() && problems.is_empty() {
        problems.push(
            Problem::new("no-migrations", object)
                .found("no file whose name ends in .sql")
                .wanted("the migrations of the release"),
        );
    }
    let mut sources = Vec::new();
    for (below, path) in files {
        match file(&path, &below) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(*problem),
        }
    }
    (sources, problems)
}

fn list(folder: &Path, deep: usize, paths: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let object = folder.display().to_string();
    let unreadable = |error: std::io::Error| {
        Problem::new("unreadable-migration", &object)
            .found(error.to_string())
            .wanted("a folder that can be read")
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unreadable(error)),
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                problems.push(unreadable(error));
                continue;
            }
        };
        if path.is_dir() {
            if deep > 0 {
                list(&path, deep - 1, paths, problems);
            } else {
                problems.push(
                    Problem::new("unreadable-migration", path.display().to_string())
                        .found(format!("a folder more than {DEEPEST} levels down"))
                        .wanted("migrations nearer to their folder"),
                );
            }
        } else if is_migration(&path) {
            paths.push(path);
        }
    }
}

fn is_migration(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let takes_back = name
        .strip_suffix(".sql")
        .is_some_and(|it| it == "down" || it.strip_suffix(".down").is_some());
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("sql")) && !takes_back
}

/// By characters, and numbers by their value: `V2` before `V10`.
pub(super) fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
            // Equal but for leading zeros: some order, and always the same.
            return left.len().cmp(&right.len()).then_with(|| one.cmp(other));
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (number, rest) = digits(left);
            let (wanted, others) = digits(right);
            let by_value = number.len().cmp(&wanted.len()).then_with(|| number.cmp(wanted));
            if by_value != Ordering::Equal {
                return by_value;
            }
            (left, right) = (rest, others);
        } else if a == b {
            (left, right) = (&left[a.len_utf8()..], &right[b.len_utf8()..]);
        } else {
            // What ends a version comes before what goes on with it: `V2__` before `V2.1__`.
            return (a != '_', a).cmp(&(b != '_', b));
        }
    }
}

/// The digits at the beginning without leading zeros, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_as_tools_apply_them() {
        let mut names = ["V10__b.sql", "V2__a.sql", "V2.1__c.sql", "0009.sql", "10.sql", "9.sql"];
        names.sort_by(|one, other| natural(one, other));
        let wanted = ["0009.sql", "9.sql", "10.sql", "V2__a.sql", "V2.1__c.sql", "V10__b.sql"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn what_takes_back_is_no_migration() {
        let is = |name: &str| is_migration(Path::new(name));
        assert!(is("a/0001_x.up.sql") && is("a/UP.SQL") && is("download.sql"));
        assert!(!is("a/0001_x.down.sql") && !is("a/down.sql") && !is("a/readme.md"));
    }
}
