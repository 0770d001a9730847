//! The cases of a suite that is ready, of each as much as is needed all the time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::PreparedCase;
use crate::paired::Traits;

/// The cases that are run.
#[derive(Debug, Default)]
pub(in crate::prompt) struct PreparedCases {
    held: Vec<Arc<PreparedCase>>,
}

impl PreparedCases {
    pub(super) fn new(cases: Vec<PreparedCase>) -> Self {
        Self { held: cases.into_iter().map(Arc::new).collect() }
    }

    pub(in crate::prompt) fn len(&self) -> usize {
        self.held.len()
    }

    /// What a case is called; nothing if there is no such case.
    pub(in crate::prompt) fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Borrowed(self.held.get(index).map_or("", |case| case.id.as_str()))
    }

    /// What a verdict has to know of a case.
    pub(in crate::prompt) fn traits(&self, index: usize) -> Traits<'_> {
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

    /// A case, to be asked.
    ///
    /// # Errors
    /// Why there is none.
    pub(in crate::prompt) fn get(&self, index: usize) -> Result<Arc<PreparedCase>, String> {
        let case = self.held.get(index).cloned();
        case.ok_or_else(|| format!("there is no case {index}"))
    }
}
