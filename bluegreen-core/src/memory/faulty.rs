//! A wrapper around any implementation that makes its calls fail, hang or lose their answers.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::{Error, Pair, Ports, Result};

mod faults;
mod odds;
mod slot;
mod store;
mod switch;
mod talk;

pub use faults::{Call, Fault, Faults};
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
}

impl<T: ?Sized> Faulty<T> {
    /// `inner`, going through `faults`.
    pub fn new(inner: Arc<T>, faults: Faults) -> Self {
        Self { inner, faults, label: String::new() }
    }

    /// The same with a label after the names of its calls, to tell two of a kind apart.
    #[must_use]
    pub fn labelled(mut self, label: impl fmt::Display) -> Self {
        self.label = format!(" {label}");
        self
    }

    async fn call<R>(
        &self,
        method: &str,
        manner: Manner,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let name = format!("{method}{}", self.label);
        match self.faults.begin(&name, manner) {
            None => call.await,
            Some(Fault::Before(kind)) => {
                Err(Error::new(kind, name).with_source("an injected fault, before any effect"))
            }
            Some(Fault::After(kind)) => {
                call.await?;
                Err(Error::new(kind, name).with_source("an injected fault, after the effect"))
            }
            Some(Fault::Hang) => self.hang(name).await,
            Some(Fault::HangAfter) => {
                call.await?;
                self.hang(name).await
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                call.await
            }
        }
    }

    async fn hang<R>(&self, name: String) -> R {
        self.faults.hangs(name);
        std::future::pending().await
    }
}

impl<T: ?Sized> Clone for Faulty<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            faults: self.faults.clone(),
            label: self.label.clone(),
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
