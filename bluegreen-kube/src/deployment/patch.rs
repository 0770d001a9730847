//! The conditional writes of a slot, as JSON Patches that test everything they build on.

use bluegreen_core::{Epoch, Error, ErrorKind, ResolvedChange, Result};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::found::Found;
use super::object::Seen;
use super::template;
use crate::names::pointer_step;
use crate::{FIELD_MANAGER, Settings};

/// How a patch is sent.
pub(super) fn params(is_dry_run: bool) -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        dry_run: is_dry_run,
        ..PatchParams::default()
    }
}

/// The operations of one patch.
#[derive(Debug)]
pub(super) struct Operations<'a> {
    seen: Seen<'a>,
    settings: &'a Settings,
    list: Vec<Value>,
    /// Whether it is tested that nothing at all has changed.
    is_exact: bool,
}

impl<'a> Operations<'a> {
    /// Begins with the test that it is the same object, not written by a newer driver, and with
    /// the stamp of `epoch`.
    ///
    /// A JSON Patch cannot test that something is missing: where nobody has stamped it yet, the
    /// object must be exactly as it was read.
    pub(super) fn new(seen: Seen<'a>, settings: &'a Settings, epoch: Epoch) -> Self {
        let mut new = Self { seen, settings, list: Vec::new(), is_exact: false };
        new.test("/metadata/uid", &json!(seen.uid()));
        let key = settings.epoch_annotation();
        match seen.annotation(&key) {
            Some(text) => new.test(&annotation(&key), &json!(text)),
            None => new.test_exactly(),
        }
        new.annotate(&key, &epoch.to_string());
        new
    }

    fn test(&mut self, path: &str, value: &Value) {
        self.list.push(json!({"op": "test", "path": path, "value": value}));
    }

    fn test_exactly(&mut self) {
        if !self.is_exact {
            self.is_exact = true;
            self.test("/metadata/resourceVersion", &json!(self.seen.resource_version()));
        }
    }

    /// Replaces something in the spec, tested to be as it was read.
    fn replace(&mut self, path: &str, value: &Value) {
        let old = self.seen.at(path);
        if old == value {
            self.test(path, old);
        } else if old.is_null() {
            self.test_exactly();
            self.list.push(json!({"op": "add", "path": path, "value": value}));
        } else {
            self.test(path, old);
            self.list.push(json!({"op": "replace", "path": path, "value": value}));
        }
    }

    fn annotate(&mut self, key: &str, value: &str) {
        let is_empty = self.seen.annotations().is_none();
        self.set_in("annotations", is_empty, key, Some(value));
    }

    /// Sets or removes an annotation that was read.
    fn put_annotation(&mut self, key: &str, value: Option<&str>) {
        match (self.seen.annotation(key), value) {
            (_, Some(value)) => self.annotate(key, value),
            (Some(old), None) => {
                self.test(&annotation(key), &json!(old));
                self.list.push(json!({"op": "remove", "path": annotation(key)}));
            }
            (None, None) => {}
        }
    }

    /// Sets or removes the version label of the Deployment itself.
    fn put_version(&mut self, version: Option<&str>) {
        let key = &self.settings.version_label;
        let labels = self.seen.labels();
        let is_there = labels.is_some_and(|labels| labels.contains_key(key));
        if version.is_some() || is_there {
            self.set_in("labels", labels.is_none(), key, version);
        }
    }

    fn set_in(&mut self, map: &str, is_empty: bool, key: &str, value: Option<&str>) {
        let path = format!("/metadata/{map}/{}", pointer_step(key));
        let Some(value) = value else {
            self.list.push(json!({"op": "remove", "path": path}));
            return;
        };
        let whole = format!("/metadata/{map}");
        if is_empty && !self.list.iter().any(|operation| operation["path"] == *whole) {
            self.test_exactly();
            self.list.push(json!({"op": "add", "path": whole, "value": {}}));
        }
        self.list.push(json!({"op": "add", "path": path, "value": value}));
    }

    pub(super) fn into_list(self) -> Vec<Value> {
        self.list
    }
}

