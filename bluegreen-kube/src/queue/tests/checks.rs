//! What preflight finds.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

async fn problems(switch: &QueueSwitch) -> Vec<Problem> {
    switch.check(&[green()], &EvidenceKind::Endpoints).await.unwrap()
}

fn refusals(problems: &[Problem]) -> Vec<&str> {
    let refusals = problems.iter().filter(|it| it.is_refusal());
    refusals.map(|it| it.code.as_str()).collect()
}

#[tokio::test]
async fn a_good_world_has_no_refusals_and_nothing_is_written() {
    let stand_in = world().await;
    let before = map(&stand_in);
    let switch = switch(&stand_in).counting(Workers::of(1, 0));
    let found = problems(&switch).await;
    assert_eq!(refusals(&found), [""; 0], "{found:?}");
    assert_eq!(map(&stand_in), before);
    assert_eq!(stand_in.count("update", "configmaps"), 1, "its write was tried");
}

#[tokio::test]
async fn plans_that_need_more_are_refused_by_name() {
    let stand_in = world().await;
    let mut pinned = blue();
    let (name, value) = ("x-slot".to_owned(), "green".to_owned());
    pinned.pins.push(Pin::Header { name, value, color: Green });
    let routings = [blue().with_candidate(Share::percent(5)), pinned];
    let found = switch(&stand_in).check(&routings, &EvidenceKind::answers(20)).await.unwrap();
    assert_eq!(refusals(&found), ["beyond-capabilities", "beyond-capabilities", "evidence"]);
    assert_eq!(found[0].object, "routing blue 95 %, green 5 %");
}

#[tokio::test]
async fn what_the_config_map_must_be_like() {
    for (patch, wanted) in [
        (json!({"data": {"pull": null}}), vec!["no-right"]),
        (json!({"data": null}), vec!["no-right"]),
        (json!({"data": {"pull": "Blue"}}), vec!["unknown-slot"]),
        (json!({"data": {"pull": "blue,green"}}), vec!["unknown-slot"]),
        (json!({"metadata": {"annotations": {"bluegreen.dev/epoch": "x"}}}), vec!["bad-epoch"]),
        (
            json!({
                "immutable": true, "data": {"pull": "\u{1b}[2J"},
                "metadata": {"labels": {"argocd.argoproj.io/instance": "agents"}},
            }),
            vec!["immutable-right", "unknown-slot", "gitops-owner"],
        ),
    ] {
        let stand_in = world().await;
        edit(&stand_in, &patch);
        let found = problems(&switch(&stand_in)).await;
        assert_eq!(refusals(&found), wanted, "{patch}: {found:#?}");
        let observed = switch(&stand_in).observe().await.unwrap();
        assert!(matches!(observed.state, ObservedState::Foreign(_)), "{observed:?}");
        assert!(found.iter().all(|it| !it.to_string().contains('\u{1b}')));
    }
    let stand_in = world().await;
    let gone = QueueSwitch::new(stand_in.client(NAMESPACE), settings(), "gone");
    assert_eq!(refusals(&problems(&gone).await), ["no-right"]);
    let other = switch(&stand_in).with_key("consumer");
    let found = problems(&other).await;
    assert_eq!(refusals(&found), ["no-right"]);
    assert!(found.iter().any(|it| it.object == "ConfigMap ai-agents/agent-queue, data.consumer"));
    let record = settings().config_map();
    let ours = QueueSwitch::new(stand_in.client(NAMESPACE), settings(), record);
    assert_eq!(refusals(&problems(&ours).await), ["not-a-right"]);
}

#[tokio::test]
async fn who_else_writes_the_key_is_told_and_reconcilers_are_refused_unless_allowed() {
    let stand_in = world().await;
    let key = json!({"data": {"pull": "blue"}});
    assert!(stand_in.edit("argocd-controller", "configmaps", NAMESPACE, MAP, &key));
    let found = problems(&switch(&stand_in)).await;
    assert_eq!(refusals(&found), ["gitops-owner"], "{found:?}");
    let allowing = switch(&stand_in).allow_owner("argocd-controller");
    assert_eq!(refusals(&problems(&allowing).await), [""; 0]);
    let author = switch(&stand_in).author().await.unwrap();
    assert_eq!(author.as_deref(), Some("argocd-controller"));
}

#[tokio::test]
async fn workers_that_do_not_keep_to_the_right_are_told() {
    let stand_in = world().await;
    for (counts, wanted) in [
        ((1, 0), vec![]),
        ((1, 1), vec!["both-pull"]),
        ((0, 1), vec!["both-pull", "nobody-pulls"]),
        ((0, 0), vec!["nobody-pulls"]),
    ] {
        let switch = switch(&stand_in).counting(Workers::of(counts.0, counts.1));
        let found = problems(&switch).await;
        assert_eq!(refusals(&found), wanted, "{counts:?}: {found:?}");
    }
    let unknown = switch(&stand_in).counting(Arc::new(Workers::default()));
    let found = problems(&unknown).await;
    assert_eq!(refusals(&found), [""; 0], "{found:?}");
    assert_eq!(found.iter().filter(|it| it.code == "pulling-unknown").count(), 2);
}

/// Ready, and with the right read only when somebody has asked twice.
#[derive(Debug, Default)]
struct Starting(AtomicU64);

#[async_trait]
impl Load for Starting {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        let is_live = slot == Blue;
        Ok(Some(u64::from(is_live && self.0.fetch_add(1, Ordering::Relaxed) >= 2)))
    }
}

#[tokio::test]
async fn workers_that_are_ready_before_they_have_read_the_right_are_waited_for() {
    let stand_in = world().await;
    let starting = Arc::new(Starting::default());
    let switch = switch(&stand_in).settles_in(Duration::from_secs(20)).counting(starting.clone());
    assert_eq!(refusals(&problems(&switch).await), [""; 0]);
    assert_eq!(starting.0.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_slot_without_ready_pods_has_no_right_unless_there_are_none_at_all() {
    let stand_in = world().await;
    for (color, wanted) in [(Blue, vec!["empty-slot"]), (Green, vec![])] {
        set_ready(&stand_in, color, false);
        // A slot without pods pulls nothing, and that is no problem of its workers.
        let switch = switch(&stand_in).counting(Workers::of(0, 0));
        let found = problems(&switch).await;
        assert_eq!(refusals(&found), wanted, "{found:?}");
    }
}

#[tokio::test]
async fn workers_that_hear_later_than_is_waited_are_told_of() {
    let stand_in = world().await;
    let slow = || switch(&stand_in).settles_in(Duration::from_secs(90));
    let codes = |found: Vec<Problem>| -> Vec<String> {
        found.into_iter().map(|it| it.code).filter(|code| code == "settles-late").collect()
    };
    assert_eq!(codes(problems(&slow()).await), ["settles-late"]);
    // Who counts them may get no answer, and then that time decides.
    assert_eq!(codes(problems(&slow().counting(Workers::of(1, 0))).await), ["settles-late"]);
    assert_eq!(codes(problems(&switch(&stand_in)).await), [""; 0]);
}
