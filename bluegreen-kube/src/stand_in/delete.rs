//! Delete, of one and of many.

use serde_json::{Value, json};

use super::call::Call;
use super::json::{at, default, list, text};
use super::managed::Manager;
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
                let mut refusal = Refusal::conflict(
                    resource,
                    &call.name,
                    &format!(
                        "the {name} in the precondition ({wanted}) does not match the {name} in \
                         record ({found}). {ending}"
                    ),
                );
                // Here, and only here, the real server names the kind.
                refusal.body["details"]["kind"] = resource.kind.as_str().into();
                return Err(refusal);
            }
        }
        let is_dry_run = call.is_dry_run() || list(&options, "/dryRun").contains(&"All".into());
        if !is_dry_run {
            if list(&object, "/metadata/finalizers").is_empty() {
                self.remove(&call.key());
            } else {
                let manager = Manager { name: call.manager(), subresource: "" };
                self.revise(&call.key(), manager, |object| {
                    let metadata = at(object, &["metadata"]);
                    default(metadata, "deletionTimestamp", now());
                    default(metadata, "deletionGracePeriodSeconds", 0);
                });
            }
        }
        if resource.has(Has::ReturnedDelete) {
            let left = self.store.get(&call.key()).unwrap_or(object);
            return Ok((*left).clone());
        }
        Ok(deleted(resource, &call.name, text(&object, "/metadata/uid")))
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
