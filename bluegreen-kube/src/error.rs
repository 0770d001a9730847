//! What an answer of the API server means to a caller: `kube::Error` to core's error.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Result};
use kube::client::AuthError;
use kube::core::Status;

use crate::printable::printable;

/// Whether a call may have changed something when its answer is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    /// What a lost answer means.
    fn lost(self) -> ErrorKind {
        match self {
            Self::Read => ErrorKind::Unavailable,
            Self::Write => ErrorKind::Unknown,
        }
    }
}

/// Waits for a read at most `limit`. Without an answer it is
/// [`Unavailable`](ErrorKind::Unavailable). `action` is what errors call it:
/// `"read deployment agent-blue"`.
pub(crate) async fn read<T>(
    limit: Duration,
    action: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T> {
    bounded(limit, Access::Read, action, call).await
}

/// Waits for a write at most `limit`. Without an answer its outcome is
/// [`Unknown`](ErrorKind::Unknown).
pub(crate) async fn write<T>(
    limit: Duration,
    action: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T> {
    bounded(limit, Access::Write, action, call).await
}

/// Like [`read`], where something that is not there is an answer too.
pub(crate) async fn read_opt<T>(
    limit: Duration,
    action: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<Option<T>> {
    match read(limit, action, call).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for a call at most `limit`.
pub(crate) async fn bounded<T>(
    limit: Duration,
    access: Access,
    action: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(during(access, action)),
        Err(_) => Err(Error::new(access.lost(), action)
            .with_source(format!("no answer within {} s", limit.as_secs_f64()))),
    }
}

/// Turns what kube says about a call into core's error. For `map_err`.
pub(crate) fn during(
    access: Access,
    action: impl Into<String>,
) -> impl FnOnce(kube::Error) -> Error {
    move |error| {
        let kind = kind(access, &error);
        let made = Error::new(kind, action);
        match error {
            kube::Error::Api(status) => made.with_source(Refusal::new(&status, kind)),
            error => match credentials(&error) {
                Some(said) => made.with_source(said),
                None => made.with_source(error),
            },
        }
    }
}

fn kind(access: Access, error: &kube::Error) -> ErrorKind {
    match error {
        kube::Error::Api(status) => kind_of_status(access, status),
        kube::Error::HyperError(_)
        | kube::Error::Service(_)
        | kube::Error::ReadEvents(_)
        | kube::Error::UpgradeConnection(_) => {
            if never_sent(error) {
                ErrorKind::Unavailable
            } else {
                access.lost()
            }
        }
        // The credentials could not be got: nothing was sent.
        kube::Error::Auth(_) => ErrorKind::Unavailable,
        // A write has been made all the same when its answer cannot be understood.
        kube::Error::SerdeError(_)
        | kube::Error::FromUtf8(_)
        | kube::Error::LinesCodecMaxLineLengthExceeded => match access {
            Access::Read => ErrorKind::Rejected,
            Access::Write => ErrorKind::Unknown,
        },
        _ => ErrorKind::Rejected,
    }
}

fn kind_of_status(access: Access, status: &Status) -> ErrorKind {
    // Only the API server itself fills in a reason that it knows. A proxy that answers for it
    // may have passed the request on before.
    let own = kube::core::response::reason::is_known(&status.reason) && !status.reason.is_empty();
    match status.code {
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        // The API server says that a `test` of a JSON Patch failed, or that a path it names is
        // not there, with empty details. An object that it does not accept has causes.
        422 => match &status.details {
            Some(details) if !details.causes.is_empty() => ErrorKind::Rejected,
            _ => ErrorKind::Conflict,
        },
        // Too old a resource version of a watch: list again.
        410 | 429 => ErrorKind::Unavailable,
        503 if own => ErrorKind::Unavailable,
        500..=599 => access.lost(),
        _ => ErrorKind::Rejected,
    }
}

/// Whether the connection was never made, so that no byte of the request left.
fn never_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>()
            && error.is_connect()
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What is said of credentials that could not be got. The plugin's own output is left out: it is
/// what would have been the credentials.
fn credentials(error: &kube::Error) -> Option<String> {
    let mut cause = Some(error as &(dyn StdError + 'static));
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<AuthError>() {
            return match error {
                AuthError::AuthExecRun { out, .. } => {
                    Some(format!("the credential plugin failed with {}", out.status))
                }
                AuthError::AuthExecParse(_) => {
                    Some("the credential plugin's output cannot be read".to_owned())
                }
                _ => None,
            };
        }
        cause = error.source();
    }
    None
}

/// What kube calls an answer that somebody else gave, in place of the API server.
const NO_STATUS: &str = "Failed to parse error data";

/// The most characters that are shown of what the API server says.
const SAID: usize = 2048;

/// What the API server said, without the debug output that kube adds.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({code} {reason})")]
struct Refusal {
    message: String,
    code: u16,
    reason: String,
}

impl Refusal {
    fn new(status: &Status, kind: ErrorKind) -> Self {
        // What the server says to a failed test is no help.
        let message = if status.code == 422 && kind == ErrorKind::Conflict {
            "the object is no longer as it was read".to_owned()
        } else if status.reason == NO_STATUS {
            // Some proxies repeat the request, credentials and all.
            format!("{} bytes that are no answer of an API server", status.message.len())
        } else {
            printable(&status.message, SAID)
        };
        Self { message, code: status.code, reason: status.reason.clone() }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    fn status(code: u16, reason: &str) -> Status {
        Status { code, reason: reason.into(), ..Status::failure("it says why", reason) }
    }

    fn of(access: Access, status: Status) -> ErrorKind {
        during(access, "patch service agent")(kube::Error::Api(status.boxed())).kind()
    }

    #[test]
    fn every_answer_has_its_kind() {
        use Access::{Read, Write};
        for (access, code, reason, wanted) in [
            (Read, 404, "NotFound", ErrorKind::NotFound),
            (Write, 409, "Conflict", ErrorKind::Conflict),
            (Write, 409, "AlreadyExists", ErrorKind::Conflict),
            (Read, 410, "Expired", ErrorKind::Unavailable),
            (Write, 401, "Unauthorized", ErrorKind::Rejected),
            (Write, 403, "Forbidden", ErrorKind::Rejected),
            (Write, 413, "RequestEntityTooLarge", ErrorKind::Rejected),
            (Write, 429, "TooManyRequests", ErrorKind::Unavailable),
            (Read, 500, "InternalError", ErrorKind::Unavailable),
            (Write, 500, "InternalError", ErrorKind::Unknown),
            (Write, 503, "ServiceUnavailable", ErrorKind::Unavailable),
            (Write, 503, "Failed to parse error data", ErrorKind::Unknown),
            (Read, 504, "Timeout", ErrorKind::Unavailable),
            (Write, 504, "Timeout", ErrorKind::Unknown),
        ] {
            assert_eq!(of(access, status(code, reason)), wanted, "{access:?} {code} {reason}");
        }
    }

    #[test]
    fn a_failed_test_is_told_from_an_object_that_is_not_accepted() {
        let mut failed = status(422, "Invalid");
        assert_eq!(of(Access::Write, failed.clone()), ErrorKind::Conflict);
        let mut details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        failed.details = Some(details.clone());
        assert_eq!(of(Access::Write, failed.clone()), ErrorKind::Conflict);
        details.causes.push(StatusCause {
            reason: "FieldValueInvalid".into(),
            message: "must be positive".into(),
            field: "spec.replicas".into(),
        });
        failed.details = Some(details);
        assert_eq!(of(Access::Write, failed), ErrorKind::Rejected);
    }

    #[test]
    fn the_chain_says_what_the_server_said_once() {
        let error = during(Access::Read, "read service agent")(kube::Error::Api(
            status(403, "Forbidden").boxed(),
        ));
        assert_eq!(error.chain(), "read service agent: rejected: it says why (403 Forbidden)");
    }

    #[test]
    fn a_proxy_that_says_much_is_not_repeated() {
        let long = Status::failure(&"<html>\u{1b}[2J".repeat(10_000), "Failed to parse error data");
        let error = during(Access::Read, "read service agent")(kube::Error::Api(long.boxed()));
        assert!(error.chain().contains("100000 bytes that are no answer"), "{}", error.chain());
        let much = Status::failure(&"no\u{1b}[2J".repeat(10_000), "Forbidden");
        let text = during(Access::Read, "x")(kube::Error::Api(much.boxed())).chain();
        assert!(text.len() < 5 * SAID && !text.contains('\u{1b}'), "{} bytes", text.len());
    }

    #[test]
    fn what_a_credential_plugin_said_is_told_to_nobody() {
        use std::os::unix::process::ExitStatusExt as _;
        let token = "planted-token";
        let out = std::process::Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: token.into(),
            stderr: token.into(),
        };
        let cmd = format!("get-token --key={token}");
        let inner = || AuthError::AuthExecRun { cmd: cmd.clone(), out: Box::new(out.clone()) };
        for error in [kube::Error::Auth(inner()), kube::Error::Service(Box::new(inner()))] {
            let error = during(Access::Read, "read service agent")(error);
            let chain = error.chain();
            assert!(chain.ends_with("the credential plugin failed with exit status: 1"), "{chain}");
            assert!(!format!("{error:?} {chain}").contains(token));
        }
    }

    #[test]
    fn a_refused_connection_had_no_effect() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = kube::Error::Service(Box::new(refused));
        assert_eq!(during(Access::Write, "x")(error).kind(), ErrorKind::Unavailable);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = kube::Error::Service(Box::new(reset));
        assert_eq!(during(Access::Write, "x")(error).kind(), ErrorKind::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_of_a_write_is_unknown() {
        let never = std::future::pending::<kube::Result<()>>;
        let limit = Duration::from_secs(10);
        let error = write(limit, "patch service agent", never()).await.unwrap_err();
        assert_eq!(error.chain(), "patch service agent: outcome unknown: no answer within 10 s");
        let error = read(limit, "read service agent", never()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
