//! What every [`Slot`] has to pass.

use std::sync::Arc;

use super::{Guard, for_a_moment, must, must_fail, within};
use crate::ErrorKind::{Conflict, Rejected};
use crate::{ConfigFiles, Digest, Epoch, ResolvedChange, Slot, SlotState};

/// Two slots of one agent, and three things to run there.
///
/// The slots exist, no deploy is open, and no other driver works on them. Neither needs pods to
/// begin with; there has to be room for three of `slot` beside those of `other`.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct SlotFixture {
    /// The slot that is checked. It has no traffic.
    pub slot: Arc<dyn Slot>,
    /// The other slot of the same agent.
    pub other: Arc<dyn Slot>,
    /// Something that gets ready.
    pub good: ResolvedChange,
    /// Something else that gets ready.
    pub better: ResolvedChange,
    /// Something that can't start, and of which the slot finds that out within the patience.
    pub broken: ResolvedChange,
    /// The ConfigMap whose files the pods read, under the name by which a change knows it; `None` where
    /// the slot has no files.
    pub config: Option<String>,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`Slot`](crate::Slot), from an async closure that
/// returns a
/// [`SlotFixture`](crate::conformance::slot::SlotFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! slot_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            slot { $(#[$attribute])* } $name ($fixture) [
                reads_back_what_was_deployed,
                deploying_twice_is_deploying_once,
                a_deploy_leaves_the_other_slot_alone,
                scales_to_zero_and_is_ready_there,
                a_wait_can_be_dropped_and_asked_again,
                a_change_that_cannot_start_is_rejected,
                refuses_a_stale_epoch,
                reverting_puts_back_what_was_found,
                committing_keeps_what_was_deployed,
                files_are_found_again_by_their_digest,
                shows_the_files_that_it_runs,
                watching_sees_a_change,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::slot_conformance_tests! { slot: $fixture }
    };
}

/// What was deployed is what the slot says it runs, in as many ready pods as asked for.
pub async fn reads_back_what_was_deployed(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.good, 2, epoch).await);
    let waited = ready(slot).await;
    let read = must("reading the state", slot.state().await);
    for state in [&waited, &read] {
        assert_eq!(state.color, slot.color(), "the state is that of the slot");
        assert_eq!(state.running, it.good.configuration, "it runs what was deployed");
        assert_eq!(state.digest(), it.good.digest, "its digest is that of the change");
        assert_eq!(state.replicas.wanted, 2, "it wants as many pods as asked for");
        assert!(state.replicas.ready >= 2, "too few are ready: {:?}", state.replicas);
        assert!(state.replicas.serving >= 2, "too few serve: {:?}", state.replicas);
        let pods = state.pods.iter().filter(|pod| pod.ready).count();
        assert!(pods >= 2, "only {pods} pods are listed as ready");
        assert_eq!(state.epoch, epoch, "the write's epoch is stamped on it");
        assert!(state.open, "the deploy is open until it is committed or reverted");
    }
}

/// A second deploy of the same change leaves template and pods alone.
pub async fn deploying_twice_is_deploying_once(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.good, 2, epoch).await);
    let once = ready(slot).await;
    must("the same deploy again", slot.deploy(&it.good, 2, epoch).await);
    let twice = ready(slot).await;
    assert_eq!(twice.uid, once.uid, "it is the same object");
    assert_eq!(twice.template_hash, once.template_hash, "its template is the same");
    assert_eq!(pods(&twice), pods(&once), "its pods are the same");
}

/// Nothing of the other slot changes when this one is deployed to.
pub async fn a_deploy_leaves_the_other_slot_alone(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    let before = ready(&*it.other).await;
    must("a deploy", slot.deploy(&it.better, 2, epoch).await);
    ready(slot).await;
    let after = must("reading the other slot", it.other.state().await);
    assert_eq!(after.uid, before.uid, "the other slot is the same object");
    assert_eq!(after.template_hash, before.template_hash, "its template is the same");
    assert_eq!(after.running, before.running, "it runs the same");
    assert_eq!(after.replicas.wanted, before.replicas.wanted, "it wants as many pods");
    assert_eq!(after.epoch, before.epoch, "nothing was stamped on it");
    assert_eq!(pods(&after), pods(&before), "its pods are the same");
}

