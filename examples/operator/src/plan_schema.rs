//! What the API server knows of a plan. The rest of it is checked by the operator.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The schema of a plan: the fields that people set most. Others are kept as they are, and the operator
/// says which it does not know.
pub(crate) fn plan(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "How the release goes about it, in the format of a bluegreen plan; every field has a default.",
        "type": "object",
        "default": {},
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "steps": steps(),
            "bake": object("What follows the last step: guards watch, and rollback is one write.", &json!({
                "hold": duration("How long; 30m by default."),
            })),
            "rollout": duration("How long pods may take to get ready; by default what the Deployment says."),
            "gates": duration("How long all gates together may take; 30m by default."),
            "converge": duration("How long traffic may take to follow; 30s by default."),
            "look": duration("How often guards look; 15s by default."),
            "approval": object(
                "Somebody must say yes before traffic moves: the annotation bluegreen.dev/approve of the Service.",
                &json!({"timeout": duration("How long that is waited for; 1day by default.")}),
            ),
            "freeze": object("When no traffic is given to the candidate.", &json!({
                "zone": {"type": "string", "description": "The time zone by its IANA name."},
                "windows": {
                    "type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 100},
                    "description": "The times: `Fri 16:00 - Mon 08:00`, `2026-12-24`.",
                },
            })),
            "drain": object("How the old slot gets rid of the work it has in hand.", &json!({
                "quiet": duration("For how long it must have had nothing in hand; 30s by default."),
                "max": duration("How long that is waited for; 30m by default."),
                "on_expiry": {"type": "string", "enum": ["cut", "keep"]},
                "longest_stream": duration("How long the longest stream lasts."),
            })),
            "standby": count("How many pods the old slot keeps; 0 by default."),
            "headroom": count("How many pods the candidate gets beyond those that live serves with."),
            "keep_failed": duration("How long a failed candidate is kept to be looked at; 1h by default."),
            "on_drift": {
                "type": "string", "enum": ["hold", "return", "accept"],
                "description": "What a foreign write to what we route by leads to; hold by default.",
            },
            "bootstrap": {"type": "boolean", "description": "The live slot serves nothing yet."},
            "call": duration("How long one call may take; 10s by default."),
            "whole": duration("How long the whole release may take; 1day by default."),
            "history": count("How many finished releases are kept; 20 by default."),
        },
    })
}

fn steps() -> Value {
    json!({
        "type": "array", "maxItems": 32,
        "description": "How traffic moves. Shares need a switch that can make them.",
        "items": {
            "type": "object",
            "required": ["share"],
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"share": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 1_000_000,
                "description": "The candidate's share in parts per million.",
            }},
        },
        "x-kubernetes-validations": [{
            "rule": "size(self) == 0 || self[size(self) - 1].share == 1000000",
            "message": "the last step has to give everything: a share of 1000000",
        }],
    })
}

fn object(description: &str, properties: &Value) -> Value {
    json!({
        "type": "object", "description": description, "properties": properties,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

fn duration(description: &str) -> Value {
    json!({
        "type": "string", "description": description, "maxLength": 100,
        "pattern": "^([0-9]+ ?[a-zA-Z]+ ?)+$",
    })
}

fn count(description: &str) -> Value {
    json!({
        "type": "integer", "format": "int64", "description": description,
        "minimum": 0, "maximum": 100_000,
    })
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Plan;

    use super::*;

    /// An object with a value for each property of a schema.
    fn example(schema: &Value) -> Value {
        match (&schema["type"], &schema["enum"]) {
            (_, Value::Array(values)) => values[0].clone(),
            (kind, _) if kind == "object" => {
                let properties = schema["properties"].as_object().unwrap();
                properties.iter().map(|(name, it)| (name.clone(), example(it))).collect()
            }
            (kind, _) if kind == "array" => json!([example(&schema["items"])]),
            (kind, _) if kind == "integer" => {
                schema["maximum"].as_i64().map(|most| most.min(1_000_000)).into()
            }
            (kind, _) if kind == "boolean" => json!(true),
            (_, _) if schema["pattern"].is_string() => json!("90s"),
            _ => json!("UTC"),
        }
    }

    #[test]
    fn what_the_schema_names_is_what_a_plan_has() {
        let schema = plan(&mut SchemaGenerator::default()).to_value();
        let example = example(&schema);
        let plan: Plan = serde_json::from_value(example.clone()).unwrap();
        let written = serde_json::to_value(&plan).unwrap();
        for name in example.as_object().unwrap().keys() {
            assert!(!written[name].is_null(), "{name} is a field of a plan");
        }
    }
}
