//! Create, update and patch.

use serde_json::Value;

use super::call::Call;
use super::json::{at, list, number, set, text, tidy};
use super::managed::{self, Manager};
use super::read::scale;
use super::resource::Has;
use super::state::State;
use super::status::{Cause, Refusal};
use super::store::{Key, now};
use super::{defaults, patch, strategic, validate};

impl State {
    pub(super) fn create(&mut self, call: &Call) -> Result<Value, Refusal> {
        if !call.subresource.is_empty() {
            return Err(Refusal::no_such_resource());
        }
        let mut object = call.object()?;
        self.place(call, &mut object)?;
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::version_on_create());
        }
        if text(&object, "/metadata/name").is_empty()
            && !text(&object, "/metadata/generateName").is_empty()
        {
            let start = text(&object, "/metadata/generateName").to_owned();
            object["metadata"]["name"] = format!("{start}{}", self.store.next_suffix()).into();
        }
        let resource = &call.resource;
        tidy(&mut object);
        object = resource.typed(object).map_err(|why| unreadable(call, &why))?;
        tidy(&mut object);
        let uid = self.store.next_uid();
        let metadata = at(&mut object, &["metadata"]);
        for field in ["selfLink", "deletionTimestamp", "managedFields", "generation"] {
            metadata.remove(field);
        }
        metadata.insert("uid".into(), uid.into());
        metadata.insert("creationTimestamp".into(), now().into());
        if resource.has(Has::Generation) {
            metadata.insert("generation".into(), 1.into());
        }
        if resource.has(Has::Status) && resource.id != "nodes" {
            set(at(&mut object, &[]), "status", None);
        }
        let serial = self.store.next_serial();
        let address = format!("10.96.{}.{}", serial / 250 % 256, serial % 250 + 1);
        defaults::fill(resource, &mut object, &address);
        validate::check(resource, None, &object)?;
        let key = Key::new(&resource.id, &call.namespace, text(&object, "/metadata/name"));
        if self.store.get(&key).is_some() {
            return Err(Refusal::already_exists(resource, &key.name));
        }
        managed::track(
            None,
            &mut object,
            Manager { name: call.manager(), subresource: "" },
            &now(),
        );
        if call.is_dry_run() {
            return Ok(object);
        }
        Ok((*self.store.put(key, object)).clone())
    }

    pub(super) fn update(&mut self, call: &Call) -> Result<(u16, Value), Refusal> {
        let mut next = call.object()?;
        let Some(current) = self.store.get(&call.key()) else {
            if call.resource.has(Has::CreatingPut) && call.subresource.is_empty() {
                return self.create(call).map(|object| (201, object));
            }
            return Err(Refusal::not_found(&call.resource, &call.name));
        };
        self.place(call, &mut next)?;
        let uid = text(&next, "/metadata/uid");
        let found = text(&current, "/metadata/uid");
        if !uid.is_empty() && uid != found {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{}/{}, ResourceVersion: \
                 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in \
                 object meta: {found}",
                call.resource.plural, call.namespace, call.name
            );
            return Err(Refusal::conflict(&call.resource, &call.name, &why));
        }
        let is_versioned = !text(&next, "/metadata/resourceVersion").is_empty();
        if !is_versioned && call.resource.has(Has::VersionedPut) {
            let why = "must be specified for an update";
            let cause = Cause::invalid("metadata.resourceVersion", &0.into(), why);
            let (plural, group) = (&call.resource.plural, &call.resource.group);
            return Err(Refusal::invalid(plural, group, &call.name, &[cause]));
        }
        if call.subresource != "scale" {
            tidy(&mut next);
            next = call.resource.typed(next).map_err(|why| unreadable(call, &why))?;
        }
        self.replace(call, &current, next).map(|object| (200, object))
    }

    pub(super) fn patch(&mut self, call: &Call) -> Result<Value, Refusal> {
        let current = self
            .store
            .get(&call.key())
            .ok_or_else(|| Refusal::not_found(&call.resource, &call.name))?;
        let seen = if call.subresource == "scale" { scale(&current) } else { (*current).clone() };
        let patch = call.json()?;
        let mut next = match call.media_type() {
            "application/json-patch+json" => patch::apply_json(&seen, &call.body)?,
            "application/merge-patch+json" => patch::apply_merge(&seen, &patch)?,
            "application/strategic-merge-patch+json" => strategic::apply(&seen, &patch)?,
            _ => return Err(Refusal::unsupported_media_type()),
        };
        self.place(call, &mut next)?;
        if call.subresource == "scale" {
            same_uid_of_scale(call, &current, &next)?;
        } else {
            let patched = next.to_string();
            tidy(&mut next);
            next = call.resource.typed(next).map_err(|why| {
                let cause = Cause::invalid("patch", &patched.into(), &why);
                Refusal::invalid("", "", "", &[cause])
            })?;
        }
        self.replace(call, &current, next)
    }

    /// Stores what a PUT or a patch has made of `current`.
    fn replace(&mut self, call: &Call, current: &Value, mut next: Value) -> Result<Value, Refusal> {
        let resource = &call.resource;
        let version = text(&next, "/metadata/resourceVersion");
        if !version.is_empty() && version != text(current, "/metadata/resourceVersion") {
            return Err(Refusal::modified(resource, &call.name));
        }
        match call.subresource.as_str() {
            "" => {
                keep_metadata(&mut next, current);
                if resource.has(Has::Status) {
                    set(at(&mut next, &[]), "status", current.get("status").cloned());
                }
            }
            "status" if resource.has(Has::Status) => {
                let status = next.get("status").cloned();
                next = current.clone();
                set(at(&mut next, &[]), "status", status);
            }
            "scale" if resource.has(Has::Scale) => {
                let replicas = number(&next, "/spec/replicas").unwrap_or_default();
                if replicas < 0 {
                    let mut causes = Vec::new();
                    validate::not_negative(&next, "/spec/replicas", "spec.replicas", &mut causes);
                    return Err(Refusal::invalid("Scale", "autoscaling", &call.name, &causes));
                }
                next = current.clone();
                next["spec"]["replicas"] = replicas.into();
            }
            _ => return Err(Refusal::no_such_resource()),
        }
        tidy(&mut next);
        let address = text(current, "/spec/clusterIP").to_owned();
        defaults::fill(resource, &mut next, &address);
        immutable_uid(call, current, &next)?;
        validate::check(resource, Some(current), &next)?;
        if resource.has(Has::Generation) && is_asked_otherwise(resource.id.as_str(), current, &next)
        {
            let generation = number(current, "/metadata/generation").unwrap_or_default() + 1;
            next["metadata"]["generation"] = generation.into();
        }
        next["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
        next["metadata"]["managedFields"] = current["metadata"]["managedFields"].clone();
        let mut stored = current.clone();
        if next != *current {
            let manager = Manager { name: call.manager(), subresource: &call.subresource };
            managed::track(Some(current), &mut next, manager, &now());
            stored =
                if call.is_dry_run() { next } else { (*self.store.put(call.key(), next)).clone() };
            if !call.is_dry_run() && is_finished(&stored) {
                self.store.remove(&call.key());
            }
        }
        Ok(if call.subresource == "scale" { scale(&stored) } else { stored })
    }

    /// Checks that an object belongs where it was sent, and says so in it.
    fn place(&self, call: &Call, object: &mut Value) -> Result<(), Refusal> {
        let resource = &call.resource;
        if !matches!(call.parameter("dryRun"), "" | "All") {
            let cause = Cause::unsupported("dryRun", call.parameter("dryRun"), "All");
            let options = match call.verb {
                "create" => "CreateOptions",
                "update" => "UpdateOptions",
                _ => "PatchOptions",
            };
            return Err(Refusal::invalid(options, "meta.k8s.io", "", &[cause]));
        }
        let name = text(object, "/metadata/name").to_owned();
        if !call.name.is_empty() && !name.is_empty() && name != call.name {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                call.name
            )));
        }
        let namespace = text(object, "/metadata/namespace");
        if !namespace.is_empty() && namespace != call.namespace {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        if resource.is_namespaced() {
            if call.namespace.is_empty() {
                return Err(Refusal::method_not_allowed());
            }
            if self.store.get(&Key::new("namespaces", "", &call.namespace)).is_none() {
                let namespaces = self.kind_of("namespaces");
                let namespaces = namespaces.as_deref().unwrap_or(resource);
                return Err(Refusal::not_found(namespaces, &call.namespace));
            }
            at(object, &["metadata"]).insert("namespace".into(), call.namespace.as_str().into());
        }
        if call.subresource != "scale" {
            object["kind"] = resource.kind.as_str().into();
            object["apiVersion"] = resource.api_version().into();
        }
        Ok(())
    }
}

