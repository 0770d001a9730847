//! Which routes a switch writes, and how they are reached.

use std::fmt;

use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};

/// The API group of the Gateway API.
pub(crate) const GROUP: &str = "gateway.networking.k8s.io";

/// The kinds of routes whose rules have weights.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum RouteKind {
    Http,
    Grpc,
}

impl RouteKind {
    /// As manifests name it.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
        }
    }

    /// As paths and rights name it.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Http => "httproutes",
            Self::Grpc => "grpcroutes",
        }
    }

    /// As errors name one.
    pub(crate) const fn singular(self) -> &'static str {
        match self {
            Self::Http => "httproute",
            Self::Grpc => "grpcroute",
        }
    }

    /// Objects of this kind. Their types come with no crate of a certain version of the Gateway
    /// API: what is not read is kept as it is.
    pub(crate) fn api(self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(GROUP, "v1", self.kind());
        let resource = ApiResource::from_gvk_with_plural(&kind, self.plural());
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}

/// One route in the agent's namespace.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct RouteName {
    pub(crate) kind: RouteKind,
    pub(crate) name: String,
}

impl RouteName {
    pub(crate) fn new(kind: RouteKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.singular(), self.name)
    }
}
