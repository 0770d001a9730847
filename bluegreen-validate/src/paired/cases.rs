//! The outcomes of a suite's cases, however they are kept.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Attempt, CaseOutcomes};

/// The attempts of one repeat, live first; nothing where none was made.
pub(crate) type Pair = (Option<Attempt>, Option<Attempt>);

/// What a verdict rests on, case by case. A suite of a hundred thousand cases keeps a few bytes of
/// each, and nobody makes a list of [`CaseOutcomes`] of them.
pub(crate) trait Cases {
    /// How many there are.
    fn count(&self) -> usize;

    /// What a case is called, unlike any other.
    fn name(&self, index: usize) -> Cow<'_, str>;

    /// What is known of it before it is run.
    fn traits(&self, index: usize) -> Traits<'_>;

    /// What was made of it, repeat by repeat. A repeat of which neither slot has anything is one that
    /// was never run, wherever it stands.
    fn attempts(&self, index: usize) -> impl Iterator<Item = Pair> + '_;

    /// The names that more than one case has.
    fn twice(&self) -> Vec<String> {
        let (mut seen, mut again) = (BTreeSet::new(), BTreeSet::new());
        for index in 0..self.count() {
            let name = self.name(index);
            if seen.contains(&name) {
                again.insert(name.into_owned());
            } else {
                seen.insert(name);
            }
        }
        again.into_iter().collect()
    }
}

/// What is known of a case before it is run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traits<'a> {
    pub(crate) category: Option<&'a str>,
    pub(crate) conversation: Option<&'a str>,
    pub(crate) critical: bool,
    pub(crate) quarantined: bool,
}

impl Traits<'_> {
    /// Whether the case counts in the comparison of the slots.
    pub(crate) const fn counts(&self) -> bool {
        self.critical || !self.quarantined
    }
}

impl Cases for [CaseOutcomes] {
    fn count(&self) -> usize {
        self.len()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Borrowed(self.get(index).map_or("", |case| case.case.as_str()))
    }

    fn traits(&self, index: usize) -> Traits<'_> {
        self.get(index).map_or_else(Traits::default, |case| Traits {
            category: case.category.as_deref(),
            conversation: case.conversation.as_deref(),
            critical: case.critical,
            quarantined: case.quarantined,
        })
    }

    fn attempts(&self, index: usize) -> impl Iterator<Item = Pair> + '_ {
        let (live, idle): (&[_], &[_]) =
            self.get(index).map_or((&[], &[]), |case| (&case.live, &case.idle));
        let most = live.len().max(idle.len());
        (0..most).map(|repeat| (live.get(repeat).copied(), idle.get(repeat).copied()))
    }
}

/// Cases with what is missing filled in, and with cases of which nothing is known.
pub(super) struct Filled<'a, C: ?Sized> {
    pub(super) cases: &'a C,
    pub(super) repeats: usize,
    /// What is taken for what is missing.
    pub(super) live: Attempt,
    pub(super) idle: Attempt,
    /// Cases that are not listed.
    pub(super) unlisted: usize,
}

impl<C: Cases + ?Sized> Cases for Filled<'_, C> {
    fn count(&self) -> usize {
        self.cases.count() + self.unlisted
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        match index.checked_sub(self.cases.count()) {
            None => self.cases.name(index),
            // Not the name of any listed case, since no case is named by a control character.
            Some(number) => Cow::Owned(format!("\u{0}{number}")),
        }
    }

    fn traits(&self, index: usize) -> Traits<'_> {
        let is_listed = index < self.cases.count();
        if is_listed { self.cases.traits(index) } else { Traits::default() }
    }

    fn attempts(&self, index: usize) -> impl Iterator<Item = Pair> + '_ {
        let listed = (index < self.cases.count()).then(|| self.cases.attempts(index));
        let mut listed = listed.into_iter().flatten();
        let mut left = self.repeats;
        std::iter::from_fn(move || {
            let (live, idle) = match listed.next() {
                Some(pair) => pair,
                None if left > 0 => (None, None),
                None => return None,
            };
            left = left.saturating_sub(1);
            Some((Some(live.unwrap_or(self.live)), Some(idle.unwrap_or(self.idle))))
        })
    }

    fn twice(&self) -> Vec<String> {
        self.cases.twice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_filled_in_on_either_side_and_unlisted_cases_are_added() {
        let (pass, fail) = (Attempt::passed(), Attempt::failed());
        let cases = [CaseOutcomes::new("a", [pass, pass], [fail]), CaseOutcomes::new("b", [], [])];
        let filled = Filled { cases: &cases[..], repeats: 3, live: fail, idle: pass, unlisted: 1 };
        let of = |index| filled.attempts(index).map(|(l, i)| (l.unwrap(), i.unwrap()));
        assert_eq!(of(0).collect::<Vec<_>>(), [(pass, fail), (pass, pass), (fail, pass)]);
        assert_eq!(of(1).collect::<Vec<_>>(), [(fail, pass); 3]);
        assert_eq!(of(2).collect::<Vec<_>>(), [(fail, pass); 3]);
        assert_eq!((filled.count(), &*filled.name(1), &*filled.name(2)), (3, "b", "\u{0}0"));
    }

    #[test]
    fn names_are_told_that_several_cases_have() {
        let cases: Vec<_> =
            ["b", "a", "b", "c", "a", "b"].map(|name| CaseOutcomes::new(name, [], [])).into();
        assert_eq!(cases.as_slice().twice(), ["a", "b"]);
    }
}
