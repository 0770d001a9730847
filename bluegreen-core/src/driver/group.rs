//! A member of a group waits for its word, which comes by a change of the record.

use super::Driver;
use crate::Timestamp;
use crate::release::{EventKind, no_word};

impl Driver {
    /// Waits, and says what it leads to that nothing came. One whose group may have decided for it
    /// already must not decide by itself: that is a person's.
    pub(super) async fn await_group(&self, deadline: Timestamp, bound: bool) -> EventKind {
        self.sleep_until(deadline).await;
        let message = no_word(deadline);
        if !bound {
            return EventKind::Undecided { message };
        }
        let advice = "`resume` its group, which knows whether the others have stayed; without it, \
                      look at the others: `promote` if one of them has stayed, else `rollback`";
        EventKind::Stuck { message, advice: advice.to_owned() }
    }
}
