//! JSON Patches whose tests hold for every text.

use bluegreen_core::{Error, ErrorKind, Result};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::FIELD_MANAGER;

/// How a patch is sent.
pub(crate) fn params(is_dry_run: bool) -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        dry_run: is_dry_run,
        ..PatchParams::default()
    }
}

/// Makes what kube sends of the operations.
pub(crate) fn of(operations: Vec<Value>, action: &str) -> Result<Patch<()>> {
    serde_json::from_value(Value::Array(operations))
        .map(Patch::Json)
        .map_err(|error| Error::new(ErrorKind::Rejected, action).with_source(error))
}

/// Sends a JSON Patch as `Api::patch` does, but with texts written as the API server writes them.
///
/// The API server compares the texts of a `test` as they are written, escapes and all, and it
/// writes `<`, `>` and `&` with escapes, as Go does. A plain `&` in an environment variable would
/// make the test of a template that nobody has touched fail.
pub(crate) async fn send<K: Resource + Clone + DeserializeOwned>(
    client: &Client,
    api: &Api<K>,
    name: &str,
    params: &PatchParams,
    patch: &Patch<()>,
) -> kube::Result<K> {
    let mut request = kube::core::Request::new(api.resource_url())
        .patch(name, params, patch)
        .map_err(kube::Error::BuildRequest)?;
    *request.body_mut() = escaped(request.body());
    request.extensions_mut().insert("patch");
    client.request(request).await
}

/// JSON with the escapes that Go writes. Outside of texts none of these characters occurs.
fn escaped(json: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(json.len());
    let mut rest = json;
    while let [first, after @ ..] = rest {
        let (text, after): (&[u8], &[u8]) = match rest {
            [b'<', ..] => (b"\\u003c", after),
            [b'>', ..] => (b"\\u003e", after),
            [b'&', ..] => (b"\\u0026", after),
            // The line and the paragraph separator of Unicode.
            [0xe2, 0x80, 0xa8, after @ ..] => (b"\\u2028", after),
            [0xe2, 0x80, 0xa9, after @ ..] => (b"\\u2029", after),
            _ => (std::slice::from_ref(first), after),
        };
        escaped.extend_from_slice(text);
        rest = after;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_escaped_as_go_does_and_mean_the_same() {
        let value = json!({"url": "http://a/?x=1&y=<2>", "lines": "\u{2028}\u{2029}", "é": "\n\""});
        let text = String::from_utf8(escaped(value.to_string().as_bytes())).unwrap();
        assert!(text.contains(r"?x=1\u0026y=\u003c2\u003e"), "{text}");
        assert!(text.contains(r"\u2028\u2029") && text.contains('é'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
