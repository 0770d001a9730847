//! How large the slots of an agent are.

use std::time::Duration;

use bluegreen_core::Color;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::wait::await_condition;

use crate::Agent;

/// How long a slot may take to get the size that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

impl Agent {
    /// How many pods blue and green are to have.
    pub async fn sizes(&self) -> [i32; 2] {
        let mut sizes = [0; 2];
        for (size, color) in sizes.iter_mut().zip(Color::BOTH) {
            let found = self.api::<Deployment>().get(&format!("agent-{color}")).await.unwrap();
            *size = found.spec.replicas.unwrap();
        }
        sizes
    }

    /// Returns once a slot is to have so many pods.
    pub async fn becomes(&self, color: Color, size: i32) {
        let is_so =
            move |found: Option<&Deployment>| found.and_then(|it| it.spec.replicas) == Some(size);
        let name = format!("agent-{color}");
        let waiting = Box::pin(await_condition(self.api(), &name, is_so));
        let ended = tokio::time::timeout(PATIENCE, waiting).await;
        ended.unwrap_or_else(|_| panic!("{color} should get {size} pods")).unwrap();
    }
}
