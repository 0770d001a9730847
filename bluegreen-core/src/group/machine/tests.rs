use proptest::prelude::*;

use super::*;

const ALL: [Position; 10] = [
    Position::Absent,
    Position::Preparing,
    Position::Ready,
    Position::Switching,
    Position::Baking,
    Position::Baked,
    Position::Bound,
    Position::Kept,
    Position::Returning,
    Position::Back,
];

/// The second member after the first.
fn chain() -> Order {
    Order::new(vec![vec![], vec![0]])
}

#[test]
fn every_pair_of_positions_leads_where_the_table_says() {
    use std::fmt::Write as _;
    let mut table = String::new();
    for (name, order) in [("ordered", chain()), ("parallel", Order::new(vec![vec![], vec![]]))] {
        let _ = writeln!(table, "{name}");
        for first in ALL {
            for second in ALL {
                let steps = order.next(&[first, second]);
                if !steps.is_empty() {
                    let _ = writeln!(table, "    {first:?}, {second:?}: {steps:?}");
                }
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/group/machine/table.txt");
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, include_str!("table.txt"), "run with UPDATE_TABLE=1 and review the change");
}

#[test]
fn nobody_switches_before_all_are_ready_and_then_in_order() {
    use Position::{Baking, Preparing, Ready, Switching};
    let switch = |member| (member, Step::Say(GroupWord::Switch));
    assert_eq!(chain().next(&[Ready, Preparing]), []);
    assert_eq!(chain().next(&[Ready, Ready]), [switch(0)]);
    assert_eq!(chain().next(&[Switching, Ready]), []);
    assert_eq!(chain().next(&[Baking, Ready]), [switch(1)]);
    let parallel = Order::new(vec![vec![], vec![]]);
    assert_eq!(parallel.next(&[Ready, Ready]), [switch(0), switch(1)]);
}

#[test]
fn a_failure_takes_back_in_reverse_order() {
    use Position::{Back, Baking, Ready, Returning, Switching};
    let order = Order::new(vec![vec![], vec![0], vec![1], vec![2]]);
    let back = |member| (member, Step::TakeBack);
    assert_eq!(order.next(&[Baking, Baking, Returning, Ready]), [back(3)]);
    assert_eq!(order.next(&[Baking, Baking, Back, Back]), [back(1)]);
    assert_eq!(order.next(&[Baking, Back, Back, Back]), [back(0)]);
    // Also of what comes after only by another one that is back already.
    assert_eq!(order.next(&[Baking, Back, Switching, Ready]), [back(2), back(3)]);
}

#[test]
fn cycles_are_found() {
    assert_eq!(Order::new(vec![vec![1], vec![2], vec![0], vec![]]).in_cycles(), [0, 1, 2]);
    assert_eq!(Order::new(vec![vec![0]]).in_cycles(), [0]);
    assert!(!Order::new(vec![vec![], vec![0], vec![0, 1]]).has_cycle());
}

/// A member as it goes on by itself, or is made to.
fn go_on(position: Position, fails: bool) -> Position {
    match position {
        // What is bound or kept does not fail by itself.
        Position::Bound | Position::Kept => position,
        Position::Preparing | Position::Ready if fails => Position::Back,
        Position::Switching | Position::Baking | Position::Baked if fails => Position::Returning,
        Position::Preparing => Position::Ready,
        Position::Switching => Position::Baking,
        Position::Baking => Position::Baked,
        Position::Returning => Position::Back,
        position => position,
    }
}

/// What a step does to a member, if it still makes sense to it.
fn take(position: Position, step: Step) -> Position {
    match (position, step) {
        (Position::Absent, Step::Begin) => Position::Preparing,
        (Position::Ready, Step::Say(GroupWord::Switch)) => Position::Switching,
        (Position::Baked, Step::Say(GroupWord::Bind)) => Position::Bound,
        (Position::Bound, Step::Say(GroupWord::Keep)) => Position::Kept,
        (Position::Preparing | Position::Ready, Step::TakeBack) => Position::Back,
        (
            Position::Switching | Position::Baking | Position::Baked | Position::Bound,
            Step::TakeBack,
        ) => Position::Returning,
        (position, _) => position,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Two processes say what follows from what they have seen, which may be old; members go on or
    /// fail in between. In the end all are kept or all are back, and nobody moved before its time.
    #[test]
    fn whatever_happens_all_end_alike(
        edges in proptest::collection::vec(proptest::bool::ANY, 10),
        count in 1usize..=5,
        moves in proptest::collection::vec((0usize..5, 0u8..100), 0..120),
    ) {
        let mut edge = edges.into_iter();
        let before: Vec<Vec<usize>> = (0..count)
            .map(|member| (0..member).filter(|_| edge.next().unwrap_or_default()).collect())
            .collect();
        let order = Order::new(before.clone());
        let mut positions = vec![Position::Absent; count];
        // A step that was decided on by a process that looked then, and says it later.
        let mut late: Vec<(usize, Step)> = Vec::new();
        let check = |positions: &[Position], was: &[Position]| {
            for (member, position) in positions.iter().enumerate() {
                let began = *position == Position::Switching && was[member] == Position::Ready;
                for earlier in before[member].iter().filter(|_| began) {
                    let earlier = positions[*earlier];
                    prop_assert!(earlier >= Position::Baking, "{positions:?}");
                }
            }
            let kept = positions.contains(&Position::Kept);
            prop_assert!(
                !kept || positions.iter().all(|it| matches!(it, Position::Kept | Position::Bound)),
                "{positions:?}"
            );
            Ok(())
        };
        for (pick, chance) in moves {
            let was = positions.clone();
            match chance {
                0..50 => {
                    let member = pick % count;
                    positions[member] = go_on(positions[member], chance < 3);
                }
                50..65 => late = order.next(&positions),
                65..75 => for (member, step) in late.drain(..) {
                    positions[member] = take(positions[member], step);
                },
                _ => for (member, step) in order.next(&positions) {
                    positions[member] = take(positions[member], step);
                },
            }
            check(&positions, &was)?;
        }
        for _ in 0..100 {
            let was = positions.clone();
            for position in &mut positions {
                *position = go_on(*position, false);
            }
            for (member, step) in order.next(&positions) {
                positions[member] = take(positions[member], step);
            }
            check(&positions, &was)?;
        }
        let all = |wanted: Position| positions.iter().all(|it| *it == wanted);
        let all_back = positions.iter().all(|it| matches!(it, Position::Back | Position::Absent));
        prop_assert!(all(Position::Kept) || all_back, "{positions:?}");
    }
}
