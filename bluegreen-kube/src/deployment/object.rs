//! A Deployment as the API server has it.
//!
//! It is read as JSON and not as a type of `k8s-openapi`: what a type of an older Kubernetes does
//! not know would be lost when the template is written back, and a `test` of it would fail. The
//! types also differ between versions (`Deployment.spec` is optional before 1.37); JSON does not.

use std::collections::BTreeMap;

use bluegreen_core::{Epoch, Error, ErrorKind, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;
use kube::core::{DynamicObject, Selector};
use serde_json::Value;

use super::found::Found;
use crate::Settings;

const NULL: &Value = &Value::Null;

/// Another driver has taken over.
#[derive(Debug, thiserror::Error)]
#[error("another driver has taken over: found epoch {stamped}, wanted at most {epoch}")]
pub(super) struct Stale {
    stamped: Epoch,
    epoch: Epoch,
}

/// A Deployment that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    object: &'a DynamicObject,
    settings: &'a Settings,
}

impl<'a> Seen<'a> {
    pub(super) fn new(object: &'a DynamicObject, settings: &'a Settings) -> Self {
        Self { object, settings }
    }

    pub(super) fn settings(self) -> &'a Settings {
        self.settings
    }

    pub(super) fn name(self) -> String {
        self.object.name_any()
    }

    pub(super) fn uid(self) -> &'a str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn resource_version(self) -> &'a str {
        self.object.metadata.resource_version.as_deref().unwrap_or_default()
    }

    pub(super) fn is_ending(self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn metadata(self) -> &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
        &self.object.metadata
    }

    pub(super) fn labels(self) -> Option<&'a BTreeMap<String, String>> {
        self.object.metadata.labels.as_ref()
    }

    pub(super) fn annotations(self) -> Option<&'a BTreeMap<String, String>> {
        self.object.metadata.annotations.as_ref()
    }

    pub(super) fn annotation(self, key: &str) -> Option<&'a str> {
        self.annotations()?.get(key).map(String::as_str)
    }

    /// Something in it, by JSON pointer; null when it is not there.
    pub(super) fn at(self, pointer: &str) -> &'a Value {
        self.object.data.pointer(pointer).unwrap_or(NULL)
    }

    pub(super) fn number(self, pointer: &str) -> Option<i64> {
        self.at(pointer).as_i64()
    }

    pub(super) fn template(self) -> &'a Value {
        self.at("/spec/template")
    }

    pub(super) fn strategy(self) -> &'a Value {
        self.at("/spec/strategy")
    }

    /// How many pods it should have. The API server writes the default of one out.
    pub(super) fn replicas(self) -> u32 {
        self.number("/spec/replicas").and_then(|number| number.try_into().ok()).unwrap_or(1)
    }

    pub(super) fn is_paused(self) -> bool {
        self.at("/spec/paused") == &Value::Bool(true)
    }

    /// The selector of its pods.
    pub(super) fn selector(self) -> Result<Selector> {
        let selector: LabelSelector = serde_json::from_value(self.at("/spec/selector").clone())
            .map_err(|error| self.odd("/spec/selector", error))?;
        Selector::try_from(selector).map_err(|error| self.odd("/spec/selector", error))
    }

    /// The fencing number stamped on it; zero when nobody has.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) when something else stands there: guessing would let a
    /// stale driver write.
    pub(super) fn epoch(self) -> Result<Epoch> {
        let key = self.settings.epoch_annotation();
        let Some(text) = self.annotation(&key) else { return Ok(Epoch::default()) };
        let number = text.parse().map_err(|_| {
            self.odd(&key, format!("found `{text}`, wanted a number in annotation {key}"))
        })?;
        Ok(Epoch::new(number))
    }

    /// What the open deploy found, if there is one.
    pub(super) fn found(self) -> Result<Option<Found>> {
        let key = self.settings.found_annotation();
        let Some(text) = self.annotation(&key) else { return Ok(None) };
        Found::parse(text).map(Some).map_err(|error| self.odd(&key, error))
    }

    /// Refuses a driver that others have taken over from.
    pub(super) fn refuse_stale(self, action: &str, epoch: Epoch) -> Result<()> {
        let stamped = self.epoch()?;
        if stamped <= epoch {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, action).with_source(Stale { stamped, epoch }))
    }

    fn odd(self, what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let action = format!("read {what} of deployment {}", self.object.name_any());
        Error::new(ErrorKind::Rejected, action).with_source(source)
    }
}
