//! Why an agent cannot be found in a cluster.

use bluegreen_core::{Color, Error, Problem};

/// Why [`Cluster::adopt`](super::Cluster::adopt) did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// Something stands in the way, and nothing was written.
    #[error("deployment {deployment} cannot be adopted: {}", in_words(problems))]
    Refused {
        /// The Deployment.
        deployment: String,
        /// Everything that stands in the way.
        problems: Vec<Problem>,
    },
    /// A call failed, or something did not come in time. It can be called again.
    #[error(transparent)]
    Failed(#[from] Error),
}

fn in_words(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

/// Why [`Cluster::connect`](super::Cluster::connect) does not know what the agent consists of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no live Service of that name.
    #[error(
        "Service {namespace}/{service}: found nothing, wanted the Service through which clients \
         reach the agent"
    )]
    NoService {
        /// The namespace.
        namespace: String,
        /// The name.
        service: String,
    },
    /// There is no Service for a slot, although traffic is to move between such.
    #[error(
        "Service {namespace}/{service}: found nothing, wanted the Service of the {color} slot, \
         between which and the other traffic is to move"
    )]
    NoSlotService {
        /// The namespace.
        namespace: String,
        /// The name.
        service: String,
        /// The slot.
        color: Color,
    },
    /// The Services of the slots select pods that differ in more than the slot.
    #[error(
        "Services in {namespace}, spec.selector: found that {}, wanted selectors that differ in \
         the slot only", found.join(" and ")
    )]
    SlotsDisagree {
        /// The namespace.
        namespace: String,
        /// What each selects, with its slot.
        found: Vec<String>,
    },
    /// Traffic cannot be moved by a route and by a Service's selector.
    #[error(
        "route {route} and Service {service}: found both to be moved, wanted either routes or \
         Services"
    )]
    TwoSwitches {
        /// The first of the routes.
        route: String,
        /// The first of the Services.
        service: String,
    },
    /// Traffic cannot be moved by an Ingress and by something else.
    #[error(
        "ingress {ingress} and {other}: found both to be moved, wanted either Ingresses or the \
         other"
    )]
    IngressAndOther {
        /// The first of the Ingresses.
        ingress: String,
        /// What else is to be moved.
        other: String,
    },
    /// Work cannot be moved by the right to pull it and by something that moves traffic.
    #[error(
        "configmap {config_map} and {other}: found both to be moved, wanted either the right to \
         pull or the other"
    )]
    QueueAndOther {
        /// The ConfigMap with the right to pull.
        config_map: String,
        /// What else is to be moved.
        other: String,
    },
    /// Something is to count workers that pull, and nothing gives them the right to.
    #[error(
        "pulling: found what counts workers that pull, and no ConfigMap with the right to, wanted \
         it named with `queue`"
    )]
    NoQueue,
    /// Neither of the slots of an agent without a Service is there.
    #[error(
        "Deployments in {namespace}: found neither {blue} nor {green}, wanted those of the slots; \
         name them if they are called otherwise"
    )]
    NoSlot {
        /// The namespace.
        namespace: String,
        /// The Deployment of the blue slot.
        blue: String,
        /// The Deployment of the green slot.
        green: String,
    },
    /// The Deployments of the slots select pods that differ in more than the slot.
    #[error(
        "Deployments in {namespace}, spec.selector: found that {}, wanted selectors that differ in \
         the slot only", found.join(" and ")
    )]
    DeploymentsDisagree {
        /// The namespace.
        namespace: String,
        /// What each selects, with its slot.
        found: Vec<String>,
    },
    /// The Service leads elsewhere, not to pods.
    #[error(
        "Service {namespace}/{service}, spec.type: found ExternalName, wanted a Service that \
         selects pods"
    )]
    ExternalName {
        /// The namespace.
        namespace: String,
        /// The name.
        service: String,
    },
    /// Somebody else writes the Service's endpoints.
    #[error(
        "Service {namespace}/{service}, spec.selector: found none, wanted the labels of the \
         agent's pods"
    )]
    NoSelector {
        /// The namespace.
        namespace: String,
        /// The name.
        service: String,
    },
    /// No Deployment makes pods of a slot.
    #[error(
        "Deployments in {namespace}: found {found}, wanted one whose pods have the labels {wanted}"
    )]
    NoDeployment {
        /// The namespace.
        namespace: String,
        /// The labels that its pods should have.
        wanted: String,
        /// What comes near.
        found: String,
    },
    /// More than one Deployment makes pods of a slot.
    #[error(
        "Deployments in {namespace}: found {}, wanted only one whose pods have the labels \
         {wanted}; name the one that is the {color} slot", found.join(" and ")
    )]
    ManyDeployments {
        /// The namespace.
        namespace: String,
        /// The slot.
        color: Color,
        /// The labels that their pods have.
        wanted: String,
        /// Their names.
        found: Vec<String>,
    },
    /// It could not be found out.
    #[error("find the agent")]
    Call(#[from] Error),
}
