//! What a request sends: values of headers, and bodies.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// The value of a header to send.
#[derive(Clone, Eq, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum HeaderText {
    /// As it is written here.
    Literal(String),
    /// Read from an environment variable of the process that runs the release.
    Env {
        /// The variable.
        env: String,
    },
}

impl From<&str> for HeaderText {
    fn from(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Literal(***)"),
            Self::Env { env } => write!(f, "Env({env})"),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Env {
            env: String,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = HeaderText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or {env: NAME} with an environment variable")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HeaderText, E> {
                Ok(text.into())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<HeaderText, A::Error> {
                let Env { env } = Env::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(HeaderText::Env { env })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A body to send.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// A JSON value, sent as `application/json`.
    Json(Value),
    /// A text, sent as `text/plain; charset=utf-8`.
    Text(String),
    /// Bytes, sent without a `content-type`. Not in files.
    #[serde(skip_deserializing)]
    Bytes(Vec<u8>),
}

impl Body {
    /// What is sent, and the `content-type` that goes with it.
    pub(super) fn render(&self) -> (Bytes, Option<&'static str>) {
        match self {
            Self::Json(value) => (value.to_string().into(), Some("application/json")),
            Self::Text(text) => (text.clone().into(), Some("text/plain; charset=utf-8")),
            Self::Bytes(bytes) => (bytes.clone().into(), None),
        }
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Debug for Body {
    /// Only what kind of body it is and how large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Json(_) => "Json",
            Self::Text(_) => "Text",
            Self::Bytes(_) => "Bytes",
        };
        write!(f, "{kind}({} bytes)", self.render().0.len())
    }
}
