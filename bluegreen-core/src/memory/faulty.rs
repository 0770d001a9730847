//! A wrapper around any implementation that makes its calls fail, hang or lose their answers.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::lock;
use crate::{Error, ErrorKind, Pair, Ports, Result};

mod faults;
mod odds;
mod slot;
mod store;
mod switch;
mod talk;

pub use faults::{Call, Director, Fault, Faults};
pub use odds::Odds;

use faults::Manner;

/// An implementation of any of the traits whose calls go through [`Faults`].
///
/// A call is known by its trait and method, `store.save`; where it is one of two, by its color
/// too, `slot.deploy green`. Methods that are not async never fail.
///
/// ```
/// # use std::sync::Arc;
/// # use bluegreen_core::{ErrorKind, ReleaseStore};
/// use bluegreen_core::memory::{Fault, Faults, Faulty, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let faults = Faults::new();
/// faults.on("store.load", 2, Fault::Before(ErrorKind::Unavailable));
/// let store = Faulty::new(Arc::new(MemoryStore::new()), faults.clone());
/// assert!(store.load().await.is_ok());
/// assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
/// assert_eq!(faults.count("store"), 2);
/// # }
/// ```
pub struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    faults: Faults,
    label: String,
    /// What it answered the time before, for answers that may be stale.
    before: Answers,
}

/// Answers by the method that gave them.
type Answers = Arc<Mutex<BTreeMap<&'static str, Box<dyn Any + Send>>>>;

impl<T: ?Sized> Faulty<T> {
    /// `inner`, going through `faults`.
    pub fn new(inner: Arc<T>, faults: Faults) -> Self {
        Self { inner, faults, label: String::new(), before: Answers::default() }
    }

    /// The same with a label after the names of its calls, to tell two of a kind apart.
    #[must_use]
    pub fn labelled(mut self, label: impl fmt::Display) -> Self {
        self.label = format!(" {label}");
        self
    }

    /// A call that only reads.
    async fn read<R>(
        &self,
        method: &str,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let name = self.name_of(method);
        let fault = match self.faults.begin(&name, Manner::Read) {
            Some(Fault::Late(time)) => Some(Fault::Delay(time)),
            fault => fault,
        };
        self.suffer(name, fault, call).await
    }

    /// A call that only reads, and whose answer is kept in case that the next one is stale.
    async fn look<R: Clone + Send + 'static>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let name = self.name_of(method);
        let fault = self.faults.begin(&name, Manner::Read);
        if fault == Some(Fault::Stale)
            && let Some(kept) = lock(&self.before).get(method)
            && let Some(kept) = kept.downcast_ref::<R>()
        {
            return Ok(kept.clone());
        }
        let seen = self.suffer(name, fault, call).await?;
        lock(&self.before).insert(method, Box::new(seen.clone()));
        Ok(seen)
    }

    async fn suffer<R>(
        &self,
        name: String,
        fault: Option<Fault>,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let call = async {
            let result = call.await;
            if let Some(director) = self.faults.director() {
                director.answered(&name, result.is_ok());
            }
            result
        };
        match fault {
            None | Some(Fault::Stale | Fault::Late(_)) => call.await,
            Some(Fault::Before(kind)) => {
                let error = Error::new(kind, name.clone());
                Err(error.with_source("an injected fault, before any effect"))
            }
            Some(Fault::After(kind)) => {
                call.await?;
                let error = Error::new(kind, name.clone());
                Err(error.with_source("an injected fault, after the effect"))
            }
            Some(Fault::Hang) => self.hang(name.clone()).await,
            Some(Fault::HangAfter) => {
                call.await?;
                self.hang(name.clone()).await
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                call.await
            }
            Some(Fault::Slow(time)) => {
                let result = call.await;
                tokio::time::sleep(time).await;
                result
            }
        }
    }

    fn name_of(&self, method: &str) -> String {
        format!("{method}{}", self.label)
    }

    async fn hang<R>(&self, name: String) -> R {
        self.faults.hangs(name);
        std::future::pending().await
    }
}

impl<T: Send + Sync + ?Sized + 'static> Faulty<T> {
    /// A call that writes. It owns all it needs, because it may arrive after whoever made it is
    /// gone.
    async fn write<R, F>(&self, method: &str, call: impl FnOnce(Arc<T>) -> F) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        let name = self.name_of(method);
        let fault = self.faults.begin(&name, Manner::Write);
        let director = self.faults.director();
        let (call, arriving) = (call(Arc::clone(&self.inner)), name.clone());
        let Some(Fault::Late(time)) = fault else {
            let call = async {
                if let Some(director) = director {
                    director.arrives(&arriving);
                }
                call.await
            };
            return self.suffer(name, fault, call).await;
        };
        let (answer, answered) = oneshot::channel();
        // It belongs to nobody any more: that is what it is for. It ends with the call.
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            if let Some(director) = &director {
                director.arrives(&arriving);
            }
            let result = call.await;
            if let Some(director) = &director {
                director.answered(&arriving, result.is_ok());
            }
            // Nobody may wait for it.
            let _ = answer.send(result);
        });
        match answered.await {
            Ok(result) => result,
            Err(lost) => Err(Error::new(ErrorKind::Unknown, name).with_source(lost)),
        }
    }
}

impl<T: ?Sized> Clone for Faulty<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            faults: self.faults.clone(),
            label: self.label.clone(),
            before: Arc::clone(&self.before),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Faults {
    /// All of `ports` but the clock, going through these faults.
    #[must_use]
    pub fn around(&self, mut ports: Ports) -> Ports {
        let Pair { blue, green } = ports.slots;
        ports.slots = Pair::new(
            Arc::new(Faulty::new(blue, self.clone()).labelled("blue")),
            Arc::new(Faulty::new(green, self.clone()).labelled("green")),
        );
        let Pair { blue, green } = ports.clients;
        ports.clients = Pair::new(
            Arc::new(Faulty::new(blue, self.clone()).labelled("blue")),
            Arc::new(Faulty::new(green, self.clone()).labelled("green")),
        );
        ports.switch = Arc::new(Faulty::new(ports.switch, self.clone()));
        ports.store = Arc::new(Faulty::new(ports.store, self.clone()));
        ports.liveness = Arc::new(Faulty::new(ports.liveness, self.clone()));
        ports.load = ports.load.map(|load| Arc::new(Faulty::new(load, self.clone())) as _);
        ports.approver = ports.approver.map(|it| Arc::new(Faulty::new(it, self.clone())) as _);
        ports
    }
}

#[cfg(test)]
mod tests;
