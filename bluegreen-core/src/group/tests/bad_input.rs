//! What is no group, said all at once and before anything changes.

use super::check::until_ready;
use super::*;
use crate::Severity;

fn objects(problems: &[Problem]) -> Vec<(&str, &str)> {
    problems.iter().map(|it| (it.code.as_str(), it.object.as_str())).collect()
}

async fn untouched(world: &World) {
    world.all_are(Color::Blue, "1").await;
    for (_, cluster) in &world.clusters {
        assert!(cluster.store().peek(|it| it.is_none()));
        assert_eq!(cluster.slot(Color::Green).state().await.unwrap().replicas.wanted, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_said_at_once_and_nothing_is_touched() {
    let world = World::new(["a", "b", "c"]);
    let mut cyclic = world.good("a", "one").after("b").after("nobody");
    cyclic.plan = Plan::experiment(50);
    let mut second = world.good("b", "one").after("a");
    second.plan.bootstrap = true;
    second.plan.look = Duration::ZERO;
    let mut third = world.good("c", "one");
    third.plan.barriers = vec![Barrier::before(HookPoint::Shifting, "mine", minutes(1))];
    world.cluster("c").store().add_problem(Problem::new("rights", "ConfigMap c-bluegreen"));
    let group = Group::new("checkout")
        .member(cyclic)
        .member(second)
        .member(third.clone())
        .member(third.named("c2"))
        .member(world.good("a", "one"))
        .patience(minutes(5));
    let GroupOutcome::Refused { problems } = group.run().await.unwrap() else { panic!("refused") };
    let found = objects(&problems);
    for wanted in [
        ("group-members", "group checkout, member a"),
        ("group-members", "group checkout, agent c"),
        ("group-order", "group checkout, member a, after"),
        ("group-plan", "member a, plan, experiment"),
        ("group-plan", "member b, plan, bootstrap"),
        ("group-plan", "member c, plan, barriers"),
        ("group-patience", "group checkout, patience"),
        ("plan-duration", "member b, plan, look"),
        ("rights", "member c, ConfigMap c-bluegreen"),
    ] {
        assert!(found.contains(&wanted), "{wanted:?}: {found:#?}");
    }
    let text = GroupOutcome::Refused { problems }.to_string();
    assert!(text.contains("\"nobody\""), "{text}");
    assert!(text.contains("a cycle, of a, b"), "{text}");
    untouched(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_group_is_refused() {
    let GroupOutcome::Refused { problems } = Group::new("").run().await.unwrap() else {
        panic!("refused")
    };
    assert_eq!(objects(&problems), [("group-members", "group "), ("group-members", "group \"\"")]);
}

#[tokio::test(start_paused = true)]
async fn a_group_with_a_member_that_its_own_preflight_refuses_is_refused() {
    let world = World::new(["a", "b"]);
    let mut same = world.good("b", "one");
    same.change = change("1");
    let group = Group::new("checkout").member(world.good("a", "one")).member(same);
    let problems = group.check().await.unwrap();
    let refusals: Vec<_> = problems.iter().filter(|it| it.severity == Severity::Refuse).collect();
    assert_eq!(refusals.len(), 1, "{refusals:#?}");
    assert_eq!(refusals[0].object, "member b, change");
    assert!(matches!(group.run().await.unwrap(), GroupOutcome::Refused { .. }));
    untouched(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_with_a_release_under_way_is_found_before_anything_changes() {
    let world = World::new(["a", "b"]);
    let other = world.good("b", "other").releaser;
    let running = tokio::spawn(async move { other.run(change("9"), &plan()).await });
    world.phase("b", PhaseName::Baking).await;
    let group =
        Group::new("checkout").member(world.good("a", "one")).member(world.good("b", "one"));
    let GroupOutcome::Refused { problems } = group.run().await.unwrap() else { panic!("refused") };
    assert!(problems.iter().any(|it| it.code == "group-busy" && it.found.contains("baking")));
    assert!(world.cluster("a").store().peek(|it| it.is_none()));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_two_members_is_not_released_as_both() {
    let world = World::new(["a"]);
    // By two connections, which do not show that they are to the same agent.
    let second = world.good("a", "one").named("b");
    let group = Group::new("checkout").member(world.good("a", "one")).member(second);
    let outcome = group.run().await.unwrap();
    assert!(matches!(outcome, GroupOutcome::RolledBack { .. }), "{outcome}");
    world.all_are(Color::Blue, "1").await;
}

#[tokio::test(start_paused = true)]
async fn only_the_group_that_began_can_be_resumed() {
    let world = World::new(["a", "b"]);
    let ordered = |holder: &str| {
        let last = world.good("b", holder).after("a");
        Group::new("checkout").member(world.good("a", holder)).member(last)
    };
    let error = ordered("two").resume().await.unwrap_err();
    assert!(matches!(error, GroupError::NoRelease { .. }), "{error}");
    let group = ordered("one");
    let running = tokio::spawn(async move { group.run().await });
    world.phase("b", PhaseName::Baking).await;
    let other =
        Group::new("checkout").member(world.good("a", "two")).member(world.good("b", "two"));
    let error = other.resume().await.unwrap_err();
    assert!(matches!(error, GroupError::OtherGroup { .. }), "{error}");
    let error = ordered("two").resume().await.unwrap_err();
    let GroupError::Member { source: crate::OperationError::Busy { .. }, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(running.await.unwrap().unwrap(), GroupOutcome::Released);
    assert!(matches!(ordered("two").resume().await, Err(GroupError::NoRelease { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_release_of_its_own_with_a_barrier_is_refused() {
    let world = World::new(["a"]);
    let mut plan = plan();
    plan.barriers = vec![Barrier::before(HookPoint::Shifting, "all", minutes(1))];
    let releaser = world.good("a", "one").releaser;
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    assert!(outcome.to_string().contains("[plan-barrier]"), "{outcome}");
    untouched(&world).await;
}

#[test]
fn patience_is_what_the_plans_may_take_in_their_order() {
    let world = World::new(["a", "b"]);
    let member = |name, bake| {
        let mut member = world.good(name, "one");
        member.plan = Plan::canary([50]).hold(minutes(60)).bake(minutes(bake));
        member.plan.converge = Duration::ZERO;
        member
    };
    let parallel = Group::new("g").member(member("a", 10)).member(member("b", 20));
    assert_eq!(parallel.need(), minutes(180 + 60));
    let ordered = Group::new("g").member(member("a", 10)).member(member("b", 20).after("a"));
    assert_eq!(ordered.need(), minutes(2 * 180 + 60));
    let waits = ordered.plan(&ordered.members[0]).barriers;
    assert!(waits.iter().all(|it| it.timeout == minutes(2 * 180 + 60 + 24 * 60)), "{waits:?}");
    assert_eq!(ordered.patience(minutes(420)).problems(), []);

    // One that is ready at once waits for a slow one, and then for the traffic of those before it.
    let mut slow = member("a", 10);
    slow.plan.gates = minutes(600);
    let late = Group::new("g").member(slow.clone()).member(member("b", 20).after("a"));
    let ready = until_ready(&slow.plan);
    assert!(ready > minutes(600));
    assert_eq!(late.need(), ready + minutes(180));
    let parallel = Group::new("g").member(slow).member(member("b", 20));
    assert_eq!(parallel.need(), ready);
}
