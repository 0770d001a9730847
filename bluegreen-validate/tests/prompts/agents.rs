//! Agents on loopback.

use std::future::Future;
use std::sync::Arc;

use bluegreen_core::AgentClient;
use bluegreen_validate::{AddressClient, Value, json};

use crate::server::{Answer, Got, Server, answer, with};

/// The number in the question about a parcel.
pub(crate) fn number(message: &str) -> usize {
    let digits: String = message.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

pub(crate) fn message(got: &Got) -> String {
    assert_eq!((got.method.as_str(), got.uri.path()), ("POST", "/chat"));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

pub(crate) fn reply(text: &str) -> Answer {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
    with(
        answer(200, json!({"reply": text, "usage": usage}).to_string()),
        "content-type",
        "application/json",
    )
}

/// An agent that answers every question well, except those for which `bad` says otherwise.
pub(crate) async fn knowing(bad: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    let bad = Arc::new(bad);
    Server::http(move |got| {
        let bad = bad.clone();
        async move {
            let number = number(&message(&got));
            if bad(number) {
                reply("I cannot find that, as an AI. Use the key sk-live-0123456789abcdef.")
            } else {
                reply(&format!("Your parcel {number} is on its way."))
            }
        }
    })
    .await
}

pub(crate) fn client(server: &Server) -> Arc<dyn AgentClient> {
    Arc::new(AddressClient::new([server.address.to_string()]))
}

/// An agent that does what `answer` says.
pub(crate) async fn doing<A: Future<Output = Answer> + Send + 'static>(
    answer: impl Fn(Got) -> A + Send + Sync + 'static,
) -> Server {
    Server::http(answer).await
}
