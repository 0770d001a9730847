//! A faulty store and a faulty lease.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Faulty;
use crate::{
    Document, HolderId, Liveness, Problem, Record, ReleaseId, ReleaseStore, Result, Revision,
    Stored, Vitality, Written,
};

#[async_trait]
impl<T: ReleaseStore + ?Sized + 'static> ReleaseStore for Faulty<T> {
    async fn check(&self) -> Result<Vec<Problem>> {
        self.read("store.check", self.inner.check()).await
    }

    async fn load(&self) -> Result<Option<Stored>> {
        self.read("store.load", self.inner.load()).await
    }

    async fn save(&self, document: &Document, expected: Option<Revision>) -> Result<Revision> {
        let document = document.clone();
        self.write("store.save", |it| async move { it.save(&document, expected).await }).await
    }

    async fn written(&self) -> Result<Option<Written>> {
        self.read("store.written", self.inner.written()).await
    }

    async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>> {
        self.read("store.watch", self.inner.watch(known)).await
    }

    async fn archive(&self, record: &Record, keep: u32) -> Result<()> {
        let record = record.clone();
        self.write("store.archive", |it| async move { it.archive(&record, keep).await }).await
    }

    async fn list(&self) -> Result<Vec<Document>> {
        self.read("store.list", self.inner.list()).await
    }

    async fn put_blob(&self, release: &ReleaseId, name: &str, content: Bytes) -> Result<()> {
        let release = release.clone();
        let name = name.to_owned();
        self.write(
            "store.put_blob",
            |it| async move { it.put_blob(&release, &name, content).await },
        )
        .await
    }

    async fn blob(&self, release: &ReleaseId, name: &str) -> Result<Option<Bytes>> {
        self.read("store.blob", self.inner.blob(release, name)).await
    }
}

#[async_trait]
impl<T: Liveness + ?Sized + 'static> Liveness for Faulty<T> {
    fn holder(&self) -> HolderId {
        self.inner.holder()
    }

    fn time_to_live(&self) -> Duration {
        self.inner.time_to_live()
    }

    async fn check(&self) -> Result<Vec<Problem>> {
        self.read("liveness.check", self.inner.check()).await
    }

    async fn renew(&self) -> Result<()> {
        self.write("liveness.renew", |it| async move { it.renew().await }).await
    }

    async fn resign(&self) -> Result<()> {
        self.write("liveness.resign", |it| async move { it.resign().await }).await
    }

    async fn vitality(&self, holder: &HolderId) -> Result<Vitality> {
        self.read("liveness.vitality", self.inner.vitality(holder)).await
    }
}
