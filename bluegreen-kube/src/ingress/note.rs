//! What an Ingress says about the last shift: the transition annotation.

use bluegreen_core::Color;
use serde::{Deserialize, Serialize};

/// The last shift of one Ingress, as it is written on the Ingress together with it.
///
/// It makes several Ingresses readable of which a shift came to some only. What a later version
/// says beside it is no reason not to go back.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) from: Color,
    pub(super) to: Color,
    pub(super) epoch: u64,
}

impl Note {
    /// The note in this text, if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(self) -> String {
        let Self { from, to, epoch } = self;
        format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"epoch\":{epoch}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is_one() {
        let note = Note { from: Color::Blue, to: Color::Green, epoch: 7 };
        assert_eq!(Note::parse(&note.text()), Some(note));
        let later = note.text().replace('}', ",\"region\":{}}");
        assert_eq!(Note::parse(&later), Some(note));
        for other in ["", "blue->green@7", "{}", "{\"from\":\"red\",\"to\":\"green\",\"epoch\":7}"]
        {
            assert_eq!(Note::parse(other), None, "{other}");
        }
    }
}
