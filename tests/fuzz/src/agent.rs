//! An agent that answers whatever it was given.

use async_trait::async_trait;
use bluegreen_core::memory::MemoryCluster;
use bluegreen_core::{
    AgentClient, AnswerBody, Configuration, Container, PodRef, Result, Slot as _, Target,
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};

/// One answer to everything.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The pods of the agent.
pub(crate) fn pods() -> Vec<PodRef> {
    vec![PodRef::new("agent-green-0", "uid-0")]
}

#[async_trait]
impl AgentClient for Agent {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(pods())
    }

    async fn send(&self, _: &Target, _: Request<Bytes>) -> Result<Response<AnswerBody>> {
        // In two pieces, cut anywhere.
        let at = self.body.len() / 3;
        let pieces = [self.body.slice(..at), self.body.slice(at..)];
        let body = AnswerBody::new(stream::iter(pieces.map(Ok)));
        let mut answer = Response::new(body);
        *answer.status_mut() = self.status;
        answer.headers_mut().clone_from(&self.headers);
        Ok(answer)
    }
}

/// A cluster in memory that runs an agent.
pub(crate) fn cluster() -> MemoryCluster {
    let mut agent = Container::new("registry.example.com/agent-service:1.2.0");
    agent.set("AGENT_VERSION", "1.2.0");
    let live = Configuration::new([("agent".to_owned(), agent)].into()).with_version("1.2.0");
    MemoryCluster::new("agent", live)
}

/// What a slot of such a cluster is.
pub(crate) async fn state(cluster: &MemoryCluster) -> bluegreen_core::SlotState {
    cluster.slot(bluegreen_core::Color::Blue).state().await.unwrap()
}
