//! The autoscalers of a slot, which others may set meanwhile.

use bluegreen_core::{Epoch, Error, ErrorKind, Result};
use kube::Api;
use kube::core::DynamicObject;

use super::DeploymentSlot;
use crate::autoscaler::{self, Autoscaler, Autoscalers};

impl DeploymentSlot {
    /// The autoscalers of a Deployment, its own or the other slot's.
    pub(super) fn autoscalers<'a>(&'a self, deployment: &'a str) -> Autoscalers<'a> {
        let (client, settings) = (&self.client, &self.settings);
        Autoscalers { client, settings, deployment, listed: &self.recent.autoscalers }
    }

    /// Its own autoscalers, for a write of `epoch`. A fence stamps the Deployment only, so that is
    /// looked at before; what is written to an autoscaler stamps that, too.
    pub(super) async fn autoscalers_for(
        &self,
        verb: &str,
        epoch: Epoch,
    ) -> Result<Vec<Autoscaler>> {
        let freezes = verb == "freeze";
        let found = match self.autoscalers(&self.name).find().await {
            // Who may not look was told so by preflight, and went on all the same. Who could look when
            // they were frozen comes back until they are thawed.
            Err(error)
                if error.kind() == ErrorKind::Rejected && (freezes || self.recent.is_blind()) =>
            {
                tracing::warn!(error = error.chain(), "autoscalers are not known");
                self.recent.set_blind(true);
                return Ok(Vec::new());
            }
            found => found?,
        };
        self.recent.set_blind(false);
        if !found.is_empty() {
            let object = self.get().await?;
            let action = self.action(&format!("{verb} the autoscaler of"));
            self.seen(&object).refuse_stale(&action, epoch)?;
        }
        Ok(found)
    }

    /// Gives its autoscaler the bounds of the other slot's, which is live, before it gets so many pods.
    pub(super) async fn take_bounds(&self, replicas: u32, epoch: Epoch) -> Result<()> {
        let Some(live) = &self.other else { return Ok(()) };
        let (own, live) = (self.autoscalers(&self.name), self.autoscalers(live));
        let reading = async {
            let (mine, theirs) = tokio::try_join!(own.find(), live.find())?;
            if mine.is_empty() || theirs.is_empty() {
                return Ok((Vec::new(), Vec::new()));
            }
            tokio::try_join!(own.anew(mine), live.anew(theirs))
        };
        let found = Box::pin(reading).await;
        let (due, told) = match found {
            Err(error) if is_gone_or_hidden(&error) => return Ok(()),
            found => {
                found.map(|(own, live)| (autoscaler::due(&own, &live), autoscaler::told(&own)))?
            }
        };
        let Some(bounds) = due else {
            return match told {
                Some(bounds) => own.follow(&bounds, replicas).await,
                None => Ok(()),
            };
        };
        let found = self.autoscalers_for("give live's bounds to", epoch).await?;
        own.give(own.anew(found).await?, &bounds, epoch).await?;
        own.follow(&bounds, replicas).await
    }

    /// Lets its autoscaler make a standby as small as it is to be. The candidate has live's bounds.
    pub(super) async fn lower_bounds(&self, replicas: u32, epoch: Epoch) -> Result<()> {
        let own = self.autoscalers(&self.name);
        // What one says that was listed a moment ago is good enough to see that there is nothing to do:
        // nobody lowers a minimum but a release.
        match own.find().await {
            Ok(found) if !found.iter().any(|it| it.enlarges(replicas)) => return Ok(()),
            Err(error) if is_gone_or_hidden(&error) => return Ok(()),
            found => drop(found?),
        }
        if self.seen(&*self.recent(&self.name).await?).found()?.is_some() {
            return Ok(());
        }
        let found = self.autoscalers_for("lower the minimum of", epoch).await?;
        match own.lower(own.anew(found).await?, replicas, epoch).await {
            // A standby that is too large is no reason to leave autoscalers frozen.
            Err(error) if error.kind() == ErrorKind::Rejected => {
                tracing::warn!(error = error.chain(), "the minimum of a standby stays");
                Ok(())
            }
            done => done,
        }
    }

    /// Gives its autoscaler back the bounds that it had before it was given live's.
    pub(super) async fn give_back_bounds(&self, epoch: Epoch) -> Result<()> {
        let found = match self.autoscalers_for("give back the bounds of", epoch).await {
            // The slot has been put back by now, and KEDA is taking its autoscaler away.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let own = self.autoscalers(&self.name);
        own.give_back(own.anew(found).await?, epoch).await
    }

    /// Its own autoscalers, told again what they were told before the last release, with what finds
    /// each: for who takes away what is ours.
    pub(crate) async fn thawed_autoscalers(
        &self,
    ) -> Result<Vec<(Api<DynamicObject>, &'static str, String)>> {
        let all = self.autoscalers(&self.name);
        let found = match all.find().await {
            Err(error) if error.kind() == ErrorKind::Rejected => Vec::new(),
            found => found?,
        };
        let places = found.iter().map(|it| all.place(it)).collect();
        let frozen: Vec<Autoscaler> =
            found.into_iter().filter(|it| it.is_frozen(&self.settings)).collect();
        if !frozen.is_empty() {
            let epoch = self.seen(&*self.get().await?).epoch()?;
            all.thaw(frozen, epoch).await?;
        }
        Ok(places)
    }
}

/// That an autoscaler is not known was told by the freeze before; and KEDA may be taking one away.
fn is_gone_or_hidden(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Rejected | ErrorKind::NotFound)
}
