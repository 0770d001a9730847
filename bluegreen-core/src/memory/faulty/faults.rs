//! Which calls go wrong, and which calls were made.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::Odds;
use super::odds::Dice;
use crate::ErrorKind;
use crate::memory::lock;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails this way and has no effect.
    Before(ErrorKind),
    /// It has its effect and then fails this way, as when an answer is lost.
    After(ErrorKind),
    /// It has no effect and never returns: a process that drops it has died before the call.
    Hang,
    /// It has its effect and never returns: a process that drops it has died after the call.
    HangAfter,
    /// It begins after this time of tokio's timer.
    Delay(Duration),
    /// It has its effect at once, or looks at once, and answers after this time of tokio's timer.
    Slow(Duration),
    /// It is under way for this time of tokio's timer, and arrives also when whoever made it has
    /// given up or died. A call that only reads is a [`Delay`](Self::Delay) instead.
    Late(Duration),
    /// It looks and answers what it answered the time before, as a cache does that is behind.
    /// Holds for `slot.state` and `switch.observe`; others are not disturbed.
    Stale,
}

/// Decides call by call, and sees each of them on its way: for simulations, which have more to do
/// at a call than to let it fail.
///
/// Called from within the calls: it must not block, and it must not make calls itself.
pub trait Director: Send + Sync {
    /// A call begins; says what goes wrong with it.
    fn begins(&self, call: &str) -> Option<Fault>;

    /// A call that writes arrives: what happens until [`answered`](Self::answered) is its doing.
    /// Calls in memory have their effect without a wait in between.
    fn arrives(&self, call: &str);

    /// A call has had its effect or has seen what it wants, or failed by itself, whether or not
    /// the one who made it will hear of that.
    fn answered(&self, call: &str, went_well: bool);
}

/// A call that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// Its trait and method, and its color where it is one of two: `slot.deploy green`.
    pub name: String,
    /// What went wrong with it.
    pub fault: Option<Fault>,
}

/// Which calls go wrong, and a log of all calls in the order in which they began. Clones are the
/// same, so that one plan holds for everything that one process acts through.
///
/// Where a name of a call is asked for, a beginning of it will do: `slot.deploy green`,
/// `slot.deploy` for both slots, `slot` for every method of both, `*` for every call there is.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<Inner>,
}

struct Inner {
    plan: Mutex<Plan>,
    version: watch::Sender<()>,
}

#[derive(Default)]
struct Plan {
    rules: Vec<Rule>,
    dice: Option<Dice>,
    director: Option<Arc<dyn Director>>,
    log: Vec<Call>,
    hung: Vec<String>,
}

struct Rule {
    name: String,
    /// How many more calls of that name there are until it holds; `None` if it always does.
    left: Option<u64>,
    fault: Fault,
}

/// Whether a call changes anything.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Manner {
    Read,
    Write,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        let (plan, version) = (Mutex::default(), watch::Sender::new(()));
        Self { inner: Arc::new(Inner { plan, version }) }
    }

    /// The `nth` call of this name from now on, counted from 1, goes wrong. Of several rules for
    /// one call the first that was made holds.
    pub fn on(&self, name: impl Into<String>, nth: u64, fault: Fault) {
        self.add(Rule { name: name.into(), left: Some(nth), fault });
    }

    /// Every call of this name goes wrong until [`heal`](Self::heal).
    pub fn always(&self, name: impl Into<String>, fault: Fault) {
        self.add(Rule { name: name.into(), left: None, fault });
    }

    /// Calls go wrong at random, the same way for the same seed and order of calls. After
    /// `at_most` of them nothing does, so that whatever tries again comes to an end.
    pub fn seeded(&self, seed: u64, odds: Odds, at_most: u64) {
        lock(&self.inner.plan).dice = Some(Dice::new(seed, odds, at_most));
    }

    /// `director` decides about all calls that no rule holds for.
    pub fn directed(&self, director: Arc<dyn Director>) {
        lock(&self.inner.plan).director = Some(director);
    }

    /// From now on nothing goes wrong. Calls that hang go on hanging.
    pub fn heal(&self) {
        let mut plan = lock(&self.inner.plan);
        plan.rules.clear();
        plan.dice = None;
        plan.director = None;
    }

    /// All calls that were made, in the order in which they began.
    pub fn log(&self) -> Vec<Call> {
        lock(&self.inner.plan).log.clone()
    }

    /// How many calls of this name were made.
    pub fn count(&self, name: &str) -> usize {
        lock(&self.inner.plan).log.iter().filter(|call| is_named(&call.name, name)).count()
    }

    /// Returns once so many calls of this name were made, of which the last may still go on.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn reached(&self, name: &str, count: usize) {
        self.when(|plan| {
            let calls = plan.log.iter().filter(|call| is_named(&call.name, name)).count();
            (calls >= count).then_some(())
        })
        .await;
    }

    /// Returns once so many calls hang, with the name of the last of these.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn hung(&self, count: usize) -> String {
        self.when(|plan| plan.hung.get(count.saturating_sub(1)).cloned()).await
    }

    pub(super) fn begin(&self, name: &str, manner: Manner) -> Option<Fault> {
        let ruled = lock(&self.inner.plan).fault(name, manner);
        // Without the lock: a director may start whatever makes calls of its own.
        let fault = ruled.or_else(|| self.director().and_then(|it| it.begins(name)));
        lock(&self.inner.plan).log.push(Call { name: name.to_owned(), fault });
        self.inner.version.send_replace(());
        fault
    }

    pub(super) fn director(&self) -> Option<Arc<dyn Director>> {
        lock(&self.inner.plan).director.clone()
    }

    pub(super) fn hangs(&self, name: String) {
        lock(&self.inner.plan).hung.push(name);
        self.inner.version.send_replace(());
    }

    fn add(&self, rule: Rule) {
        lock(&self.inner.plan).rules.push(rule);
    }

    async fn when<T>(&self, find: impl Fn(&Plan) -> Option<T>) -> T {
        let mut version = self.inner.version.subscribe();
        loop {
            let found = find(&lock(&self.inner.plan));
            if let Some(found) = found {
                return found;
            }
            if version.changed().await.is_err() {
                // Cannot be: this clone owns the sender.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Plan {
    fn fault(&mut self, name: &str, manner: Manner) -> Option<Fault> {
        let mut found = None;
        self.rules.retain_mut(|rule| {
            if !is_named(name, &rule.name) {
                return true;
            }
            let Some(left) = &mut rule.left else {
                found.get_or_insert(rule.fault);
                return true;
            };
            // Every rule counts every call, whichever of them holds.
            *left = left.saturating_sub(1);
            if *left == 0 {
                found.get_or_insert(rule.fault);
            }
            *left > 0
        });
        found.or_else(|| self.dice.as_mut().and_then(|dice| dice.throw(name, manner)))
    }
}

fn is_named(call: &str, name: &str) -> bool {
    name == "*"
        || call
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.']))
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = lock(&self.inner.plan);
        f.debug_struct("Faults")
            .field("rules", &plan.rules.len())
            .field("calls", &plan.log.len())
            .finish_non_exhaustive()
    }
}
