//! The two writes of the right: the stamp of a fencing number, and the shift itself.

use bluegreen_core::{Color, Epoch, Error, ErrorKind, Result};
use kube::api::PostParams;

use super::QueueSwitch;
use super::count::Count;
use super::right::{New, Right};
use crate::FIELD_MANAGER;
use crate::error::write;

/// How often a write is decided anew because the ConfigMap was changed in between.
const ATTEMPTS: usize = 5;

impl QueueSwitch {
    /// Stamps the epoch. It changes the version of the ConfigMap, which every write tests, so that
    /// what an older driver has sent before and what comes late changes nothing.
    pub(super) async fn stamp(&self, epoch: Epoch) -> Result<()> {
        self.stamp_with(New::Nothing, epoch).await
    }

    /// Notes which slot may get the right, so that whoever goes on with the release knows what is a
    /// way back.
    pub(super) async fn note_candidate(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.stamp_with(New::Candidate(candidate), epoch).await
    }

    async fn stamp_with(&self, new: New<'_>, epoch: Epoch) -> Result<()> {
        let mut conflict = None;
        let mut recent = self.known.recent(self.config_map.as_str());
        for _ in 0..ATTEMPTS {
            let right = match recent.take() {
                Some(recent) => recent,
                None => self.read().await?,
            };
            right.stamp.refuse_higher(epoch, &self.action("update"))?;
            match self.write(&right, new, epoch).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, self.action("update"))))
    }

    /// Gives the right to `to`, if `from` has it.
    pub(super) async fn give(&self, from: Color, to: Color, epoch: Epoch) -> Result<()> {
        self.refuse_empty(from, to).await?;
        let action = self.action("update");
        let conflict = |found: String| Error::new(ErrorKind::Conflict, &action).with_source(found);
        let (mut right, mut is_read) = match self.known.last(self.config_map.as_str()) {
            Some(known) => (known, false),
            None => (self.read().await?, true),
        };
        let uid = right.uid.clone();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            right.stamp.refuse_higher(epoch, &action)?;
            match &right.holder {
                Ok(at) if *at == to && is_read => return self.stamp_if_older(&right, epoch).await,
                Ok(at) if *at == from => {
                    match self.write(&right, New::Holder(&self.key, to), epoch).await {
                        Ok(()) => return Ok(()),
                        Err(error) if error.kind() == ErrorKind::Conflict => last = Some(error),
                        Err(error) => return Err(error),
                    }
                }
                Ok(at) if is_read => {
                    return Err(conflict(format!("found {at} 100 %, wanted {from} 100 %")));
                }
                Err(found) if is_read => {
                    return Err(conflict(format!("found that {found}, wanted {from} 100 %")));
                }
                // It was so when it was last read.
                Ok(_) | Err(_) => {}
            }
            (right, is_read) = (self.read().await?, true);
            if right.uid != uid {
                return Err(conflict(format!("found uid {}, wanted {uid}", right.uid)));
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// It is as it should be, and nothing is left to do but to fence off older drivers.
    async fn stamp_if_older(&self, right: &Right, epoch: Epoch) -> Result<()> {
        if right.stamp.epoch() == Ok(epoch) {
            return Ok(());
        }
        self.stamp(epoch).await
    }

    /// Refuses to give the right to a slot that has nobody to use it. Whoever asks for it looks again.
    async fn refuse_empty(&self, from: Color, to: Color) -> Result<()> {
        if from == to || self.ready.recent(to.as_str()).is_some() || self.ready_pods(to).await? > 0
        {
            return Ok(());
        }
        let name = self.deployments.of(to);
        let found = format!("Deployment {name}: found no pod that is ready, wanted one");
        Err(Error::new(ErrorKind::Unavailable, format!("shift the right to pull to {to} 100 %"))
            .with_source(found))
    }

    /// Nothing but its pods has to know of a worker, so nothing is waited for. A candidate that pulls
    /// before it has the right is none that can be released like this.
    pub(super) async fn refuse_early(&self, candidate: Color, pods: &[String]) -> Result<()> {
        if !pods.is_empty() {
            self.ready.keep(candidate.as_str(), ());
        }
        let Some(load) = self.pulling.get() else { return Ok(()) };
        if self.read().await?.holder != Ok(candidate.other()) {
            return Ok(());
        }
        match self.count(load.as_ref(), candidate).await {
            Count::Known(found) if found > 0 => {
                let action = format!("wait for workers of {candidate}");
                Err(Error::new(ErrorKind::Rejected, action).with_source(format!(
                    "found {found} of {candidate} that pull, wanted none: the right to pull is \
                     {}'s",
                    candidate.other()
                )))
            }
            Count::Known(_) => Ok(()),
            Count::Unknown(why) => {
                tracing::debug!(%candidate, why, "whether the candidate pulls is not known");
                Ok(())
            }
        }
    }

    async fn write(&self, right: &Right, new: New<'_>, epoch: Epoch) -> Result<()> {
        let map = right.rewritten(new, epoch, &self.settings);
        let params = params(false);
        let call = self.maps.replace(&self.config_map, &params, &map);
        let found = write(self.settings.call, self.action("update"), call).await?;
        self.remember(&found);
        Ok(())
    }
}

pub(super) fn params(dry_run: bool) -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run }
}
