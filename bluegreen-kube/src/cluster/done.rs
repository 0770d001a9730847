//! What was done to a cluster outside a release.

use std::fmt;

use bluegreen_core::Color;

/// One thing that [`init`](super::Cluster::init), [`adopt`](super::Cluster::adopt) or
/// [`detach`](super::Cluster::detach) did.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Done {
    /// The Deployment of a slot was created without pods, as a copy of the other one.
    Created {
        /// The slot.
        color: Color,
        /// The new Deployment.
        deployment: String,
        /// The one that it is a copy of.
        from: String,
    },
    /// The Deployment of the blue slot was created as a copy of one that was no slot, as large.
    Adopted {
        /// The new Deployment.
        deployment: String,
        /// The one that it is a copy of.
        from: String,
    },
    /// A Deployment that was no slot has no pods any more.
    Retired {
        /// The Deployment, which is still there.
        deployment: String,
        /// How many pods it had.
        replicas: u32,
    },
    /// An object of a Deployment that was no slot was copied for a slot.
    Copied {
        /// The object: `horizontalpodautoscaler agent-blue`.
        object: String,
        /// The name of the one that it is a copy of.
        from: String,
    },
    /// An autoscaler scales the Deployment of a slot in place of one that was no slot.
    Retargeted {
        /// The object: `horizontalpodautoscaler agent`.
        object: String,
        /// The Deployment.
        deployment: String,
    },
    /// The selector of a live Service got the slot label, which changes nothing for the slot's pods.
    Selected {
        /// The Service.
        service: String,
        /// The slot.
        color: Color,
    },
    /// A slot got the right to pull that no slot had.
    Granted {
        /// The ConfigMap that says so.
        config_map: String,
        /// The slot.
        color: Color,
    },
    /// Our annotations were taken off an object.
    Cleaned {
        /// The object: `deployment agent-blue`.
        object: String,
    },
    /// An object of ours was deleted.
    Deleted {
        /// The object: `configmap agent-bluegreen`.
        object: String,
    },
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { color, deployment, from } => write!(
                f,
                "created deployment {deployment} as the {color} slot, a copy of {from} without pods"
            ),
            Self::Adopted { deployment, from } => write!(
                f,
                "created deployment {deployment} as the blue slot, a copy of {from} and as large"
            ),
            Self::Retired { deployment, replicas } => write!(
                f,
                "scaled deployment {deployment} from {replicas} to 0, and left it there for the way back"
            ),
            Self::Retargeted { object, deployment } => {
                write!(f, "{object} now scales {deployment}")
            }
            Self::Copied { object, from } => write!(f, "created {object}, a copy of {from}"),
            Self::Selected { service, color } => {
                write!(f, "service {service} now selects the {color} slot, whose pods it had")
            }
            Self::Granted { config_map, color } => {
                write!(f, "configmap {config_map} now gives the {color} slot the right to pull")
            }
            Self::Cleaned { object } => write!(f, "took our annotations off {object}"),
            Self::Deleted { object } => write!(f, "deleted {object}"),
        }
    }
}
