//! What somebody else has graded.

use super::{Context, Seen};
use crate::prompt::judge::Opinion;
use crate::prompt::suite::Check;

/// What a check that is graded came to.
pub(super) fn look(check: &Check, context: &Context<'_>) -> Result<Seen, String> {
    let Opinion { holds, score, wanted, found } = context.grades.of(context.place, check)?;
    Ok(Seen { holds, score, wanted, found })
}
