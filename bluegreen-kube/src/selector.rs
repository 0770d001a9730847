//! Label selectors of Services.

use std::collections::BTreeMap;

/// A label selector: each label, and the value that it has to have.
pub(crate) type Selector = BTreeMap<String, String>;

/// Whether something with these labels is selected.
pub(crate) fn matches(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A selector as the API server reads it: `app=agent,slot=blue`. Empty, it selects everything.
pub(crate) fn as_query(selector: &Selector) -> String {
    let pairs = selector.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// The same for people.
pub(crate) fn in_words(selector: &Selector) -> String {
    if selector.is_empty() { "nothing".to_owned() } else { as_query(selector) }
}
