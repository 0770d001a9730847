//! Work in hand, as the pods of a slot count it, or the proxy in front of them.

mod address;
mod ask;
mod count;
mod envoy;
mod pods;

pub use address::AddressClient;
pub use envoy::{EnvoyGauge, EnvoyLoad};
pub use pods::PodLoad;
