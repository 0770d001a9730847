//! In which order the objects of a canary are written. Pure.

use bluegreen_core::{Color, Routing};

use super::marks::Asked;

/// Where the objects lead, as they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct State {
    /// The slot that the primary leads to.
    pub(super) main: Color,
    /// The slot that the canary's Service selects.
    pub(super) canary: Color,
    /// Which requests the canary gets in place of the primary.
    pub(super) asked: Asked,
}

/// One write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Leads the primary to this slot.
    Main(Color),
    /// Lets the canary get these requests.
    Ask(Asked),
    /// Makes the canary's Service select this slot.
    Select(Color),
}

impl State {
    /// The same after a write.
    pub(super) fn after(mut self, step: &Step) -> Self {
        match step {
            Step::Main(color) => self.main = *color,
            Step::Ask(asked) => self.asked = asked.clone(),
            Step::Select(color) => self.canary = *color,
        }
        self
    }
}

/// The writes that lead from `state` to the routing `to`, whose pins come to `asked`.
///
/// Wherever it stops, every request is answered by a slot that one of the two routings gives
/// traffic to:
///
/// * The primary moves first. If the canary's Service selects the slot that it moves to, both lead
///   there then, whatever the weight says; that is why the weight goes after that and not before.
/// * The canary's Service moves only while nothing comes through it.
/// * Requests are let through it last, when all else is as it should be.
pub(super) fn steps(state: &State, to: &Routing, asked: &Asked) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut now = state.clone();
    let mut push = |now: &mut State, step: Step| {
        *now = now.clone().after(&step);
        steps.push(step);
    };
    if now.main != to.live {
        push(&mut now, Step::Main(to.live));
    }
    let candidate = to.live.other();
    if !asked.is_nothing() && now.canary != candidate {
        if !now.asked.is_nothing() {
            push(&mut now, Step::Ask(Asked::nothing()));
        }
        push(&mut now, Step::Select(candidate));
    }
    if now.asked != *asked {
        push(&mut now, Step::Ask(asked.clone()));
    }
    steps
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Color::{Blue, Green};
    use bluegreen_core::{Pin, Share};

    use super::*;

    impl State {
        /// Who answers how many of the requests that no header or cookie chooses the slot of.
        fn share_of(&self, color: Color) -> Share {
            let of = |slot: Color, share: Share| if slot == color { share } else { Share::NONE };
            let canary = of(self.canary, self.asked.weight).as_parts_per_million();
            let main = of(self.main, self.asked.weight.rest()).as_parts_per_million();
            Share::parts_per_million(canary + main)
        }
    }

    fn routings() -> Vec<(Routing, Asked)> {
        let mut all = Vec::new();
        for live in Color::BOTH {
            for percent in [0, 5, 50, 99] {
                for is_pinned in [false, true] {
                    let mut to = Routing::all(live).with_candidate(Share::percent(percent));
                    if is_pinned {
                        let (name, value) = ("x-slot".to_owned(), "new".to_owned());
                        to.pins.push(Pin::Header { name, value, color: live.other() });
                    }
                    let asked = Asked::of(&to).unwrap();
                    all.push((to, asked));
                }
            }
        }
        all
    }

    /// What the objects are when they say just this.
    fn states(at: &Routing, asked: &Asked) -> Vec<State> {
        let canaries = if asked.is_nothing() { &Color::BOTH[..] } else { &[at.live.other()][..] };
        let state = |canary: &Color| State { main: at.live, canary: *canary, asked: asked.clone() };
        canaries.iter().map(state).collect()
    }

    /// Every state at which a way from `from` to `to` may be killed.
    fn prefixes(state: &State, to: &Routing, asked: &Asked) -> Vec<State> {
        let mut all = vec![state.clone()];
        for step in steps(state, to, asked) {
            all.push(all.last().unwrap().clone().after(&step));
        }
        all
    }

    #[test]
    fn wherever_it_is_killed_only_slots_that_either_routing_gives_traffic_answer() {
        for (from, asked) in routings() {
            for state in states(&from, &asked) {
                for (to, wanted) in routings() {
                    for killed in prefixes(&state, &to, &wanted) {
                        for color in Color::BOTH {
                            let gets = killed.share_of(color) > Share::NONE;
                            let may = from.reaches(color) || to.reaches(color);
                            assert!(!gets || may, "{from} to {to}: {color} at {killed:?}");
                        }
                        // Nor does the slot that is left get more than one of both gave it.
                        let left = to.live.other();
                        let most = from.share_of(left).max(to.share_of(left));
                        assert!(killed.share_of(left) <= most, "{from} to {to}: {killed:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn whoever_goes_on_from_where_it_was_killed_comes_to_the_same_end_and_may_go_back() {
        for (from, asked) in routings() {
            for state in states(&from, &asked) {
                for (to, wanted) in routings() {
                    for killed in prefixes(&state, &to, &wanted) {
                        for (end, asked) in [(&to, &wanted), (&from, &asked)] {
                            let last = prefixes(&killed, end, asked).pop().unwrap();
                            assert_eq!((last.main, &last.asked), (end.live, asked));
                            assert!(asked.is_nothing() || last.canary == end.live.other());
                            assert_eq!(last.share_of(Blue), end.share_of(Blue));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn requests_never_come_through_a_service_that_moves() {
        for (from, asked) in routings() {
            for state in states(&from, &asked) {
                for (to, wanted) in routings() {
                    let way = prefixes(&state, &to, &wanted);
                    let moves = way.windows(2).filter(|pair| pair[0].canary != pair[1].canary);
                    for pair in moves {
                        assert!(pair.iter().all(|it| it.asked.is_nothing()), "{from} to {to}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_each_move() {
        let half = Routing::all(Blue).with_candidate(Share::percent(50));
        let asked = Asked::of(&half).unwrap();
        let nothing = Asked::nothing();
        let (blue, green) = (Routing::all(Blue), Routing::all(Green));
        let at = |main, canary, asked: &Asked| State { main, canary, asked: asked.clone() };
        let idle = at(Blue, Blue, &nothing);
        let ramp = [Step::Select(Green), Step::Ask(asked.clone())];
        assert_eq!(steps(&idle, &half, &asked), ramp);
        let shared = at(Blue, Green, &asked);
        let promoted = [Step::Main(Green), Step::Ask(nothing.clone())];
        assert_eq!(steps(&shared, &green, &nothing), promoted);
        assert_eq!(steps(&shared, &blue, &nothing), [Step::Ask(nothing.clone())]);
        // Back from where it was promoted is one write.
        let released = at(Green, Green, &nothing);
        assert_eq!(steps(&released, &blue, &nothing), [Step::Main(Blue)]);
        assert_eq!(steps(&released, &green, &nothing), []);
    }
}
