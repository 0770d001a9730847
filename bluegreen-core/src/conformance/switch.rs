//! What every [`SwitchStrategy`] has to pass.

use std::sync::Arc;

use super::{Deed, Guard, for_a_moment, must, must_fail, within};
use crate::ErrorKind::{Conflict, Rejected};
use crate::{
    Color, Epoch, EvidenceKind, Mirror, ObservedState, Pin, Problem, Routing, Share, SwitchStrategy,
};

/// A switch between two slots that both have ready pods, and who else may touch the routing.
///
/// All traffic goes to one of the slots, and no other driver works on it.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct SwitchFixture {
    /// The switch that is checked.
    pub switch: Arc<dyn SwitchStrategy>,
    /// The evidence that the world can give.
    pub evidence: EvidenceKind,
    /// Somebody else makes the routing something that is neither all blue nor all green (a
    /// selector of a third color, another weight), past the switch and without an epoch.
    pub disturb: Deed,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`SwitchStrategy`](crate::SwitchStrategy), from an async closure that
/// returns a
/// [`SwitchFixture`](crate::conformance::switch::SwitchFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! switch_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            switch { $(#[$attribute])* } $name ($fixture) [
                reads_back_what_was_shifted,
                shifting_twice_is_shifting_once,
                goes_both_ways,
                refuses_a_routing_beyond_its_capabilities,
                refuses_a_stale_epoch,
                refuses_a_shift_from_elsewhere,
                fencing_changes_no_routing,
                converges_on_what_was_shifted,
                watching_sees_a_shift,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::switch_conformance_tests! { switch: $fixture }
    };
}

/// What was shifted is what is observed, for every kind of routing that the switch can make.
pub async fn reads_back_what_was_shifted(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    for to in possible(switch, now.live) {
        for (from, to) in [(&now, &to), (&to, &now)] {
            shift(switch, from, to, epoch).await;
            let observed = must("observing", switch.observe().await);
            assert_eq!(observed.routing(), Some(to), "what was shifted is observed");
            assert_eq!(observed.epoch, epoch, "the shift's epoch is stamped on it");
        }
    }
}

/// The same shift again succeeds and changes nothing.
pub async fn shifting_twice_is_shifting_once(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    for to in possible(switch, now.live) {
        shift(switch, &now, &to, epoch).await;
        let once = must("observing", switch.observe().await);
        must("the same shift again", switch.shift(&now, &to, epoch).await);
        let twice = must("observing", switch.observe().await);
        assert_eq!(twice, once, "nothing has changed");
        shift(switch, &to, &now, epoch).await;
    }
}

/// All traffic goes from either color to the other and back.
pub async fn goes_both_ways(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    let (here, there) = (Routing::all(now.live), Routing::all(now.live.other()));
    for (from, to) in [(&here, &there), (&there, &here), (&here, &there)] {
        shift(switch, from, to, epoch).await;
        let observed = must("observing", switch.observe().await);
        assert_eq!(observed.routing(), Some(to), "all traffic has moved");
    }
}

/// What the switch says that it lacks is a problem to `check` and `Rejected` by `shift`, before
/// anything is written; what it says that it has is neither.
pub async fn refuses_a_routing_beyond_its_capabilities(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    let known = must("a check", switch.check(&possible(switch, now.live), &it.evidence).await);
    let refusals: Vec<_> = known.iter().filter(|problem| problem.is_refusal()).collect();
    assert!(refusals.is_empty(), "what it can do is refused: {refusals:?}");
    let before = must("observing", switch.observe().await);
    let beyond = kinds(now.live).into_iter().filter(|to| !can(switch, to));
    for to in beyond {
        let problems = switch.check(std::slice::from_ref(&to), &it.evidence).await;
        let refused = must("a check", problems).iter().any(Problem::is_refusal);
        assert!(refused, "the check says nothing of {to}");
        must_fail("a shift beyond it", Rejected, switch.shift(&now, &to, epoch).await);
        let after = must("observing", switch.observe().await);
        assert_eq!(after, before, "nothing was written");
    }
}

/// No shift and no fence of a lower epoch gets through once a higher one is stamped.
pub async fn refuses_a_stale_epoch(it: &SwitchFixture) {
    let (switch, now, stale) = take_over(it).await;
    let epoch = stale.next();
    must("a fence", switch.fence(epoch).await);
    let to = Routing::all(now.live.other());
    must_fail("a stale shift", Conflict, switch.shift(&now, &to, stale).await);
    must_fail("a stale fence", Conflict, switch.fence(stale).await);
    let observed = must("observing", switch.observe().await);
    assert_eq!(observed.routing(), Some(&now), "nothing has moved");
    assert_eq!(observed.epoch, epoch, "the higher epoch stays");
    must("the same fence again", switch.fence(epoch).await);
    shift(switch, &now, &to, epoch).await;
}

