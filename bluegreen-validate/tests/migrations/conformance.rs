//! The promises of every validator, kept by this one.

use std::sync::Arc;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_validate::Migrations;
use bluegreen_validate::migrations::Phase;

use crate::world::{Folder, trial};

bluegreen_core::validator_conformance_tests!(migrations: async || {
    let folder = Folder::with(&[
        ("1.3.0/1.sql", "SET lock_timeout = '2s'; ALTER TABLE orders ADD COLUMN note text;"),
        ("1.4.0/1.sql", "SET lock_timeout = '2s'; ALTER TABLE orders DROP COLUMN note;"),
    ]);
    let validator = Migrations::postgres().folder_of_versions(&folder.0);
    let other = Migrations::postgres().folder_of_versions(&folder.0).phase(Phase::Contract);
    ValidatorFixture {
        validator: Arc::new(validator),
        other: Arc::new(other),
        good: trial("1.3.0"),
        bad: trial("1.4.0"),
        unreachable: trial("1.5.0"),
        guard: Box::new(folder),
    }
});
