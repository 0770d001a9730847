//! Reports in files.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bluegreen_core::Verdict;
use bluegreen_validate::prompt::Recorder;
use bluegreen_validate::report::RunReport;

use crate::Failure;
use crate::cli::{Files, Render};
use crate::show;

/// Larger than any report that is written here.
const LARGEST: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Json,
    Junit,
    Markdown,
    Html,
}

/// Where which form goes.
#[derive(Debug)]
pub(crate) struct Reports(Vec<(Form, PathBuf)>);

impl Reports {
    /// The files that are asked for, each of which can be written: that is found out before anything
    /// is spent.
    pub(crate) fn prepare(files: &Files) -> Result<Self, Vec<String>> {
        let mut all = Vec::new();
        let mut wrong = Vec::new();
        if let Some(folder) = &files.out {
            if let Err(error) = std::fs::create_dir_all(folder) {
                wrong.push(format!("--out: {} cannot be made: {error}", folder.display()));
            }
            all.push((Form::Json, folder.join("report.json")));
            all.push((Form::Junit, folder.join("junit.xml")));
            all.push((Form::Markdown, folder.join("report.md")));
            all.push((Form::Html, folder.join("report.html")));
        }
        let single = [
            (Form::Json, &files.json),
            (Form::Junit, &files.junit),
            (Form::Markdown, &files.markdown),
            (Form::Html, &files.html),
        ];
        all.extend(single.into_iter().filter_map(|(form, path)| Some((form, path.clone()?))));
        for (number, (_, path)) in all.iter().enumerate() {
            if all[..number].iter().any(|(_, other)| other == path) {
                wrong.push(format!("{} is asked for twice", path.display()));
            }
        }
        if wrong.is_empty() {
            wrong.extend(all.iter().filter_map(|(_, path)| unwritable(path)));
        }
        if wrong.is_empty() { Ok(Self(all)) } else { Err(wrong) }
    }

    /// Writes them, all that can be; says which were written, and what went wrong with others.
    pub(crate) fn write(&self, source: &Source<'_>) -> (Vec<&Path>, Vec<String>) {
        let (mut written, mut wrong) = (Vec::new(), Vec::new());
        for (form, path) in &self.0 {
            match put(path, |to| source.write(*form, to)) {
                Ok(()) => written.push(path.as_path()),
                Err(error) => wrong.push(format!("{} is not written: {error}", path.display())),
            }
        }
        (written, wrong)
    }
}

/// Where reports come from.
pub(crate) struct Source<'a> {
    recorder: Option<&'a Recorder>,
    /// The whole of it, which takes much room where cases are many: JSON is written without.
    whole: OnceCell<RunReport>,
    empty: &'a dyn Fn() -> RunReport,
}

impl<'a> Source<'a> {
    /// What a recorder has seen, or this if that is nothing.
    pub(crate) fn recorded(recorder: &'a Recorder, empty: &'a dyn Fn() -> RunReport) -> Self {
        Self { recorder: Some(recorder), whole: OnceCell::new(), empty }
    }

    fn whole(&self) -> &RunReport {
        self.whole.get_or_init(|| {
            let report = self.recorder.and_then(Recorder::report);
            report.unwrap_or_else(self.empty)
        })
    }

    fn write(&self, form: Form, to: &mut dyn Write) -> std::io::Result<()> {
        let text = match form {
            Form::Json => {
                let streamed = self.recorder.map(|it| it.write_json(&mut *to)).transpose()?;
                if streamed == Some(true) {
                    return Ok(());
                }
                self.whole().to_json()?
            }
            Form::Junit => {
                let text = self.whole().to_junit();
                text.map_err(|error| std::io::Error::other(error.chain()))?
            }
            Form::Markdown => self.whole().to_markdown(),
            Form::Html => self.whole().to_html(),
        };
        to.write_all(text.as_bytes())
    }
}

fn unwritable(path: &Path) -> Option<String> {
    let tried = match replaced(path) {
        // What is written beside it has to have room there, too.
        Some(part) => {
            let made = OpenOptions::new().create(true).append(true).open(&part);
            // Nobody is to take an empty file for a report.
            made.and_then(|_| std::fs::remove_file(&part))
        }
        // To open a pipe would wait for somebody who reads it.
        None if path.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        None if path.is_dir() => Err(std::io::ErrorKind::IsADirectory.into()),
        None => Ok(()),
    };
    tried.err().map(|error| format!("{} cannot be written: {error}", path.display()))
}

/// What is written before it takes the place of `path`; `None` where that is no file of its own but a
/// link, a pipe or a device, which are written to as they are.
fn replaced(path: &Path) -> Option<PathBuf> {
    if std::fs::symlink_metadata(path).is_ok_and(|it| !it.is_file()) {
        return None;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    Some(PathBuf::from(name))
}

/// Writes beside it and then in its place, so that nobody reads half a report.
fn put(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let part = replaced(path);
    let mut file = BufWriter::new(File::create(part.as_deref().unwrap_or(path))?);
    write(&mut file)?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    part.map_or(Ok(()), |part| std::fs::rename(part, path))
}

/// Reads a JSON report, computes its verdict again, and writes the other forms.
pub(crate) fn render(render: &Render) -> Result<Verdict, Failure> {
    let path = &render.report;
    let refuse = |why: String| Failure::Unusable(vec![format!("{}: {why}", path.display())]);
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let length = file.metadata().map_or(0, |it| it.len());
    if length > LARGEST {
        return Err(refuse(format!("found {length} bytes, wanted a report, at most 1 GiB")));
    }
    let text = std::io::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let report: RunReport = RunReport::from_json(&text)
        .map_err(|error| refuse(format!("found {error}, wanted a report of `gate run --json`")))?;
    let again = report.recomputed();
    if again != report.verdict {
        let (found, wanted) = (report.verdict.verdict, again.verdict);
        return Err(refuse(format!(
            "found the verdict {found}, and not the one that its answers come to ({wanted}): it has \
             been changed"
        )));
    }
    let reports = Reports::prepare(&render.files).map_err(Failure::Unusable)?;
    let same = || report.clone();
    let source = Source { recorder: None, whole: OnceCell::new(), empty: &same };
    let (written, wrong) = reports.write(&source);
    show::verdict(&report, &lost(&report));
    show::written(&written);
    if wrong.is_empty() {
        Ok(report.verdict.verdict)
    } else {
        Err(Failure::Error(wrong.join("\n")))
    }
}

/// Why attempts came to nothing, what happened most often first: slot, reason, and how often.
fn lost(report: &RunReport) -> Vec<(&'static str, String, u64)> {
    let mut reasons: BTreeMap<(&'static str, &str), u64> = BTreeMap::new();
    for pair in report.cases.iter().flat_map(|case| &case.pairs) {
        for (name, answer) in [("live", &pair.live), ("idle", &pair.idle)] {
            let error = answer.as_ref().and_then(|answer| answer.error.as_deref());
            if let Some(why) = error {
                *reasons.entry((name, why)).or_default() += 1;
            }
        }
    }
    let reasons = reasons.into_iter().map(|((name, why), count)| (name, why.to_owned(), count));
    let mut reasons: Vec<_> = reasons.collect();
    reasons.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    reasons
}
