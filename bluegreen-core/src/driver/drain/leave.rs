//! Clients of a slot that drains are asked to leave.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::task::JoinSet;

use super::Driver;
use crate::{AgentClient, Color, PodRef, Progress, Record, Result, Target};

/// After how long pods are asked again: connections may have been made since by clients whose node
/// had not yet heard of the switch, and a pod may not have answered.
const AGAIN: Duration = Duration::from_secs(20);

/// What did not work when pods were last asked.
#[derive(Default)]
pub(super) struct Failures(Mutex<Option<String>>);

impl Failures {
    pub(super) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, text: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

impl Driver {
    /// Asks every pod of the slot to let its clients go, until this is dropped.
    ///
    /// # Cancel safety
    /// What was sent was sent; asking twice is asking once.
    pub(super) async fn send_away(
        &self,
        record: &Record,
        slot: Color,
        failures: &Failures,
    ) -> Infallible {
        let leave = record.plan.drain.leave.as_ref();
        // A plan with a request that is none is refused.
        let Some(request) = leave.and_then(|leave| leave.request().ok()) else {
            return pending().await;
        };
        let mut told = None;
        loop {
            let text = match self.ask_all(record, slot, &request).await {
                Ok((all, refusals)) if refusals.is_empty() => {
                    failures.set(None);
                    format!("{slot}: {all} pods let their clients go")
                }
                Ok((all, refusals)) => {
                    let (count, why) = (refusals.len(), refusals.join("; "));
                    let text = format!("{count} of {all} pods do not let their clients go: {why}");
                    failures.set(Some(text.clone()));
                    format!("{slot}: {text}")
                }
                Err(error) => {
                    let text = format!("no pod was asked to let its clients go: {}", error.chain());
                    failures.set(Some(text.clone()));
                    format!("{slot}: {text}")
                }
            };
            if told.as_ref() != Some(&text) {
                self.report(&Progress::note(&*text));
                told = Some(text);
            }
            self.ports.clock.sleep(AGAIN).await;
        }
    }

    /// Asks all pods at the same time. How many there are, and why some did not say yes.
    async fn ask_all(
        &self,
        record: &Record,
        slot: Color,
        request: &Request<Bytes>,
    ) -> Result<(usize, Vec<String>)> {
        let reading = self.ports.slots.of(slot).state();
        let state = self.bounded_read("read the slot", record.plan.call, reading).await?;
        let pods: Vec<_> = state.pods.iter().filter(|pod| pod.running).collect();
        // Each of these ends with this function, if not before.
        let mut asking = JoinSet::new();
        for pod in &pods {
            let (client, clock) = (self.ports.clients.of(slot).clone(), self.ports.clock.clone());
            let (pod, request) = (PodRef::new(&pod.name, &pod.uid), request.clone());
            let limit = record.plan.call;
            asking.spawn(async move {
                let refusal = tokio::select! {
                    refusal = ask(&client, &pod, request) => refusal?,
                    () = clock.sleep(limit) => format!("no answer in {limit:?}"),
                };
                Some(format!("{}: {refusal}", pod.name))
            });
        }
        let mut refusals: Vec<String> = asking.join_all().await.into_iter().flatten().collect();
        refusals.sort();
        Ok((pods.len(), refusals))
    }
}

/// Why a pod did not say yes, if it did not.
async fn ask(
    client: &Arc<dyn AgentClient>,
    pod: &PodRef,
    request: Request<Bytes>,
) -> Option<String> {
    match client.send(&Target::Pod(pod.clone()), request).await {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(format!("status {}", answer.status().as_u16())),
        Err(error) => Some(error.chain()),
    }
}
