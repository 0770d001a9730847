//! What starts and stops the pods of the in-memory slots.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::lock;
use crate::{Color, Configuration, Error, ErrorKind, Result};

/// Starts and stops pods. The default one, [`InstantRunner`], only says that they are ready; a
/// runner of one's own may start real servers.
///
/// Starts of several pods run at the same time. A start that is still going on when its pod is
/// no longer wanted is dropped, and [`stop`](Self::stop) follows; so `stop` may come for a pod
/// that never became ready.
#[async_trait]
pub trait PodRunner: Send + Sync {
    /// Returns once the pod is ready. A future that never ends is a pod that never gets ready.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) when it can never start: the slot then says so in
    /// [`await_ready`](crate::Slot::await_ready). After any other error the pod stays not ready.
    async fn start(&self, pod: &PodSpec) -> Result<()>;

    /// Ends the pod of this name. It gets no requests any more when this is called.
    async fn stop(&self, name: &str);
}

/// A pod that is to be started.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PodSpec {
    /// The slot that it belongs to.
    pub color: Color,
    /// Its name, unique in the cluster and never used again.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// What it is to run.
    pub configuration: Configuration,
}

/// Pods are ready as soon as they are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstantRunner;

#[async_trait]
impl PodRunner for InstantRunner {
    async fn start(&self, _: &PodSpec) -> Result<()> {
        Ok(())
    }

    async fn stop(&self, _: &str) {}
}

/// What becomes of a pod that is started.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Script {
    /// It is ready at once.
    Ready,
    /// It is ready after this time of tokio's timer.
    ReadyAfter(Duration),
    /// It never gets ready, and nobody says why.
    Never,
    /// It can't start, for this reason: `image can't be pulled`.
    Fail(String),
}

/// Pods fare as a script says, by their image; an image that the script does not know is ready
/// at once. Clones share one script, which may change while the cluster runs.
#[derive(Clone, Default)]
pub struct ScriptedRunner {
    scripts: Arc<Mutex<BTreeMap<String, Script>>>,
}

impl ScriptedRunner {
    /// A runner without a script.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a script for pods one of whose containers runs `image`.
    #[must_use]
    pub fn on_image(self, image: impl Into<String>, script: Script) -> Self {
        self.set(image, script);
        self
    }

    /// Changes the script for pods that start from now on.
    pub fn set(&self, image: impl Into<String>, script: Script) {
        lock(&self.scripts).insert(image.into(), script);
    }

    fn script_of(&self, pod: &PodSpec) -> Script {
        let scripts = lock(&self.scripts);
        let mut images = pod.configuration.containers.values().map(|container| &container.image);
        images.find_map(|image| scripts.get(image)).cloned().unwrap_or(Script::Ready)
    }
}

impl fmt::Debug for ScriptedRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScriptedRunner").field(&*lock(&self.scripts)).finish()
    }
}

#[async_trait]
impl PodRunner for ScriptedRunner {
    async fn start(&self, pod: &PodSpec) -> Result<()> {
        match self.script_of(pod) {
            Script::Ready => Ok(()),
            Script::ReadyAfter(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Script::Never => std::future::pending().await,
            Script::Fail(reason) => {
                let action = format!("start pod {}", pod.name);
                Err(Error::new(ErrorKind::Rejected, action).with_source(reason))
            }
        }
    }

    async fn stop(&self, _: &str) {}
}
