//! A faulty slot.

use async_trait::async_trait;

use super::Faulty;
use super::Manner::{Read, Write};
use crate::{Color, Epoch, Intent, Problem, ResolvedChange, Result, Slot, SlotState};

#[async_trait]
impl<T: Slot + ?Sized> Slot for Faulty<T> {
    fn color(&self) -> Color {
        self.inner.color()
    }

    async fn state(&self) -> Result<SlotState> {
        self.call("slot.state", Read, self.inner.state()).await
    }

    async fn check(&self, intent: &Intent) -> Result<Vec<Problem>> {
        self.call("slot.check", Read, self.inner.check(intent)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.call("slot.fence", Write, self.inner.fence(epoch)).await
    }

    async fn deploy(&self, change: &ResolvedChange, replicas: u32, epoch: Epoch) -> Result<()> {
        self.call("slot.deploy", Write, self.inner.deploy(change, replicas, epoch)).await
    }

    async fn await_ready(&self) -> Result<SlotState> {
        self.call("slot.await_ready", Read, self.inner.await_ready()).await
    }

    async fn scale(&self, replicas: u32, epoch: Epoch) -> Result<()> {
        self.call("slot.scale", Write, self.inner.scale(replicas, epoch)).await
    }

    async fn freeze(&self, epoch: Epoch) -> Result<()> {
        self.call("slot.freeze", Write, self.inner.freeze(epoch)).await
    }

    async fn thaw(&self, epoch: Epoch) -> Result<()> {
        self.call("slot.thaw", Write, self.inner.thaw(epoch)).await
    }

    async fn commit(&self, epoch: Epoch) -> Result<()> {
        self.call("slot.commit", Write, self.inner.commit(epoch)).await
    }

    async fn revert(&self, epoch: Epoch) -> Result<()> {
        self.call("slot.revert", Write, self.inner.revert(epoch)).await
    }

    async fn watch(&self, known: &SlotState) -> Result<SlotState> {
        self.call("slot.watch", Read, self.inner.watch(known)).await
    }
}
