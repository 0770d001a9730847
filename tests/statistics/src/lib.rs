//! How often the tests of `bluegreen-validate` err, and how soon they find what is there, by seeded
//! simulation. See `README.md`.

pub mod draw;
pub mod false_alarms;
pub mod play;
pub mod power;
pub mod speed;
