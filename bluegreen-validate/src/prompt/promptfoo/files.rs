//! Files that a configuration names.

use std::path::{Path, PathBuf};

use bluegreen_core::Problem;
use serde_json::Value;

use super::form::{Test, TestEntry, Tests};
use super::{table, walk};
use crate::config_error;
use crate::document::{self, Source};

/// More files than one pattern may find.
const MOST: usize = 1000;

/// Where names of files begin.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

/// A name as it stands in a file, without `file://`.
pub(super) fn name_of(text: &str) -> &str {
    text.strip_prefix("file://").unwrap_or(text)
}

impl Files {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The files that a name or a pattern finds, in order. None is an error.
    pub(super) fn find(&self, name: &str) -> Result<Vec<PathBuf>, String> {
        let name = name_of(name);
        let path = self.directory.join(name);
        if path.is_file() {
            return Ok(vec![path]);
        }
        let files = walk::find(&self.directory, name);
        let files = files.map_err(|error| format!("`{name}`: {error}"))?;
        if files.is_empty() {
            return Err(format!("`{name}`, which is no file"));
        }
        if files.len() > MOST {
            return Err(format!("`{name}`, which finds more than {MOST} files"));
        }
        Ok(files)
    }

    /// The text of a file.
    pub(super) fn text(path: &Path) -> Result<String, String> {
        config_error::text_of(path).map_err(|error| {
            let problems = error.problems().iter().map(ToString::to_string);
            problems.collect::<Vec<_>>().join("; ")
        })
    }

    /// The value in a JSON or YAML file, or the text of another one.
    pub(super) fn value(path: &Path) -> Result<Value, String> {
        let text = Self::text(path)?;
        match ending(path).as_str() {
            "json" | "yaml" | "yml" => {
                let name = path.display().to_string();
                document::read(Source { name: &name, text: &text }, |_: &Value, _| Vec::new())
                    .map_err(|problems| {
                        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                    })
            }
            "js" | "mjs" | "cjs" | "ts" | "py" | "rb" => {
                Err(format!("`{}`, a program, which is not run here", path.display()))
            }
            _ => Ok(Value::String(text.trim().to_owned())),
        }
    }

    /// The tests in all files that a name or a pattern finds.
    pub(super) fn tests(&self, name: &str) -> Result<Vec<Test>, Vec<Problem>> {
        let wanted = "a file with tests: .yaml, .yml, .json, .jsonl or .csv";
        let refuse = |found: String| {
            vec![Problem::new("promptfoo", name.to_owned()).found(found).wanted(wanted)]
        };
        let mut tests = Vec::new();
        for path in self.find(name).map_err(refuse)? {
            let shown = path.display().to_string();
            let text = Self::text(&path).map_err(refuse)?;
            match ending(&path).as_str() {
                "yaml" | "yml" | "json" => {
                    let read: Tests =
                        document::read(Source { name: &shown, text: &text }, |_, _| Vec::new())?;
                    tests.extend(read.0.into_iter().map(plain));
                }
                "jsonl" => {
                    for (number, line) in (1..).zip(text.lines()) {
                        if line.trim().is_empty() {
                            continue;
                        }
                        let read = serde_json::from_str(line).map(plain);
                        tests.push(read.map_err(|error| {
                            refuse(format!("line {number} of {shown}: {error}"))
                        })?);
                    }
                }
                "csv" => tests.extend(table::tests(&shown, &text)?),
                other => return Err(refuse(format!("`{shown}`, a file of the kind `{other}`"))),
            }
        }
        Ok(tests)
    }
}

/// A test within a file; names of further files are not followed, and never pass for a test.
fn plain(entry: TestEntry) -> Test {
    match entry {
        TestEntry::Test(test) => match &test.path {
            Some(path) => Test { unsupported: Some(format!("tests in {path}")), ..*test },
            None => *test,
        },
        TestEntry::File(name) => {
            Test { unsupported: Some(format!("tests in {name}")), ..Test::default() }
        }
    }
}

pub(super) fn ending(path: &Path) -> String {
    path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase()
}
