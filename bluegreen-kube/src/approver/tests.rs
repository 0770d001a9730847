use std::time::Duration;

use bluegreen_core::conformance::approver::ApproverFixture;
use bluegreen_core::{Clock as _, ErrorKind, ReleaseId, SystemClock};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::stand_in::{Denial, StandIn};

const AGENT: &str = "agent";
const NAMESPACE: &str = "ai";

bluegreen_core::approver_conformance_tests!(async || {
    let world = World::new().await;
    let (approver, stand_in) = (Arc::new(world.approver), world.stand_in);
    ApproverFixture {
        approver,
        answer: Box::new(move |request, decision| {
            let (digest, actor) = (request.digest, actor(&decision));
            let patch = match decision {
                Decision::Deny { reason, .. } => annotate("deny", &format!("{digest}:{reason}")),
                _ => annotate("approve", digest.as_str()),
            };
            edit(&stand_in, actor.as_str(), &patch);
            Box::pin(std::future::ready(()))
        }),
        deadline: SystemClock.now().plus(Duration::from_mins(5)),
        guard: Box::new(()),
    }
});

fn actor(decision: &Decision) -> Actor {
    match decision {
        Decision::Approve { actor } | Decision::Deny { actor, .. } => actor.clone(),
        other => panic!("neither yes nor no: {other:?}"),
    }
}

fn annotate(name: &str, value: &str) -> Value {
    json!({"metadata": {"annotations": {format!("bluegreen.dev/{name}"): value}}})
}

fn edit(stand_in: &StandIn, manager: &str, patch: &Value) {
    assert!(stand_in.edit(manager, "services", NAMESPACE, AGENT, patch), "there is a Service");
}

/// The live Service, an approver, and the notes that it has told.
struct World {
    stand_in: StandIn,
    approver: AnnotationApprover,
    notes: watch::Sender<Vec<String>>,
}

impl World {
    async fn new() -> Self {
        let stand_in = StandIn::new();
        let client = stand_in.client(NAMESPACE);
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": AGENT},
            "spec": {"selector": {"app": "agent", "slot": "blue"}, "ports": [{"port": 80}]},
        });
        let api: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
        let service = serde_json::from_value(service).unwrap();
        api.create(&kube::api::PostParams::default(), &service).await.unwrap();
        let (notes, told) = (watch::Sender::new(Vec::new()), Settings::new(AGENT, NAMESPACE));
        let heard = notes.clone();
        let approver = AnnotationApprover::new(client, &told).report(move |progress: &Progress| {
            heard.send_modify(|notes| notes.push(progress.to_string()));
        });
        Self { stand_in, approver, notes }
    }

    /// Returns once a note says this.
    async fn told(&self, wanted: &str) {
        let mut notes = self.notes.subscribe();
        let is_told = |notes: &Vec<String>| notes.iter().any(|it| it.contains(wanted));
        let waiting = timeout(Duration::from_secs(20), notes.wait_for(is_told));
        assert!(waiting.await.is_ok(), "{wanted} in {:?}", self.notes.borrow());
    }

    async fn decided(&self) -> Result<Decision> {
        let request = request();
        let deciding = self.approver.decide(&request);
        timeout(Duration::from_secs(20), deciding).await.expect("it is decided")
    }
}

fn digest(text: &str) -> Digest {
    Digest::of([text])
}

fn request() -> ApprovalRequest {
    let deadline = SystemClock.now().plus(Duration::from_mins(5));
    ApprovalRequest::new(ReleaseId::new("r1"), digest("good"), "1.3.0", deadline)
}

#[tokio::test]
async fn what_is_for_another_digest_is_told_and_not_taken() {
    let world = World::new().await;
    let (other, good) = (digest("other"), digest("good"));
    let people = async {
        world.told(&format!("--namespace ai bluegreen.dev/approve={good}")).await;
        for wrong in [other.as_str(), "yes", good.short(), "", &format!("{good}1")] {
            edit(&world.stand_in, "ann", &annotate("approve", wrong));
            world.told(&format!("found \"{wrong}\" by ann, wanted {good}")).await;
        }
        // Not a denial of this one either, and no reason to wait for another yes.
        edit(&world.stand_in, "bob", &annotate("deny", &format!("{other}:too soon")));
        world.told("too soon\" by bob").await;
        let before = world.notes.borrow().len();
        edit(&world.stand_in, "eve", &json!({"metadata": {"labels": {"team": "refunds"}}}));
        edit(&world.stand_in, "ann", &annotate("approve", &format!(" {good}\n")));
        before
    };
    let (decision, before) = tokio::join!(world.decided(), people);
    assert_eq!(decision.unwrap(), Decision::Approve { actor: Actor::new("ann") });
    assert_eq!(world.notes.borrow().len(), before, "nothing is told twice");
}

#[tokio::test]
async fn who_is_denied_and_approved_is_denied() {
    let world = World::new().await;
    let good = digest("good");
    edit(&world.stand_in, "ann", &annotate("approve", good.as_str()));
    edit(&world.stand_in, "bob", &annotate("deny", &format!("{good}: wrong\u{1b} refunds ")));
    let reason = "wrong\\u{1b} refunds".to_owned();
    let denied = Decision::Deny { actor: Actor::new("bob"), reason };
    assert_eq!(world.decided().await.unwrap(), denied);
    edit(&world.stand_in, "bob", &annotate("deny", good.as_str()));
    let reason = "no reason given".to_owned();
    let denied = Decision::Deny { actor: Actor::new("bob"), reason };
    assert_eq!(world.decided().await.unwrap(), denied);
}

#[tokio::test]
async fn who_said_so_is_known_as_far_as_the_server_knows_it() {
    let world = World::new().await;
    edit(&world.stand_in, crate::FIELD_MANAGER, &annotate("approve", digest("good").as_str()));
    let actor = Actor::new("somebody who may write service agent");
    assert_eq!(world.decided().await.unwrap(), Decision::Approve { actor });
}

#[tokio::test]
async fn who_may_not_watch_is_told_at_once() {
    let world = World::new().await;
    world.stand_in.deny(Denial::new("watch", "services"));
    world.stand_in.deny(Denial::new("list", "services"));
    let error = world.decided().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let wanted = "watch service agent in ai for an approval";
    assert!(error.chain().starts_with(wanted), "{}", error.chain());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_waited_for() {
    let stand_in = StandIn::new();
    let (notes, settings) = (watch::Sender::new(Vec::new()), Settings::new(AGENT, NAMESPACE));
    let heard = notes.clone();
    let approver = AnnotationApprover::new(stand_in.client(NAMESPACE), &settings)
        .report(move |progress: &Progress| heard.send_modify(|it| it.push(progress.to_string())));
    let request = request();
    let mut deciding = std::pin::pin!(approver.decide(&request));
    let mut told = notes.subscribe();
    tokio::select! {
        decision = &mut deciding => panic!("nothing is decided: {decision:?}"),
        told = timeout(Duration::from_secs(20), told.wait_for(|it| !it.is_empty())) => {
            told.unwrap().unwrap();
        }
    }
    assert_eq!(*notes.borrow(), ["service agent in ai, whose annotations decide, is not there"]);
}
