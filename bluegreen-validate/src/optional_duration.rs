//! A duration that may be left out, as text: for `#[serde(with)]` beside `default`.

use std::time::Duration;

use bluegreen_core::clock::duration_text;
use serde::{Deserializer, Serializer};

#[allow(clippy::ref_option, reason = "serde calls it so")]
pub(crate) fn serialize<S: Serializer>(
    duration: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => duration_text::serialize(duration, to),
        None => to.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    duration_text::deserialize(from).map(Some)
}
