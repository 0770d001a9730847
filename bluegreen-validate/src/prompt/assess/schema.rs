//! JSON Schemas, whose patterns are bounded as all patterns are.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::prompt::pattern::{LONGEST_LOOK, looks};

/// A schema, and whether some pattern in it has look-around or backreferences.
#[derive(Debug)]
pub(in crate::prompt) struct Schema {
    validator: Validator,
    looks: bool,
}

impl Schema {
    /// Reads a schema. References to other documents are an error: nothing is fetched.
    pub(in crate::prompt) fn new(value: &Value) -> Result<Self, String> {
        let validator = jsonschema::validator_for(value);
        let validator = validator.map_err(|error| format!("no JSON Schema: {error}"))?;
        Ok(Self { validator, looks: has_look(value) })
    }

    /// What a value has that the schema does not want, if anything; an error when that can't be
    /// told.
    pub(super) fn first_fault(&self, value: &Value) -> Result<Option<String>, String> {
        let length = if self.looks { length(value) } else { 0 };
        if length > LONGEST_LOOK {
            return Err(format!(
                "{length} bytes of text are more than the {LONGEST_LOOK} in which look-around and \
                 backreferences of a schema are looked for"
            ));
        }
        let mut first = None;
        for error in self.validator.iter_errors(value) {
            let at = error.instance_path().to_string();
            let fault = if at.is_empty() { error.to_string() } else { format!("at {at}: {error}") };
            if !is_untold(&error) {
                // One fault that is known is enough.
                return Ok(Some(fault));
            }
            first = first.or(Some(fault));
        }
        first.map_or(Ok(None), Err)
    }
}

/// Whether a pattern of the schema took too long, also where only one of several schemas must fit.
fn is_untold(error: &ValidationError<'_>) -> bool {
    match error.kind() {
        Kind::BacktrackLimitExceeded { .. } => true,
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            context.iter().flatten().any(is_untold)
        }
        _ => false,
    }
}

/// Whether anything in a schema may be a pattern with look-around or backreferences.
fn has_look(schema: &Value) -> bool {
    let mut left = vec![schema];
    while let Some(next) = left.pop() {
        match next {
            Value::Object(entries) => {
                let pattern = entries.get("pattern").and_then(Value::as_str);
                let named = entries.get("patternProperties").and_then(Value::as_object);
                let named = named.into_iter().flat_map(|named| named.keys().map(String::as_str));
                if pattern.into_iter().chain(named).any(looks) {
                    return true;
                }
                left.extend(entries.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    false
}

/// The length in bytes of all texts in a value together, names included.
fn length(value: &Value) -> usize {
    let (mut left, mut length) = (vec![value], 0);
    while let Some(next) = left.pop() {
        match next {
            Value::String(text) => length += text.len(),
            Value::Object(entries) => {
                length += entries.keys().map(String::len).sum::<usize>();
                left.extend(entries.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    length
}
