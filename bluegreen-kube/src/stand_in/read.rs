//! Get and list.

use serde_json::{Value, json};

use super::call::Call;
use super::json::pairs;
use super::resource::Has;
use super::selector::Selector;
use super::state::State;
use super::status::Refusal;
use super::store::Key;

impl State {
    pub(super) fn get(&self, call: &Call) -> Result<Value, Refusal> {
        let object = self
            .store
            .get(&call.key())
            .ok_or_else(|| Refusal::not_found(&call.resource, &call.name))?;
        match call.subresource.as_str() {
            "" => Ok((*object).clone()),
            "status" if call.resource.has(Has::Status) => Ok((*object).clone()),
            "scale" if call.resource.has(Has::Scale) => Ok(scale(&object)),
            _ => Err(Refusal::no_such_resource()),
        }
    }

    pub(super) fn list(&self, call: &Call) -> Result<Value, Refusal> {
        let selector =
            Selector::parse(call.parameter("labelSelector"), call.parameter("fieldSelector"))?;
        let (version, after) = self.page(call)?;
        let limit = call.parameter("limit").parse().unwrap_or(0_usize);
        let namespace = (!call.namespace.is_empty()).then_some(call.namespace.as_str());
        let mut found = self
            .store
            .list(&call.resource.id, namespace)
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .filter(|(_, object)| selector.matches(object));
        let mut items = Vec::new();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        while let Some((key, object)) = found.next() {
            let mut item = (**object).clone();
            if let Value::Object(item) = &mut item {
                // The items of a list don't say what they are; the list does.
                item.remove("kind");
                item.remove("apiVersion");
            }
            items.push(item);
            if items.len() == limit {
                let left = found.count();
                if left > 0 {
                    let token = format!("{version}/{}/{}", key.namespace, key.name);
                    metadata["continue"] = token.into();
                    metadata["remainingItemCount"] = left.into();
                }
                break;
            }
        }
        Ok(json!({
            "kind": format!("{}List", call.resource.kind),
            "apiVersion": call.resource.api_version(),
            "metadata": metadata,
            "items": items,
        }))
    }

    /// At which version a list is, and after which object it goes on.
    fn page(&self, call: &Call) -> Result<(u64, Option<Key>), Refusal> {
        let token = call.parameter("continue");
        if token.is_empty() {
            return Ok((self.store.version(), None));
        }
        let parts: Vec<&str> = token.split('/').collect();
        let [version, namespace, name] = parts[..] else {
            return Err(Refusal::bad_request("invalid continue token"));
        };
        let version =
            version.parse().map_err(|_| Refusal::bad_request("invalid continue token"))?;
        if version < self.store.forgotten() {
            return Err(Refusal::expired(version, self.store.forgotten()));
        }
        Ok((version, Some(Key::new(&call.resource.id, namespace, name))))
    }
}

/// What `/scale` shows of an object. A size of zero is left out of what is asked for, and so
/// cannot be tested by a JSON Patch.
pub(super) fn scale(object: &Value) -> Value {
    let of = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let selector: Vec<String> = pairs(object, "/spec/selector/matchLabels")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {},
        "status": { "replicas": of("/status/replicas"), "selector": selector.join(",") },
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        scale["metadata"][field] = object["metadata"][field].clone();
    }
    if of("/spec/replicas") != 0 {
        scale["spec"]["replicas"] = of("/spec/replicas").into();
    }
    scale
}
