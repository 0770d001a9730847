//! Prompts and other files of a slot, as ConfigMaps whose names have the digest of the files in them.
//!
//! A ConfigMap like that never changes, and stays as long as a slot or a record needs it: to go back is to
//! name it again. Which files a template is of stands in an annotation of the template itself, so a slot
//! can be read without reading its ConfigMaps.

use std::collections::BTreeMap;

use bluegreen_core::{
    ConfigFiles, Configuration, Digest, Epoch, Error, ErrorKind, Problem, ResolvedChange, Result,
};
use futures_util::future::try_join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::Value;

use super::template::{self, LISTS};
use super::{DeploymentSlot, note};
use crate::error::{read_opt, write};
use crate::trial::refusal;
use crate::{FIELD_MANAGER, Purpose, Settings};

mod collect;
mod missing;

pub(super) use collect::collect;

/// How often a ConfigMap is read anew because somebody else has written it.
const ATTEMPTS: usize = 5;

/// What a ConfigMap with these files is called. The agent is in it: who else has the same files has a
/// ConfigMap of his own, and throws it away when he likes.
pub(super) fn name(settings: &Settings, config_map: &str, digest: &Digest) -> String {
    let own = Digest::of([settings.agent.as_str(), digest.as_str()]);
    let hex = own.as_str().rsplit(':').next().unwrap_or_default();
    format!("{config_map}-{}", hex.get(..12).unwrap_or(hex))
}

/// Which files a template is of, by the name of the ConfigMap that they take the place of.
pub(super) fn of_template(template: &Value, settings: &Settings) -> BTreeMap<String, ConfigFiles> {
    let digests: BTreeMap<String, Digest> = note::read(template, &settings.config_annotation());
    digests.into_iter().map(|(name, digest)| (name, ConfigFiles::known_by(digest))).collect()
}

/// Where a ConfigMap may be named in a pod: as a volume, as a part of one, as the whole environment of a
/// container, or as one variable.
fn references(template: &mut Value) -> Vec<&mut Value> {
    let spec = template.get_mut("spec").and_then(Value::as_object_mut);
    let mut all = Vec::new();
    for (key, value) in spec.into_iter().flatten() {
        for item in value.as_array_mut().into_iter().flatten() {
            if key == "volumes" {
                of_volume(item, &mut all);
            } else if LISTS.contains(&key.as_str()) {
                of_container(item, &mut all);
            }
        }
    }
    all.into_iter().filter_map(|reference| reference.get_mut("name")).collect()
}

fn of_volume<'a>(volume: &'a mut Value, all: &mut Vec<&'a mut Value>) {
    for (key, value) in volume.as_object_mut().into_iter().flatten() {
        if key == "configMap" {
            all.push(value);
        } else if key == "projected" {
            let sources = value.get_mut("sources").and_then(Value::as_array_mut);
            all.extend(sources.into_iter().flatten().filter_map(|it| it.get_mut("configMap")));
        }
    }
}

fn of_container<'a>(container: &'a mut Value, all: &mut Vec<&'a mut Value>) {
    for (key, value) in container.as_object_mut().into_iter().flatten() {
        for item in value.as_array_mut().into_iter().flatten() {
            let reference = match key.as_str() {
                "envFrom" => item.get_mut("configMapRef"),
                "env" => item.get_mut("valueFrom").and_then(|it| it.get_mut("configMapKeyRef")),
                _ => None,
            };
            all.extend(reference);
        }
    }
}

