//! The promises of every validator, kept by this one.

use std::sync::Arc;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_validate::{AddressClient, PromptRegression};

use crate::agents::{client, knowing};
use crate::server::Server;
use crate::world::{suite, trial};

bluegreen_core::validator_conformance_tests!(prompts: async || {
    let live = knowing(|_| false).await;
    let good = knowing(|_| false).await;
    let bad = knowing(|number| number % 3 == 0).await;
    let nowhere = Arc::new(AddressClient::new([Server::nowhere().await.to_string()]));
    let mut other = suite(80);
    other.rules.margin = 0.04;
    ValidatorFixture {
        validator: Arc::new(PromptRegression::new(suite(80))),
        other: Arc::new(PromptRegression::new(other)),
        good: trial(client(&live), client(&good)),
        bad: trial(client(&live), client(&bad)),
        unreachable: trial(client(&live), nowhere),
        guard: Box::new((live, good, bad)),
    }
});
