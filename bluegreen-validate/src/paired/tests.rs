//! The verdict as a whole.

mod error_rates;
mod fail_closed;
mod invariants;
mod ledger;
mod numbers;
mod stopping;
mod world;
