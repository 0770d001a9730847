//! Digests of configurations and settings, and text that is never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written `sha256:<64 hex digits>`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(String);

const PREFIX: &str = "sha256:";
const HEX: &[u8; 16] = b"0123456789abcdef";

impl Digest {
    /// The digest of a list of parts. Each part is preceded by its length, so that two
    /// different lists never give the same input.
    pub fn of<I, P>(parts: I) -> Self
    where
        I: IntoIterator<Item = P>,
        P: AsRef<[u8]>,
    {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let mut text = String::with_capacity(PREFIX.len() + 2 * hash.len());
        text.push_str(PREFIX);
        for byte in hash {
            text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(HEX[usize::from(digit)])));
        }
        Self(text)
    }

    /// Reads `sha256:<64 hex digits>`.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(PREFIX)?;
        let plain = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| Self(text.to_owned()))
    }

    /// The whole text, `sha256:` included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight hex digits, for names that people read.
    pub fn short(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + 8]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format_args!("`{text}` is not a sha256 digest")))
    }
}

/// A text that may be secret: never printed, and stored as its digest only.
///
/// Read back from a record, the text is gone and only the digest is left; the text itself is
/// then read where it runs.
#[derive(Clone, Eq, PartialEq)]
pub struct Sensitive {
    digest: Digest,
    text: Option<String>,
}

impl Sensitive {
    /// Keeps `text` out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { digest: Digest::of([&text]), text: Some(text) }
    }

    /// The text itself, to be written where it runs. `None` when it was read from a record.
    pub fn reveal(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The digest of the text.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sensitive({})", self.digest.short())
    }
}

impl Serialize for Sensitive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.digest.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { digest: Digest::deserialize(deserializer)?, text: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_lists_apart_that_concatenate_alike() {
        assert_ne!(Digest::of(["ab", "c"]), Digest::of(["a", "bc"]));
        // Checked against `printf '\0\0\0\0\0\0\0\3abc' | sha256sum`.
        assert_eq!(
            Digest::of(["abc"]).as_str(),
            "sha256:c3494ca1a2cf8eeb8a11ded316fb55b83c3bbbedb6313cd50415251e5d09e12f"
        );
    }

    #[test]
    fn a_secret_is_neither_printed_nor_stored() {
        let secret = Sensitive::new("sk-123");
        assert!(!format!("{secret:?}").contains("sk-123"));
        let stored = serde_json::to_string(&secret).unwrap();
        assert!(!stored.contains("sk-123"));
        let read: Sensitive = serde_json::from_str(&stored).unwrap();
        assert_eq!(read.digest(), secret.digest());
        assert_eq!(read.reveal(), None);
    }
}
