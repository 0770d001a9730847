//! What every [`AgentClient`] has to pass.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};

use super::{Guard, must, must_fail, within};
use crate::ErrorKind::NotFound;
use crate::{AgentClient, PodRef, Target};

/// A slot with pods that answer in known ways, and one without pods.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct ClientFixture {
    /// The way to the slot that has pods.
    pub client: Arc<dyn AgentClient>,
    /// Its ready pods, at least two of them.
    pub pods: Vec<PodRef>,
    /// Is answered with a body that has the name of the answering pod in it.
    pub who: Request<Bytes>,
    /// Is answered with status 500.
    pub failing: Request<Bytes>,
    /// Is answered with a body that begins, and does not end while somebody listens.
    pub endless: Request<Bytes>,
    /// The way to a slot without ready pods.
    pub silent: Arc<dyn AgentClient>,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`AgentClient`](crate::AgentClient), from an async closure that
/// returns a
/// [`ClientFixture`](crate::conformance::client::ClientFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! client_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            client { $(#[$attribute])* } $name ($fixture) [
                lists_the_ready_pods,
                reaches_the_pod_that_was_named,
                any_status_is_an_answer,
                streams_the_body,
                an_unknown_pod_is_not_found,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::client_conformance_tests! { client: $fixture }
    };
}

/// Exactly the ready pods are listed, and none where none is ready.
pub async fn lists_the_ready_pods(it: &ClientFixture) {
    let mut listed = must("listing pods", it.client.pods().await);
    let mut expected = it.pods.clone();
    listed.sort();
    expected.sort();
    assert!(expected.len() >= 2, "the fixture has to have two pods");
    assert_eq!(listed, expected, "the ready pods are listed");
    assert_eq!(must("listing no pods", it.silent.pods().await), [], "none is ready");
}

/// The pod that was named answers, and any one of the slot where none was.
pub async fn reaches_the_pod_that_was_named(it: &ClientFixture) {
    for pod in &it.pods {
        let text = ask(it, &Target::Pod(pod.clone())).await;
        assert!(text.contains(&pod.name), "{} was asked, and the answer is: {text}", pod.name);
    }
    let text = ask(it, &Target::Any).await;
    let known = it.pods.iter().any(|pod| text.contains(&pod.name));
    assert!(known, "any pod of the slot was asked, and the answer is: {text}");
}

/// An answer of status 500 is an answer; nobody there is an error.
pub async fn any_status_is_an_answer(it: &ClientFixture) {
    let sent = within("an answer", it.client.send(&Target::Any, it.failing.clone())).await;
    let answer = must("sending what is answered with 500", sent);
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "its status is told");
    let sent = within("an answer", it.silent.send(&Target::Any, it.who.clone())).await;
    assert!(sent.is_err(), "nobody is there, and the answer is: {sent:?}");
}

/// The beginning of a body can be read while it goes on.
pub async fn streams_the_body(it: &ClientFixture) {
    let sent = within("an answer", it.client.send(&Target::Any, it.endless.clone())).await;
    let mut body = must("sending", sent).into_body();
    let Some(piece) = within("the first piece", body.next()).await else {
        panic!("the body ended before its first piece");
    };
    must("reading the first piece", piece);
}

/// A pod that is not there is `NotFound`.
pub async fn an_unknown_pod_is_not_found(it: &ClientFixture) {
    let nobody = Target::Pod(PodRef::new("no-such-pod", "00000000-0000-0000-0000-000000000000"));
    let sent = within("an answer", it.client.send(&nobody, it.who.clone())).await;
    must_fail("sending to a pod that is not there", NotFound, sent);
}

async fn ask(it: &ClientFixture, target: &Target) -> String {
    let sent = within("an answer", it.client.send(target, it.who.clone())).await;
    let body = must("sending", sent).into_body();
    let body = must("reading the body", within("the body", body.collect(1 << 20)).await);
    String::from_utf8_lossy(&body).into_owned()
}
