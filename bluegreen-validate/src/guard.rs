//! Guards: is the candidate worse than live, by the numbers of real traffic?

mod check;
mod compare;
mod config;
mod counts;
mod error_rate;
mod group;
mod judge;
mod listen;
mod mean;
mod memory;
mod quantile;
mod reading;
mod render;
mod settings;
mod threshold;

pub use config::{
    Better, ErrorRateConfig, GuardConfig, GuardsConfig, Margin, MeanConfig, QuantileConfig,
    Sampling, Statistic, ThresholdConfig,
};
pub use error_rate::ErrorRate;
pub use group::{Guard, Guards};
pub use mean::Mean;
pub use quantile::Quantile;
pub use reading::{Bounded, Reading, Scale};
pub(crate) use render::rounded;
pub use threshold::Threshold;
