//! The cases of a suite that is ready, of each as much as is needed all the time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::filed::Filed;
use super::{Prepared, PreparedCase};
use crate::paired::Traits;

/// The cases that are run: those that are held, and behind them those of a file.
pub(in crate::prompt) struct PreparedCases {
    held: Vec<Arc<PreparedCase>>,
    filed: Option<Filed>,
}

impl PreparedCases {
    pub(super) fn new(cases: Vec<PreparedCase>, filed: Option<Filed>) -> Self {
        Self { held: cases.into_iter().map(Arc::new).collect(), filed }
    }

    pub(in crate::prompt) fn len(&self) -> usize {
        self.held.len() + self.filed.as_ref().map_or(0, Filed::len)
    }

    /// The questions of all of them, turn by turn.
    pub(in crate::prompt) fn turns(&self) -> u64 {
        let held: usize = self.held.iter().map(|case| case.turns.len()).sum();
        held as u64 + self.filed.as_ref().map_or(0, |filed| filed.turns)
    }

    /// Where in the file a case is that is not held.
    fn filed(&self, index: usize) -> Option<(&Filed, usize)> {
        Some((self.filed.as_ref()?, index.checked_sub(self.held.len())?))
    }

    /// What a case is called; nothing if there is no such case.
    pub(in crate::prompt) fn name(&self, index: usize) -> Cow<'_, str> {
        if let Some((filed, index)) = self.filed(index) {
            return Cow::Owned(filed.name(index));
        }
        Cow::Borrowed(self.held.get(index).map_or("", |case| case.id.as_str()))
    }

    /// What a verdict has to know of a case.
    pub(in crate::prompt) fn traits(&self, index: usize) -> Traits<'_> {
        if let Some((filed, index)) = self.filed(index) {
            return filed.traits(index);
        }
        self.held.get(index).map_or_else(Traits::default, |case| Traits {
            category: case.category.as_deref(),
            conversation: case.group.as_deref(),
            critical: case.critical,
            quarantined: case.quarantined,
        })
    }

    /// Where the cases of these names are.
    pub(in crate::prompt) fn places<'n>(
        &self,
        names: &BTreeSet<&'n str>,
    ) -> BTreeMap<&'n str, usize> {
        let mut places = BTreeMap::new();
        for index in 0..self.len() {
            if places.len() == names.len() {
                break;
            }
            if let Some(name) = names.get(&*self.name(index)) {
                places.insert(*name, index);
            }
        }
        places
    }
}

impl Prepared {
    /// A case, to be asked.
    ///
    /// # Errors
    /// Why there is none: the file that it was in has changed.
    pub(in crate::prompt) fn case(&self, index: usize) -> Result<Arc<PreparedCase>, String> {
        if let Some((filed, index)) = self.cases.filed(index) {
            return filed.get(index, &self.templates, &self.tools);
        }
        let case = self.cases.held.get(index).cloned();
        case.ok_or_else(|| format!("there is no case {index}"))
    }
}
