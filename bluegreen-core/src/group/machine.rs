//! What a group says to whom: pure, from where its members are and who comes after whom.
//!
//! There is no record of the group: where its members are *is* its state, and each word follows from
//! that alone. So any process can say it, two may say it at once, and one that stops half-way leaves
//! nothing that another could not go on with.

use crate::plan::HookPoint;
use crate::release::GroupWord;
use crate::{Outcome, Phase, Record, Winner};

/// How far a member has come, as the others care.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Position {
    /// It has not begun.
    Absent,
    /// Everything before its traffic: pods, gates, approval, hooks.
    Preparing,
    /// It waits for the others with all of that done.
    Ready,
    /// Its traffic may move, and does not follow in whole yet.
    Switching,
    /// It has all traffic, and bakes.
    Baking,
    /// Its bake is over, and its guards go on looking.
    Baked,
    /// It does not go back by itself any more.
    Bound,
    /// The candidate stays.
    Kept,
    /// It is on its way back, and the candidate may still have traffic.
    Returning,
    /// The old version has all traffic, or never lost it.
    Back,
}

impl Position {
    /// Where the release of this record is.
    ///
    /// One that is stuck or paused has not come to the end of its wait, whatever its phase says: the others
    /// do not go on past it. Once it is bound that counts no more, since another one may have stayed.
    pub(crate) fn of(record: &Record) -> Self {
        let (is_stuck, is_held) =
            (record.stuck.is_some(), record.stuck.is_some() || record.paused.is_some());
        match &record.phase {
            Phase::AwaitingGroup { before: HookPoint::Shifting, .. } if is_held => Self::Preparing,
            // Where its traffic goes is not known: it may have been moved by hand.
            Phase::Baking { .. } | Phase::AwaitingGroup { bound: false, .. } if is_stuck => {
                Self::Switching
            }
            Phase::AwaitingGroup { bound: false, before: HookPoint::Retiring, .. } if is_held => {
                Self::Baking
            }
            Phase::AwaitingGroup { before: HookPoint::Shifting, .. } => Self::Ready,
            Phase::AwaitingGroup { bound: false, .. } => Self::Baked,
            Phase::AwaitingGroup { bound: true, .. } => Self::Bound,
            Phase::Baking { .. } => Self::Baking,
            Phase::Draining { .. }
            | Phase::Unpinning { .. }
            | Phase::Retiring
            | Phase::RunningHook { before: HookPoint::Retiring | HookPoint::Done, .. }
            | Phase::Done {
                outcome: Outcome::Released | Outcome::Concluded { winner: Winner::Candidate },
            } => Self::Kept,
            Phase::Returning { .. } => Self::Returning,
            Phase::KeepingFailed { .. } | Phase::Restoring { .. } | Phase::Done { .. } => {
                Self::Back
            }
            _ if record.group.as_ref().is_some_and(|group| group.may_switch) => Self::Switching,
            _ => Self::Preparing,
        }
    }

    pub(crate) fn is_failed(self) -> bool {
        matches!(self, Self::Returning | Self::Back)
    }

    /// Whether the candidate may have traffic.
    pub(crate) fn may_have_traffic(self) -> bool {
        !matches!(self, Self::Absent | Self::Preparing | Self::Ready | Self::Back)
    }
}

/// What a group does next with one of its members.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Step {
    /// Begin its release.
    Begin,
    /// Let it go on.
    Say(GroupWord),
    /// Take it back.
    TakeBack,
}

/// Who comes after whom, by number; has no cycle.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    before: Vec<Vec<usize>>,
    /// All that come after a member, also after others.
    followers: Vec<Vec<usize>>,
}

impl Order {
    /// The order in which each member comes after those of its own list.
    pub(crate) fn new(before: Vec<Vec<usize>>) -> Self {
        let count = before.len();
        let mut reaches = vec![vec![false; count]; count];
        for (member, earlier) in before.iter().enumerate() {
            for first in earlier {
                if let Some(it) = reaches.get_mut(*first).and_then(|row| row.get_mut(member)) {
                    *it = true;
                }
            }
        }
        for middle in 0..count {
            let row = reaches[middle].clone();
            for from in &mut reaches {
                if from[middle] {
                    from.iter_mut().zip(&row).for_each(|(it, also)| *it |= also);
                }
            }
        }
        let numbers = |row: &Vec<bool>| {
            row.iter().enumerate().filter(|(_, is)| **is).map(|(number, _)| number).collect()
        };
        Self { before, followers: reaches.iter().map(numbers).collect() }
    }

    /// Whether somebody comes after itself.
    pub(crate) fn has_cycle(&self) -> bool {
        self.followers.iter().enumerate().any(|(member, after)| after.contains(&member))
    }

    /// Those that come after themselves.
    pub(crate) fn in_cycles(&self) -> Vec<usize> {
        let comes_after_itself = |member: &usize| self.followers[*member].contains(member);
        (0..self.followers.len()).filter(comes_after_itself).collect()
    }

    /// Those right before a member.
    pub(crate) fn before(&self, member: usize) -> &[usize] {
        self.before.get(member).map_or(&[], Vec::as_slice)
    }

    /// What is to be done next, with whom. Nothing while the members have to go on by themselves.
    pub(crate) fn next(&self, positions: &[Position]) -> Vec<(usize, Step)> {
        let is = |wanted: Position| positions.contains(&wanted);
        let all_from = |least: Position| positions.iter().all(|it| *it >= least);
        let each = |wanted: Position, step: Step| {
            let those = positions.iter().enumerate().filter(move |(_, it)| **it == wanted);
            those.map(|(member, _)| (member, step)).collect::<Vec<_>>()
        };
        // One stays only once all were bound, so the decision has been made: nothing that happens
        // later to one of them changes it.
        if is(Position::Kept) {
            let mut steps = each(Position::Bound, Step::Say(GroupWord::Keep));
            // Where a person has decided so before all were bound.
            steps.extend(each(Position::Baked, Step::Say(GroupWord::Bind)));
            return steps;
        }
        let any_moves = positions.iter().any(|it| it.may_have_traffic());
        let is_failed = positions.iter().any(|it| it.is_failed());
        // One that cannot be found again while others have moved is not begun anew.
        if is_failed || (any_moves && is(Position::Absent)) {
            return self.back(positions);
        }
        if all_from(Position::Bound) {
            return each(Position::Bound, Step::Say(GroupWord::Keep));
        }
        if all_from(Position::Baked) {
            return each(Position::Baked, Step::Say(GroupWord::Bind));
        }
        if all_from(Position::Ready) {
            let mut ready = each(Position::Ready, Step::Say(GroupWord::Switch));
            let has_come = |earlier: &usize| positions[*earlier] >= Position::Baking;
            ready.retain(|(member, _)| self.before(*member).iter().all(has_come));
            return ready;
        }
        each(Position::Absent, Step::Begin)
    }

    /// In reverse: one that has traffic keeps it until all that came after it have none.
    fn back(&self, positions: &[Position]) -> Vec<(usize, Step)> {
        let mut steps = Vec::new();
        for (member, position) in positions.iter().enumerate() {
            let is_turn = match position {
                Position::Preparing | Position::Ready => true,
                Position::Absent | Position::Kept | Position::Returning | Position::Back => false,
                Position::Switching | Position::Baking | Position::Baked | Position::Bound => {
                    let is_clear = |later: &usize| !positions[*later].may_have_traffic();
                    self.followers[member].iter().all(is_clear)
                }
            };
            if is_turn {
                steps.push((member, Step::TakeBack));
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests;
