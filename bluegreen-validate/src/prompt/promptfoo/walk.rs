//! Files that a pattern finds, with a bound on how much is looked at.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

/// More entries of folders than any suite lies among. A pattern like `/**/x` would go through a
/// whole disk.
const MOST: usize = 20_000;

/// The files that `pattern` finds from `directory` on, in order. What is a pattern there is a name
/// in `directory`.
///
/// # Errors
/// The pattern is none, a folder that it leads to can't be read, or it leads to too much.
pub(super) fn find(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    find_among(MOST, directory, pattern)
}

/// The same among at most so many entries of folders.
fn find_among(most: usize, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut walk = Walk { left: most, most };
    let mut places = BTreeSet::from([directory.to_owned()]);
    for component in Path::new(pattern).components() {
        places = match component {
            Component::Normal(name) => {
                let name = name.to_str().ok_or("a name that is no text")?;
                let pattern = Pattern::new(name).map_err(|error| error.to_string())?;
                if name == "**" {
                    walk.below(places)?
                } else if name.contains(['*', '?', '[']) {
                    walk.like(&pattern, &places)?
                } else {
                    joined(&places, name)
                }
            }
            Component::CurDir => places,
            other => joined(&places, other.as_os_str()),
        };
    }
    let mut files = Vec::new();
    for place in places {
        if kind(&place, fs::metadata(&place))?.is_some_and(|it| it.is_file()) {
            files.push(place);
        }
    }
    Ok(files)
}

fn joined(places: &BTreeSet<PathBuf>, name: impl AsRef<Path>) -> BTreeSet<PathBuf> {
    // The root takes the place of what was before it.
    places.iter().map(|place| place.join(name.as_ref())).collect()
}

/// What is at a place, if anything is.
fn kind(place: &Path, found: io::Result<fs::Metadata>) -> Result<Option<fs::Metadata>, String> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(format!("`{}`: {error}", place.display())),
    }
}

struct Walk {
    left: usize,
    most: usize,
}

impl Walk {
    /// What is in a folder; nothing in what is none.
    fn entries(&mut self, place: &Path) -> Result<Vec<fs::DirEntry>, String> {
        if !kind(place, fs::metadata(place))?.is_some_and(|it| it.is_dir()) {
            return Ok(Vec::new());
        }
        let refuse = |error: io::Error| format!("`{}`: {error}", place.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(place).map_err(refuse)? {
            let left = self.left.checked_sub(1);
            self.left = left.ok_or_else(|| {
                format!("a pattern that leads through more than {} entries of folders", self.most)
            })?;
            entries.push(entry.map_err(refuse)?);
        }
        Ok(entries)
    }

    fn like(
        &mut self,
        pattern: &Pattern,
        places: &BTreeSet<PathBuf>,
    ) -> Result<BTreeSet<PathBuf>, String> {
        let mut found = BTreeSet::new();
        for place in places {
            let entries = self.entries(place)?.into_iter();
            let like = entries
                .filter(|it| it.file_name().to_str().is_some_and(|name| pattern.matches(name)));
            found.extend(like.map(|entry| place.join(entry.file_name())));
        }
        Ok(found)
    }

    /// The places themselves and all folders below them. Links are not followed, which may lead in
    /// a circle.
    fn below(&mut self, places: BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>, String> {
        let mut left: Vec<PathBuf> = places.iter().cloned().collect();
        let mut found = places;
        while let Some(place) = left.pop() {
            for entry in self.entries(&place)? {
                let path = place.join(entry.file_name());
                let kind = kind(&path, fs::symlink_metadata(&path))?;
                if kind.is_some_and(|it| it.is_dir()) && found.insert(path.clone()) {
                    left.push(path);
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Files;
    use super::*;

    /// A folder that is gone after the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("one/two")).unwrap();
            for file in ["a.yaml", "one/b.yaml", "one/two/c.yaml"] {
                fs::write(path.join(file), "x").unwrap();
            }
            Self(path)
        }

        fn found(&self, pattern: &str) -> Result<Vec<String>, String> {
            let found = Files::new(&self.0).find(pattern)?;
            let short = |path: PathBuf| path.strip_prefix(&self.0).unwrap().display().to_string();
            Ok(found.into_iter().map(short).collect())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn patterns_find_files_in_a_folder_whatever_its_name() {
        let folder = Folder::new("bluegreen [old] files?");
        assert_eq!(folder.found("one/*.yaml").unwrap(), ["one/b.yaml"]);
        assert_eq!(folder.found("file://**/[bc].yaml").unwrap(), ["one/b.yaml", "one/two/c.yaml"]);
        assert_eq!(folder.found("**/*.yaml").unwrap().len(), 3);
        assert_eq!(folder.found("one/../?.yaml").unwrap(), ["one/../a.yaml"]);
        assert!(folder.found("one/*.json").unwrap_err().contains("no file"));
        assert!(folder.found("***/a.yaml").is_err());
        assert!(folder.found("[/a.yaml").is_err());
    }

    #[test]
    fn a_pattern_does_not_look_through_a_whole_disk() {
        let folder = Folder::new("bluegreen many files");
        // There are five entries, of which both steps see all.
        assert_eq!(find_among(10, &folder.0, "**/*.yaml").unwrap().len(), 3);
        let error = find_among(9, &folder.0, "**/*.yaml").unwrap_err();
        assert!(error.contains("more than 9 entries"), "{error}");
        assert_eq!(find_among(0, &folder.0, "one/two/c.yaml").unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_read_is_an_error() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new("bluegreen closed files");
        let closed = folder.0.join("one/two");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        // An administrator may read it all the same.
        let is_closed = fs::read_dir(&closed).is_err();
        let found = folder.found("**/*.yaml");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        if is_closed {
            assert!(found.unwrap_err().contains("two"));
        } else {
            assert_eq!(found.unwrap().len(), 3);
        }
    }
}
