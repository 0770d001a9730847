//! A smoke test as data, and the digest of it.

use std::time::Duration;

use bluegreen_core::Digest;
use bluegreen_core::clock::duration_text;
use serde::{Deserialize, Serialize};

use super::Request;
use crate::canonical::canonical;

/// A smoke test as data: what a file holds and what [`Smoke`](super::Smoke) is made from.
///
/// Unknown fields are refused by name. [`Smoke::from_file`](super::Smoke::from_file) shows a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SmokeConfig {
    /// What progress, records and errors call it.
    pub name: String,
    /// The requests, each to every ready pod.
    pub requests: Vec<Request>,
    /// How long one exchange may take, from sending to the end of the answer. It also bounds
    /// listing the pods.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
    /// The most bytes that the body of an answer may have.
    pub max_body: usize,
    /// The most bytes that the names and values of an answer's headers may have in all.
    pub max_head: usize,
}

impl Default for SmokeConfig {
    fn default() -> Self {
        Self {
            name: "smoke".to_owned(),
            requests: Vec::new(),
            timeout: Duration::from_secs(10),
            max_body: 1024 * 1024,
            max_head: 64 * 1024,
        }
    }
}

impl SmokeConfig {
    /// These requests, with the defaults for everything else.
    pub fn new(requests: impl IntoIterator<Item = Request>) -> Self {
        Self { requests: requests.into_iter().collect(), ..Self::default() }
    }

    /// One digest of all settings. It depends on nothing else: the order of keys in a file, or
    /// the value of an environment variable, makes no other digest.
    pub fn digest(&self) -> Digest {
        // Everything in it has text keys and finite numbers, so this does not fail; and if it
        // ever did, the error's text would not be the digest of any settings that work.
        let text = match serde_json::to_value(self) {
            Ok(value) => canonical(&value),
            Err(error) => error.to_string(),
        };
        Digest::of(["bluegreen smoke 1", &text])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A release that resumes must find the same settings: this digest may never change, also
    /// when settings are added (their defaults are left out).
    #[test]
    fn the_digest_is_the_same_for_ever() {
        let config = SmokeConfig::new([Request::get("/readyz")]);
        assert_eq!(
            canonical(&serde_json::to_value(&config).unwrap()),
            concat!(
                r#"{"max_body":1048576,"max_head":65536,"name":"smoke","requests":"#,
                r#"[{"expect":{},"method":"GET","path":"/readyz"}],"timeout":"10s"}"#
            )
        );
        assert_eq!(
            config.digest().as_str(),
            "sha256:6a7e18f2aefc06dcb258e148a8120017b292056e61c2cf3906b50f651cf5dd33"
        );
    }

    #[test]
    fn a_config_reads_back_what_it_wrote() {
        let config = SmokeConfig::new([Request::post("/chat", json!({"a": [1, null]}))
            .named("all")
            .header("x-one", "1")
            .header_from_env("authorization", "TOKEN")
            .timeout(Duration::from_millis(1500))
            .expect_status(200..=204)
            .expect_header("a", "b")
            .expect_header_present("a")
            .expect_body_lacking("error")
            .expect_json("/x", json!(null))
            .expect_json_present("/y")
            .expect_version_at("/version")
            .latency(crate::Percentile(99), Duration::from_millis(250), 100, 10)
            .first_byte(crate::Percentile(50), Duration::from_millis(50), 100, 10)
            .streams(2, Duration::from_secs(1))]);
        let text = serde_json::to_string(&config).unwrap();
        let read: SmokeConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read, config);
        assert_eq!(read.digest(), config.digest());
    }
}
