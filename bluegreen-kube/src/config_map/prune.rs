//! Finished releases beyond those that are kept go, with everything that belongs to them.

use std::collections::BTreeSet;

use bluegreen_core::{ErrorKind, ReleaseId, ReleaseStore as _, Result};
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::PartialObjectMeta;

use super::{ConfigMapStore, objects};
use crate::Purpose;
use crate::error::{read, write};

type Meta = PartialObjectMeta<ConfigMap>;

impl ConfigMapStore {
    /// Leaves the newest `keep` finished releases, and of blobs those of these releases, of
    /// `archived` and of the one that is stored as the current one.
    pub(super) async fn prune(&self, archived: &ReleaseId, keep: u32) -> Result<()> {
        let all = self.list_meta().await?;
        let (mut finished, mut blobs) = (Vec::new(), Vec::new());
        for object in all {
            match object.labels().get(&self.settings.purpose_label()).map(String::as_str) {
                Some(text) if text == Purpose::Archive.as_str() => finished.push(object),
                Some(text) if text == Purpose::Blob.as_str() => blobs.push(object),
                _ => {}
            }
        }
        finished.sort_by_key(|object| std::cmp::Reverse(objects::age(object, &self.settings)));
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let gone = finished.split_off(finished.len().min(keep));
        let release = |object: &Meta| {
            objects::release_of(object, &self.settings).unwrap_or_default().to_owned()
        };
        let mut kept: BTreeSet<String> = finished.iter().map(release).collect();
        kept.insert(archived.to_string());
        blobs.retain(|blob| !kept.contains(&release(blob)));
        if !blobs.is_empty() {
            // The next release may have begun, and its first blobs may have been listed. Its record
            // was there before them.
            let current = self.current_release().await?;
            blobs.retain(|blob| current.as_ref() != Some(&release(blob)));
        }
        let orphans = blobs.into_iter();
        // Blobs first: a release that is still listed is pruned again after a crash.
        try_join_all(orphans.map(|blob| self.delete(blob))).await?;
        try_join_all(gone.into_iter().map(|record| self.delete(record))).await?;
        Ok(())
    }

    async fn list_meta(&self) -> Result<Vec<Meta>> {
        let params = ListParams::default().labels(&self.settings.everything());
        let action =
            format!("list configmaps of {} in {}", self.settings.agent, self.settings.namespace);
        Ok(read(self.settings.call, action, self.api.list_metadata(&params)).await?.items)
    }

    async fn current_release(&self) -> Result<Option<String>> {
        let stored = self.load().await?;
        Ok(stored.map(|stored| stored.document.envelope().release.to_string()))
    }

    /// Deletes what was listed. Something else that has its name by now stays.
    async fn delete(&self, object: Meta) -> Result<()> {
        let name = object.name_any();
        let params = DeleteParams::default()
            .preconditions(Preconditions { uid: object.uid(), resource_version: None });
        let call = self.api.delete(&name, &params);
        match write(self.settings.call, self.action("delete", &name), call).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
