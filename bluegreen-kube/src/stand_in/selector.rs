//! Label and field selectors.

use serde_json::{Map, Value};

use super::json::{map, text};
use super::status::Refusal;

/// What a list or watch asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    wants: Wants,
}

#[derive(Clone, Debug)]
enum Wants {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields)? })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = map(object, "/metadata/labels");
        self.labels.iter().all(|requirement| requirement.is_met(labels))
            && self.fields.iter().all(|(field, equal, wanted)| {
                (text(object, &format!("/{}", field.replace('.', "/"))) == wanted) == *equal
            })
    }
}

impl Requirement {
    fn is_met(&self, labels: Option<&Map<String, Value>>) -> bool {
        let value = labels.and_then(|labels| labels.get(&self.key)).and_then(Value::as_str);
        match &self.wants {
            Wants::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Wants::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Wants::Exists => value.is_some(),
            Wants::Absent => value.is_none(),
        }
    }
}

/// Whether labels are selected by a map of equalities, as a Service's selector is one. An empty
/// one selects nothing.
pub(super) fn selects(
    selector: Option<&Map<String, Value>>,
    labels: Option<&Map<String, Value>>,
) -> bool {
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { return false };
    selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Refusal> {
    split_outside_brackets(text).into_iter().map(|part| parse_requirement(&part)).collect()
}

fn parse_requirement(part: &str) -> Result<Requirement, Refusal> {
    let cannot = || Refusal::bad_request(format!("unable to parse requirement: {part}"));
    let (key, wants) = if let Some((head, values)) = part.split_once('(') {
        let values = values.strip_suffix(')').ok_or_else(cannot)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => (key, Wants::In(values)),
            [key, "notin"] => (key, Wants::NotIn(values)),
            _ => return Err(cannot()),
        }
    } else if let Some((key, value)) = part.split_once("!=") {
        (key, Wants::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Wants::In(vec![value.trim().to_owned()]))
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Wants::Absent)
    } else {
        (part, Wants::Exists)
    };
    let key = key.trim();
    let plain = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
    };
    let values_are_plain = match &wants {
        Wants::In(values) | Wants::NotIn(values) => values.iter().all(|value| plain(value)),
        Wants::Exists | Wants::Absent => true,
    };
    if key.is_empty() || !plain(key) || !values_are_plain {
        return Err(cannot());
    }
    Ok(Requirement { key: key.to_owned(), wants })
}

fn split_outside_brackets(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn parse_fields(text: &str) -> Result<Vec<(String, bool, String)>, Refusal> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) =
                part.split_once("==").or_else(|| part.split_once('='))
            {
                (field, true, value)
            } else {
                return Err(Refusal::bad_request(format!("invalid selector: '{part}'")));
            };
            if !KNOWN_FIELDS.contains(&field) {
                return Err(Refusal::bad_request(format!(
                    "\"{field}\" is not a known field selector: only \"metadata.name\", \
                     \"metadata.namespace\""
                )));
            }
            Ok((field.to_owned(), equal, value.to_owned()))
        })
        .collect()
}

/// The real server knows the last four only for some kinds.
const KNOWN_FIELDS: [&str; 6] = [
    "metadata.name",
    "metadata.namespace",
    "status.phase",
    "spec.nodeName",
    "regarding.name",
    "involvedObject.name",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finds(labels: &str, fields: &str) -> bool {
        let object =
            json!({ "metadata": { "name": "a", "labels": { "app": "agent", "slot": "blue" } } });
        Selector::parse(labels, fields).unwrap().matches(&object)
    }

    #[test]
    fn labels_are_compared_as_equal_as_members_and_by_being_there() {
        for found in [
            "",
            "app=agent",
            "app==agent,slot=blue",
            "slot in (green, blue)",
            "slot notin (green)",
            "slot!=green",
            "nope!=x",
            "app",
            "!nope",
            "app in (agent),slot,!nope",
        ] {
            assert!(finds(found, ""), "{found}");
        }
        for lost in
            ["app=other", "slot in (green)", "slot notin (blue)", "slot!=blue", "nope", "!app"]
        {
            assert!(!finds(lost, ""), "{lost}");
        }
    }

    #[test]
    fn a_field_selects_by_name() {
        assert!(finds("", "metadata.name=a"));
        assert!(!finds("", "metadata.name=b"));
        assert!(finds("", "metadata.name!=b"));
    }

    #[test]
    fn nonsense_is_refused() {
        for labels in ["a===b", "a in b", "(a)", "a=b c"] {
            assert_eq!(Selector::parse(labels, "").unwrap_err().code, 400, "{labels}");
        }
        assert_eq!(Selector::parse("", "data.x=y").unwrap_err().code, 400);
    }

    #[test]
    fn an_empty_selector_of_a_service_selects_nothing() {
        assert!(!selects(Some(&Map::new()), json!({"a": "b"}).as_object()));
        assert!(!selects(None, json!({"a": "b"}).as_object()));
    }
}