/// A slot without pods is ready when it wants none.
pub async fn scales_to_zero_and_is_ready_there(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.good, 2, epoch).await);
    ready(slot).await;
    must("scaling to zero", slot.scale(0, epoch).await);
    let state = ready(slot).await;
    let replicas = state.replicas;
    assert_eq!((replicas.wanted, replicas.ready, replicas.serving), (0, 0, 0), "nothing is left");
    must("scaling to zero again", slot.scale(0, epoch).await);
    must("scaling to one", slot.scale(1, epoch).await);
    assert_eq!(ready(slot).await.replicas.wanted, 1, "it is scaled up again");
}

/// Dropping a wait at any moment takes nothing from the next one.
pub async fn a_wait_can_be_dropped_and_asked_again(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.good, 2, epoch).await);
    for _ in 0..3 {
        if let Some(waited) = for_a_moment(slot.await_ready()).await {
            must("waiting", waited);
        }
    }
    let state = ready(slot).await;
    assert!(state.replicas.ready >= 2, "too few are ready: {:?}", state.replicas);
    assert_eq!(
        ready(slot).await.template_hash,
        state.template_hash,
        "it is ready when asked again"
    );
}

/// Waiting for what can not start ends with `Rejected` and a reason.
pub async fn a_change_that_cannot_start_is_rejected(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.broken, 1, epoch).await);
    let waited = within("the wait for what can't start", slot.await_ready()).await;
    let Err(error) = &waited else { panic!("what can't start has to be rejected: {waited:?}") };
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    assert!(!reason.is_empty(), "the reason is missing: {}", error.chain());
    must_fail("the wait for what can't start", Rejected, waited);
    must("reverting it", slot.revert(epoch).await);
}

/// No write and no fence of a lower epoch gets through once a higher one is stamped, even where
/// the fence had nothing else to write.
pub async fn refuses_a_stale_epoch(it: &SlotFixture) {
    let (slot, stale) = take_over(it).await;
    must("a deploy", slot.deploy(&it.good, 1, stale).await);
    let before = ready(slot).await;
    let epoch = stale.next();
    must("a fence", slot.fence(epoch).await);
    must_fail("a stale fence", Conflict, slot.fence(stale).await);
    must_fail("a stale deploy", Conflict, slot.deploy(&it.better, 2, stale).await);
    must_fail("a stale scale", Conflict, slot.scale(3, stale).await);
    must_fail("a stale commit", Conflict, slot.commit(stale).await);
    must_fail("a stale revert", Conflict, slot.revert(stale).await);
    // Without an autoscaler there is nothing to freeze, and nothing that could conflict.
    if let Err(error) = slot.freeze(stale).await {
        assert_eq!(error.kind(), Conflict, "a stale freeze: {}", error.chain());
    }
    if let Err(error) = slot.thaw(stale).await {
        assert_eq!(error.kind(), Conflict, "a stale thaw: {}", error.chain());
    }
    let after = must("reading the state", slot.state().await);
    assert_eq!(after.epoch, epoch, "the higher epoch stays");
    assert_eq!(after.template_hash, before.template_hash, "the template stays");
    assert_eq!(after.replicas.wanted, before.replicas.wanted, "the size stays");
    assert!(after.open, "the deploy stays open");
    must("the same fence again", slot.fence(epoch).await);
    must("a write with the epoch of the fence", slot.scale(2, epoch).await);
}

/// After a revert the slot runs and wants what it did before the deploy, also when the deploy was
/// repeated or changed, and when it is reverted twice.
pub async fn reverting_puts_back_what_was_found(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.good, 1, epoch).await);
    ready(slot).await;
    must("a commit", slot.commit(epoch).await);
    let found = must("reading the state", slot.state().await);
    must("another deploy", slot.deploy(&it.broken, 2, epoch).await);
    must("yet another", slot.deploy(&it.better, 2, epoch).await);
    must("scaling it", slot.scale(3, epoch).await);
    for _ in 0..2 {
        must("a revert", slot.revert(epoch).await);
        let state = ready(slot).await;
        assert_eq!(state.running, found.running, "it runs what was found");
        assert_eq!(state.template_hash, found.template_hash, "its whole template is back");
        assert_eq!(state.replicas.wanted, found.replicas.wanted, "its size is back");
        assert!(!state.open, "nothing is open any more");
    }
}

