//! From a file's text to a checked definition.

use bluegreen_core::Problem;
use serde::de::DeserializeOwned;

use super::{Node, Place, Step, json, repair, text_of};

/// What is wrong with the form of a text.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) place: Place,
    pub(super) message: String,
}

/// The text of a file, and what problems call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    fn problem(self, place: Place, path: &[Step]) -> Problem {
        let Place { line, column } = place;
        let (name, path) = (self.name, text_of(path));
        let comma = if path.is_empty() { "" } else { ", " };
        Problem::new("malformed-definition", format!("{name}:{line}:{column}{comma}{path}"))
    }
}

/// What is said of a definition that is not refused for it.
#[derive(Debug)]
#[cfg_attr(not(feature = "prompts"), allow(dead_code, reason = "only suites are read with notes"))]
pub(crate) struct Note {
    /// The way to what it is about.
    pub(crate) path: Vec<Step>,
    /// Where that stands: `suite.yaml:9:12`.
    pub(crate) place: String,
    pub(crate) problem: Problem,
}

/// Gives the way in the document to what is at some path in the value made of it.
pub(crate) type Original<'a> = &'a dyn Fn(&[Step]) -> Vec<Step>;

/// Reads a definition and checks it with `check`, which gives problems with the paths in the
/// document to what they are about.
///
/// # Errors
/// All problems at once, those of form and those of `check`, in the order of the file.
pub(crate) fn read<T: DeserializeOwned>(
    source: Source<'_>,
    check: impl Fn(&T, Original<'_>) -> Vec<(Vec<Step>, Problem)>,
) -> Result<T, Vec<Problem>> {
    Document::parse(source)?.read_with_notes(check).map(|(value, _)| value)
}

/// A text whose form is right.
pub(crate) struct Document<'a> {
    source: Source<'a>,
    root: Node,
}

impl<'a> Document<'a> {
    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(source: Source<'a>) -> Result<Self, Vec<Problem>> {
        parse(source).map(|root| Self { source, root })
    }

    /// The keys of the outermost map; none if it is something else.
    #[cfg(feature = "prompts")]
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.root.keys()
    }

    /// The value of it, checked with `check`, and what that says that refuses nothing: the path, file,
    /// line and column, and what it is.
    ///
    /// # Errors
    /// Those of [`read`].
    pub(crate) fn read_with_notes<T: DeserializeOwned>(
        self,
        check: impl Fn(&T, Original<'_>) -> Vec<(Vec<Step>, Problem)>,
    ) -> Result<(T, Vec<Note>), Vec<Problem>> {
        let Self { source, mut root } = self;
        let decoded = repair::decode::<T>(&mut root);
        let mut problems: Vec<(Place, Problem)> = Vec::new();
        let mut notes = Vec::new();
        for fault in &decoded.faults {
            let place = fault.place.unwrap_or(root.place);
            problems.push((place, source.problem(place, &fault.path).found(fault.message.clone())));
        }
        if let Some(value) = &decoded.value {
            for (path, mut problem) in check(value, &|path| root.original(path)) {
                if decoded.is_tainted(&path) {
                    continue;
                }
                let place = root.place_of(&path);
                let Place { line, column } = place;
                if !problem.is_refusal() {
                    let place = format!("{}:{line}:{column}", source.name);
                    notes.push(Note { path, place, problem });
                    continue;
                }
                problem.object = format!("{}:{line}:{column}, {}", source.name, problem.object);
                problems.push((place, problem));
            }
        }
        problems.sort_by_key(|(place, _)| (place.line, place.column));
        match decoded.value {
            Some(value) if problems.is_empty() => Ok((value, notes)),
            _ => Err(problems.into_iter().map(|(_, problem)| problem).collect()),
        }
    }
}

fn parse(source: Source<'_>) -> Result<Node, Vec<Problem>> {
    let ending = source.name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let parsed = match ending.to_ascii_lowercase().as_str() {
        "json" => json::parse(source.text),
        #[cfg(feature = "yaml")]
        "yaml" | "yml" => super::yaml::parse(source.text),
        other => {
            let wanted = if cfg!(feature = "yaml") {
                "a name that ends in `.json`, `.yaml` or `.yml`"
            } else {
                "a name that ends in `.json` (YAML needs the feature `yaml` of bluegreen-validate)"
            };
            let problem = Problem::new("unknown-format", source.name)
                .found(format!("a name that ends in `.{other}`"))
                .wanted(wanted);
            return Err(vec![problem]);
        }
    };
    parsed.map_err(|syntax| vec![source.problem(syntax.place, &[]).found(syntax.message)])
}
