//! One target, guided by what it covers: `tests/fuzz/run TARGET SECONDS`.

#![no_main]

use std::alloc::System;
use std::sync::OnceLock;

use bluegreen_fuzz::{Target, target};
use cap::Cap;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// What one input may take, and the fuzzer's own things beside it.
const MEMORY: usize = 1024 * 1024 * 1024;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

/// The target that the environment names.
fn chosen() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("BLUEGREEN_FUZZ").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("BLUEGREEN_FUZZ={name}: there is no such target"))
    })
}

fuzz_target!(|given: &[u8]| (chosen().run)(given));

// Half of all changes keep JSON what it is, since most that do not end at its first byte.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let made = bluegreen_fuzz::mutate(&data[..size], max_size, u64::from(seed));
    data[..made.len()].copy_from_slice(&made);
    made.len()
});
