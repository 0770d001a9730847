//! The ConfigMaps that a store writes, and how they are told apart.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use bluegreen_core::{Error, ErrorKind, Record, ReleaseId, Result, Revision};
use bytes::Bytes;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;

use super::{BLOB, RECORD};
use crate::names::label_value;
use crate::{Purpose, Settings};

/// The ConfigMap with the record of the release. `mark` tells this save from every other.
pub(super) fn record(settings: &Settings, text: String, mark: &str) -> ConfigMap {
    let mut map = empty(settings, Purpose::Record, settings.config_map());
    map.annotations_mut().insert(settings.own("save"), mark.to_owned());
    map.data = Some(BTreeMap::from([(RECORD.to_owned(), text)]));
    map
}

/// The ConfigMap with the record of a finished release.
pub(super) fn archive(settings: &Settings, record: &Record, text: String) -> ConfigMap {
    let release = &record.envelope.release;
    let mut map = empty(settings, Purpose::Archive, settings.archive_config_map(release));
    belongs_to(&mut map, settings, release);
    let annotations = map.annotations_mut();
    annotations.insert(settings.epoch_annotation(), record.envelope.epoch.to_string());
    annotations.insert(settings.own("started"), record.started.at.unix_millis().to_string());
    map.data = Some(BTreeMap::from([(RECORD.to_owned(), text)]));
    map
}

/// The ConfigMap with one blob.
pub(super) fn blob(
    settings: &Settings,
    release: &ReleaseId,
    name: &str,
    content: Bytes,
) -> ConfigMap {
    let mut map = empty(settings, Purpose::Blob, settings.blob_config_map(release, name));
    belongs_to(&mut map, settings, release);
    map.annotations_mut().insert(settings.own("blob"), name.to_owned());
    map.binary_data = Some(BTreeMap::from([(BLOB.to_owned(), ByteString(content.into()))]));
    map
}

fn empty(settings: &Settings, purpose: Purpose, name: String) -> ConfigMap {
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: Some(settings.namespace.clone()),
        labels: Some(settings.labels(purpose).into_iter().collect()),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}

/// The release is a label, to be found by, and an annotation, because a label can't hold any name.
fn belongs_to(map: &mut ConfigMap, settings: &Settings, release: &ReleaseId) {
    map.labels_mut().insert(settings.own("release"), label_value(release.as_str()));
    map.annotations_mut().insert(settings.own("release"), release.to_string());
}

/// Something that no other save has.
pub(super) fn mark() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Whether this very save has come to be stored.
pub(super) fn has_mark(map: &ConfigMap, mark: &str, settings: &Settings) -> bool {
    map.annotations().get(&settings.own("save")).is_some_and(|found| found == mark)
}

/// The compare-and-set token of an object.
pub(super) fn revision(map: &ConfigMap, action: &str) -> Result<Revision> {
    map.resource_version()
        .map(Revision::new)
        .ok_or_else(|| Error::new(ErrorKind::Rejected, action).with_source("no resourceVersion"))
}

/// Orders finished releases: by their fencing number, which only rises, then by their start.
pub(super) fn age<M: kube::ResourceExt>(object: &M, settings: &Settings) -> (u64, u64) {
    let number = |key: String| {
        object.annotations().get(&key).and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    (number(settings.epoch_annotation()), number(settings.own("started")))
}

/// The release that an archived record or a blob belongs to.
pub(super) fn release_of<'a, M: kube::ResourceExt>(
    object: &'a M,
    settings: &Settings,
) -> Option<&'a str> {
    object.annotations().get(&settings.own("release")).map(String::as_str)
}

/// Whether `map` is this blob, and not another thing whose name comes out the same.
pub(super) fn is_blob(
    map: &ConfigMap,
    settings: &Settings,
    release: &ReleaseId,
    name: &str,
) -> bool {
    release_of(map, settings) == Some(release.as_str())
        && map.annotations().get(&settings.own("blob")).is_some_and(|found| found == name)
}

/// Says why `found` may not be replaced by `ours`, if it is something else.
pub(super) fn refuse_other(
    found: &ConfigMap,
    ours: &ConfigMap,
    settings: &Settings,
) -> Result<(), String> {
    let purpose = |map: &ConfigMap| map.labels().get(&settings.purpose_label()).cloned();
    let blob = |map: &ConfigMap| map.annotations().get(&settings.own("blob")).cloned();
    let facts =
        |map: &ConfigMap| (purpose(map), release_of(map, settings).map(str::to_owned), blob(map));
    if facts(found) == facts(ours) {
        return Ok(());
    }
    let in_words = |map: &ConfigMap| {
        let (purpose, release, blob) = facts(map);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        let (purpose, release, blob) = (or_none(purpose), or_none(release), or_none(blob));
        format!("purpose {purpose}, release {release}, blob {blob}")
    };
    Err(format!(
        "another object has its name: found {}, wanted {}",
        in_words(found),
        in_words(ours)
    ))
}
