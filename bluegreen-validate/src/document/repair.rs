//! All faults of a document, though a deserializer stops at the first.

use serde::de::DeserializeOwned;

use super::decode::Fault;
use super::{Node, Step};

/// More faults than anybody reads.
const MOST: usize = 50;

/// What came of reading a document.
pub(super) struct Decoded<T> {
    /// What is left of it without the faults, if anything can be made of that.
    pub(super) value: Option<T>,
    pub(super) faults: Vec<Fault>,
}

impl<T> Decoded<T> {
    /// Whether what `path` leads to, something around it or something in it is at fault.
    pub(super) fn is_tainted(&self, path: &[Step]) -> bool {
        self.faults
            .iter()
            .any(|fault| fault.path.starts_with(path) || path.starts_with(&fault.path))
    }
}

/// Reads the document; what is at fault is noted, left out, and the rest read again. A thing that
/// is at fault only because a part of it was left out is no second fault.
pub(super) fn decode<T: DeserializeOwned>(root: &mut Node) -> Decoded<T> {
    let mut decoded = Decoded { value: None, faults: Vec::<Fault>::new() };
    while decoded.faults.len() < MOST {
        let fault = match T::deserialize(&*root) {
            Ok(value) => {
                decoded.value = Some(value);
                break;
            }
            Err(fault) => fault,
        };
        let path = fault.path.clone();
        if !decoded.faults.iter().any(|known| known.path.starts_with(&path)) {
            decoded.faults.push(fault);
        }
        // The whole document cannot be left out, and nothing is left out twice.
        if path.is_empty() || !root.drop_at(&path) {
            break;
        }
    }
    decoded
}
