//! The task that writes Events.

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use k8s_openapi::api::events::v1::Event;
use kube::api::PostParams;
use kube::{Api, Client, Resource as _};
use tokio::sync::mpsc;

use super::{Message, object};
use crate::error::{read, write};
use crate::{FIELD_MANAGER, Settings};

pub(super) struct Writer {
    events: Api<Event>,
    services: Api<Service>,
    settings: Settings,
    instance: String,
    /// The Service that Events are about, once it was read.
    about: Option<ObjectReference>,
    /// How many were written, to tell two of the same instant apart.
    written: u64,
}

impl Writer {
    pub(super) fn new(client: Client, settings: Settings, instance: String) -> Self {
        Self {
            events: Api::namespaced(client.clone(), &settings.namespace),
            services: Api::namespaced(client, &settings.namespace),
            settings,
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
    /// until then they carry the name only.
    async fn about(&mut self) -> ObjectReference {
        if let Some(about) = &self.about {
            return about.clone();
        }
        let name = self.settings.agent.to_string();
        let action = format!("read service {}/{name}", self.settings.namespace);
        match read(self.settings.call, action, self.services.get(&name)).await {
            Ok(service) => self.about.insert(service.object_ref(&())).clone(),
            Err(error) => {
                tracing::debug!(error = error.chain(), "events go without the Service's identity");
                ObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Service".to_owned()),
                    name: Some(name),
                    namespace: Some(self.settings.namespace.clone()),
                    ..ObjectReference::default()
                }
            }
        }
    }
}
