//! What a guard keeps from look to look, so that a restart goes on with the same test.

use bluegreen_core::{Error, ErrorKind, Result, Routing, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Reading;
use super::counts::Counts;

/// The version of what is kept. A test that another version has begun can't be gone on with, and beginning
/// it again would break what it promises.
const VERSION: u32 = 1;

/// For how long the same stretch is asked for again, as counts of it may still arrive.
pub(crate) const ANCHORED: std::time::Duration = std::time::Duration::from_mins(10);

/// One for each slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Each<T> {
    pub(crate) candidate: T,
    pub(crate) live: T,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory<T> {
    version: u32,
    /// When the test began.
    pub(crate) began: Timestamp,
    /// Since when the source is asked for numbers.
    pub(crate) anchor: Timestamp,
    /// Until when they are folded in.
    pub(crate) until: Timestamp,
    /// What of each slot since `anchor` is folded in, or left out for good.
    pub(crate) seen: Each<Counts>,
    /// When each slot last had any units.
    pub(crate) heard: Each<Timestamp>,
    /// How traffic was routed at the last look.
    pub(crate) routing: Routing,
    /// What live was like before the test, and during it.
    pub(crate) baseline: Counts,
    /// Why the last numbers that were asked for were left out, and nothing is judged by before others have
    /// come: found and wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) doubt: Option<[String; 2]>,
    /// What was known at the last look that had numbers. For reports; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<Reading>,
    /// The test itself.
    pub(crate) test: T,
}

impl<T: Default + Serialize + DeserializeOwned> Memory<T> {
    /// A test that begins.
    pub(crate) fn begin(now: Timestamp, routing: Routing, baseline: Counts) -> Self {
        Self {
            version: VERSION,
            began: now,
            anchor: now,
            until: now,
            seen: Each::default(),
            heard: Each { candidate: now, live: now },
            routing,
            baseline,
            doubt: None,
            told: None,
            test: T::default(),
        }
    }

    /// The test that the last look has left, if there was one.
    pub(crate) fn read(name: &str, bytes: Option<&[u8]>) -> Result<Option<Self>> {
        let Some(bytes) = bytes else { return Ok(None) };
        let refuse = |why: String| {
            Error::new(ErrorKind::Rejected, format!("{name}: go on with the test")).with_source(why)
        };
        let version: Versioned = serde_json::from_slice(bytes)
            .map_err(|error| refuse(format!("what the last look left can't be read: {error}")))?;
        if version.version != VERSION {
            let found = version.version;
            return Err(refuse(format!(
                "found a state of the format {found}, wanted {VERSION}: another version of \
                 bluegreen-validate has begun it"
            )));
        }
        let memory = serde_json::from_slice(bytes)
            .map_err(|error| refuse(format!("what the last look left can't be read: {error}")))?;
        Ok(Some(memory))
    }

    pub(crate) fn write(&self, name: &str) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Rejected, format!("{name}: keep the test")).with_source(error)
        })
    }
}

/// What is read first: another version may have fields that this one does not know.
#[derive(Deserialize)]
pub(crate) struct Versioned {
    pub(crate) version: u32,
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Color;

    use super::*;

    #[test]
    fn another_format_is_not_begun_anew() {
        let now = Timestamp::from_unix_millis(1_000_000);
        let memory = Memory::<u8>::begin(now, Routing::all(Color::Blue), Counts::default());
        let bytes = memory.write("errors").unwrap();
        assert_eq!(Memory::read("errors", Some(&bytes)).unwrap(), Some(memory));
        assert_eq!(Memory::<u8>::read("errors", None).unwrap(), None);
        let text = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2");
        let error = Memory::<u8>::read("errors", Some(text.as_bytes())).unwrap_err();
        assert!(error.chain().contains("found a state of the format 2, wanted 1"), "{error:?}");
        let error = Memory::<u8>::read("errors", Some(b"?")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
}
