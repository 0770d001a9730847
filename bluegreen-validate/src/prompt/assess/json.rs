//! Checks of an answer that is JSON, or has some in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Answer, Schema, Seen};

/// The answer as JSON.
pub(super) fn of(answer: &Answer) -> Result<Value, String> {
    match &answer.json {
        Some(value) => Ok(value.clone()),
        None => serde_json::from_str(answer.text.trim()).map_err(|error| error.to_string()),
    }
}

/// Whether two values are the same: `1` and `1.0` are.
pub(super) fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64().is_some_and(|left| Some(left) == right.as_f64())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| is_equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, l)| right.get(key).is_some_and(|r| is_equal(l, r)))
        }
        (left, right) => left == right,
    }
}

pub(super) fn is_json(answer: &Answer, schema: Option<&Schema>) -> Result<Seen, String> {
    let wanted = if schema.is_some() { "JSON as the schema wants it" } else { "JSON" };
    Ok(match of(answer) {
        Err(error) => {
            Seen::new(false, wanted, format!("{error} in {}", super::text::found(answer)))
        }
        Ok(value) => match fault_of(schema, &value)? {
            Some(fault) => Seen::new(false, wanted, fault),
            None => Seen::new(true, wanted, super::text::found(answer)),
        },
    })
}

fn fault_of(schema: Option<&Schema>, value: &Value) -> Result<Option<String>, String> {
    schema.map_or(Ok(None), |schema| schema.first_fault(value))
}

pub(super) fn contains_json(answer: &Answer, schema: Option<&Schema>) -> Result<Seen, String> {
    let wanted = match schema {
        Some(_) => "a JSON object in it that is as the schema wants it",
        None => "a JSON object in it",
    };
    let (objects, is_all) = match &answer.json {
        Some(value) => (vec![value.clone()], true),
        None => objects_in(&answer.text),
    };
    let (mut faults, mut untold) = (Vec::new(), None);
    for object in &objects {
        match fault_of(schema, object) {
            Ok(None) => return Ok(Seen::new(true, wanted, format!("`{object}`"))),
            Ok(Some(fault)) => faults.push(fault),
            Err(why) => untold = untold.or(Some(why)),
        }
    }
    if let Some(why) = untold {
        return Err(why);
    }
    if !is_all {
        return Err(format!(
            "none of the first {} objects fits, and there are more",
            objects.len()
        ));
    }
    let found = match faults.first() {
        Some(fault) => fault.clone(),
        None => format!("none in {}", super::text::found(answer)),
    };
    Ok(Seen::new(false, wanted, found))
}

/// The most objects that are looked for in one text, of at most ten times as many `{`.
const MOST: usize = 100;

/// The JSON objects in a text, each from its `{` on, none of them within another; and whether these
/// are all.
fn objects_in(text: &str) -> (Vec<Value>, bool) {
    let mut objects = Vec::new();
    let (mut at, mut tries) = (0, 0);
    while let Some(begin) = text.get(at..).and_then(|rest| rest.find('{')).map(|it| it + at) {
        let mut stream = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>();
        if let Some(Ok(value)) = stream.next() {
            at = begin + stream.byte_offset();
            objects.push(value);
        } else {
            at = begin + 1;
        }
        tries += 1;
        if objects.len() == MOST || tries == 10 * MOST {
            let is_all = text.get(at..).is_none_or(|rest| !rest.contains('{'));
            return (objects, is_all);
        }
    }
    (objects, true)
}

pub(super) fn values(answer: &Answer, wanted: &BTreeMap<String, Value>) -> Seen {
    let shown: Vec<String> = wanted.iter().map(|(at, it)| format!("{it} at {at}")).collect();
    let value = match of(answer) {
        Ok(value) => value,
        Err(error) => return Seen::new(false, shown.join(", "), error),
    };
    for (pointer, wanted) in wanted {
        let found = value.pointer(pointer);
        if !found.is_some_and(|found| is_equal(found, wanted)) {
            let found = found.map_or("nothing".to_owned(), Value::to_string);
            return Seen::new(false, format!("{wanted} at {pointer}"), found);
        }
    }
    Seen::new(true, shown.join(", "), super::text::found(answer))
}

pub(super) fn present(answer: &Answer, pointers: &[String]) -> Seen {
    let wanted = format!("something at {}", pointers.join(", "));
    match of(answer) {
        Err(error) => Seen::new(false, wanted, error),
        Ok(value) => match pointers.iter().find(|it| value.pointer(it).is_none()) {
            Some(pointer) => Seen::new(false, wanted, format!("nothing at {pointer}")),
            None => Seen::new(true, wanted, super::text::found(answer)),
        },
    }
}
