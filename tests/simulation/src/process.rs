//! A driver process: something that is polled step by step, and may stop or die at each of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::stage::Stage;

/// What is decided about a process from outside.
#[derive(Default)]
pub(crate) struct Control(Mutex<State>);

#[derive(Default)]
struct State {
    polls: u32,
    dies_at: Option<u32>,
    is_dead: bool,
    asleep_until: Option<Instant>,
    waker: Option<Waker>,
    /// What came of it, once it is over.
    ended: Option<String>,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It dies as soon as it would run again, or at once where it waits.
    pub(crate) fn die(&self) {
        let mut state = self.state();
        state.is_dead = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// It dies when it has run so often more.
    pub(crate) fn die_after(&self, polls: u32) {
        let mut state = self.state();
        state.dies_at = Some(state.polls + polls);
    }

    /// It does nothing for so long.
    pub(crate) fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.state();
        state.asleep_until = Some(state.asleep_until.map_or(until, |it| it.max(until)));
    }

    /// For how long it still does nothing.
    pub(crate) fn asleep(&self) -> Option<Duration> {
        let until = self.state().asleep_until?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    pub(crate) fn ended(&self) -> Option<String> {
        self.state().ended.clone()
    }
}

/// A process under control.
pub(crate) struct Stepped {
    work: Option<Pin<Box<dyn Future<Output = String> + Send>>>,
    asleep: Option<Pin<Box<Sleep>>>,
    control: Arc<Control>,
    stage: Arc<Stage>,
    number: usize,
}

impl Stepped {
    pub(crate) fn new(
        stage: Arc<Stage>,
        number: usize,
        control: Arc<Control>,
        work: impl Future<Output = String> + Send + 'static,
    ) -> Self {
        Self { work: Some(Box::pin(work)), asleep: None, control, stage, number }
    }

    fn end(&mut self, how: String) -> Poll<()> {
        self.work = None;
        self.stage.note(self.number, "ends", &how);
        let mut state = self.control.state();
        state.is_dead = true;
        state.ended = Some(how);
        Poll::Ready(())
    }
}

impl Future for Stepped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let dies = {
            let mut state = self.control.state();
            state.waker = Some(context.waker().clone());
            state.polls += 1;
            state.is_dead || state.dies_at.is_some_and(|at| state.polls > at)
        };
        if dies {
            return self.end("dies".to_owned());
        }
        if let Some(left) = self.control.asleep() {
            let mut asleep = Box::pin(tokio::time::sleep(left));
            if asleep.as_mut().poll(context).is_pending() {
                self.asleep = Some(asleep);
                return Poll::Pending;
            }
        }
        self.asleep = None;
        let Some(work) = &mut self.work else { return Poll::Ready(()) };
        let polled = work.as_mut().poll(context);
        self.stage.step();
        match polled {
            Poll::Ready(how) => self.end(how),
            Poll::Pending if self.control.is_dead() => self.end("dies".to_owned()),
            Poll::Pending => Poll::Pending,
        }
    }
}
