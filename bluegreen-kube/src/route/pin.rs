//! What a routing adds to the rules of a route beside weights: rules for pins, and a mirror.

use bluegreen_core::{Color, Mirror, Pin, Routing, Share};
use serde_json::{Value, json};

use super::name::RouteKind;
use super::rule::{Slots, Split, backends};

/// The rule for the requests of `rule` that `pin` chooses the slot of. It matches the same, and
/// one header more, so that it is chosen before `rule` and after whatever is chosen before that.
///
/// # Errors
/// What was found where a match should be.
pub(super) fn rule(
    rule: &Value,
    split: &Split,
    pin: &Pin,
    kind: RouteKind,
) -> Result<Value, String> {
    let mut pinned = rule.clone();
    let mut matches = match &rule["matches"] {
        Value::Null => Vec::new(),
        Value::Array(matches) => matches.clone(),
        _ => return Err("found matches that are no list".to_owned()),
    };
    if matches.is_empty() {
        // What the Gateway API says that a rule matches that says nothing.
        matches.push(match kind {
            RouteKind::Http => json!({"path": {"type": "PathPrefix", "value": "/"}}),
            RouteKind::Grpc => json!({}),
        });
    }
    for one in &mut matches {
        let Some(one) = one.as_object_mut() else {
            return Err("found a match that is no object, wanted one".to_owned());
        };
        match one.entry("headers").or_insert(Value::Null) {
            Value::Array(headers) => headers.push(header(pin)),
            none @ Value::Null => *none = json!([header(pin)]),
            _ => return Err("found a match whose headers are no list".to_owned()),
        }
    }
    let mut backend = backends(rule)[*split.at.of(pin.color())].clone();
    backend["weight"] = 1.into();
    pinned["matches"] = matches.into();
    pinned["backendRefs"] = json!([backend]);
    if let Some(pinned) = pinned.as_object_mut() {
        // No two rules may have one name.
        pinned.remove("name");
    }
    Ok(pinned)
}

/// How a request that a pin chooses the slot of is known.
pub(super) fn header(pin: &Pin) -> Value {
    match pin {
        Pin::Header { name, value, .. } => json!({"type": "Exact", "name": name, "value": value}),
        Pin::Cookie { name, value, .. } => {
            json!({"type": "RegularExpression", "name": "cookie", "value": cookie(name, value)})
        }
        // The enumeration may grow; `beyond` refuses what is not known here.
        _ => Value::Null,
    }
}

/// The header that a pin looks at, as it is compared with others.
pub(super) fn header_name(pin: &Pin) -> String {
    header(pin)["name"].as_str().unwrap_or_default().to_ascii_lowercase()
}

/// An expression for all of a `Cookie` header with this cookie in it. Some gateways want the whole
/// header to match an expression and others a part of it: it begins and ends with the header.
fn cookie(name: &str, value: &str) -> String {
    format!("^(.*;[ ]*)?{}={}[ ]*(;.*)?$", quoted(name), quoted(value))
}

/// A text that matches itself.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for symbol in text.chars() {
        if symbol.is_ascii_punctuation()
            && !matches!(symbol, '_' | '-' | '%' | '=' | ':' | ',' | '/')
        {
            quoted.push('\\');
        }
        quoted.push(symbol);
    }
    quoted
}

/// The filter that sends a copy of a rule's requests to the candidate.
fn filter(rule: &Value, split: &Split, candidate: Color, mirror: &Mirror) -> Value {
    let backend = &backends(rule)[*split.at.of(candidate)];
    let mut reference = json!({
        "group": backend["group"].as_str().unwrap_or_default(),
        "kind": backend["kind"].as_str().unwrap_or("Service"),
        "name": backend["name"],
    });
    if !backend["port"].is_null() {
        reference["port"] = backend["port"].clone();
    }
    let mut request_mirror = json!({"backendRef": reference});
    let parts = mirror.share.as_parts_per_million();
    // Everything is what nothing said means.
    if mirror.share < Share::ALL && parts.is_multiple_of(10_000) {
        request_mirror["percent"] = (parts / 10_000).into();
    } else if mirror.share < Share::ALL {
        request_mirror["fraction"] = json!({"numerator": parts, "denominator": 1_000_000});
    }
    json!({"type": "RequestMirror", "requestMirror": request_mirror})
}

/// Takes the mirror to a slot out of a rule, and puts the one in that `to` has.
pub(super) fn remirror(rule: &mut Value, split: &Split, to: &Routing, slots: &Slots) {
    unmirror(rule, slots);
    if let Some(mirror) = &to.mirror {
        let filter = filter(rule, split, to.live.other(), mirror);
        match rule["filters"].as_array_mut() {
            Some(filters) => filters.push(filter),
            None => rule["filters"] = json!([filter]),
        }
    }
}

/// Takes the mirror to a slot out of a rule, if there is one.
pub(super) fn unmirror(rule: &mut Value, slots: &Slots) {
    let Some(filters) = rule.get_mut("filters").and_then(Value::as_array_mut) else { return };
    let count = filters.len();
    filters.retain(|filter| target(filter, slots).is_none());
    let is_left_empty = filters.is_empty() && count > 0;
    if let Some(rule) = rule.as_object_mut().filter(|_| is_left_empty) {
        rule.remove("filters");
    }
}

/// The slot that a filter sends copies to.
fn target(filter: &Value, slots: &Slots) -> Option<Color> {
    if filter["type"] != "RequestMirror" {
        return None;
    }
    slots.color_of(&filter["requestMirror"]["backendRef"])
}

/// The mirror of a rule to the candidate.
///
/// # Errors
/// What else is mirrored to a slot.
pub(super) fn mirrored(
    rule: &Value,
    slots: &Slots,
    candidate: Color,
) -> Result<Option<Mirror>, String> {
    let filters = rule["filters"].as_array().map_or(&[][..], Vec::as_slice);
    let mut found = filters.iter().filter_map(|filter| Some((filter, target(filter, slots)?)));
    let Some((filter, color)) = found.next() else { return Ok(None) };
    if color != candidate || found.next().is_some() {
        return Err(format!("it mirrors requests to {}", slots.names.of(color)));
    }
    let part = &filter["requestMirror"];
    let number = |value: &Value| value.as_u64();
    let parts = match (number(&part["percent"]), number(&part["fraction"]["numerator"])) {
        (Some(percent), _) => percent.saturating_mul(10_000),
        (None, Some(numerator)) => {
            let denominator = number(&part["fraction"]["denominator"]).unwrap_or(100).max(1);
            numerator.saturating_mul(1_000_000) / denominator
        }
        (None, None) => 1_000_000,
    };
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).min(Share::ALL.as_parts_per_million());
    Ok(Some(Mirror::new(Share::parts_per_million(parts))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_only_whole() {
        assert_eq!(cookie("slot", "blue"), "^(.*;[ ]*)?slot=blue[ ]*(;.*)?$");
        assert_eq!(quoted("a.b*c+(d)"), r"a\.b\*c\+\(d\)");
    }
}