/// Every ConfigMap that a template names, as it names them.
pub(super) fn named(template: &Value) -> Vec<String> {
    let mut copy = template.clone();
    let names = references(&mut copy).into_iter();
    let mut names: Vec<String> = names.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

/// Calls ConfigMaps in a template otherwise, by pairs of the old and the new name. How many places each
/// pair was found in.
pub(super) fn rename(template: &mut Value, pairs: &[(String, String)]) -> Vec<usize> {
    let mut found = vec![0; pairs.len()];
    for reference in references(template) {
        let pair = pairs.iter().position(|(old, _)| reference == old.as_str());
        if let Some(index) = pair {
            *reference = pairs[index].1.as_str().into();
            found[index] += 1;
        }
    }
    found
}

/// A template that names ConfigMaps as a change does, as if no files had ever been released.
pub(super) fn without_files(template: &Value, settings: &Settings) -> Value {
    let mut plain = template.clone();
    rename(&mut plain, &plainly(settings, &of_template(template, settings)));
    note::write::<ConfigFiles>(&mut plain, &settings.config_annotation(), &BTreeMap::new());
    plain
}

/// The names under which a template knows its ConfigMaps, and those by which a change knows them.
pub(super) fn plainly(
    settings: &Settings,
    config: &BTreeMap<String, ConfigFiles>,
) -> Vec<(String, String)> {
    let exact = |plain: &str, files: &ConfigFiles| name(settings, plain, files.digest());
    config.iter().map(|(plain, files)| (exact(plain, files), plain.clone())).collect()
}

/// The other way round.
pub(super) fn exactly(
    settings: &Settings,
    config: &BTreeMap<String, ConfigFiles>,
) -> Vec<(String, String)> {
    plainly(settings, config).into_iter().map(|(exact, plain)| (plain, exact)).collect()
}

/// Puts the files of a change where its pods will look for them. What is there already is stamped with
/// the epoch: whoever has found that nothing needs it, and is late, does not delete it any more.
///
/// # Errors
/// [`Rejected`](ErrorKind::Rejected) where only the digest is known and nobody has ever put them there,
/// and where something else has their name.
pub(super) async fn put(
    slot: &DeploymentSlot,
    change: &ResolvedChange,
    epoch: Epoch,
) -> Result<()> {
    let config = change.configuration.config.iter();
    let puts = config.map(|(plain, files)| put_one(slot, plain, files, epoch));
    try_join_all(puts).await.map(drop)
}

async fn put_one(
    slot: &DeploymentSlot,
    plain: &str,
    files: &ConfigFiles,
    epoch: Epoch,
) -> Result<()> {
    let name = name(&slot.settings, plain, files.digest());
    let action = format!("create configmap {}/{name}", slot.settings.namespace);
    let (api, post, call) = (api(slot), post(false), slot.settings.call);
    if let Some(mut map) = map(&slot.settings, plain, files) {
        stamp(&mut map, &slot.settings, epoch);
        match write(call, &action, api.create(&post, &map)).await {
            // It may be there.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            done => return done.map(drop),
        }
    }
    let refuse = |why: String| Error::new(ErrorKind::Rejected, &action).with_source(why);
    for _ in 1..ATTEMPTS {
        let mut found = find(slot, &name, files).await?.map_err(refuse)?;
        if !stamp(&mut found, &slot.settings, epoch) {
            return Ok(());
        }
        let action = format!("update configmap {}/{name}", slot.settings.namespace);
        match write(call, action, api.replace(&name, &post, &found)).await {
            // Somebody else has written it, or deleted it.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
            done => return done.map(drop),
        }
    }
    Err(Error::new(ErrorKind::Unavailable, action).with_source("somebody else writes it, too"))
}

/// Whether that changes anything.
fn stamp(map: &mut ConfigMap, settings: &Settings, epoch: Epoch) -> bool {
    let epoch = epoch.to_string();
    let annotations = map.metadata.annotations.get_or_insert_default();
    annotations.insert(settings.epoch_annotation(), epoch.clone()) != Some(epoch)
}

/// The ConfigMap of these files as it is there, or what stands in the way of naming it.
async fn find(
    slot: &DeploymentSlot,
    name: &str,
    files: &ConfigFiles,
) -> Result<std::result::Result<ConfigMap, String>> {
    let action = format!("read configmap {}/{name}", slot.settings.namespace);
    let found = read_opt(slot.settings.call, action, api(slot).get(name)).await?;
    Ok(match found {
        None => {
            Err("found no such configmap, and only the digest of its files is known: somebody has \
             deleted it, or who started the release ended before it was there; release the files \
             once more"
                .to_owned())
        }
        Some(found) if content(&found) != *files => {
            Err("found other files under its name".to_owned())
        }
        Some(found) if found.immutable != Some(true) => {
            Err("found it changeable, wanted `immutable: true`".to_owned())
        }
        Some(found) => Ok(found),
    })
}

/// The files that the slot's pods read: those of its template, or what stands in the ConfigMap itself.
pub(super) async fn read(slot: &DeploymentSlot, config_map: &str) -> Result<Option<ConfigFiles>> {
    let object = slot.get().await?;
    let template = slot.seen(&object).template();
    let released = of_template(template, &slot.settings).remove(config_map);
    let name = match &released {
        Some(files) => name(&slot.settings, config_map, files.digest()),
        None => config_map.to_owned(),
    };
    // Those of another application are not ours to show.
    if !named(template).contains(&name) {
        return Ok(None);
    }
    let action = format!("read configmap {}/{name}", slot.settings.namespace);
    let found = read_opt(slot.settings.call, action, api(slot).get(&name)).await?;
    let found = found.map(|map| content(&map));
    Ok(found.filter(|found| released.is_none_or(|released| released == *found)))
}

fn content(map: &ConfigMap) -> ConfigFiles {
    let data = map.data.iter().flatten();
    let data = data.map(|(name, text)| (name.clone(), text.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten();
    let binary = binary.map(|(name, bytes)| (name.clone(), bytes.0.clone()));
    ConfigFiles::new(data.chain(binary))
}

/// The ConfigMap of these files; `None` where only their digest is known.
fn map(settings: &Settings, plain: &str, files: &ConfigFiles) -> Option<ConfigMap> {
    let (mut data, mut binary) = (BTreeMap::new(), BTreeMap::new());
    for (name, content) in files.content()? {
        match std::str::from_utf8(content) {
            Ok(text) => drop(data.insert(name.clone(), text.to_owned())),
            Err(_) => drop(binary.insert(name.clone(), ByteString(content.to_vec()))),
        }
    }
    let labels = settings.labels(Purpose::Config).into_iter().collect();
    let annotations = BTreeMap::from([
        (settings.config_annotation(), plain.to_owned()),
        (settings.digest_annotation(), files.digest().to_string()),
    ]);
    let metadata = ObjectMeta {
        name: Some(name(settings, plain, files.digest())),
        namespace: Some(settings.namespace.clone()),
        labels: Some(labels),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    let some = |is_empty: bool| (!is_empty).then_some(());
    Some(ConfigMap {
        metadata,
        immutable: Some(true),
        data: some(data.is_empty()).map(|()| data),
        binary_data: some(binary.is_empty()).map(|()| binary),
    })
}

fn api(slot: &DeploymentSlot) -> Api<ConfigMap> {
    Api::namespaced(slot.client.clone(), &slot.settings.namespace)
}

fn post(is_dry_run: bool) -> PostParams {
    PostParams { dry_run: is_dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) }
}

/// Everything that stands in the way of these files in the idle slot.
pub(super) async fn problems(
    slot: &DeploymentSlot,
    template: &Value,
    wanted: &Configuration,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let used = named(&without_files(template, &slot.settings));
    // As it is to be, with live's variables; where that cannot be made, the trial says why.
    let target = template::write(template, wanted, &slot.settings);
    let target = without_files(target.as_ref().unwrap_or(template), &slot.settings);
    for (config_map, files) in &wanted.config {
        let deployment = format!("Deployment {}/{}", slot.settings.namespace, slot.name);
        if !used.contains(config_map) {
            let found = if used.is_empty() { "none".to_owned() } else { used.join(", ") };
            problems.push(
                Problem::new("unused-config", format!("{deployment}, ConfigMaps"))
                    .found(format!("its pods read {found}"))
                    .wanted(format!("{config_map} among them, which the change has files for"))
                    .mend("mount it, or name it in env or envFrom, in both Deployments"),
            );
        }
        let name = name(&slot.settings, config_map, files.digest());
        let object = format!("ConfigMap {}/{name}", slot.settings.namespace);
        let is_there = match map(&slot.settings, config_map, files) {
            None => true,
            Some(map) => {
                let (api, post) = (api(slot), post(true));
                let action = format!("try to create configmap {name}");
                let tried = write(slot.settings.call, action, api.create(&post, &map)).await;
                let is_there = tried.as_ref().is_err_and(|it| it.kind() == ErrorKind::Conflict);
                problems.extend(refusal(object.clone(), "creates it", tried.map(drop))?);
                is_there
            }
        };
        let mut known = files.clone();
        if is_there {
            match find(slot, &name, files).await? {
                Ok(found) => known = content(&found),
                Err(found) => problems.push(
                    Problem::new("unknown-files", object)
                        .found(found)
                        .wanted("the files themselves, or their ConfigMap"),
                ),
            }
        }
        if let Some(files) = known.content() {
            problems.extend(missing::problems(&deployment, &target, config_map, files));
        }
    }
    Ok(problems)
}

/// What live reads that a release would replace, and that anybody may overwrite under it.
pub(super) fn plain_problems(
    object: &str,
    template: &Value,
    wanted: &Configuration,
    settings: &Settings,
) -> Vec<Problem> {
    let known = of_template(template, settings);
    let used = named(template);
    let plain = wanted.config.keys().filter(|it| !known.contains_key(*it) && used.contains(*it));
    plain
        .map(|config_map| {
            Problem::new("plain-config", format!("{object}, ConfigMap {config_map}"))
                .found("live reads it under its own name")
                .wanted(
                    "that nobody overwrites it: until a second release, a rollback comes back to \
                     what is in it then",
                )
                .warning()
        })
        .collect()
}

#[cfg(test)]
mod tests;
