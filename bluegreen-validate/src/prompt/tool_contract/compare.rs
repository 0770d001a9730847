//! Whether calls that one schema of arguments lets through are let through by another.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What says nothing about which arguments are taken.
const ANNOTATIONS: [&str; 10] = [
    "$comment",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];
/// Limits that take more the larger, and the smaller they are.
const UPPER: [&str; 5] = ["exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"];
const LOWER: [&str; 5] = ["exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"];
/// What is looked at by itself.
const KNOWN: [&str; 9] = [
    "$defs",
    "additionalProperties",
    "const",
    "definitions",
    "enum",
    "items",
    "properties",
    "required",
    "type",
];

/// One difference between two schemas.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// Which argument: `address.street`, `lines[].id`; nothing for all of them together.
    pub(super) argument: String,
    /// Whether no call fails by it.
    pub(super) is_mild: bool,
    pub(super) wanted: String,
    pub(super) found: String,
}

/// What is different in `found`, as far as those have to know who call it by `wanted`. That more is
/// taken than before is no difference.
pub(super) fn schemas(wanted: &Value, found: &Value) -> Vec<Difference> {
    let mut look = Look(Vec::new());
    look.at("", wanted, found);
    look.0
}

struct Look(Vec<Difference>);

impl Look {
    fn at(&mut self, path: &str, wanted: &Value, found: &Value) {
        if wanted == found {
            return;
        }
        let (Some(old), Some(new)) = (wanted.as_object(), found.as_object()) else {
            // `true` takes everything, as does a schema that says nothing.
            if *found != Value::Bool(true) {
                self.say(path, wanted.to_string(), found.to_string());
            }
            return;
        };
        if !takes_types(old.get("type"), new.get("type")) {
            self.say(path, kind(old), kind(new));
            return;
        }
        if let Some(values) = values(new) {
            let before = self::values(old);
            let gone = before.as_ref().is_none_or(|it| it.iter().any(|it| !values.contains(it)));
            if gone {
                let shown = |values: Vec<&Value>| {
                    format!("one of {}", values.into_iter().cloned().collect::<Value>())
                };
                self.say(path, before.map_or_else(|| "any value".to_owned(), shown), shown(values));
            }
        }
        self.arguments(path, old, new);
        match (old.get("items"), new.get("items")) {
            (Some(old), Some(new)) => self.at(&format!("{path}[]"), old, new),
            (None, Some(new)) => {
                self.say(&format!("{path}[]"), "any value".to_owned(), new.to_string());
            }
            (_, None) => {}
        }
        for name in ["$defs", "definitions"] {
            let defined =
                |it: &Map<String, Value>| it.get(name).and_then(Value::as_object).cloned();
            let (old, new) = (defined(old).unwrap_or_default(), defined(new).unwrap_or_default());
            for (key, old) in &old {
                if let Some(new) = new.get(key) {
                    self.at(&joined(path, &format!("{name}.{key}")), old, new);
                }
            }
        }
        self.rest(path, old, new);
    }

    fn arguments(&mut self, path: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let empty = Map::new();
        let of = |it: &Map<String, Value>| {
            it.get("properties").and_then(Value::as_object).unwrap_or(&empty).clone()
        };
        let (before, after) = (of(old), of(new));
        for (name, wanted) in &before {
            let path = joined(path, name);
            if let Some(found) = after.get(name) {
                self.at(&path, wanted, found);
                continue;
            }
            let like = after.iter().find(|(name, it)| *it == wanted && !before.contains_key(*name));
            let found = like.map_or_else(
                || "no such argument".to_owned(),
                |(other, _)| format!("no such argument, but `{other}`, which is like it"),
            );
            self.say(&path, "the argument".to_owned(), found);
        }
        let (before_required, after_required) = (required(old), required(new));
        for name in after_required.difference(&before_required) {
            let wanted = if before.contains_key(*name) {
                "one that may be left out"
            } else {
                "no such argument"
            };
            self.say(&joined(path, name), wanted.to_owned(), "one that is required".to_owned());
        }
    }

    /// Everything else: words about the arguments, and limits.
    fn rest(&mut self, path: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        for name in ANNOTATIONS {
            let (before, after) = (old.get(name), new.get(name));
            if before != after {
                let shown = |it: Option<&Value>| {
                    it.map_or_else(|| format!("no {name}"), |it| format!("the {name} {it}"))
                };
                self.add(path, true, shown(before), shown(after));
            }
        }
        // Who sends only what is described is let through all the same.
        let more = |it: &Map<String, Value>| {
            it.get("additionalProperties").cloned().unwrap_or(true.into())
        };
        let (before, after) = (more(old), more(new));
        if before != after && after != Value::Bool(true) {
            let is_mild = before == Value::Bool(true) && after == Value::Bool(false);
            let shown = |it: Value| format!("additionalProperties {it}");
            self.add(path, is_mild, shown(before), shown(after));
        }
        // Without these, what they let through or described is up to others.
        for name in ["patternProperties", "prefixItems", "minContains"] {
            if let (Some(before), None) = (old.get(name), new.get(name)) {
                self.say(path, format!("{name} {before}"), format!("no {name}"));
            }
        }
        for (name, after) in new {
            let name = name.as_str();
            let is_other = ANNOTATIONS.contains(&name) || KNOWN.contains(&name);
            let before = old.get(name);
            if is_other || before == Some(after) || is_wider(name, before, after) {
                continue;
            }
            let wanted = before.map_or_else(|| format!("no {name}"), |it| format!("{name} {it}"));
            let is_mild = name.starts_with("x-");
            self.add(path, is_mild, wanted, format!("{name} {after}"));
        }
    }

    fn say(&mut self, path: &str, wanted: String, found: String) {
        self.add(path, false, wanted, found);
    }

