//! Many releases of one process that leave the cluster room to breathe.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How many calls are under way at a time unless said otherwise.
const CALLS: usize = 64;
/// How many releases of a namespace go on at a time unless said otherwise.
const RELEASES: usize = 16;

/// Limits what the releases of one process do at a time, as long as they share it through their
/// [`Ports`](crate::Ports::with_throttle).
///
/// * **Calls** to slots, switch and store: 64 at a time. Further ones wait in turns, one of each
///   namespace after the other, so that a namespace with a hundred releases does not keep one with a
///   single one waiting. What has to wait does not count as time in which an answer is due.
/// * **Releases** of a namespace that are on their way to their switch: 16 at a time. Further ones begin in
///   the order in which they were asked for. One that holds, bakes, waits for an approval or drains leaves its
///   place to others; so does one that goes back, is paused or is driven by another process. One that is
///   resumed takes none.
///
/// Whoever goes back waits for nobody: neither [`Operations`](crate::Operations) nor a release from the
/// moment in which it is known to have failed is limited. Watches, heartbeats and what mostly waits, for pods
/// or for traffic to follow, are not either.
///
/// Clones are the same throttle.
#[derive(Clone)]
pub struct Throttle {
    calls: Arc<Fair>,
    at_a_time: usize,
    releases: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
}

impl Throttle {
    /// With the limits that it has unless said otherwise.
    pub fn new() -> Self {
        Self { calls: Arc::new(Fair::of(CALLS)), at_a_time: RELEASES, releases: Arc::default() }
    }

    /// So many calls at a time, at least one. For a throttle that nobody shares yet.
    #[must_use]
    pub fn with_calls(mut self, calls: usize) -> Self {
        self.calls = Arc::new(Fair::of(calls.max(1)));
        self
    }

    /// So many releases of a namespace on their way at a time, at least one. For a throttle that
    /// nobody shares yet.
    #[must_use]
    pub fn with_releases(mut self, releases: usize) -> Self {
        self.at_a_time = releases.clamp(1, Semaphore::MAX_PERMITS);
        self.releases = Arc::default();
        self
    }

    /// Waits until a call may be made.
    pub(crate) async fn call(&self, namespace: &str) -> Place {
        self.calls.enter(namespace).await
    }

    /// The place of a release that begins, if there is one.
    pub(crate) fn try_turn(&self, namespace: &str) -> Option<Turn> {
        let places = self.places(namespace);
        places.try_acquire_owned().ok().map(|place| Turn { _place: Some(place) })
    }

    /// Waits for the place of a release that begins.
    pub(crate) async fn turn(&self, namespace: &str) -> Turn {
        // Nobody closes it.
        Turn { _place: self.places(namespace).acquire_owned().await.ok() }
    }

    fn places(&self, namespace: &str) -> Arc<Semaphore> {
        let mut all = lock(&self.releases);
        let new = || Arc::new(Semaphore::new(self.at_a_time));
        Arc::clone(all.entry(namespace.to_owned()).or_insert_with(new))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("releases", &self.at_a_time).finish_non_exhaustive()
    }
}

/// The place of a release among those of its namespace that are on their way.
#[derive(Debug)]
pub(crate) struct Turn {
    _place: Option<OwnedSemaphorePermit>,
}

/// Places that are given to namespaces in turns.
struct Fair(Mutex<Queues>);

struct Queues {
    free: usize,
    waiting: BTreeMap<String, VecDeque<oneshot::Sender<Place>>>,
    /// Whose turn it was last.
    last: String,
}

/// The place of a call, until it is dropped.
pub(crate) struct Place(Option<Arc<Fair>>);

impl Fair {
    fn of(places: usize) -> Self {
        let (waiting, last) = (BTreeMap::new(), String::new());
        Self(Mutex::new(Queues { free: places, waiting, last }))
    }

    async fn enter(self: &Arc<Self>, namespace: &str) -> Place {
        let receiver = {
            let mut queues = lock(&self.0);
            if queues.free > 0 {
                queues.free -= 1;
                return Place(Some(Arc::clone(self)));
            }
            let (sender, receiver) = oneshot::channel();
            queues.waiting.entry(namespace.to_owned()).or_default().push_back(sender);
            receiver
        };
        // It is only dropped when the throttle is, and then nobody is limited any more.
        receiver.await.unwrap_or(Place(None))
    }

    fn leave(self: Arc<Self>) {
        loop {
            let next = {
                let mut queues = lock(&self.0);
                let next = queues.next();
                queues.free += usize::from(next.is_none());
                next
            };
            let Some(sender) = next else { return };
            match sender.send(Place(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // Who had waited is gone.
                Err(mut place) => drop(place.0.take()),
            }
        }
    }
}

impl Queues {
    /// Who comes next: the first of the namespace that follows the last one.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        let later = (Bound::Excluded(self.last.as_str()), Bound::Unbounded);
        let after = self.waiting.range::<str, _>(later).next();
        let namespace = after.or_else(|| self.waiting.iter().next())?.0.clone();
        let queue = self.waiting.get_mut(&namespace)?;
        let sender = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&namespace);
        }
        self.last = namespace;
        sender
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(fair) = self.0.take() {
            fair.leave();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is whole before anything could panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What a future has come to by now.
    fn now<F: Future>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn namespaces_get_their_places_in_turns_and_each_in_order() {
        let throttle = Throttle::new().with_calls(1);
        let first = throttle.call("a").await;
        let names = ["a1", "a2", "a3", "b1", "c1", "c2"];
        let mut waiting: Vec<_> =
            names.iter().map(|name| Box::pin(throttle.call(&name[..1]))).collect();
        for each in &mut waiting {
            assert!(now(each).is_none());
        }
        drop(first);
        let mut order = Vec::new();
        while order.len() < names.len() {
            let mut held = None;
            for (name, each) in names.iter().zip(&mut waiting) {
                if !order.contains(name)
                    && let Some(place) = now(each)
                {
                    assert!(held.replace(place).is_none(), "one at a time");
                    order.push(*name);
                }
            }
            assert!(held.is_some(), "{order:?}");
        }
        assert_eq!(order, ["a1", "b1", "c1", "a2", "c2", "a3"]);
    }

    #[tokio::test]
    async fn a_place_of_somebody_who_has_gone_is_not_lost() {
        let throttle = Throttle::new().with_calls(1);
        let first = throttle.call("a").await;
        let mut gone = Box::pin(throttle.call("a"));
        assert!(now(&mut gone).is_none());
        let mut late = Box::pin(throttle.call("a"));
        assert!(now(&mut late).is_none());
        drop(gone);
        drop(first);
        drop(now(&mut late).expect("the place that the other one did not take"));
        assert!(now(&mut Box::pin(throttle.call("b"))).is_some());
        // And when it is gone after it was given one.
        let first = throttle.call("a").await;
        let mut given = Box::pin(throttle.call("a"));
        assert!(now(&mut given).is_none());
        drop(first);
        drop(given);
        assert!(now(&mut Box::pin(throttle.call("b"))).is_some());
    }

    #[tokio::test]
    async fn the_places_of_releases_are_those_of_their_namespace() {
        let throttle = Throttle::new().with_releases(1);
        let turn = throttle.try_turn("a").unwrap();
        assert!(throttle.try_turn("a").is_none());
        assert!(throttle.clone().try_turn("a").is_none(), "a clone is the same");
        assert!(throttle.try_turn("b").is_some());
        drop(turn);
        assert!(now(&mut Box::pin(throttle.turn("a"))).is_some());
    }
}
