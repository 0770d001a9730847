//! What writes without effect show.

use bluegreen_core::{Error, ErrorKind, Problem, Result};

/// What an attempt to write to `object` shows, where `wanted` is what the API server should accept.
/// That somebody wrote in between shows nothing.
///
/// # Errors
/// Those that say nothing of the write: it can be tried again.
pub(crate) fn refusal(object: String, wanted: &str, tried: Result<()>) -> Result<Option<Problem>> {
    match tried {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
        Err(error) if error.kind() == ErrorKind::Rejected => {
            let wanted = format!("the API server to accept the write that {wanted}");
            Ok(Some(Problem::new("write-refused", object).found(error.chain()).wanted(wanted)))
        }
        // Nothing was meant to happen, so nothing can have.
        Err(error) if error.kind() == ErrorKind::Unknown => {
            Err(Error::new(ErrorKind::Unavailable, error.action().to_owned()).with_source(error))
        }
        Err(error) => Err(error),
    }
}
