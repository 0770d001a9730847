//! Work in hand, as a test sets it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::{Color, Load, Result};

/// The work that slots have in hand, as it was set last; nothing to begin with. Clones are the
/// same.
#[derive(Clone, Debug)]
pub struct MemoryLoad {
    in_flight: Arc<Mutex<[Option<u64>; 2]>>,
}

impl MemoryLoad {
    /// Nothing in hand in either slot.
    pub fn new() -> Self {
        Self { in_flight: Arc::new(Mutex::new([Some(0); 2])) }
    }

    /// Sets what a slot has in hand; `None` if it cannot be measured.
    pub fn set(&self, slot: Color, in_flight: Option<u64>) {
        lock(&self.in_flight)[index(slot)] = in_flight;
    }
}

impl Default for MemoryLoad {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Load for MemoryLoad {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        Ok(lock(&self.in_flight)[index(slot)])
    }
}

fn index(slot: Color) -> usize {
    match slot {
        Color::Blue => 0,
        Color::Green => 1,
    }
}
