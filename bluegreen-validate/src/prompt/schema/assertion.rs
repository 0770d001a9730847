//! Assertions: a check by its name, alone or beside what it weighs.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::prompt::suite::{Assertion, Check};

impl JsonSchema for Assertion {
    fn schema_name() -> Cow<'static, str> {
        "Assertion".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let weight = "How much its score counts in the case's; one of weight 0 decides nothing.";
        let mut properties = Map::new();
        properties.insert(
            "weight".to_owned(),
            json!({"type": "number", "minimum": 0, "description": weight}),
        );
        properties.insert(
            "metric".to_owned(),
            json!({"type": "string", "description": "A name under which it is reported."}),
        );
        let (mut one_of, mut bare) = (Vec::new(), Vec::new());
        for (name, value) in checks(&Check::json_schema(generator)) {
            let mut add = |name: String, value: Value| {
                one_of.push(json!({"required": [name]}));
                if takes_nothing(&value) {
                    bare.push(name.clone());
                }
                properties.insert(name, value);
            };
            // Both slots' answers can't be the worse one.
            if name != "pairwise" {
                let mut not = value.clone();
                not["description"] = format!("The opposite of `{name}`.").into();
                add(format!("not-{name}"), not);
            }
            add(name, value);
        }
        json_schema!({
            "description": "One thing that an answer must be like: a check by its name, with `not-` before it where it must not hold.",
            "anyOf": [
                {
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                    "oneOf": one_of,
                },
                {"enum": bare},
            ],
        })
    }
}

/// The checks by their names, and what each wants.
fn checks(all: &Schema) -> Vec<(String, Value)> {
    let variants = all.get("oneOf").and_then(Value::as_array);
    let mut checks = Vec::new();
    for variant in variants.into_iter().flatten() {
        let description = variant.get("description").cloned().unwrap_or_default();
        if let Some(name) = variant.get("const").and_then(Value::as_str) {
            checks.push((name.to_owned(), json!({"type": "null", "description": description})));
            continue;
        }
        let values = variant.get("properties").and_then(Value::as_object);
        for (name, value) in values.into_iter().flatten() {
            // What may be anything has `true` for a schema.
            let mut value = if value.is_object() { value.clone() } else { json!({}) };
            value["description"] = description.clone();
            checks.push((name.clone(), value));
        }
    }
    checks
}

/// Whether the name of a check alone will do.
fn takes_nothing(value: &Value) -> bool {
    let types = value.get("type").unwrap_or(&Value::Null);
    *types == "null" || types.as_array().is_some_and(|types| types.contains(&json!("null")))
}
