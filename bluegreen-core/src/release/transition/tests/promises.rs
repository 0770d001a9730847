//! Whatever happens, in whatever order, what the machine promises holds.

use proptest::prelude::*;

use super::*;
use crate::release::{group, hooks};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens, in whatever order, the promises of the machine hold.
    #[test]
    fn no_order_of_events_breaks_a_promise(
        picks in proptest::collection::vec((0..events().len(), 0u64..4_000), 1..60),
        canary in proptest::bool::ANY,
        pinned in proptest::bool::ANY,
        hooked in proptest::bool::ANY,
        grouped in proptest::bool::ANY,
    ) {
        let mut plan = if canary { Plan::canary([5, 50]) } else { Plan::all_at_once() };
        if pinned {
            plan = plan.conversations_by_cookie("agent-slot");
        }
        plan = if hooked { hooks::tests::hooked(plan) } else { plan };
        plan = if grouped { group::tests::grouped(plan) } else { plan };
        let mut it = record(plan);
        it.group = grouped.then(|| Box::new(member()));
        let (mut at, mut ready, mut passed, mut retired) = (START, false, false, false);
        let mut emptied = false;
        for (pick, seconds) in picks {
            at = at.plus(Duration::from_secs(seconds));
            let kind = events()[pick].clone();
            let before = it.clone();
            let Ok(after) = it.clone().apply(Event::new(at, kind.clone())) else { continue };
            it = after;
            match kind {
                EventKind::Ready { .. } if before.phase.name() == crate::PhaseName::RollingOut => ready = true,
                EventKind::Passed => passed = true,
                EventKind::Emptied => emptied = true,
                EventKind::CandidateChanged { .. }
                    if it.phase.name() == crate::PhaseName::RollingOut => (ready, passed) = (false, false),
                _ => {}
            }
            // No forward traffic before readiness and gates.
            if let Next::Perform(Effect::Shift { .. }) = it.next() {
                prop_assert!(ready && passed && it.passed.as_ref() == Some(&it.change.digest));
            }
            // The live slot is made smaller only after the candidate has everything.
            if let Next::Perform(Effect::Retire { slot, .. } | Effect::Drain { slot, .. }) = it.next() {
                prop_assert_eq!(slot, Color::Blue);
                prop_assert_eq!(it.envelope.routing.share_of(Color::Green), crate::Share::ALL);
            }
            // And not while a conversation is held on it.
            if let Next::Perform(Effect::Retire { .. }) = it.next() {
                prop_assert_eq!(&it.envelope.routing, &Routing::all(Color::Green));
            }
            // What goes back takes all conversations along.
            if let Next::Perform(Effect::Keep { drain: true, .. }) = it.next() {
                prop_assert_eq!(&it.envelope.routing, &Routing::all(Color::Blue));
            }
            prop_assert!(!grouped || group::tests::are_in_order(&before, &it, at));
            prop_assert!(hooks::tests::are_in_order(&it, retired && emptied));
            retired |= it.phase == Phase::Retiring;
            prop_assert!(!(retired && it.phase.name().is_backward()));
            // From everywhere before retiring an abort leads to an end.
            let abort = EventKind::Abort { actor: "ann".into(), reason: String::new() };
            if let Ok(aborted) = it.clone().apply(Event::new(at, abort)) {
                prop_assert!(aborted.phase.name().is_backward() || aborted.phase.name() == crate::PhaseName::Done);
            } else {
                let name = it.phase.name();
                prop_assert!(
                    name.is_backward()
                        || it.phase.is_past_return()
                        || name == crate::PhaseName::Done
                );
            }
            // What is stored comes back the same, and far below the limit.
            let text = serde_json::to_string(&it).unwrap();
            prop_assert!(text.len() < crate::MAX_RECORD / 2);
            prop_assert_eq!(serde_json::from_str::<Record>(&text).unwrap().next(), it.next());
        }
    }
}
