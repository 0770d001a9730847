//! A faulty way to the agent, and faulty answers of those who are only asked.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::Faulty;
use crate::{
    AgentClient, AnswerBody, ApprovalRequest, Approver, Color, Decision, Load, Measurement, Metric,
    MetricSource, PodRef, Result, Target, Window,
};

#[async_trait]
impl<T: AgentClient + ?Sized> AgentClient for Faulty<T> {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        self.read("client.pods", self.inner.pods()).await
    }

    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        self.read("client.send", self.inner.send(to, request)).await
    }
}

#[async_trait]
impl<T: Approver + ?Sized> Approver for Faulty<T> {
    async fn decide(&self, request: &ApprovalRequest) -> Result<Decision> {
        self.read("approver.decide", self.inner.decide(request)).await
    }
}

#[async_trait]
impl<T: Load + ?Sized> Load for Faulty<T> {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        self.read("load.in_flight", self.inner.in_flight(slot)).await
    }
}

#[async_trait]
impl<T: MetricSource + ?Sized> MetricSource for Faulty<T> {
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        self.read("metrics.measure", self.inner.measure(metric, slot, window)).await
    }
}
