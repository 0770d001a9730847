//! What is believed of an answer.

use std::time::Duration;

use bluegreen_core::{Actor, ApprovalRequest, Decision, Timestamp};
use http::HeaderMap;
use serde::Deserialize;

use crate::notify::event::cut;
use crate::notify::signature::{ID, SigningKey, verify};

/// How far the time of a signature may be from now.
const TOLERANCE: Duration = Duration::from_mins(5);
/// The most characters of who has decided, and why.
const ACTOR: usize = 200;
const REASON: usize = 1_000;
/// The most characters that an error repeats, so that what is wanted has room beside it.
const SHOWN: usize = 80;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    decision: Said,
    digest: String,
    actor: String,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Approve,
    Deny,
}

/// The decision on this request, asked under this id.
///
/// # Errors
/// Why it is none: found and wanted.
pub(super) fn read(
    keys: &[SigningKey],
    headers: &HeaderMap,
    body: &[u8],
    id: &str,
    request: &ApprovalRequest,
    now: Timestamp,
) -> Result<Decision, String> {
    verify(keys, headers, body, now, TOLERANCE).map_err(|error| {
        format!("{error} in the answer, wanted one that is signed with a key of these settings")
    })?;
    // Signed, but an answer to something else.
    if headers.get(ID).is_none_or(|found| found != id) {
        return Err(format!("found another `{ID}` than that of the question, wanted {id}"));
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        format!(
            "found an answer that can't be read ({error}), wanted decision, digest, actor, reason"
        )
    })?;
    if answer.digest != request.digest.as_str() {
        let found = cut(answer.digest, SHOWN);
        return Err(format!("found a decision on {found:?}, wanted {}", request.digest));
    }
    let actor = text("actor", &answer.actor, ACTOR)?;
    let reason =
        answer.reason.as_deref().map(|reason| text("reason", reason, REASON)).transpose()?;
    match (answer.decision, reason) {
        (Said::Approve, _) => Ok(Decision::Approve { actor: Actor::new(actor) }),
        (Said::Deny, Some(reason)) => Ok(Decision::Deny { actor: Actor::new(actor), reason }),
        (Said::Deny, None) => Err("found a denial without a reason, wanted one".to_owned()),
    }
}

/// A text that records can keep.
fn text(field: &str, text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        let found = cut(text.to_owned(), SHOWN);
        return Err(format!("found {field} {found:?}, wanted 1 to {most} printable characters"));
    }
    Ok(text.to_owned())
}
