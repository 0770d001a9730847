//! The way back from a release of a newer version, of which only the envelope can be read.

use super::Operations;
use crate::release::EventKind;
use crate::{Document, OperationError, Plan, Record, ResolvedChange, Status, Stored};

impl Operations {
    /// A record that this version cannot read but for its envelope can still be rolled back.
    pub(super) async fn go_back_from_newer(
        &self,
        stored: Stored,
    ) -> Result<Status, OperationError> {
        let Document::Newer { format, envelope, text } = stored.document else {
            return Err(OperationError::NoRelease);
        };
        let plan = Plan::default();
        let mut envelope = envelope;
        envelope.epoch = envelope.epoch.next();
        envelope.holder = Some(self.driver.me());
        let document = |envelope| Document::Newer { format, envelope, text: text.clone() };
        let store = &self.driver.ports.store;
        let taken = document(envelope.clone());
        // As in a takeover: what cannot be renewed does not stop a rollback.
        let _ = self.driver.announce(plan.call).await;
        let revision = store.save(&taken, Some(stored.revision)).await?;
        // Only the frozen part is real in this record; it is never saved.
        let unknown = ResolvedChange::exactly(crate::Configuration::default());
        let stand_in = Record::new(crate::release::Foundation {
            agent: envelope.agent.clone(),
            cluster: envelope.cluster.clone(),
            live: envelope.live,
            epoch: envelope.epoch,
            holder: self.driver.me(),
            started: crate::release::Started { at: self.driver.now(), by: "rollback".into() },
            plan,
            change: unknown.clone(),
            baseline: unknown,
            gates: Vec::new(),
            guards: Vec::new(),
            warm_up: None,
            undoes: None,
        });
        self.driver.fence(envelope.epoch, &stand_in).await?;
        match Box::pin(self.driver.give_back(&stand_in, envelope.live)).await {
            EventKind::Returned { .. } => {}
            EventKind::Stuck { message, .. } => {
                return Err(OperationError::NoWayBack { found: message });
            }
            other => return Err(OperationError::NoWayBack { found: other.name().to_owned() }),
        }
        envelope.routing = crate::Routing::all(envelope.live);
        envelope.holder = None;
        let returned = document(envelope);
        store.save(&returned, Some(revision)).await?;
        Ok(Status::of(Some(&returned), self.driver.now()))
    }
}