/// What kube sends.
pub(super) fn of(operations: Vec<Value>, action: &str) -> Result<Patch<()>> {
    serde_json::from_value(Value::Array(operations))
        .map(Patch::Json)
        .map_err(|error| Error::new(ErrorKind::Rejected, action).with_source(error))
}

fn annotation(key: &str) -> String {
    format!("/metadata/annotations/{}", pointer_step(key))
}

/// The patch that starts `change`, and `None` when everything is as it would make it.
pub(super) fn deploy(
    seen: Seen<'_>,
    settings: &Settings,
    change: &ResolvedChange,
    replicas: u32,
    epoch: Epoch,
) -> Result<Option<Vec<Value>>> {
    let rejected = |why: String| {
        let action = format!("deploy to deployment {}", seen.name());
        Error::new(ErrorKind::Rejected, action).with_source(why)
    };
    let wanted =
        template::write(seen.template(), &change.configuration, settings).map_err(rejected)?;
    let digest_key = settings.digest_annotation();
    let is_open = seen.found()?.is_some();
    let is_same =
        *seen.template() == wanted && seen.annotation(&digest_key) == Some(change.digest.as_str());
    // Asked again, it only grows: the pods that run are those that gates have judged.
    let replicas = if is_open && is_same { replicas.max(seen.replicas()) } else { replicas };
    if is_open && is_same && replicas == seen.replicas() && seen.epoch()? == epoch {
        return Ok(None);
    }
    let mut operations = Operations::new(seen, settings, epoch);
    if !is_open {
        let found = Found::of(seen, settings).to_text().map_err(|e| rejected(e.to_string()))?;
        operations.annotate(&settings.found_annotation(), &found);
        operations.replace("/spec/strategy", &together(seen.strategy()));
    }
    operations.replace("/spec/template", &wanted);
    operations.replace("/spec/replicas", &json!(replicas));
    operations.annotate(&digest_key, change.digest.as_str());
    operations.put_version(change.configuration.version.as_deref());
    Ok(Some(operations.into_list()))
}

/// The patch that ends a deploy that succeeded; `None` when none is open.
pub(super) fn commit(
    seen: Seen<'_>,
    settings: &Settings,
    epoch: Epoch,
) -> Result<Option<Vec<Value>>> {
    let Some(found) = seen.found()? else { return Ok(None) };
    let mut operations = Operations::new(seen, settings, epoch);
    restore_strategy(&mut operations, &found);
    operations.put_annotation(&settings.found_annotation(), None);
    Ok(Some(operations.into_list()))
}

/// The patch that ends a deploy that failed; `None` when none is open.
pub(super) fn revert(
    seen: Seen<'_>,
    settings: &Settings,
    epoch: Epoch,
) -> Result<Option<Vec<Value>>> {
    let Some(found) = seen.found()? else { return Ok(None) };
    let mut operations = Operations::new(seen, settings, epoch);
    restore_strategy(&mut operations, &found);
    operations.replace("/spec/template", &found.template);
    operations.replace("/spec/replicas", &json!(found.replicas));
    operations.put_version(found.version.as_deref());
    operations.put_annotation(&settings.digest_annotation(), found.digest.as_deref());
    operations.put_annotation(&settings.found_annotation(), None);
    Ok(Some(operations.into_list()))
}

/// Puts the strategy back, unless somebody has set another than our temporary one meanwhile.
fn restore_strategy(operations: &mut Operations<'_>, found: &Found) {
    if *operations.seen.strategy() == together(&found.strategy) {
        operations.replace("/spec/strategy", &found.strategy);
    }
}

/// The strategy that starts all pods together: the slot has no traffic that would need the old
/// ones. `Recreate` does so already, and may be there because two generations do not fit.
pub(super) fn together(strategy: &Value) -> Value {
    // What stands in an annotation may be anything.
    let mut strategy = if strategy.is_object() { strategy.clone() } else { json!({}) };
    if strategy["type"] != "Recreate" {
        strategy["type"] = "RollingUpdate".into();
        if !strategy["rollingUpdate"].is_object() {
            strategy["rollingUpdate"] = json!({});
        }
        strategy["rollingUpdate"]["maxUnavailable"] = "100%".into();
    }
    strategy
}

#[cfg(test)]
mod tests;
