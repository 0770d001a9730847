#![doc = include_str!("../README.md")]

mod brief;
mod gate;
mod generate;
mod play;
mod process;
mod random;
pub mod schedule;
mod shrink;
mod stage;
mod witness;
mod work;

pub use schedule::Schedule;
pub use shrink::shrink;
pub use stage::Report;
pub use witness::Violation;
