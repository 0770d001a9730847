//! Delete, of one and of many.

use serde_json::{Value, json};

use super::call::Call;
use super::json::{at, default, list, number, text};
use super::resource::Has;
use super::state::State;
use super::status::{Refusal, deleted};
use super::store::{Key, now};

impl State {
    pub(super) fn delete(&mut self, call: &Call) -> Result<Value, Refusal> {
        let resource = &call.resource;
        if !call.subresource.is_empty() {
            return Err(Refusal::no_such_resource());
        }
        let object =
            self.store.get(&call.key()).ok_or_else(|| Refusal::not_found(resource, &call.name))?;
        let options = if call.body.is_empty() { json!({}) } else { call.json()? };
        for (field, name, ending) in [
            ("uid", "UID", "The object might have been deleted and then recreated"),
            ("resourceVersion", "ResourceVersion", "The object might have been modified"),
        ] {
            let wanted = text(&options, &format!("/preconditions/{field}"));
            let found = text(&object, &format!("/metadata/{field}"));
            if !wanted.is_empty() && wanted != found {
                let why = format!(
                    "the {name} in the precondition ({wanted}) does not match the {name} in \
                     record ({found}). {ending}"
                );
                // Here, and only here, the real server names the kind.
                let kind = resource.called(&resource.kind, &resource.kind);
                return Err(Refusal::conflict(&kind, &call.name, &why));
            }
        }
        let is_dry_run = call.is_dry_run() || list(&options, "/dryRun").contains(&"All".into());
        if !list(&object, "/metadata/finalizers").is_empty() {
            return Ok(self.hold(call, &object, is_dry_run));
        }
        if !is_dry_run {
            self.remove(&call.key());
        }
        if resource.has(Has::ReturnedDelete) {
            let left = self.store.get(&call.key()).unwrap_or(object);
            return Ok((*left).clone());
        }
        Ok(deleted(resource, &call.name, text(&object, "/metadata/uid")))
    }

    /// Marks what finalizers keep from going.
    fn hold(&mut self, call: &Call, object: &Value, is_dry_run: bool) -> Value {
        let mut held = object.clone();
        let metadata = at(&mut held, &["metadata"]);
        default(metadata, "deletionTimestamp", now());
        default(metadata, "deletionGracePeriodSeconds", 0);
        if is_dry_run || held == *object {
            return held;
        }
        if let Some(generation) = number(object, "/metadata/generation") {
            held["metadata"]["generation"] = (generation + 1).into();
        }
        (*self.store.put(call.key(), held)).clone()
    }

    pub(super) fn delete_all(&mut self, call: &Call) -> Result<Value, Refusal> {
        let found = self.list(call)?;
        if !call.is_dry_run() {
            for item in list(&found, "/items") {
                let namespace = text(item, "/metadata/namespace");
                self.remove(&Key::new(&call.resource.id, namespace, text(item, "/metadata/name")));
            }
        }
        Ok(found)
    }
}