/// A shift from a routing that is not there any more is a `Conflict` and no overwrite.
pub async fn refuses_a_shift_from_elsewhere(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    let to = Routing::all(now.live.other());
    must("preparing", switch.prepare(to.live, epoch).await);
    within("the fixture's deed", (it.disturb)()).await;
    let known = must("observing", switch.observe().await);
    let whole = known.routing().filter(|routing| **routing == now || **routing == to);
    assert_eq!(whole, None, "the fixture's deed has to make it neither all blue nor all green");
    must_fail("a shift from elsewhere", Conflict, switch.shift(&now, &to, epoch).await);
    let observed = must("observing", switch.observe().await);
    assert_eq!(observed.state, known.state, "what somebody else wrote stays");
}

/// A fence stamps its epoch and leaves traffic where it is.
pub async fn fencing_changes_no_routing(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    must("a fence", switch.fence(epoch.next()).await);
    let observed = must("observing", switch.observe().await);
    assert_eq!(observed.state, ObservedState::Routed(now), "traffic stays where it was");
    assert_eq!(observed.epoch, epoch.next(), "the epoch is stamped");
}

/// After a shift there is evidence of the wanted kind for it, and none for what was before.
pub async fn converges_on_what_was_shifted(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    let to = Routing::all(now.live.other());
    shift(switch, &now, &to, epoch).await;
    let converged = within("convergence", switch.converge(&to, &it.evidence)).await;
    let evidence = must("convergence", converged);
    assert_eq!(evidence.kind, it.evidence, "the evidence is of the kind that was asked for");
    assert!(!evidence.detail.is_empty(), "the evidence says what was seen");
    if let Some(Ok(evidence)) = for_a_moment(switch.converge(&now, &it.evidence)).await {
        panic!("there is evidence for {now}, which is not so: {evidence}");
    }
}

/// A watch returns once the routing is another one, also when that came before the watch.
pub async fn watching_sees_a_shift(it: &SwitchFixture) {
    let (switch, now, epoch) = take_over(it).await;
    let to = Routing::all(now.live.other());
    must("preparing", switch.prepare(to.live, epoch).await);
    let known = must("observing", switch.observe().await);
    let watch = within("a watch", switch.watch(&known));
    let (seen, shifted) = tokio::join!(watch, switch.shift(&now, &to, epoch));
    must("a shift", shifted);
    assert_ne!(must("a watch", seen).state, known.state, "the watch shows a change");
    let seen = within("a watch after the shift", switch.watch(&known)).await;
    assert_eq!(must("a watch", seen).routing(), Some(&to), "the shift shows later too");
}

/// The switch, where traffic is, and a new epoch that it is fenced with.
async fn take_over(it: &SwitchFixture) -> (&dyn SwitchStrategy, Routing, Epoch) {
    let observed = must("observing", it.switch.observe().await);
    let routing = observed.routing().filter(|routing| **routing == Routing::all(routing.live));
    let Some(routing) = routing.cloned() else {
        panic!("all traffic has to go to one slot to begin with: {observed:?}");
    };
    let epoch = observed.epoch.next();
    must("a fence", it.switch.fence(epoch).await);
    (&*it.switch, routing, epoch)
}

async fn shift(switch: &dyn SwitchStrategy, from: &Routing, to: &Routing, epoch: Epoch) {
    must("preparing", switch.prepare(from.live.other(), epoch).await);
    must(&format!("a shift from {from} to {to}"), switch.shift(from, to, epoch).await);
}

/// A routing of every kind, none of which leaves all traffic with `live` and nothing else.
fn kinds(live: Color) -> Vec<Routing> {
    let all = Routing::all(live);
    let (name, value) = ("x-conformance".to_owned(), "candidate".to_owned());
    let mut pinned = all.clone();
    pinned.pins.push(Pin::Header { name, value, color: live.other() });
    let mut mirrored = all.clone();
    mirrored.mirror = Some(Mirror::new(Share::ALL));
    let shares = [5, 50].map(|percent| all.clone().with_candidate(Share::percent(percent)));
    let mut kinds = vec![Routing::all(live.other()), pinned, mirrored];
    kinds.extend(shares);
    kinds
}

fn possible(switch: &dyn SwitchStrategy, live: Color) -> Vec<Routing> {
    kinds(live).into_iter().filter(|routing| can(switch, routing)).collect()
}

fn can(switch: &dyn SwitchStrategy, routing: &Routing) -> bool {
    switch.capabilities().lacks(routing).is_empty()
}
