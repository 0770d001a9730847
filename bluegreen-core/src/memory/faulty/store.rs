//! A faulty store and a faulty lease.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Faulty;
use super::Manner::{Read, Write};
use crate::{
    Document, HolderId, Liveness, Problem, Record, ReleaseId, ReleaseStore, Result, Revision,
    Stored, Vitality,
};

#[async_trait]
impl<T: ReleaseStore + ?Sized> ReleaseStore for Faulty<T> {
    async fn check(&self) -> Result<Vec<Problem>> {
        self.call("store.check", Read, self.inner.check()).await
    }

    async fn load(&self) -> Result<Option<Stored>> {
        self.call("store.load", Read, self.inner.load()).await
    }

    async fn save(&self, document: &Document, expected: Option<Revision>) -> Result<Revision> {
        self.call("store.save", Write, self.inner.save(document, expected)).await
    }

    async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>> {
        self.call("store.watch", Read, self.inner.watch(known)).await
    }

    async fn archive(&self, record: &Record, keep: u32) -> Result<()> {
        self.call("store.archive", Write, self.inner.archive(record, keep)).await
    }

    async fn list(&self) -> Result<Vec<Document>> {
        self.call("store.list", Read, self.inner.list()).await
    }

    async fn put_blob(&self, release: &ReleaseId, name: &str, content: Bytes) -> Result<()> {
        self.call("store.put_blob", Write, self.inner.put_blob(release, name, content)).await
    }

    async fn blob(&self, release: &ReleaseId, name: &str) -> Result<Option<Bytes>> {
        self.call("store.blob", Read, self.inner.blob(release, name)).await
    }
}

#[async_trait]
impl<T: Liveness + ?Sized> Liveness for Faulty<T> {
    fn holder(&self) -> HolderId {
        self.inner.holder()
    }

    fn time_to_live(&self) -> Duration {
        self.inner.time_to_live()
    }

    async fn check(&self) -> Result<Vec<Problem>> {
        self.call("liveness.check", Read, self.inner.check()).await
    }

    async fn renew(&self) -> Result<()> {
        self.call("liveness.renew", Write, self.inner.renew()).await
    }

    async fn resign(&self) -> Result<()> {
        self.call("liveness.resign", Write, self.inner.resign()).await
    }

    async fn vitality(&self, holder: &HolderId) -> Result<Vitality> {
        self.call("liveness.vitality", Read, self.inner.vitality(holder)).await
    }
}
