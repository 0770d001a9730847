//! Watches: the changes of a list as lines of JSON.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Shared;
use super::call::Call;
use super::resource::Resource;
use super::selector::Selector;
use super::status::Refusal;
use super::store::{Change, Store};

/// One watch, and how far it has come.
#[derive(Debug)]
pub(super) struct Watch {
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    version: u64,
    bookmarks: bool,
    ends: Duration,
    /// What is sent before the changes.
    first: Vec<Value>,
}

impl Watch {
    /// Begins where the call says.
    pub(super) fn begin(call: &Call, store: &Store) -> Result<Self, Refusal> {
        let selector =
            Selector::parse(call.parameter("labelSelector"), call.parameter("fieldSelector"))?;
        let seconds = call.parameter("timeoutSeconds").parse().unwrap_or(1800);
        let namespace = (!call.namespace.is_empty()).then(|| call.namespace.clone());
        let bookmarks = is_true(call.parameter("allowWatchBookmarks"));
        let mut watch = Self {
            resource: Arc::clone(&call.resource),
            namespace,
            selector,
            version: store.version(),
            bookmarks,
            ends: Duration::from_secs(seconds),
            first: Vec::new(),
        };
        let with_state = is_true(call.parameter("sendInitialEvents"));
        if with_state && call.parameter("resourceVersionMatch") != "NotOlderThan" {
            return Err(initial_events_need_a_match());
        }
        let from: u64 = call.parameter("resourceVersion").parse().unwrap_or_default();
        if from == 0 || with_state {
            watch.first = store
                .list(&watch.resource.id, watch.namespace.as_deref())
                .filter(|(_, object)| watch.selector.matches(object))
                .map(|(_, object)| json!({ "type": "ADDED", "object": **object }))
                .collect();
            if with_state && bookmarks {
                let end = json!({ "k8s.io/initial-events-end": "true" });
                watch.first.push(watch.bookmark(Some(end)));
            }
        } else if from < store.forgotten() {
            watch.first.push(gone(from, store));
            watch.ends = Duration::ZERO;
        } else {
            watch.version = from;
        }
        Ok(watch)
    }

    /// What has happened since the last call, for this watch.
    fn news(&mut self, store: &Store) -> Vec<Value> {
        if self.version < store.forgotten() {
            let gone = gone(self.version, store);
            self.ends = Duration::ZERO;
            return vec![gone];
        }
        let news = store.changes_after(self.version).filter_map(|change| self.event(change));
        let news = news.collect();
        self.version = self.version.max(store.version());
        news
    }

    fn event(&self, change: &Change) -> Option<Value> {
        let is_ours = change.key.resource == self.resource.id
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace);
        if !is_ours {
            return None;
        }
        let was = change.before.as_ref().is_some_and(|before| self.selector.matches(before));
        let is = !change.deleted && self.selector.matches(&change.object);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(json!({ "type": kind, "object": *change.object }))
    }

    fn bookmark(&self, annotations: Option<Value>) -> Value {
        let mut metadata = json!({ "resourceVersion": self.version.to_string() });
        if let Some(annotations) = annotations {
            metadata["annotations"] = annotations;
        }
        json!({ "type": "BOOKMARK", "object": {
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(),
            "metadata": metadata,
        } })
    }
}

/// The body of the answer: what there is, then what comes, until the time that was asked for is
/// over or the server stops.
pub(super) fn body(
    mut watch: Watch,
    shared: Arc<Shared>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    let end = Instant::now() + watch.ends;
    let is_over = watch.ends.is_zero();
    let lines: VecDeque<Value> = std::mem::take(&mut watch.first).into();
    let news = shared.news();
    stream::unfold((watch, shared, news, lines, is_over), move |state| async move {
        let (mut watch, shared, mut news, mut lines, mut is_over) = state;
        loop {
            if let Some(line) = lines.pop_front() {
                let mut line = line.to_string();
                line.push('\n');
                let state = (watch, shared, news, lines, is_over);
                return Some((Ok(Bytes::from(line)), state));
            }
            if is_over {
                return None;
            }
            news.mark_unchanged();
            let found = shared.look(|state| (!state.stopped).then(|| watch.news(&state.store)));
            match found {
                None => {
                    is_over = true;
                    let error = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Some((Err(error), (watch, shared, news, lines, is_over)));
                }
                Some(found) if !found.is_empty() => {
                    is_over = watch.ends.is_zero();
                    lines.extend(found);
                    continue;
                }
                Some(_) => {}
            }
            let changed = tokio::time::timeout_at(end, news.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                is_over = true;
                if watch.bookmarks {
                    lines.push_back(watch.bookmark(None));
                }
            }
        }
    })
}

fn gone(asked: u64, store: &Store) -> Value {
    json!({ "type": "ERROR", "object": Refusal::expired(asked, store.forgotten()).body })
}

fn initial_events_need_a_match() -> Refusal {
    let cause = super::status::Cause::forbidden(
        "resourceVersionMatch",
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
    Refusal::invalid("ListOptions", "meta.k8s.io", "", &[cause])
}

fn is_true(parameter: &str) -> bool {
    matches!(parameter, "true" | "1")
}
