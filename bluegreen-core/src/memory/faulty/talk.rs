//! A faulty way to the agent, and faulty answers of those who are only asked.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::Faulty;
use super::Manner::Read;
use crate::{
    AgentClient, AnswerBody, ApprovalRequest, Approver, Color, Decision, Load, Measurement, Metric,
    MetricSource, PodRef, Result, Target, Window,
};

#[async_trait]
impl<T: AgentClient + ?Sized> AgentClient for Faulty<T> {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        self.call("client.pods", Read, self.inner.pods()).await
    }

    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        self.call("client.send", Read, self.inner.send(to, request)).await
    }
}

#[async_trait]
impl<T: Approver + ?Sized> Approver for Faulty<T> {
    async fn decide(&self, request: &ApprovalRequest) -> Result<Decision> {
        self.call("approver.decide", Read, self.inner.decide(request)).await
    }
}

#[async_trait]
impl<T: Load + ?Sized> Load for Faulty<T> {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        self.call("load.in_flight", Read, self.inner.in_flight(slot)).await
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
        self.call("metrics.measure", Read, self.inner.measure(metric, slot, window)).await
    }
}
