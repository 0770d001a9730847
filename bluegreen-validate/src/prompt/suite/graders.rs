//! The graders of one's own that a suite has, and where its file names them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Assertion, Check, Suite};
use crate::prompt::grader::Grader;

/// The graders that somebody brought.
#[derive(Clone, Default)]
pub(crate) struct Graders {
    brought: Vec<Arc<dyn Grader>>,
    /// Whether any is taken to be there, because who brings them comes after the file was read.
    is_reading: bool,
    /// Where in its file an assertion names one: by path and name, file, line and column.
    places: BTreeMap<(String, String), String>,
}

impl Graders {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<dyn Grader>> {
        self.brought.iter().find(|it| it.name() == name)
    }

    /// Whether one of this name is there, or may still come.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.is_reading || self.named(name).is_some()
    }

    /// Those that were brought, in this order.
    pub(crate) fn brought(&self) -> &[Arc<dyn Grader>] {
        &self.brought
    }

    /// A file is read that may name some: who brings them comes later.
    pub(crate) fn are_being_read(&mut self) {
        self.is_reading = true;
    }

    /// The file has been read.
    pub(crate) fn have_been_read(&mut self) {
        self.is_reading = false;
    }

    /// Notes where a file names one.
    pub(crate) fn found_at(&mut self, path: String, name: String, place: String) {
        self.places.insert((path, name), place);
    }

    /// Where the file names it, if it was read from one.
    pub(crate) fn place(&self, path: &str, name: &str) -> Option<&str> {
        // A pair of texts is looked up by one that is owned.
        self.places.get(&(path.to_owned(), name.to_owned())).map(String::as_str)
    }
}

/// Those of the same names and versions, wherever files name them.
impl PartialEq for Graders {
    fn eq(&self, other: &Self) -> bool {
        let named = |it: &Self| -> Vec<(String, String)> {
            let brought = it.brought.iter();
            brought.map(|it| (it.name().to_owned(), it.version().to_owned())).collect()
        };
        named(self) == named(other)
    }
}

impl fmt::Debug for Graders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.brought.iter().map(|it| (it.name().to_owned(), it.version().to_owned()));
        f.debug_map().entries(named).finish()
    }
}

impl Suite {
    /// The same with a grader of one's own, which assertions name: `grader: whole-parcels`.
    ///
    /// No file has it, so it is to be brought whenever a suite was read.
    #[must_use]
    pub fn grading(mut self, grader: impl Grader + 'static) -> Self {
        self.graders.brought.push(Arc::new(grader));
        self
    }

    /// Whether some assertion is graded by what judges list.
    pub(crate) fn is_held_against_contexts(&self) -> bool {
        self.assertions().any(Assertion::is_in_context)
    }

    /// The names and versions of the graders of one's own that its assertions name and somebody brought.
    pub(crate) fn graders_in_use(&self) -> BTreeMap<&str, &str> {
        let mut found = BTreeMap::new();
        if self.graders.brought.is_empty() {
            return found;
        }
        for assertion in self.assertions() {
            assertion.graders(&mut |name| {
                if let Some(grader) = self.graders.named(name) {
                    found.insert(grader.name(), grader.version());
                }
            });
        }
        found
    }
}

impl Assertion {
    /// Whether a suite has to know of it before its case is asked: whom it asks, and in which words.
    pub(crate) fn is_notable(&self) -> bool {
        let mut found = Vec::new();
        self.webhooks(&mut found);
        let mut is_named = false;
        self.graders(&mut |_| is_named = true);
        !found.is_empty() || is_named || self.is_in_context()
    }

    fn is_in_context(&self) -> bool {
        match &self.check {
            Check::AssertSet(set) => set.assert.iter().any(Self::is_in_context),
            check => check.is_in_context(),
        }
    }

    /// Names the graders of one's own in it.
    fn graders(&self, say: &mut impl FnMut(&str)) {
        match &self.check {
            Check::Grader(it) => say(&it.name),
            Check::AssertSet(set) => set.assert.iter().for_each(|it| it.graders(say)),
            _ => {}
        }
    }
}
