//! A faulty slot.

use async_trait::async_trait;

use super::Faulty;
use crate::{Color, ConfigFiles, Epoch, Intent, Problem, ResolvedChange, Result, Slot, SlotState};

#[async_trait]
impl<T: Slot + ?Sized + 'static> Slot for Faulty<T> {
    fn color(&self) -> Color {
        self.inner.color()
    }

    async fn state(&self) -> Result<SlotState> {
        self.look("slot.state", self.inner.state()).await
    }

    async fn check(&self, intent: &Intent) -> Result<Vec<Problem>> {
        self.read("slot.check", self.inner.check(intent)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.write("slot.fence", |it| async move { it.fence(epoch).await }).await
    }

    async fn deploy(&self, change: &ResolvedChange, replicas: u32, epoch: Epoch) -> Result<()> {
        let change = change.clone();
        self.write("slot.deploy", |it| async move { it.deploy(&change, replicas, epoch).await })
            .await
    }

    async fn await_ready(&self) -> Result<SlotState> {
        self.read("slot.await_ready", self.inner.await_ready()).await
    }

    async fn scale(&self, replicas: u32, epoch: Epoch) -> Result<()> {
        self.write("slot.scale", |it| async move { it.scale(replicas, epoch).await }).await
    }

    async fn freeze(&self, epoch: Epoch) -> Result<()> {
        self.write("slot.freeze", |it| async move { it.freeze(epoch).await }).await
    }

    async fn thaw(&self, epoch: Epoch) -> Result<()> {
        self.write("slot.thaw", |it| async move { it.thaw(epoch).await }).await
    }

    async fn commit(&self, epoch: Epoch) -> Result<()> {
        self.write("slot.commit", |it| async move { it.commit(epoch).await }).await
    }

    async fn revert(&self, epoch: Epoch) -> Result<()> {
        self.write("slot.revert", |it| async move { it.revert(epoch).await }).await
    }

    async fn watch(&self, known: &SlotState) -> Result<SlotState> {
        self.read("slot.watch", self.inner.watch(known)).await
    }

    async fn author(&self) -> Result<Option<String>> {
        self.read("slot.author", self.inner.author()).await
    }

    async fn caveats(&self) -> Result<Vec<String>> {
        self.read("slot.caveats", self.inner.caveats()).await
    }

    async fn files(&self, config_map: &str) -> Result<Option<ConfigFiles>> {
        self.read("slot.files", self.inner.files(config_map)).await
    }
}
