//! What moves traffic, by what was named.

use std::sync::Arc;

use bluegreen_core::{Pair, SwitchStrategy};

use super::{ClusterBuilder, Common};
use crate::cluster::ConnectError;
use crate::route::RouteName;
use crate::{IngressCanary, IngressSwitch, QueueSwitch, RouteWeights, ServiceSwitch};

/// What moves traffic.
pub(super) enum Mover {
    Selectors(Box<ServiceSwitch>),
    Weights(Box<RouteWeights>),
    Backends(Box<IngressSwitch>),
    Queue(Box<QueueSwitch>),
}

/// The same as a switch, and the names of what it moves.
pub(super) struct Moved {
    pub(super) switch: Arc<dyn SwitchStrategy>,
    pub(super) services: Vec<String>,
    pub(super) routes: Vec<RouteName>,
    pub(super) ingresses: Vec<String>,
    pub(super) queue: Option<Arc<QueueSwitch>>,
}

impl Mover {
    /// With a canary around it, where one is named.
    pub(super) fn moved(
        self,
        builder: &ClusterBuilder,
        deployments: &Pair<String>,
        shared: &Common,
    ) -> Moved {
        let (client, settings) = (builder.client.clone(), builder.settings.clone());
        let (mut services, mut routes, mut ingresses) = (Vec::new(), Vec::new(), Vec::new());
        let mut queue = None;
        let canary = builder.canary.as_deref();
        let switch: Arc<dyn SwitchStrategy> = match self {
            Self::Selectors(switch) => {
                services = switch.services().to_vec();
                match canary {
                    Some(name) => {
                        let around = IngressCanary::around_service(client, settings, *switch);
                        Arc::new(builder.named(around, name, shared))
                    }
                    None => Arc::new(*switch),
                }
            }
            Self::Backends(switch) => {
                ingresses = switch.ingresses().to_vec();
                match canary {
                    Some(name) => {
                        let around = IngressCanary::around_ingress(client, settings, *switch);
                        Arc::new(builder.named(around, name, shared))
                    }
                    None => Arc::new(*switch),
                }
            }
            Self::Weights(weights) => {
                routes = weights.routes().to_vec();
                Arc::new(*weights)
            }
            Self::Queue(switch) => {
                let Pair { blue, green, .. } = deployments.clone();
                let switch = Arc::new(switch.with_deployments(blue, green));
                queue = Some(Arc::clone(&switch));
                switch
            }
        };
        Moved { switch, services, routes, ingresses, queue }
    }
}

impl ClusterBuilder {
    /// A canary whose Ingress and Service have this name.
    fn named(&self, canary: IngressCanary, name: &str, shared: &Common) -> IngressCanary {
        let canary = canary.with_canary(name).with_canary_service(name);
        (self.canaries)(canary.sharing(&shared.rules).watching(&shared.watches))
    }

    /// What moves traffic, or work, which is one of four.
    pub(super) fn make_mover(&self, shared: &Common) -> Result<Mover, ConnectError> {
        if let Some(config_map) = &self.queue {
            if let Some(other) = self.traffic() {
                let config_map = config_map.clone();
                return Err(ConnectError::QueueAndOther { config_map, other });
            }
            let (client, settings) = (self.client.clone(), self.settings.clone());
            let switch = QueueSwitch::new(client, settings, config_map).sharing(&shared.rules);
            return Ok(Mover::Queue(Box::new((self.pulls)(switch))));
        }
        if self.pulling.is_some() {
            return Err(ConnectError::NoQueue);
        }
        if let Some(ingress) = self.ingresses.first() {
            let route = self.routes.first().map(|route| format!("route {}", route.name));
            let service = self.services.first().map(|service| format!("Service {service}"));
            if let Some(other) = route.or(service) {
                return Err(ConnectError::IngressAndOther { ingress: ingress.clone(), other });
            }
            let (client, settings) = (self.client.clone(), self.settings.clone());
            let switch = IngressSwitch::new(client, settings)
                .sharing(&shared.rules)
                .watching(&shared.watches);
            let switch = self.ingresses.iter().fold(switch, IngressSwitch::with_ingress);
            return Ok(Mover::Backends(Box::new((self.backends)(switch))));
        }
        if let (Some(route), Some(canary)) = (self.routes.first(), &self.canary) {
            let (ingress, other) = (canary.clone(), format!("route {}", route.name));
            return Err(ConnectError::IngressAndOther { ingress, other });
        }
        Ok(match self.make_weights(shared)? {
            Some(weights) => Mover::Weights(Box::new(weights)),
            None => Mover::Selectors(Box::new(self.service_switch(shared))),
        })
    }

    /// The first of what is to move traffic, if anything is named.
    fn traffic(&self) -> Option<String> {
        let route = || self.routes.first().map(|route| format!("route {}", route.name));
        let ingress = || self.ingresses.first().map(|ingress| format!("ingress {ingress}"));
        let canary = || self.canary.as_ref().map(|canary| format!("ingress {canary}"));
        let service = || self.services.first().map(|service| format!("Service {service}"));
        route().or_else(ingress).or_else(canary).or_else(service)
    }

    /// What moves traffic, if routes do.
    fn make_weights(&self, shared: &Common) -> Result<Option<RouteWeights>, ConnectError> {
        let Some(first) = self.routes.first() else { return Ok(None) };
        if let Some(service) = self.services.first() {
            return Err(ConnectError::TwoSwitches {
                route: first.name.clone(),
                service: service.clone(),
            });
        }
        let weights = RouteWeights::new(self.client.clone(), self.settings.clone())
            .sharing(&shared.rules)
            .watching(&shared.watches);
        let weights = self.routes.iter().cloned().fold(weights, RouteWeights::and);
        Ok(Some((self.weights)(weights)))
    }

    fn service_switch(&self, shared: &Common) -> ServiceSwitch {
        let switch = ServiceSwitch::new(self.client.clone(), self.settings.clone())
            .sharing(&shared.rules)
            .watching(&shared.watches);
        (self.switch)(self.services.iter().fold(switch, ServiceSwitch::and_service))
    }
}
