//! Requests that choose their slot.

use http::HeaderMap;
use http::header::COOKIE;
use serde::{Deserialize, Serialize};

use crate::Color;

/// A header or cookie whose value chooses a slot.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Pin {
    /// A request with the header `name: value` goes to `color`.
    Header {
        /// The header's name.
        name: String,
        /// Its value.
        value: String,
        /// The slot.
        color: Color,
    },
    /// A request with the cookie `name=value` goes to `color`.
    Cookie {
        /// The cookie's name.
        name: String,
        /// Its value.
        value: String,
        /// The slot.
        color: Color,
    },
}

impl Pin {
    /// The slot that it chooses.
    pub fn color(&self) -> Color {
        match self {
            Self::Header { color, .. } | Self::Cookie { color, .. } => *color,
        }
    }

    /// Whether a request with these headers is one that it chooses the slot of, for a proxy of one's own.
    ///
    /// The value is the whole value of a header, and the name of a header is the same in capitals; where a
    /// header comes more than once, one of them is enough. A cookie has its name and its value to the letter,
    /// wherever it stands among others (RFC 6265, section 4.2.1). Headers that are no text are no pins.
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let texts =
            |name: &str| headers.get_all(name).into_iter().filter_map(|text| text.to_str().ok());
        match self {
            Self::Header { name, value, .. } => texts(name).any(|text| text == value),
            Self::Cookie { name, value, .. } => {
                let mut cookies = texts(COOKIE.as_str()).flat_map(|text| text.split(';'));
                cookies.any(|it| it.trim().split_once('=') == Some((name.as_str(), value.as_str())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn header(name: &str, value: &str) -> Pin {
        Pin::Header { name: name.to_owned(), value: value.to_owned(), color: Color::Green }
    }

    fn cookie(name: &str, value: &str) -> Pin {
        Pin::Cookie { name: name.to_owned(), value: value.to_owned(), color: Color::Green }
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let value = |it: &str| HeaderValue::from_bytes(it.as_bytes()).unwrap();
        all.iter().map(|(name, it)| (name.parse().unwrap(), value(it))).fold(
            HeaderMap::new(),
            |mut all, (name, value): (http::HeaderName, _)| {
                all.append(name, value);
                all
            },
        )
    }

    #[test]
    fn a_header_is_compared_whole_and_its_name_in_any_case() {
        let pin = header("X-Slot", "green");
        assert!(pin.matches(&headers(&[("x-slot", "green")])));
        assert!(pin.matches(&headers(&[("x-slot", "blue"), ("x-slot", "green")])));
        for other in
            [&[("x-slot", "Green")][..], &[("x-slot", "green, blue")], &[("slot", "green")]]
        {
            assert!(!pin.matches(&headers(other)), "{other:?}");
        }
        assert!(!pin.matches(&HeaderMap::new()));
        assert!(!pin.matches(&headers(&[("x-slot", "gr\u{fc}n")])), "no text");
        assert!(!header("not a name", "green").matches(&headers(&[("x-slot", "green")])));
    }

    #[test]
    fn a_cookie_is_found_among_others_and_only_whole() {
        let pin = cookie("slot", "green");
        for found in ["slot=green", "a=b; slot=green", "a=b;slot=green ;c", "slot=blue; slot=green"]
        {
            assert!(pin.matches(&headers(&[("cookie", found)])), "{found}");
        }
        // HTTP/2 may send each one in a header of its own.
        assert!(pin.matches(&headers(&[("cookie", "a=b"), ("cookie", "slot=green")])));
        for other in ["myslot=green", "slot=greenish", "Slot=green", "slot", "slot=green=blue", ""]
        {
            assert!(!pin.matches(&headers(&[("cookie", other)])), "{other}");
        }
        assert!(cookie("slot", "a=b").matches(&headers(&[("cookie", "slot=a=b")])));
        assert!(!pin.matches(&headers(&[("slot", "green")])), "a header is no cookie");
    }
}
