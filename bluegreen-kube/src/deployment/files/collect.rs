//! ConfigMaps of files that nothing needs any more.

use std::collections::BTreeSet;

use bluegreen_core::release::FORMAT;
use bluegreen_core::{ErrorKind, Result};
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::{DynamicObject, PartialObjectMeta};
use serde_json::Value;

use super::{DeploymentSlot, api, named, of_template, plainly};
use crate::config_map::RECORD;
use crate::deployment::object::Seen;
use crate::error::{read, write};
use crate::{Purpose, Settings};

/// Deletes those that neither slot has, nor any record that is kept. What goes wrong leaves one more than
/// is needed, and the next release tries again.
pub(in crate::deployment) async fn collect(slot: &DeploymentSlot) {
    // Whoever commits waits for one call, and has waited for another one already.
    match tokio::time::timeout(slot.settings.call / 4, try_collect(slot)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = error.chain(), "configmaps that are not needed stay");
        }
        Err(_) => tracing::warn!("configmaps that are not needed stay: it took too long"),
    }
}

async fn try_collect(slot: &DeploymentSlot) -> Result<()> {
    let has_files = |object: &DynamicObject| {
        !of_template(slot.seen(object).template(), &slot.settings).is_empty()
    };
    // Most slots have none, which the write that was just made has shown.
    if slot.recent.get(&slot.name).is_some_and(|recent| !has_files(&recent)) {
        return Ok(());
    }
    let own = slot.get().await?;
    if !has_files(&own) {
        return Ok(());
    }
    // Without the other slot nobody can say what it needs.
    let Some(other) = &slot.other else { return Ok(()) };
    let other = slot.get_named(other).await?;
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for object in [&own, &other] {
        needed.extend(of_slot(slot.seen(object), &slot.settings)?);
    }
    let listed = |purpose: Purpose| {
        let params = ListParams::default().labels(&slot.settings.selector(purpose));
        let action = format!("list configmaps of {}", slot.settings.agent);
        let api = api(slot);
        async move { Ok(read(slot.settings.call, action, api.list(&params)).await?.items) }
    };
    // The files are listed first: a release that begins meanwhile comes after them.
    let params = ListParams::default().labels(&slot.settings.selector(Purpose::Config));
    let action = format!("list configmaps of {}", slot.settings.agent);
    let api = api(slot);
    let files = read(slot.settings.call, action, api.list_metadata(&params)).await?.items;
    let (records, archive): (Vec<ConfigMap>, Vec<ConfigMap>) =
        futures_util::future::try_join(listed(Purpose::Record), listed(Purpose::Archive)).await?;
    for record in records.iter().chain(&archive) {
        match of_record(record, &slot.settings) {
            Some(names) => needed.extend(names),
            // A newer version's record, or one that somebody has edited: it may need any of them.
            None => return Ok(()),
        }
    }
    let unneeded = files.into_iter().filter(|map| !needed.contains(&map.name_any()));
    try_join_all(unneeded.map(|map| delete(slot, map))).await.map(drop)
}

/// What a slot has, and what an open deploy of it would put back.
fn of_slot(seen: Seen<'_>, settings: &Settings) -> Result<Vec<String>> {
    let found = seen.found()?;
    let templates = [Some(seen.template()), found.as_ref().map(|found| &found.template)];
    let mut names = Vec::new();
    for template in templates.into_iter().flatten() {
        let config = of_template(template, settings);
        names.extend(plainly(settings, &config).into_iter().map(|(exact, _)| exact));
        // Somebody may have named others by hand.
        names.extend(named(template));
    }
    Ok(names)
}

/// What the change of a record has; `None` where that cannot be read.
fn of_record(map: &ConfigMap, settings: &Settings) -> Option<Vec<String>> {
    let text = map.data.as_ref()?.get(RECORD)?;
    let record: Value = serde_json::from_str(text).ok()?;
    if record.get("format").and_then(Value::as_u64) != Some(u64::from(FORMAT)) {
        return None;
    }
    let configuration = record.pointer("/change/configuration")?;
    let Some(config) = configuration.get("config") else { return Some(Vec::new()) };
    let config = serde_json::from_value(config.clone()).ok()?;
    Some(plainly(settings, &config).into_iter().map(|(exact, _)| exact).collect())
}

async fn delete(slot: &DeploymentSlot, map: PartialObjectMeta<ConfigMap>) -> Result<()> {
    let name = map.name_any();
    let preconditions = Preconditions { uid: map.uid(), resource_version: map.resource_version() };
    let params = DeleteParams::default().preconditions(preconditions);
    let action = format!("delete configmap {}/{name}", slot.settings.namespace);
    match write(slot.settings.call, action, api(slot).delete(&name, &params)).await {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Ok(()),
        done => done.map(drop),
    }
}
