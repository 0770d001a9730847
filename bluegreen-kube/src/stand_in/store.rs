//! The objects, and what became of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// How many changes a watch can go back before it is told 410.
const KEPT_CHANGES: usize = 50_000;

/// What the controllers look at.
const LOOKED_AT: [&str; 8] = [
    "jobs.batch",
    "deployments.apps",
    "replicasets.apps",
    "pods",
    "services",
    "endpointslices.discovery.k8s.io",
    super::gateway::HTTP_ROUTES,
    super::gateway::GRPC_ROUTES,
];

/// Where an object is kept.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    /// The resource's id: `deployments.apps`.
    pub(super) resource: String,
    /// Empty for what belongs to no namespace.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// One version of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    /// `None`: it was created.
    pub(super) before: Option<Arc<Value>>,
    /// What it became; when deleted, its last state with the version of the deletion.
    pub(super) object: Arc<Value>,
    pub(super) deleted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    changes: VecDeque<Change>,
    version: u64,
    /// Changes up to this version are forgotten.
    forgotten: u64,
    serial: u64,
}

impl Store {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    /// The objects of a resource, in one namespace or in all, in order of their names.
    pub(super) fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects.range(Key::new(resource, namespace.unwrap_or_default(), "")..).take_while(
            move |(key, _)| {
                key.resource == resource && namespace.is_none_or(|wanted| key.namespace == wanted)
            },
        )
    }

    pub(super) fn keys(&self, resource: &str, namespace: &str) -> Vec<Key> {
        self.list(resource, Some(namespace)).map(|(key, _)| key.clone()).collect()
    }

    /// Every object, for looking through owners.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Keeps an object under a new version, which is stamped on it.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(Change {
            version: self.version,
            key,
            before,
            object: Arc::clone(&object),
            deleted: false,
        });
        object
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        let last = Arc::new(last);
        self.remember(Change {
            version: self.version,
            key: key.clone(),
            before: Some(before),
            object: Arc::clone(&last),
            deleted: true,
        });
        Some(last)
    }

    fn remember(&mut self, change: Change) {
        self.changes.push_back(change);
        if self.changes.len() > KEPT_CHANGES
            && let Some(gone) = self.changes.pop_front()
        {
            self.forgotten = gone.version;
        }
    }

    /// Forgets all changes: an older watch or list is told 410.
    pub(super) fn compact(&mut self) {
        self.changes.clear();
        self.forgotten = self.version;
    }

    /// The changes after a version, oldest first.
    pub(super) fn changes_after(&self, version: u64) -> impl Iterator<Item = &Change> {
        let first = self.changes.partition_point(|change| change.version <= version);
        self.changes.iter().skip(first)
    }

    /// The namespaces in which something changed after a version that controllers look at, and
    /// whether anything went.
    pub(super) fn touched_after(&self, version: u64) -> (BTreeSet<String>, bool) {
        let mut namespaces = BTreeSet::new();
        let mut deleted = false;
        for change in self.changes_after(version) {
            let is_looked_at = match change.key.resource.as_str() {
                // Pods that wait for one only care that it comes.
                "configmaps" | "secrets" => change.before.is_none(),
                resource => LOOKED_AT.contains(&resource),
            };
            if is_looked_at {
                namespaces.insert(change.key.namespace.clone());
            }
            deleted |= change.deleted;
        }
        (namespaces, deleted)
    }

    /// A number that was not given before, for identities and addresses.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// An identity that was not given before.
    pub(super) fn next_uid(&mut self) -> String {
        let serial = self.next_serial();
        let first = serial.wrapping_mul(0x9e37_79b1) & 0xffff_ffff;
        format!("{first:08x}-b61e-4000-8000-{serial:012x}")
    }

    /// Five letters as the real server adds them to `generateName`.
    pub(super) fn next_suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        // Odd and without a factor of 27: every serial gives other letters.
        let mut number = self.next_serial().wrapping_mul(2_654_435_761);
        let mut suffix = String::new();
        for _ in 0..5 {
            suffix.push(char::from(LETTERS[(number % 27) as usize]));
            number /= 27;
        }
        suffix
    }
}

/// Now, to the second, as `metadata` has it.
pub(super) fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
