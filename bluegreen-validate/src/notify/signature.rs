//! Signatures over what is sent, as Standard Webhooks has them.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bluegreen_core::{Problem, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

use crate::ConfigError;

/// The header with the id of the event.
pub(super) const ID: &str = "webhook-id";
/// The header with the time of the try, in seconds since 1970.
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// What symmetric keys begin with.
const PREFIX: &str = "whsec_";
/// What symmetric signatures begin with.
const VERSION: &str = "v1,";
/// How long a key is, in bytes.
const SHORTEST: usize = 24;
const LONGEST: usize = 64;
/// Base64 that is written with padding, and read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key that events are signed with. It is never shown.
///
/// ```
/// use bluegreen_core::Timestamp;
/// use bluegreen_validate::notify::SigningKey;
///
/// let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let at = Timestamp::from_unix_millis(1_614_265_330_000);
/// let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
/// assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// assert_eq!(format!("{key:?}"), "SigningKey(***)");
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads `whsec_` and base64 of 24 to 64 bytes, as `openssl rand -base64 32` writes them. White space
    /// around it is left out.
    ///
    /// # Errors
    /// It is of another form. What it is stands in no error.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let Some(encoded) = text.trim().strip_prefix(PREFIX) else {
            return Err(refuse("a text that does not begin with `whsec_`".to_owned()));
        };
        match BASE64.decode(encoded) {
            Ok(bytes) => Self::from_bytes(bytes),
            Err(_) => Err(refuse("what is no base64 after `whsec_`".to_owned())),
        }
    }

    /// A key of 24 to 64 bytes.
    ///
    /// # Errors
    /// It is shorter or longer.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let bytes = bytes.into();
        if (SHORTEST..=LONGEST).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(refuse(format!("{} bytes", bytes.len())))
        }
    }

    /// The signature of an event that is sent at `at`: `v1,` and base64 of HMAC-SHA256.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let seconds = (at.unix_millis() / 1000).to_string();
        let tag = self.mac(id, &seconds, body).map(|mac| mac.finalize().into_bytes());
        format!("{VERSION}{}", tag.map(|tag| BASE64.encode(tag)).unwrap_or_default())
    }

    /// HMAC takes keys of any length, so there is always one.
    fn mac(&self, id: &str, seconds: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

fn refuse(found: String) -> ConfigError {
    let problem = Problem::new("signing-key", "signing key")
        .found(found)
        .wanted("`whsec_` and base64 of 24 to 64 bytes");
    ConfigError::new("signing key", vec![problem])
}

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignatureError {
    /// One of the three headers is missing or no text.
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// It was signed longer ago than is tolerated, or later than it is now: somebody may have kept
    /// it, and send it again.
    Stale,
    /// No signature is that of one of the keys.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { header } => write!(f, "found no header `{header}` that can be read"),
            Self::Stale => f.write_str("found a time of signature too far from now"),
            Self::Mismatch => f.write_str("found no signature by a known key"),
        }
    }
}

impl std::error::Error for SignatureError {}

/// Whether one of `keys` signed `body` with these headers, at most `tolerance` before `now` or
/// after it; five minutes are usual.
///
/// The same event may come more than once, with the same `webhook-id`.
///
/// # Errors
/// It was not. The comparison takes as long for a wrong signature as for a right one.
pub fn verify(
    keys: &[SigningKey],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let read = |header: &'static str| {
        let value = headers.get(header).and_then(|value| value.to_str().ok());
        value.ok_or(SignatureError::Missing { header })
    };
    let (id, seconds, signatures) = (read(ID)?, read(TIMESTAMP)?, read(SIGNATURE)?);
    let at = seconds.parse::<u64>().map_err(|_| SignatureError::Missing { header: TIMESTAMP })?;
    let at = Timestamp::from_unix_millis(at.saturating_mul(1000));
    if now.since(at) > tolerance || at.since(now) > tolerance {
        return Err(SignatureError::Stale);
    }
    let tags = signatures.split(' ').filter_map(|it| it.strip_prefix(VERSION));
    let tags: Vec<Vec<u8>> = tags.filter_map(|it| BASE64.decode(it).ok()).collect();
    let is_of = |key: &SigningKey, tag: &[u8]| {
        key.mac(id, seconds, body).is_some_and(|mac| mac.verify_slice(tag).is_ok())
    };
    if keys.iter().any(|key| tags.iter().any(|tag| is_of(key, tag))) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOLERANCE: Duration = Duration::from_mins(5);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes([byte; 32]).unwrap()
    }

    fn headers(id: &str, seconds: u64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, HeaderValue::from_str(id).unwrap());
        headers.insert(TIMESTAMP, seconds.into());
        headers.insert(SIGNATURE, HeaderValue::from_str(signature).unwrap());
        headers
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_else() {
        let at = Timestamp::from_unix_millis(1_764_000_000_000);
        let both = format!("{} {}", key(1).sign("a", at, b"body"), key(2).sign("a", at, b"body"));
        let said = headers("a", 1_764_000_000, &both);
        let check = |keys: &[SigningKey], said: &HeaderMap, body: &[u8]| {
            verify(keys, said, body, at, TOLERANCE)
        };
        assert_eq!(check(&[key(1)], &said, b"body"), Ok(()));
        assert_eq!(check(&[key(3), key(2)], &said, b"body"), Ok(()));
        assert_eq!(check(&[key(3)], &said, b"body"), Err(SignatureError::Mismatch));
        assert_eq!(check(&[key(1)], &said, b"Body"), Err(SignatureError::Mismatch));
        assert_eq!(check(&[], &said, b"body"), Err(SignatureError::Mismatch));
        for other in [headers("b", 1_764_000_000, &both), headers("a", 1_764_000_001, &both)] {
            assert_eq!(check(&[key(1)], &other, b"body"), Err(SignatureError::Mismatch));
        }
        for signature in ["", "v1,", "v1,%%", "v1a,AAAA", both.trim_start_matches("v1,")] {
            let other = headers("a", 1_764_000_000, signature);
            assert_eq!(check(&[key(1)], &other, b"body"), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn what_was_kept_for_later_is_not_believed() {
        let at = Timestamp::from_unix_millis(1_764_000_000_000);
        let said = headers("a", 1_764_000_000, &key(1).sign("a", at, b""));
        let check = |now| verify(&[key(1)], &said, b"", now, TOLERANCE);
        assert_eq!(check(at.plus(TOLERANCE)), Ok(()));
        let millis = TOLERANCE + Duration::from_millis(1);
        assert_eq!(check(at.plus(millis)), Err(SignatureError::Stale));
        let early = Timestamp::from_unix_millis(1_764_000_000_000 - 300_001);
        assert_eq!(check(early), Err(SignatureError::Stale));
        let mut bare = said.clone();
        bare.remove(TIMESTAMP);
        let missing = SignatureError::Missing { header: TIMESTAMP };
        assert_eq!(verify(&[key(1)], &bare, b"", at, TOLERANCE), Err(missing));
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_repeated() {
        for text in ["hunter2", "whsec_hunter2", "whsec_%%%%", "whsec_", "whsk_AAAA"] {
            let error = SigningKey::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("24 to 64"), "{error}");
        }
        let encoded = BASE64.encode([7; 32]);
        for text in
            [format!("whsec_{encoded}\n"), format!("whsec_{}", encoded.trim_end_matches('='))]
        {
            assert_eq!(SigningKey::parse(&text).unwrap().0, [7; 32]);
        }
        assert!(SigningKey::from_bytes([7; 65]).is_err());
    }
}