/// After a commit there is nothing to put back.
pub async fn committing_keeps_what_was_deployed(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    must("a deploy", slot.deploy(&it.better, 2, epoch).await);
    ready(slot).await;
    for _ in 0..2 {
        must("a commit", slot.commit(epoch).await);
    }
    must("a revert", slot.revert(epoch).await);
    let state = ready(slot).await;
    assert_eq!(state.running, it.better.configuration, "it runs what was deployed");
    assert_eq!(state.replicas.wanted, 2, "it has the size that it was given");
    assert!(!state.open, "nothing is open any more");
}

/// Files that the slot runs, or a revert would put back, are there for whoever knows only their digest,
/// as a rollback does; those that nobody has ever deployed are refused.
pub async fn files_are_found_again_by_their_digest(it: &SlotFixture) {
    let Some(name) = &it.config else { return };
    let (slot, epoch) = take_over(it).await;
    let with = |files: ConfigFiles| {
        let mut configuration = it.good.configuration.clone();
        configuration.config.insert(name.clone(), files);
        ResolvedChange::exactly(configuration)
    };
    let (first, second) = (
        with(ConfigFiles::new([("system.txt", "Be kind."), ("refund.txt", "")])),
        with(ConfigFiles::new([("system.txt", "Be brief.")])),
    );
    for change in [&first, &second] {
        must("a deploy", slot.deploy(change, 1, epoch).await);
        let state = ready(slot).await;
        assert_eq!(state.running, change.configuration, "it runs the files that it was given");
        assert_eq!(state.digest(), change.digest, "they are part of the digest");
        if *change == first {
            must("a commit", slot.commit(epoch).await);
        }
    }
    // The first are what a revert would put back, so nobody may have thrown them away.
    let known = with(ConfigFiles::known_by(first.configuration.config[name].digest().clone()));
    must("a deploy by the digest", slot.deploy(&known, 1, epoch).await);
    assert_eq!(ready(slot).await.digest(), first.digest, "the first files are back");
    let nobody = with(ConfigFiles::known_by(Digest::of(["nobody has these"])));
    must_fail("a deploy of unknown files", Rejected, slot.deploy(&nobody, 1, epoch).await);
    let state = must("reading the state", slot.state().await);
    assert_eq!(state.digest(), first.digest, "nothing has changed");
}

/// The content of files is read where they run, also by who knows only their digest.
pub async fn shows_the_files_that_it_runs(it: &SlotFixture) {
    let Some(name) = &it.config else { return };
    let (slot, epoch) = take_over(it).await;
    let files = ConfigFiles::new([("system.txt", &b"Be kind."[..]), ("logo.bin", &[0xff, 0][..])]);
    let mut configuration = it.good.configuration.clone();
    configuration.config.insert(name.clone(), files.clone());
    must("a deploy", slot.deploy(&ResolvedChange::exactly(configuration), 0, epoch).await);
    let shown = must("reading the files", slot.files(name).await);
    let Some(shown) = shown else { panic!("files that were deployed are not there") };
    assert_eq!(shown, files, "they are those that were deployed");
    assert_eq!(shown.content(), files.content(), "their content is read");
    let nothing = must("reading no files", slot.files("nobody-has-given-files").await);
    assert!(nothing.is_none(), "there are none under that name: {nothing:?}");
}

/// A watch returns once the state is another one, also when that came before the watch.
pub async fn watching_sees_a_change(it: &SlotFixture) {
    let (slot, epoch) = take_over(it).await;
    let known = ready(slot).await;
    let watch = within("a watch", slot.watch(&known));
    let (seen, deployed) = tokio::join!(watch, slot.deploy(&it.better, 1, epoch));
    must("a deploy", deployed);
    assert_ne!(must("a watch", seen), known, "the watch shows a change");
    let seen = within("a watch after the change", slot.watch(&known)).await;
    assert_ne!(must("a watch", seen), known, "the change shows later too");
}

/// The slot, fenced with a new epoch.
async fn take_over(it: &SlotFixture) -> (&dyn Slot, Epoch) {
    let state = must("reading the state", it.slot.state().await);
    let epoch = state.epoch.next();
    must("a fence", it.slot.fence(epoch).await);
    (&*it.slot, epoch)
}

async fn ready(slot: &dyn Slot) -> SlotState {
    must("the wait until it is ready", within("the wait", slot.await_ready()).await)
}

fn pods(state: &SlotState) -> Vec<&str> {
    let mut uids: Vec<_> = state.pods.iter().map(|pod| pod.uid.as_str()).collect();
    uids.sort_unstable();
    uids
}
