//! Room for texts, which has an end.

/// What all texts of a run have room for, in bytes: of attempts that both passed, and of others. So
/// the many that pass leave room for the few that are looked for.
const PASSED: usize = 4 << 20;
const OTHERS: usize = 8 << 20;
/// What questions and names of assertions have room for.
const ASKED: usize = 4 << 20;

/// In place of a reason for which there was no room.
pub(super) const NO_ROOM: &str = "left out: the report has no room for it";

/// What is left of the room.
#[derive(Clone, Copy)]
pub(super) struct Room {
    passed: usize,
    others: usize,
    asked: usize,
    /// Texts for which there was none.
    pub(super) left_out: usize,
}

/// What a text is of.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Kind {
    Passed,
    Other,
    Asked,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { passed: PASSED, others: OTHERS, asked: ASKED, left_out: 0 }
    }

    /// The reason if there is room for it, else that there was none: a reason is never empty unless
    /// it was.
    pub(super) fn reason(&mut self, kind: Kind, text: String) -> String {
        let was_empty = text.is_empty();
        let kept = self.take(kind, text);
        if kept.is_empty() && !was_empty { NO_ROOM.to_owned() } else { kept }
    }

    /// Whether there is room for so many entries of so many bytes besides their texts, which is
    /// taken then.
    pub(super) fn has(&mut self, kind: Kind, entries: usize, bytes: usize) -> bool {
        let bytes = entries.saturating_mul(bytes + NO_ROOM.len());
        let room = self.of(kind);
        let has = bytes <= *room;
        if has {
            *room -= bytes;
        } else {
            self.left_out += entries;
        }
        has
    }

    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Passed => &mut self.passed,
            Kind::Other => &mut self.others,
            Kind::Asked => &mut self.asked,
        }
    }

    /// The text if there is room for it, else none.
    pub(super) fn take(&mut self, kind: Kind, text: String) -> String {
        let room = self.of(kind);
        if text.len() > *room {
            self.left_out += 1;
            return String::new();
        }
        *room -= text.len();
        // It is kept for long, and may have been made in a larger place.
        text.into_boxed_str().into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_leaves_room_for_what_does_not_and_both_have_an_end() {
        let mut room = Room::new();
        let text = || "x".repeat(1 << 20);
        let kept =
            |room: &mut Room, kind| (0..20).filter(|_| !room.take(kind, text()).is_empty()).count();
        assert_eq!(kept(&mut room, Kind::Passed), 4);
        assert_eq!(kept(&mut room, Kind::Other), 8);
        assert_eq!(room.left_out, 28);
        assert_eq!(room.take(Kind::Asked, "why?".to_owned()), "why?");
    }
}
