//! Whether live still answers as its baseline says.

use std::collections::HashSet;

use tokio::sync::watch;

use super::schedule::Slotted;
use crate::paired::stats::{McNemar, Table};
use crate::prompt::cassette::{Baseline, Known};
use crate::prompt::prepare::{Prepared, PreparedCase};
use crate::prompt::suite::Suite;

/// The share of the pairs that could be taken for which live is asked all the same.
const ONE_IN: usize = 10;
const AT_LEAST: usize = 10;
/// How seldom live is said to answer otherwise although it does not.
const ALPHA: f64 = 0.05;

/// Which pairs take live's answers from a baseline, and which are asked anew to see whether one may.
pub(super) struct Audit {
    taken: HashSet<(usize, u32)>,
    anew: HashSet<(usize, u32)>,
    /// Whether a look before this one has found that live answers otherwise.
    is_known_to_drift: bool,
    seen: watch::Sender<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// Pairs that are still to be asked anew.
    left: usize,
    audited: u64,
    better: u64,
    worse: u64,
}

impl Seen {
    fn has_drifted(self) -> bool {
        let table = Table { live_only: self.worse, idle_only: self.better, ..Table::default() };
        McNemar::of(table).exact < ALPHA
    }
}

impl Audit {
    /// The first of what is to be run is asked anew. Those pairs are begun before any other that
    /// waits for them, so no run waits for ever.
    pub(super) fn of(
        known: &Known<'_>,
        suite: &Suite,
        prepared: &Prepared,
        todo: &[Slotted],
    ) -> Self {
        let fit = |it: &&Slotted| {
            let case = prepared.case(it.case);
            case.is_ok_and(|case| may_be_taken(suite, &case) && known.has(&case.id, it.repeat))
        };
        let mut fit = todo.iter().filter(fit).map(|it| (it.case, it.repeat));
        let all = fit.clone().count();
        let anew: HashSet<_> = fit.by_ref().take((all / ONE_IN).max(AT_LEAST)).collect();
        let (seen, _) = watch::channel(Seen { left: anew.len(), ..Seen::default() });
        let is_known_to_drift = known.baseline().counts().drifted;
        Self { taken: fit.collect(), anew, is_known_to_drift, seen }
    }

    /// Whether a pair is asked anew although it could be taken.
    pub(super) fn asks_anew(&self, it: Slotted) -> bool {
        self.anew.contains(&(it.case, it.repeat))
    }

    /// Whether a pair may be taken, when that is known.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub(super) async fn may_take(&self, it: Slotted) -> bool {
        if self.is_known_to_drift || !self.taken.contains(&(it.case, it.repeat)) {
            return false;
        }
        let mut seen = self.seen.subscribe();
        let seen = seen.wait_for(|seen| seen.left == 0).await;
        // The sender lives as long as this does.
        // Of pairs that could not be compared nothing is known, and nothing is no good news.
        let enough = |seen: &Seen| seen.audited * 5 >= self.anew.len() as u64 * 4;
        seen.is_ok_and(|seen| !seen.has_drifted() && enough(&seen))
    }

    /// Takes what a pair came to that was asked anew: before and now, whether it passed, where that
    /// can be told.
    pub(super) fn add(&self, baseline: &Baseline, before: Option<bool>, now: Option<bool>) {
        self.seen.send_modify(|seen| {
            seen.left = seen.left.saturating_sub(1);
            let Some((before, now)) = before.zip(now) else { return };
            seen.audited += 1;
            seen.better += u64::from(!before && now);
            seen.worse += u64::from(before && !now);
        });
        let seen = *self.seen.borrow();
        let Seen { left, audited, better, worse } = seen;
        baseline.audited(audited, better, worse, left == 0 && seen.has_drifted());
    }
}

/// Whether old answers to a case are as good as new ones, and a sample can show that they are: times are
/// of their day, and a comparison of two slots is none of one alone.
fn may_be_taken(suite: &Suite, case: &PreparedCase) -> bool {
    let is_timed = case.assertions().any(|it| it.assertion().is_timed(suite));
    case.pairwise().next().is_none() && !is_timed
}
