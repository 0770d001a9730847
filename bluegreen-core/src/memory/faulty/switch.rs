//! A faulty switch.

use async_trait::async_trait;

use super::Faulty;
use super::Manner::{Read, Write};
use crate::{
    Capabilities, Color, Epoch, Evidence, EvidenceKind, Observed, Problem, Result, Routing,
    SwitchStrategy,
};

#[async_trait]
impl<T: SwitchStrategy + ?Sized> SwitchStrategy for Faulty<T> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        self.call("switch.check", Read, self.inner.check(routings, evidence)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.call("switch.fence", Write, self.inner.fence(epoch)).await
    }

    async fn observe(&self) -> Result<Observed> {
        self.call("switch.observe", Read, self.inner.observe()).await
    }

    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.call("switch.prepare", Write, self.inner.prepare(candidate, epoch)).await
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.call("switch.await_known", Read, self.inner.await_known(candidate, pods)).await
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        self.call("switch.shift", Write, self.inner.shift(from, to, epoch)).await
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        self.call("switch.converge", Read, self.inner.converge(to, evidence)).await
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        self.call("switch.watch", Read, self.inner.watch(known)).await
    }
}
