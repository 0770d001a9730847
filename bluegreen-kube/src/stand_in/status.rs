//! Answers in the words of the real server: `Status` objects of failures, and of success.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::resource::Resource;

/// What was refused, as the real server would say it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) body: Value,
}

/// One field that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    field: String,
    reason: &'static str,
    message: String,
}

impl Cause {
    pub(super) fn required(field: impl Into<String>) -> Self {
        Self { field: field.into(), reason: "FieldValueRequired", message: "Required value".into() }
    }

    pub(super) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {value}: {why}");
        Self { field: field.into(), reason: "FieldValueInvalid", message }
    }

    pub(super) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        let message = format!("Forbidden: {why}");
        Self { field: field.into(), reason: "FieldValueForbidden", message }
    }

    pub(super) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {value}");
        Self { field: field.into(), reason: "FieldValueDuplicate", message }
    }

    pub(super) fn too_long(field: impl Into<String>, bytes: usize) -> Self {
        let message = format!("Too long: may not be more than {bytes} bytes");
        Self { field: field.into(), reason: "FieldValueTooLong", message }
    }

    pub(super) fn unsupported(field: impl Into<String>, value: &str, supported: &str) -> Self {
        let message =
            format!("Unsupported value: [\"{value}\"]: supported values: \"{supported}\"");
        Self { field: field.into(), reason: "FieldValueNotSupported", message }
    }

    pub(super) fn not_one_of(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|it| format!("\"{it}\"")).collect();
        let supported = supported.join(", ");
        let message = format!("Unsupported value: \"{value}\": supported values: {supported}");
        Self { field: field.into(), reason: "FieldValueNotSupported", message }
    }

    #[must_use]
    pub(super) fn saying(mut self, more: &str) -> Self {
        let _ = write!(self.message, ": {more}");
        self
    }
}

impl Refusal {
    fn new(code: u16, reason: &str, message: impl Into<String>, details: Option<Value>) -> Self {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.into(), "code": code,
        });
        if !reason.is_empty() {
            body["reason"] = reason.into();
        }
        if let Some(details) = details {
            body["details"] = details;
        }
        Self { code, body }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, None)
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.id);
        Self::new(404, "NotFound", message, Some(details(resource, name)))
    }

    pub(super) fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, "NotFound", message, Some(json!({})))
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message, Some(json!({})))
    }

    pub(super) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.id);
        Self::new(409, "AlreadyExists", message, Some(details(resource, name)))
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.id);
        Self::new(409, "Conflict", message, Some(details(resource, name)))
    }

    pub(super) fn modified(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest \
                   version and try again";
        Self::conflict(resource, name, why)
    }

    /// What a JSON Patch gets that does not apply, be it a failed `test` or a missing path.
    /// The real server keeps the reason to itself, and its `details` are empty.
    pub(super) fn patch_does_not_apply() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message, Some(json!({})))
    }

    pub(super) fn invalid(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let each: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let all = if each.len() == 1 { each.concat() } else { format!("[{}]", each.join(", ")) };
        let dotted = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let message = format!("{dotted} \"{name}\" is invalid: {all}");
        let mut details = json!({ "causes": causes.iter().map(|cause| json!({
            "reason": cause.reason, "message": cause.message, "field": cause.field,
        })).collect::<Vec<_>>() });
        for (field, text) in [("name", name), ("group", group), ("kind", kind)] {
            if !text.is_empty() {
                details[field] = text.into();
            }
        }
        Self::new(422, "Invalid", message, Some(details))
    }

    pub(super) fn unsupported_media_type() -> Self {
        let message = "415: Unsupported Media Type";
        Self::new(415, "UnsupportedMediaType", message, Some(json!({})))
    }

    pub(super) fn forbidden(what: &str, message: impl Into<String>, details: Value) -> Self {
        Self::new(
            403,
            "Forbidden",
            format!("{what} is forbidden: {}", message.into()),
            Some(details),
        )
    }

    pub(super) fn expired(asked: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {asked} ({oldest})");
        Self::new(410, "Expired", message, None)
    }

    pub(super) fn version_on_create() -> Self {
        Self::new(500, "", "resourceVersion should not be set on objects to be created", None)
    }

    /// What a fault of this code looks like.
    pub(super) fn of_code(code: u16) -> Self {
        let (reason, message, seconds) = match code {
            401 => ("Unauthorized", "Unauthorized", None),
            429 => ("TooManyRequests", "the server is currently overloaded", Some(1)),
            500 => ("InternalError", "Internal error occurred: etcdserver: no leader", None),
            503 => ("ServiceUnavailable", "the server is currently unable to serve", None),
            504 => ("Timeout", "Timeout: request did not complete within the allotted time", None),
            _ => ("", "the stand-in was told to fail this request", None),
        };
        let details = seconds.map(|seconds| json!({ "retryAfterSeconds": seconds }));
        Self::new(code, reason, message, details)
    }
}

/// The answer to a delete that gives no object back.
pub(super) fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = details(resource, name);
    details["uid"] = uid.into();
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })
}

pub(super) fn details(resource: &Resource, name: &str) -> Value {
    let mut details = json!({ "kind": resource.plural });
    for (field, text) in [("name", name), ("group", &resource.group)] {
        if !text.is_empty() {
            details[field] = text.into();
        }
    }
    details
}
