//! The promises of every validator, kept by this one.

use std::sync::Arc;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_validate::Smoke;

use crate::loopback::Loopback;
use crate::server::{Server, answer};
use crate::world::trial;

bluegreen_core::validator_conformance_tests!(smoke: async || {
    let good = Server::http(|_| async { answer(200, "ok") }).await;
    let bad = Server::http(|_| async { answer(500, "no") }).await;
    ValidatorFixture {
        validator: Arc::new(Smoke::get("/readyz")),
        other: Arc::new(Smoke::get("/readyz").expect_status(204)),
        good: trial(Loopback::to([&good, &good, &good])),
        bad: trial(Loopback::to([&good, &bad, &good])),
        unreachable: trial(Loopback::at([Server::nowhere().await])),
        guard: Box::new((good, bad)),
    }
});