    fn add(&mut self, path: &str, is_mild: bool, wanted: String, found: String) {
        self.0.push(Difference { argument: path.to_owned(), is_mild, wanted, found });
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let list = schema.get("required").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The only values that are taken, if there are such.
fn values(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    let some = schema.get("enum").and_then(Value::as_array);
    match (schema.get("const"), some) {
        (Some(one), Some(some)) => Some(some.iter().filter(|it| *it == one).collect()),
        (Some(one), None) => Some(vec![one]),
        (None, some) => some.map(|some| some.iter().collect()),
    }
}

fn kind(schema: &Map<String, Value>) -> String {
    schema.get("type").map_or_else(|| "any type".to_owned(), |it| format!("the type {it}"))
}

/// Whether all types that were taken are taken still.
fn takes_types(wanted: Option<&Value>, found: Option<&Value>) -> bool {
    let list = |it: &Value| match it {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let Some(found) = found.map(list) else { return true };
    let Some(wanted) = wanted.map(list) else { return false };
    wanted
        .iter()
        .all(|it| found.contains(it) || (it == "integer" && found.iter().any(|it| it == "number")))
}

fn is_wider(name: &str, before: Option<&Value>, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.and_then(Value::as_f64), after.as_f64()) else {
        return false;
    };
    (UPPER.contains(&name) && after >= before) || (LOWER.contains(&name) && after <= before)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(id: &Value) -> Value {
        json!({"type": "object", "required": ["id"], "properties": {"id": id, "note": {"type": "string"}}})
    }

    fn hard(wanted: &Value, found: &Value) -> Vec<String> {
        let all = schemas(wanted, found).into_iter().filter(|it| !it.is_mild);
        all.map(|it| format!("{}: {} / {}", it.argument, it.wanted, it.found)).collect()
    }

    #[test]
    fn what_takes_as_much_or_more_is_no_difference() {
        let wanted = json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "integer", "maximum": 9, "minimum": 1},
            "kind": {"enum": ["a", "b"]}, "lines": {"type": "array", "items": {"type": "string"}}}});
        let found = json!({"type": "object", "required": [], "properties": {
            "id": {"type": ["number", "null"], "maximum": 10, "minimum": 0},
            "kind": {"enum": ["a", "b", "c"]}, "lines": {"type": "array"}, "new": {"type": "string"}}});
        assert_eq!(schemas(&wanted, &wanted), []);
        assert_eq!(schemas(&wanted, &found), []);
    }

    #[test]
    fn what_takes_less_names_the_argument() {
        let wanted = tool(&json!({"type": "integer"}));
        for (found, said) in [
            (tool(&json!({"type": "string"})), "id: the type \"integer\" / the type \"string\""),
            (tool(&json!({"type": "integer", "maximum": 9})), "id: no maximum / maximum 9"),
            (tool(&json!({"type": "integer", "enum": [1]})), "id: any value / one of [1]"),
            (tool(&json!({"type": "integer", "const": 1})), "id: any value / one of [1]"),
            (tool(&json!({"type": "integer", "not": {}})), "id: no not / not {}"),
            (
                tool(&json!({"type": "integer", "const": 1, "enum": [2]})),
                "id: any value / one of []",
            ),
            (tool(&json!(false)), "id: {\"type\":\"integer\"} / false"),
        ] {
            assert_eq!(hard(&wanted, &found), [said], "{found}");
        }
        let mut gone = wanted.clone();
        gone["properties"] = json!({"order": {"type": "integer"}, "note": {"type": "string"}});
        gone["required"] = json!(["order"]);
        let said = hard(&wanted, &gone);
        assert_eq!(
            said,
            [
                "id: the argument / no such argument, but `order`, which is like it",
                "order: no such argument / one that is required",
            ]
        );
        let mut needed = wanted.clone();
        needed["required"] = json!(["id", "note"]);
        assert_eq!(
            hard(&wanted, &needed),
            ["note: one that may be left out / one that is required"]
        );
    }

    #[test]
    fn it_is_looked_into_arguments_too() {
        let wanted = json!({"properties": {"to": {"properties": {"zip": {"type": "string"}}},
            "lines": {"items": {"properties": {"id": {"type": "integer"}}}}},
            "$defs": {"Zip": {"type": "string"}}});
        let found = json!({"properties": {"to": {"properties": {"zip": {"type": "integer"}}},
            "lines": {"items": {"properties": {}}}},
            "$defs": {"Zip": {"type": "integer"}, "More": {}}});
        let said: Vec<String> =
            schemas(&wanted, &found).into_iter().map(|it| it.argument).collect();
        assert_eq!(said, ["lines[].id", "to.zip", "$defs.Zip"]);
    }

    #[test]
    fn what_let_others_through_is_missed() {
        for (wanted, said) in [
            (
                json!({"patternProperties": {"^x": {}}, "additionalProperties": false}),
                "patternProperties {\"^x\":{}}",
            ),
            (json!({"prefixItems": [{}], "items": false}), "prefixItems [{}]"),
            (json!({"minContains": 0, "contains": {}}), "minContains 0"),
        ] {
            let mut found = wanted.clone();
            let name = said.split(' ').next().unwrap();
            found.as_object_mut().unwrap().remove(name);
            assert_eq!(hard(&wanted, &found), [format!(": {said} / no {name}")]);
        }
    }

    #[test]
    fn other_words_are_mild() {
        let wanted = tool(&json!({"type": "integer", "description": "a"}));
        let mut found = tool(&json!({"type": "integer", "description": "b", "default": 1}));
        found["additionalProperties"] = json!(false);
        assert_eq!(hard(&wanted, &found), [""; 0]);
        assert_eq!(schemas(&wanted, &found).len(), 3);
    }
}
