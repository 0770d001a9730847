//! The stand-in answers as a real API server did.
//!
//! `stand_in/exchanges.json` holds requests and what a real server of version 1.37 said to each of
//! them, one after the other. To ask one again:
//!
//! ```text
//! tests/cluster/with -- tests/cluster/parity
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use bluegreen_kube::stand_in::StandIn;
use http::Request;
use kube::client::{Body, Client};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One request and its answer.
///
/// In path and body `{namespace}` stands for the namespace, and `{uid of x}` and `{version of x}`
/// for what the last answer about the object `x` had.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Exchange {
    /// What is shown by it.
    shows: String,
    request: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    media_type: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    body: Value,
    /// The body as it is written, where that matters: instead of `body`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    /// The stand-in says the same in other words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    in_other_words: bool,
    #[serde(default)]
    code: u16,
    #[serde(default)]
    answer: Value,
}

#[tokio::test]
async fn answers_as_the_real_server_did() {
    let stand_in = StandIn::new();
    let mut talk = Talk::new(stand_in.client("parity"), "parity");
    let mut differences = Vec::new();
    for recorded in read() {
        let said = talk.exchange(&recorded).await;
        if (said.code, &said.answer) != (recorded.code, &recorded.answer) {
            differences.push(format!(
                "{} ({})\nreal server: {} {}\nstand-in:    {} {}",
                recorded.shows,
                recorded.request,
                recorded.code,
                recorded.answer,
                said.code,
                said.answer
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[tokio::test]
#[ignore = "needs a cluster (makes and deletes a namespace)"]
async fn the_real_server_still_answers_so() {
    let url = std::env::var("BLUEGREEN_PROXY").expect("the address of a kubectl proxy");
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let namespace = format!("parity-{}", std::process::id());
    let mut talk = Talk::new(client, &namespace);
    let made = json!({ "metadata": { "name": namespace } });
    let (code, answer) = talk.send("POST /api/v1/namespaces", "", made.to_string()).await;
    assert_eq!(code, 201, "{answer}");
    let recorded = read();
    let mut said = Vec::new();
    for exchange in &recorded {
        said.push(talk.exchange(exchange).await);
    }
    talk.send(&format!("DELETE /api/v1/namespaces/{namespace}"), "", String::new()).await;
    let now = serde_json::to_string_pretty(&said).unwrap() + "\n";
    let before = std::fs::read_to_string(file()).unwrap();
    if now != before {
        std::fs::write(file(), now).unwrap();
        panic!("it says something else: look at what has become of {}", file().display());
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/exchanges.json")
}

fn read() -> Vec<Exchange> {
    serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap()
}

/// A conversation with one server.
struct Talk {
    client: Client,
    namespace: String,
    /// Identity and version of each object, by name.
    known: BTreeMap<String, (String, String)>,
}

impl Talk {
    fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned(), known: BTreeMap::new() }
    }

    /// Sends the request of an exchange again. What differs from one time to the next is left
    /// out of the answer.
    async fn exchange(&mut self, recorded: &Exchange) -> Exchange {
        let request = self.fill(&recorded.request);
        let text = match (&recorded.body, recorded.text.as_str()) {
            (Value::Null, text) => text.to_owned(),
            (body, _) => self.fill(&body.to_string()),
        };
        let (code, mut answer) = self.send(&request, &recorded.media_type, text).await;
        let name = answer["metadata"]["name"].as_str().map(str::to_owned);
        if let (Some(name), Some(version)) = (name, answer["metadata"]["resourceVersion"].as_str())
        {
            let uid = answer["metadata"]["uid"].as_str().unwrap_or_default();
            self.known.insert(name, (uid.to_owned(), version.to_owned()));
        }
        leave_out(&mut answer);
        if recorded.in_other_words {
            leave_out_words(&mut answer);
        }
        let mut text = answer.to_string().replace(&self.namespace, "{namespace}");
        for (name, (uid, version)) in &self.known {
            text = text.replace(uid, &format!("{{uid of {name}}}"));
            text = text.replace(&format!("({version})"), &format!("({{version of {name}}})"));
        }
        Exchange { code, answer: serde_json::from_str(&text).unwrap(), ..recorded.clone() }
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{namespace}", &self.namespace);
        for (name, (uid, version)) in &self.known {
            text = text.replace(&format!("{{uid of {name}}}"), uid);
            text = text.replace(&format!("{{version of {name}}}"), version);
        }
        text
    }

    async fn send(&self, request: &str, media_type: &str, body: String) -> (u16, Value) {
        let (method, path) = request.split_once(' ').unwrap();
        let media_type = if media_type.is_empty() { "application/json" } else { media_type };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media_type)
            .header("accept", "application/json")
            .body(Body::from(body.into_bytes()))
            .unwrap();
        let answer = self.client.send(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// Leaves out identities, versions, times and addresses, what controllers write, and who owns
/// which field.
fn leave_out(answer: &mut Value) {
    for item in answer["items"].as_array_mut().into_iter().flatten() {
        leave_out(item);
    }
    if answer["status"].is_object() && answer["kind"] != "SelfSubjectAccessReview" {
        answer.as_object_mut().unwrap().remove("status");
    }
    for address in ["/spec/clusterIP", "/spec/clusterIPs/0"] {
        if let Some(address) = answer.pointer_mut(address).filter(|found| *found != "None") {
            *address = "{address}".into();
        }
    }
    let Some(metadata) = answer["metadata"].as_object_mut() else {
        // Indexing has made it.
        if let Some(answer) = answer.as_object_mut() {
            answer.retain(|_, value| !value.is_null());
        }
        return;
    };
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        metadata.remove(field);
    }
    if let Some(start) = metadata.get("generateName").and_then(Value::as_str) {
        let name = format!("{start}{{suffix}}");
        metadata.insert("name".to_owned(), name.into());
    }
    if let Some(time) = metadata.get_mut("deletionTimestamp") {
        *time = "{time}".into();
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    if let Some(answer) = answer.as_object_mut() {
        answer.retain(|_, value| !value.is_null());
    }
}

fn leave_out_words(answer: &mut Value) {
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("message");
    }
    for cause in
        answer.pointer_mut("/details/causes").and_then(Value::as_array_mut).into_iter().flatten()
    {
        cause["message"] = "{words}".into();
    }
}
