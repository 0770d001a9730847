//! A faulty switch.

use async_trait::async_trait;

use super::Faulty;
use crate::{
    Capabilities, Color, Epoch, Evidence, EvidenceKind, Observed, Problem, Result, Routing,
    SwitchStrategy,
};

#[async_trait]
impl<T: SwitchStrategy + ?Sized + 'static> SwitchStrategy for Faulty<T> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        self.read("switch.check", self.inner.check(routings, evidence)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.write("switch.fence", |it| async move { it.fence(epoch).await }).await
    }

    async fn observe(&self) -> Result<Observed> {
        self.look("switch.observe", self.inner.observe()).await
    }

    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.write("switch.prepare", |it| async move { it.prepare(candidate, epoch).await }).await
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.read("switch.await_known", self.inner.await_known(candidate, pods)).await
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let from = from.clone();
        let to = to.clone();
        self.write("switch.shift", |it| async move { it.shift(&from, &to, epoch).await }).await
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        self.read("switch.converge", self.inner.converge(to, evidence)).await
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        self.read("switch.watch", self.inner.watch(known)).await
    }

    async fn author(&self) -> Result<Option<String>> {
        self.read("switch.author", self.inner.author()).await
    }
}
