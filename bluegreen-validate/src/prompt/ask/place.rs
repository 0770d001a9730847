//! Where in an answer something is.

use serde_json::Value;
use serde_json_path::JsonPath;

/// Where in an answer something is.
#[derive(Clone, Debug)]
pub(in crate::prompt) enum Place {
    /// The whole body as text.
    Text,
    /// At a JSON pointer (RFC 6901).
    Pointer(String),
    /// At the first node of a `JSONPath` (RFC 9535).
    Path(Box<JsonPath>),
}

impl Place {
    pub(in crate::prompt) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            pointer if is_pointer(pointer) => Ok(Self::Pointer(pointer.to_owned())),
            path if path.starts_with('$') => JsonPath::parse(path)
                .map(|path| Self::Path(Box::new(path)))
                .map_err(|error| format!("`{path}`, {error}")),
            other => Err(format!("`{other}`")),
        }
    }

    /// What is there in a value.
    pub(super) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Text => Some(value),
            Self::Pointer(pointer) => value.pointer(pointer),
            Self::Path(path) => path.query(value).first(),
        }
    }
}

/// Whether a text is a JSON pointer that leads somewhere: each `~` is one of `~0` and `~1`.
pub(in crate::prompt) fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}
