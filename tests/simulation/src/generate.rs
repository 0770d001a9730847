//! A schedule from a seed.

use bluegreen_core::plan::OnDrift;
use bluegreen_core::{Color, PhaseName};

use crate::random::Random;
use crate::schedule::{
    Action, Candidate, Deed, Judged, Mishap, Operation, Point, Policy, Schedule, Setting, Skew,
    World,
};

impl Schedule {
    /// The schedule of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let setting = setting(&mut random);
        let mut actions = Vec::new();
        let count =
            random.weighted(&[(5, 0), (15, 1), (20, 2), (20, 3), (15, 4), (10, 6), (10, 9)]);
        for _ in 0..count {
            let deed = deed(&mut random);
            let at = point(&mut random, deed);
            actions.push(Action { at, deed });
            let dies = matches!(deed, Deed::DieBefore | Deed::DieAfter | Deed::DieLater { .. });
            if dies && random.chance(60) {
                // Somebody goes on while the trouble lasts, and not only when it is over.
                let at = Point::Time(random.between(3_000, 60_000));
                actions.push(Action { at, deed: Deed::Start(Operation::Resume) });
            }
        }
        if setting.policy == Policy::Approval && random.chance(80) {
            let at =
                Point::Call { phase: Some(PhaseName::AwaitingApproval), number: random.below(6) };
            actions.push(Action { at, deed: Deed::Start(Operation::Approve) });
        }
        Self { seed, setting, actions: actions.into_iter().enumerate().collect() }
    }
}

fn setting(random: &mut Random) -> Setting {
    use Policy::{Approval, ApprovedStep, AtOnce, Bake, DrainAndCut, DrainAndKeep, Steps};
    let policies = [
        (2, AtOnce),
        (3, Bake),
        (2, DrainAndKeep),
        (2, DrainAndCut),
        (2, Approval),
        (3, Steps),
        (1, ApprovedStep),
    ];
    let starts = [(94, Candidate::Starts), (3, Candidate::NeverReady), (3, Candidate::CannotStart)];
    Setting {
        policy: random.weighted(&policies),
        replicas: random.between(1, 3),
        idle_replicas: random.below(3),
        standby: random.below(3),
        slow_pods: random.chance(30).then(|| random.between(1, 4)),
        candidate: random.weighted(&starts),
        autoscalers: random.chance(50),
        keep_failed: random.one_of(&[0, 0, 5]),
        on_drift: random.weighted(&[
            (5, OnDrift::Hold),
            (3, OnDrift::Return),
            (2, OnDrift::Accept),
        ]),
        clocks: [(); 4].map(|()| skew(random)),
        survivors: random.chance(50),
        encore: random.chance(10),
    }
}

fn skew(random: &mut Random) -> Skew {
    if random.chance(60) {
        return Skew::default();
    }
    let signed = |random: &mut Random, most: i32| {
        let number = random.between(0, most.unsigned_abs() * 2);
        i32::try_from(number).unwrap_or_default() - most
    };
    Skew { ahead: signed(random, 20), rate: signed(random, 200_000) }
}

fn deed(random: &mut Random) -> Deed {
    match random.weighted(&[(42, 0), (7, 1), (7, 2), (4, 3), (6, 4), (4, 5), (12, 6), (20, 7)]) {
        0 => Deed::Fault(mishap(random)),
        1 => Deed::DieBefore,
        2 => Deed::DieAfter,
        3 => Deed::DieLater { polls: random.below(20) },
        4 => Deed::Sleep { millis: random.between(1, 40_000) },
        5 => Deed::Outage { millis: random.between(100, 20_000) },
        6 => Deed::Start(random.weighted(&[
            (12, Operation::Resume),
            (8, Operation::Abort),
            (5, Operation::Rollback),
            (4, Operation::Run),
            (3, Operation::Approve),
            (3, Operation::Promote),
            (3, Operation::Pause),
            (2, Operation::Unpause),
            (2, Operation::Finish),
        ])),
        _ => Deed::World(world(random)),
    }
}

fn mishap(random: &mut Random) -> Mishap {
    let millis = random.one_of(&[1, 300, 900, 1_500, 2_500, 6_000, 15_000]);
    random.weighted(&[
        (6, Mishap::Unavailable),
        (5, Mishap::Conflict),
        (4, Mishap::LostRequest),
        (8, Mishap::LostAnswer),
        (3, Mishap::Hang),
        (4, Mishap::HangAfter),
        (3, Mishap::Delay { millis }),
        (6, Mishap::Slow { millis }),
        (6, Mishap::Late { millis }),
        (3, Mishap::Stale),
    ])
}

fn world(random: &mut Random) -> World {
    let color = random.weighted(&[(4, Color::Blue), (6, Color::Green)]);
    let count = random.between(1, 3);
    let verdict = random.one_of(&[Judged::Fail, Judged::Inconclusive, Judged::Unreachable]);
    random.weighted(&[
        (4, World::Kill { color, count }),
        (4, World::Unready { color, count }),
        (2, World::MarkReady { color }),
        (2, World::StopReplacing { color }),
        (2, World::Restart { color }),
        (6, World::Route { to: color }),
        (2, World::RouteForeign),
        (4, World::EditTemplate { color }),
        (3, World::EditReplicas { color, replicas: count + 1 }),
        (4, World::Autoscale { color, replicas: count + 2 }),
        (2, World::StopFollowing),
        (1, World::ResumeFollowing),
        (4, World::Load { color: Color::Blue, in_flight: count - 1 }),
        (3, World::Verdict(verdict)),
    ])
}

fn point(random: &mut Random, deed: Deed) -> Point {
    use PhaseName::{
        AwaitingApproval, Baking, Deploying, Done, Draining, Holding, KeepingFailed, Restoring,
        Retiring, Returning, RollingOut, Shifting, Validating,
    };
    let may_wait = matches!(deed, Deed::Start(_) | Deed::World(_) | Deed::Outage { .. });
    if may_wait && random.chance(30) {
        return Point::Time(random.between(3_000, 60_000));
    }
    let phase = random.weighted(&[
        (6, None),
        (6, Some(Deploying)),
        (4, Some(RollingOut)),
        (5, Some(Validating)),
        (2, Some(AwaitingApproval)),
        (10, Some(Shifting)),
        (5, Some(Holding)),
        (7, Some(Baking)),
        (4, Some(Draining)),
        (7, Some(Retiring)),
        (8, Some(Returning)),
        (4, Some(KeepingFailed)),
        (5, Some(Restoring)),
        (2, Some(Done)),
    ]);
    let most = if phase.is_none() { 40 } else { random.one_of(&[3, 8, 20]) };
    Point::Call { phase, number: random.below(most) }
}
