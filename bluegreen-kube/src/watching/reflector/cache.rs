//! What a shared watch has seen, and who waits for which of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use kube::ResourceExt as _;
use serde::Deserialize;
use tokio::sync::Notify;

use super::{Broken, Filter, Kind, Scope};

/// The objects as they were last seen, as JSON.
#[derive(Debug, Default)]
pub(super) struct Cache {
    objects: BTreeMap<String, Entry>,
    /// The resource version up to which everything was seen.
    pub(super) progress: u64,
    /// Whether the objects are complete.
    pub(super) is_listed: bool,
    pub(super) broken: Option<Broken>,
    listeners: Vec<Weak<Listener>>,
}

/// One object.
#[derive(Debug)]
pub(super) struct Entry(Box<[u8]>);

/// What is read of an object to find out whether somebody waits for it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Labelled {
    metadata: Labels,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Labels {
    labels: BTreeMap<String, String>,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) filter: Filter,
    /// The resource version that must have been seen before anything is told.
    pub(super) at_least: u64,
    pub(super) news: Notify,
}

impl Entry {
    /// What is kept of an object; nothing of one that cannot be written, which there is not.
    pub(super) fn of<K: Kind>(mut object: K, scope: &Scope<K>) -> Option<(String, Self)> {
        if !scope.with_managers {
            object.meta_mut().managed_fields = None;
        }
        (scope.kept.1)(&mut object);
        let json = serde_json::to_vec(&object).ok()?;
        // A copy, because what is shrunk leaves a hole behind it for as long as it lives.
        Some((object.name_any(), Self(json.as_slice().into())))
    }

    /// Its labels. They are needed while something changes, and would take as much as all else.
    fn labels(&self) -> BTreeMap<String, String> {
        serde_json::from_slice::<Labelled>(&self.0).unwrap_or_default().metadata.labels
    }
}

/// The resource version as a number. Where it is none, nobody is made to wait for one.
pub(crate) fn number(version: Option<&str>) -> u64 {
    version.and_then(|text| text.parse().ok()).unwrap_or_default()
}

impl Cache {
    pub(super) fn listen(&mut self, listener: &Arc<Listener>) {
        self.listeners.retain(|it| it.strong_count() > 0);
        self.listeners.push(Arc::downgrade(listener));
    }

    /// The objects that a filter finds.
    pub(super) fn find<K: Kind>(&self, filter: &Filter) -> BTreeMap<String, K> {
        // What was written by the same type can be read by it.
        let read = |(name, entry): (&String, &Entry)| {
            Some((name.clone(), serde_json::from_slice(&entry.0).ok()?))
        };
        match filter {
            Filter::Named(names) => {
                names.iter().filter_map(|name| read(self.objects.get_key_value(name)?)).collect()
            }
            Filter::Selected(_) => {
                let all = self.objects.iter();
                all.filter(|(name, it)| filter.finds(name, &it.labels())).filter_map(read).collect()
            }
        }
    }

    /// This object is there now.
    pub(super) fn put(&mut self, name: String, entry: Entry, version: u64) {
        self.tell(&name, self.objects.get(&name), Some(&entry));
        self.objects.insert(name, entry);
        self.come_to(version);
    }

    /// This object is gone.
    pub(super) fn remove(&mut self, name: &str, version: u64) {
        if let Some(old) = self.objects.remove(name) {
            self.tell(name, Some(&old), None);
        }
        self.come_to(version);
    }

    /// These are all objects.
    pub(super) fn replace(&mut self, objects: BTreeMap<String, Entry>, version: u64) {
        let old = std::mem::replace(&mut self.objects, objects);
        let is_first = !std::mem::replace(&mut self.is_listed, true);
        if is_first {
            self.tell_all();
        } else {
            self.tell_differences(&old);
        }
        self.come_to(version);
    }

    fn tell_differences(&self, old: &BTreeMap<String, Entry>) {
        let gone = old.iter().filter(|(name, _)| !self.objects.contains_key(*name));
        for (name, entry) in gone {
            self.tell(name, Some(entry), None);
        }
        for (name, entry) in &self.objects {
            let before = old.get(name);
            if before.is_none_or(|before| before.0 != entry.0) {
                self.tell(name, before, Some(entry));
            }
        }
    }

    /// Everything up to this version was seen.
    pub(super) fn come_to(&mut self, version: u64) {
        let before = self.progress;
        self.progress = before.max(version);
        for listener in self.listeners.iter().filter_map(Weak::upgrade) {
            if listener.at_least > before && listener.at_least <= self.progress {
                listener.news.notify_one();
            }
        }
    }

    /// Nothing can be seen, or something again.
    pub(super) fn set_broken(&mut self, broken: Option<Broken>) {
        let is_new = broken.is_some();
        self.broken = broken;
        if is_new {
            self.tell_all();
        }
    }

    /// Tells those who wait for an object as it was, or as it is now.
    fn tell(&self, name: &str, old: Option<&Entry>, new: Option<&Entry>) {
        let labels: Vec<_> = old.into_iter().chain(new).map(Entry::labels).collect();
        for listener in self.listeners.iter().filter_map(Weak::upgrade) {
            if labels.iter().any(|labels| listener.filter.finds(name, labels)) {
                listener.news.notify_one();
            }
        }
    }

    fn tell_all(&self) {
        for listener in self.listeners.iter().filter_map(Weak::upgrade) {
            listener.news.notify_one();
        }
    }
}
