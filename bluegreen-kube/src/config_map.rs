//! Records in ConfigMaps: one for the release, one for each finished release, one for each blob.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{
    Document, Error, ErrorKind, MAX_BLOB, MAX_RECORD, Problem, Record, ReleaseId, ReleaseStore,
    Result, Revision, Stored, Written,
};
use bytes::Bytes;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::Mutex as AsyncMutex;

use crate::error::{read, read_opt, write};
use crate::rights::{Right, Rules};
use crate::watching::Watches;
use crate::{FIELD_MANAGER, Purpose, Settings, owners};

mod document;
mod objects;
mod prune;
mod wait;

use wait::Kept;

#[cfg(test)]
mod tests;

/// The key of the record in its ConfigMap.
pub(crate) const RECORD: &str = "record.json";
/// The key of a blob in its ConfigMap.
const BLOB: &str = "content";

/// Keeps the records of one agent in ConfigMaps of its namespace.
///
/// | object | what |
/// |---|---|
/// | `<agent>-bluegreen` | the record of the current or last release, in `record.json` |
/// | `<agent>-bluegreen-<release>` | the record of a finished release |
/// | `<agent>-bluegreen-<release>-<name>` | a blob of a release, in `content` |
///
/// A revision is the `resourceVersion` of the first one. Saving writes the whole object under
/// that condition, so two drivers never both succeed. The objects are this crate's own: what
/// others add to them does not survive a save.
///
/// Needs the verbs `get`, `list`, `watch`, `create`, `update` and `delete` on `configmaps`.
#[derive(Clone)]
pub struct ConfigMapStore {
    client: Client,
    api: Api<ConfigMap>,
    settings: Settings,
    /// The watch that the last wait has left.
    kept: Arc<AsyncMutex<Option<Kept>>>,
    rules: Rules,
    watches: Watches,
}

impl ConfigMapStore {
    /// The store of the agent that `settings` name.
    pub fn new(client: Client, settings: Settings) -> Self {
        let api = Api::namespaced(client.clone(), &settings.namespace);
        Self {
            client,
            api,
            settings,
            kept: Arc::default(),
            rules: Rules::default(),
            watches: Watches::default(),
        }
    }

    /// Shares the question of rights with other parts.
    pub(crate) fn sharing(mut self, rules: &Rules) -> Self {
        self.rules = rules.clone();
        self
    }

    /// Waits on watches that others share.
    pub(crate) fn watching(mut self, watches: &Watches) -> Self {
        self.watches = watches.clone();
        self
    }

    fn action(&self, verb: &str, name: &str) -> String {
        format!("{verb} configmap {}/{name}", self.settings.namespace)
    }

    async fn read(&self, name: &str) -> Result<Option<ConfigMap>> {
        let call = self.api.get(name);
        read_opt(self.settings.call, self.action("read", name), call).await
    }

    async fn create(&self, map: &ConfigMap) -> Result<ConfigMap> {
        let action = self.action("create", &map.name_any());
        let post = post();
        write(self.settings.call, action, self.api.create(&post, map)).await
    }

    async fn replace(&self, map: &ConfigMap) -> Result<ConfigMap> {
        let name = map.name_any();
        let (action, post) = (self.action("update", &name), post());
        write(self.settings.call, action, self.api.replace(&name, &post, map)).await
    }

    /// What is stored in `map`, and the revision that `map` has.
    fn stored(&self, map: &ConfigMap) -> Result<Stored> {
        let action = self.action("read", &map.name_any());
        let revision = objects::revision(map, &action)?;
        Ok(Stored::new(self.document(map)?, revision))
    }

    fn document(&self, map: &ConfigMap) -> Result<Document> {
        let name = map.name_any();
        let action = self.action("read", &name);
        let text = map.data.as_ref().and_then(|data| data.get(RECORD));
        let Some(text) = text else {
            return Err(Error::new(ErrorKind::Rejected, action)
                .with_source(format!("it has no key {RECORD}, wanted the record of a release")));
        };
        document::parse(text).map_err(|reason| {
            Error::new(ErrorKind::Rejected, action).with_source(format!("key {RECORD}: {reason}"))
        })
    }

