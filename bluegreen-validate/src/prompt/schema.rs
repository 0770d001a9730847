//! What suites may look like, as JSON Schema: for editors, and for programs that write suites.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::suite::Suite;

mod assertion;
mod tidy;

#[cfg(test)]
mod tests;

/// What a file of our own form may look like, as JSON Schema (draft 2020-12), made of the types that read it. Names, types and what
/// may stand beside what are in it; what a value must be besides is told by
/// [`PromptRegression::from_file`](crate::PromptRegression::from_file) alone.
///
/// `docs/suite.schema.json` of the repository is this. An editor takes it from a comment:
/// `# yaml-language-server: $schema=suite.schema.json`.
///
/// ```
/// use bluegreen_validate::json;
/// use bluegreen_validate::prompt::suite_schema;
///
/// let schema = suite_schema();
/// assert_eq!(schema["required"], json!(["agent"]));
/// assert!(schema["properties"]["budget"]["description"].is_string());
/// ```
pub fn suite_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Suite>().to_value();
    tidy::tidy(&mut schema);
    schema
}

/// A text, or a number, which is read as the text that it is printed as.
pub(crate) fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "number"]})
}

/// A list of such texts.
pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": ["string", "number"]}})
}

/// One such text or a list of them.
pub(crate) fn text_or_texts(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [text(generator), texts(generator)]})
}

/// A duration with its units.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "examples": ["30s", "1m 30s", "500ms"]})
}

/// JSON Schema, or nothing.
pub(crate) fn some_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["object", "boolean", "null"]})
}

/// The value of a header to send.
pub(crate) fn headers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                {"type": "string"},
                {
                    "description": "Read from this environment variable.",
                    "type": "object",
                    "properties": {"env": {"type": "string"}},
                    "required": ["env"],
                    "additionalProperties": false,
                },
            ],
        },
    })
}

/// What may be written as a text alone, or as a map.
pub(crate) fn short<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, generator.subschema_for::<T>()]})
}

/// The same, where a list of texts will do, too.
pub(crate) fn short_or_list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, texts(generator), generator.subschema_for::<T>()]})
}

/// That there is one of both, or both.
pub(crate) fn some_of(one: &str, other: &str) -> Value {
    json!([{"required": [one]}, {"required": [other]}])
}

/// That there is one text or a list, and not both.
pub(crate) fn either(one: &str, many: &str) -> Value {
    json!([
        {"required": [one], "properties": {one: {"type": "string"}, many: {"maxItems": 0}}},
        {"required": [many], "properties": {one: {"type": "null"}, many: {"minItems": 1}}},
    ])
}
