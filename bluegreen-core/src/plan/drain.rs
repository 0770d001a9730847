//! How a slot that lost its traffic gets rid of its work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::optional_duration;
use crate::clock::{duration_text, minutes};

/// How a slot that lost its traffic gets rid of the work it has in hand.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DrainPlan {
    /// For how long it must have had nothing in hand. Where nothing measures that, this time
    /// is waited for and the report says so. It has to be longer than the slowest node takes to
    /// hear of new endpoints: kube-proxy gathers changes for a second, cloud balancers for more.
    #[serde(with = "duration_text")]
    pub quiet: Duration,
    /// How long that is waited for.
    #[serde(with = "duration_text")]
    pub max: Duration,
    /// What becomes of work that has not ended by then.
    pub on_expiry: OnExpiry,
    /// How long the longest stream lasts. Pods of both slots must get so much time to end, or the
    /// release is refused; without it that is not looked at.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub longest_stream: Option<Duration>,
    /// The request that asks a pod to let its clients go, if agents know one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave: Option<Leave>,
}

impl Default for DrainPlan {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(30),
            max: minutes(30),
            on_expiry: OnExpiry::Keep,
            longest_stream: None,
            leave: None,
        }
    }
}

/// What becomes of work that has not ended when the longest drain is over.
///
/// This is about the old slot after a release. A failed candidate is put back in either case, and
/// the report says what was cut off by that.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnExpiry {
    /// It is cut off: the slot is made smaller all the same.
    Cut,
    /// The slot stays as large as it is.
    #[default]
    Keep,
}

/// A request that asks a pod to let its clients go.
///
/// A Service chooses a pod for each connection and not for each request, so a client that keeps
/// its connection stays with the old slot for as long as it likes. Only the pod can send it away.
///
/// Each pod of a slot that drains gets this request when the drain begins, and again every 20
/// seconds for as long as it lasts. The connections that a pod has then shall end, each after the
/// answers that are under way: HTTP/1.1 by `connection: close` on the next answer, HTTP/2 by
/// `GOAWAY`. Connections that are made later shall be as usual, at the latest a minute after the
/// last request: nobody takes it back when the slot gets traffic again. A pod that answers with
/// anything but success is reported, and nothing else.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Leave {
    /// The request's method.
    #[serde(default = "post")]
    pub method: String,
    /// The request's path, with a query if it has one.
    pub path: String,
}

impl Leave {
    /// A `POST` to this path.
    pub fn post(path: impl Into<String>) -> Self {
        Self { method: post(), path: path.into() }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// The request, if it is one.
    pub(crate) fn request(&self) -> Result<http::Request<bytes::Bytes>, http::Error> {
        let request = http::Request::builder().method(self.method.as_str());
        request.uri(self.path.as_str()).body(bytes::Bytes::new())
    }
}

fn post() -> String {
    "POST".to_owned()
}
