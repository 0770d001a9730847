//! Which of the objects of a watch somebody waits for.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt as _};
use kube::runtime::watcher;

use crate::watching::named;

/// Some objects of a kind.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    /// Those of these names.
    Named(Vec<String>),
    /// Those with these labels.
    Selected(Selector),
}

impl Filter {
    /// One object.
    pub(crate) fn named(name: &str) -> Self {
        Self::Named(vec![name.to_owned()])
    }

    pub(super) fn finds(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|it| it == name),
            Self::Selected(selector) => selector.matches(labels),
        }
    }

    /// What a watch of nothing else asks for. No server can be asked for several names.
    pub(crate) fn config(&self) -> watcher::Config {
        match self {
            Self::Named(names) => match names.as_slice() {
                [only] => named(only),
                _ => watcher::Config::default(),
            },
            Self::Selected(selector) => watcher::Config::default().labels_from(selector),
        }
    }
}
