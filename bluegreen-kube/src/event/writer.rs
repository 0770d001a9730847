//! The task that writes Events.

use bluegreen_core::{ErrorKind, Result};
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Service};
use k8s_openapi::api::events::v1::Event;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;

use super::{Message, object};
use crate::error::{read, write};
use crate::ingress;
use crate::route::{GROUP, RouteName};
use crate::{FIELD_MANAGER, Settings};

/// What Events are about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// The live Service.
    Service,
    /// The first route, where traffic comes through one.
    Route(RouteName),
    /// The first Ingress, where its paths move.
    Ingress(String),
    /// The ConfigMap with the right to pull, where there is no traffic.
    ConfigMap(String),
}

pub(super) struct Writer {
    events: Api<Event>,
    client: Client,
    settings: Settings,
    subject: Subject,
    instance: String,
    /// What Events are about, once it was looked for.
    about: Option<ObjectReference>,
    /// How many were written, to tell two of the same instant apart.
    written: u64,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        subject: Subject,
        instance: String,
    ) -> Self {
        Self {
            events: Api::namespaced(client.clone(), &settings.namespace),
            client,
            settings,
            subject,
            instance,
            about: None,
            written: 0,
        }
    }

    /// Writes one Event after the other until nobody can send any more.
    pub(super) async fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Report(progress) => {
                    let about = self.about().await;
                    self.written += 1;
                    let event = object::event(&progress, about, &self.instance, self.written);
                    self.create(&event).await;
                }
                // Whoever asked may be gone.
                Message::Flush(done) => drop(done.send(())),
            }
        }
    }

    async fn create(&self, event: &Event) {
        let post =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let action = format!("create event in {}", self.settings.namespace);
        let call = self.events.create(&post, event);
        if let Err(error) = write(self.settings.call, action, call).await {
            tracing::warn!(error = error.chain(), note = event.note, "an event is lost");
        }
    }

    /// What Events are about. `kubectl describe` finds them by the identity, so it is read once;
    /// until then they carry the name only, as they always do where there is no such object.
    async fn about(&mut self) -> ObjectReference {
        if let Some(about) = &self.about {
            return about.clone();
        }
        let mut about = self.named();
        match self.identity().await {
            Ok(uid) => {
                about.uid = uid;
                self.about = Some(about.clone());
            }
            Err(error) => {
                tracing::debug!(error = error.chain(), "events go without an identity");
                if error.kind() == ErrorKind::NotFound {
                    self.about = Some(about.clone());
                }
            }
        }
        about
    }

    /// The object that Events are about, by its name.
    fn named(&self) -> ObjectReference {
        let (version, kind, name) = match &self.subject {
            Subject::Route(route) => (format!("{GROUP}/v1"), route.kind.kind(), route.name.clone()),
            Subject::Ingress(name) => (format!("{}/v1", ingress::GROUP), "Ingress", name.clone()),
            Subject::ConfigMap(name) => ("v1".to_owned(), "ConfigMap", name.clone()),
            Subject::Service => ("v1".to_owned(), "Service", self.settings.agent.to_string()),
        };
        ObjectReference {
            api_version: Some(version),
            kind: Some(kind.to_owned()),
            name: Some(name),
            namespace: Some(self.settings.namespace.clone()),
            ..ObjectReference::default()
        }
    }

    async fn identity(&self) -> Result<Option<String>> {
        let (call, namespace) = (self.settings.call, &self.settings.namespace);
        match &self.subject {
            Subject::Route(route) => {
                let api = route.kind.api(&self.client, namespace);
                let action = format!("read {route} in {namespace}");
                Ok(read(call, action, api.get(&route.name)).await?.uid())
            }
            Subject::Ingress(name) => {
                let api = ingress::api(&self.client, namespace);
                let action = format!("read ingress {namespace}/{name}");
                Ok(read(call, action, api.get(name)).await?.uid())
            }
            Subject::ConfigMap(name) => {
                let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                let action = format!("read configmap {namespace}/{name}");
                Ok(read(call, action, maps.get(name)).await?.uid())
            }
            Subject::Service => {
                let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
                let name = self.settings.agent.to_string();
                let action = format!("read service {namespace}/{name}");
                Ok(read(call, action, services.get(&name)).await?.uid())
            }
        }
    }
}