fn unreadable(call: &Call, why: &str) -> Refusal {
    let (kind, version) = (&call.resource.kind, &call.resource.version);
    Refusal::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: json: {why}"
    ))
}

/// What only the server sets stays as it is.
fn keep_metadata(next: &mut Value, current: &Value) {
    let metadata = at(next, &["metadata"]);
    if !metadata.contains_key("uid") {
        set(metadata, "uid", current["metadata"].get("uid").cloned());
    }
    for field in [
        "name",
        "namespace",
        "generateName",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        set(metadata, field, current["metadata"].get(field).cloned());
    }
}

fn immutable_uid(call: &Call, current: &Value, next: &Value) -> Result<(), Refusal> {
    let (was, is) = (&current["metadata"]["uid"], &next["metadata"]["uid"]);
    if was == is {
        return Ok(());
    }
    let cause = Cause::invalid("metadata.uid", is, "field is immutable");
    Err(Refusal::invalid(&call.resource.kind, &call.resource.group, &call.name, &[cause]))
}

/// A patch of the scale of another object is a conflict, where a patch of the object is invalid.
fn same_uid_of_scale(call: &Call, current: &Value, next: &Value) -> Result<(), Refusal> {
    let (found, wanted) = (text(current, "/metadata/uid"), text(next, "/metadata/uid"));
    if wanted.is_empty() || wanted == found {
        return Ok(());
    }
    let plural = format!("{}/scale", call.resource.plural);
    let id = format!("{plural}.{}", call.resource.group);
    let why =
        format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
    Err(Refusal::conflict(&call.resource.called(&id, &plural), &call.name, &why))
}

/// Whether something else is asked for than before, so that the generation goes up.
fn is_asked_otherwise(id: &str, current: &Value, next: &Value) -> bool {
    let asked = |object: &Value| {
        let mut asked = object.clone();
        let map = at(&mut asked, &[]);
        map.remove("metadata");
        map.remove("status");
        // Annotations of a Deployment are copied to its ReplicaSets.
        let annotations =
            object.pointer("/metadata/annotations").filter(|_| id == "deployments.apps");
        (asked, annotations.cloned())
    };
    asked(current) != asked(next)
}

fn is_finished(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
        && list(object, "/metadata/finalizers").is_empty()
        && object["kind"] != "Pod"
}
