//! Changes that keep what is changed close to what it was: where it is JSON, it mostly stays JSON.

use fastrand::Rng;
use serde_json::{Number, Value, json};

/// Numbers at which something may tip over.
const EDGES: [f64; 4] = [-0.5, 1e19, 1e308, 0.1];
/// Whole ones.
const WHOLE: [i64; 14] = [
    0,
    1,
    -1,
    2,
    100,
    255,
    65_536,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    1 << 53,
    i64::MAX,
    i64::MIN,
    1_000_000,
];
/// Texts that mean something somewhere.
const TEXTS: [&str; 26] = [
    "",
    "0",
    "-1",
    "99999999999999999999",
    "1e309",
    "NaN",
    "100%",
    "999999999999%",
    "1ns",
    "1000000years",
    "blue",
    "green",
    "True",
    "False",
    "Running",
    "ready",
    "Endpoints",
    "None",
    "9999-12-31T23:59:59.999999999Z",
    "0000-01-01T00:00:00Z",
    "../..",
    "\u{0}",
    "\u{1b}[31m",
    "é\u{301}",
    "sk-planted-0123456789",
    "500m",
];

/// Something close to `given`, of at most `longest` bytes. The same seed makes the same of it.
pub fn mutate(given: &[u8], longest: usize, seed: u64) -> Vec<u8> {
    let mut dice = Rng::with_seed(seed);
    let mut made = match serde_json::from_slice::<Value>(given) {
        Ok(value) if dice.u8(..) < 200 => of_json(value, &mut dice),
        _ => given.to_vec(),
    };
    if made == given {
        of_bytes(&mut made, &mut dice);
    }
    made.truncate(longest);
    made
}

fn of_json(mut value: Value, dice: &mut Rng) -> Vec<u8> {
    for _ in 0..=dice.u8(..3) {
        let mut pointers = Vec::new();
        list(&value, String::new(), &mut pointers);
        let Some(one) = dice.choice(&pointers).cloned() else { break };
        let other = dice.choice(&pointers).and_then(|other| value.pointer(other)).cloned();
        let Some(place) = value.pointer_mut(&one) else { continue };
        *place = change(place.take(), other.unwrap_or_default(), dice);
    }
    value.to_string().into_bytes()
}

/// The pointers to everything in it.
fn list(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                list(value, format!("{at}/{key}"), all);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                list(value, format!("{at}/{number}"), all);
            }
        }
        _ => {}
    }
    all.push(at);
}

fn change(value: Value, other: Value, dice: &mut Rng) -> Value {
    match (value, dice.u8(..12)) {
        (_, 0) => other,
        (_, 1) => Value::Null,
        (Value::Object(mut members), 2..=5) => {
            let keys: Vec<String> = members.keys().cloned().collect();
            match dice.choice(&keys) {
                Some(key) => drop(members.remove(key)),
                None => drop(members.insert("name".to_owned(), other)),
            }
            Value::Object(members)
        }
        (Value::Object(mut members), _) => {
            let keys: Vec<String> = members.keys().cloned().collect();
            let key = dice.choice(&keys).cloned().unwrap_or_default();
            members.insert(key, other);
            Value::Object(members)
        }
        (Value::Array(mut items), 2..=5) if !items.is_empty() => {
            items.remove(dice.usize(..items.len()));
            Value::Array(items)
        }
        (Value::Array(mut items), _) => {
            items.insert(dice.usize(..=items.len()), other);
            Value::Array(items)
        }
        (Value::String(text), 2..=6) => {
            let mut bytes = text.into_bytes();
            of_bytes(&mut bytes, dice);
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
        (Value::String(_), 7..) => json!(TEXTS[dice.usize(..TEXTS.len())]),
        (Value::Bool(is), _) => Value::Bool(!is),
        (_, 2..=8) => json!(WHOLE[dice.usize(..WHOLE.len())]),
        (_, 9) => json!(u64::MAX),
        (_, 10) => Number::from_f64(EDGES[dice.usize(..EDGES.len())]).into(),
        _ => json!(TEXTS[dice.usize(..TEXTS.len())]),
    }
}

fn of_bytes(bytes: &mut Vec<u8>, dice: &mut Rng) {
    for _ in 0..=dice.u8(..4) {
        let at = dice.usize(..=bytes.len());
        match dice.u8(..6) {
            0 => bytes.insert(at, dice.u8(..)),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] = dice.u8(..),
            3 => {
                let text = TEXTS[dice.usize(..TEXTS.len())];
                bytes.splice(at..at, text.bytes());
            }
            4 => {
                let end = (at + dice.usize(..64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.usize(..=bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = (at + dice.usize(..16)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}