    /// Creates `map`, or replaces what has its name if that is the same thing as `map`: the
    /// record, or blob, of the same release. Whether anything had to be written.
    async fn put(&self, mut map: ConfigMap) -> Result<bool> {
        let name = map.name_any();
        let mut conflict = None;
        // Most of what is put is new.
        let mut found = None;
        for _ in 0..ATTEMPTS {
            let done = match found.take() {
                None => self.create(&map).await,
                Some(found) => {
                    objects::refuse_other(&found, &map, &self.settings)
                        .map_err(|reason| self.taken(&name, reason))?;
                    if (&found.data, &found.binary_data) == (&map.data, &map.binary_data) {
                        return Ok(false);
                    }
                    map.metadata.resource_version.clone_from(&found.metadata.resource_version);
                    self.replace(&map).await
                }
            };
            match done {
                Ok(_) => return Ok(true),
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                    map.metadata.resource_version = None;
                    conflict = Some(error);
                    found = self.read(&name).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(conflict
            .unwrap_or_else(|| Error::new(ErrorKind::Conflict, self.action("update", &name))))
    }

    fn taken(&self, name: &str, reason: String) -> Error {
        Error::new(ErrorKind::Rejected, self.action("update", name)).with_source(reason)
    }

    fn refuse_large(&self, name: &str, size: usize, limit: usize) -> Result<()> {
        if size <= limit {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Rejected, self.action("update", name))
            .with_source(format!("it has {size} bytes, and at most {limit} can be kept")))
    }
}

fn post() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// How often something that nobody else should write is written against a conflict.
const ATTEMPTS: usize = 5;

#[async_trait]
impl ReleaseStore for ConfigMapStore {
    async fn check(&self) -> Result<Vec<Problem>> {
        let rights = ["get", "list", "watch", "create", "update", "delete"]
            .map(|verb| Right::new(verb, "", "configmaps"));
        self.rules.missing(&self.client, &self.settings, &rights).await
    }

    async fn load(&self) -> Result<Option<Stored>> {
        match self.read(&self.settings.config_map()).await? {
            Some(map) => self.stored(&map).map(Some),
            None => Ok(None),
        }
    }

    async fn save(&self, document: &Document, expected: Option<Revision>) -> Result<Revision> {
        let name = self.settings.config_map();
        let text = document::print(document).map_err(|reason| self.taken(&name, reason))?;
        self.refuse_large(&name, text.len(), MAX_RECORD)?;
        let mark = objects::mark();
        let mut map = objects::record(&self.settings, text, &mark);
        let done = match &expected {
            None => self.create(&map).await,
            Some(revision) => {
                map.metadata.resource_version = Some(revision.as_str().to_owned());
                self.replace(&map).await
            }
        };
        let error = match done {
            Ok(written) => return objects::revision(&written, &self.action("update", &name)),
            Err(error) => error,
        };
        let was_there = expected.is_some();
        match error.kind() {
            // Somebody deleted it.
            ErrorKind::NotFound if was_there => {
                Err(Error::new(ErrorKind::Conflict, self.action("update", &name))
                    .with_source(error))
            }
            // The client may have sent it twice, because the first answer was lost.
            ErrorKind::Conflict => match self.read(&name).await {
                Ok(Some(found)) if objects::has_mark(&found, &mark, &self.settings) => {
                    objects::revision(&found, &self.action("update", &name))
                }
                _ => Err(error),
            },
            _ => Err(error),
        }
    }

    async fn written(&self) -> Result<Option<Written>> {
        let name = self.settings.config_map();
        let Some(map) = self.read(&name).await? else { return Ok(None) };
        let by = owners::latest(&map.metadata, &["/f:data/f:record.json"]);
        Ok(Some(Written::new(objects::revision(&map, &self.action("read", &name))?, by)))
    }

    async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>> {
        self.await_change(known).await
    }

    async fn archive(&self, record: &Record, keep: u32) -> Result<()> {
        let release = &record.envelope.release;
        let name = self.settings.archive_config_map(release);
        let document = Document::Current(record.clone());
        let text = document::print(&document).map_err(|reason| self.taken(&name, reason))?;
        self.refuse_large(&name, text.len(), MAX_RECORD)?;
        if self.put(objects::archive(&self.settings, record, text)).await? {
            self.prune(release, keep).await?;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Document>> {
        let params = ListParams::default().labels(&self.settings.selector(Purpose::Archive));
        let action =
            format!("list configmaps of {} in {}", self.settings.agent, self.settings.namespace);
        let found = read(self.settings.call, action, self.api.list(&params)).await?;
        let mut records = Vec::new();
        for map in &found.items {
            records.push((objects::age(map, &self.settings), self.document(map)?));
        }
        records.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(records.into_iter().map(|(_, document)| document).collect())
    }

    async fn put_blob(&self, release: &ReleaseId, name: &str, content: Bytes) -> Result<()> {
        self.refuse_large(&self.settings.blob_config_map(release, name), content.len(), MAX_BLOB)?;
        self.put(objects::blob(&self.settings, release, name, content)).await.map(drop)
    }

    async fn blob(&self, release: &ReleaseId, name: &str) -> Result<Option<Bytes>> {
        let found = self.read(&self.settings.blob_config_map(release, name)).await?;
        let content = found
            .filter(|map| objects::is_blob(map, &self.settings, release, name))
            .and_then(|map| map.binary_data?.remove(BLOB));
        Ok(content.map(|ByteString(bytes)| bytes.into()))
    }
}

impl fmt::Debug for ConfigMapStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigMapStore")
            .field("namespace", &self.settings.namespace)
            .field("name", &self.settings.config_map())
            .finish_non_exhaustive()
    }
}
