//! What a release would change, before anything is touched.

use std::collections::BTreeMap;

use super::Releaser;
use crate::operations::call;
use crate::{Change, ChangeDiff, ConfigFiles, ErrorKind, Observed, OperationError};

impl Releaser {
    /// What `change` would change against what live runs now, with the files that live's pods read.
    ///
    /// `None` where that is not known, because a problem stands in the way that [`check`](Self::check)
    /// names: traffic is not on one slot, say, or the change does not fit. Reads only.
    ///
    /// Files that may not be read are told of as such, and are no error.
    ///
    /// # Errors
    /// When what live runs cannot be found out.
    pub async fn diff(&self, change: &Change) -> Result<Option<ChangeDiff>, OperationError> {
        let ports = &self.driver.ports;
        let observing = ports.switch.observe();
        let observed = self.driver.bounded_read("observe the routing", call(), observing).await?;
        let routing = Observed::routing(&observed);
        let Some(routing) = routing.filter(|it| it.is_whole() && it.pins.is_empty()) else {
            return Ok(None);
        };
        let slot = ports.slots.of(routing.live);
        let live = self.driver.bounded_read("read the live slot", call(), slot.state()).await?;
        let Ok(resolved) = change.resolve(&live.running, &ports.version_env) else {
            return Ok(None);
        };
        let mut files: BTreeMap<String, ConfigFiles> = BTreeMap::new();
        for name in change.config.keys() {
            let reading = slot.files(name);
            match self.driver.bounded_read("read the files of live", call(), reading).await {
                Ok(found) => files.extend(found.map(|found| (name.clone(), found))),
                Err(error) if error.kind() == ErrorKind::Rejected => {
                    tracing::warn!(error = error.chain(), "the files of live are not known");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(resolved.diff(&live.running, &files, &change.shown())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::minutes;
    use crate::memory::{Fault, Faults, MemoryCluster, TokioClock};
    use crate::{Color, Configuration, Container, ObservedState, Outcome, Plan, Slot as _};

    fn cluster() -> MemoryCluster {
        let mut agent = Container::new("example.com/agent:1");
        agent.set("KEY", "sk-old");
        let live = Configuration::new([("agent".to_owned(), agent)].into()).with_version("1");
        let builder = MemoryCluster::builder("agent", live).replicas(1);
        builder.clock(TokioClock::default()).build()
    }

    fn prompt(text: &'static str) -> Change {
        Change::files("agent-prompts", ConfigFiles::new([("system.txt", text)])).version("2")
    }

    #[tokio::test(start_paused = true)]
    async fn what_live_has_is_compared_and_nothing_is_touched() {
        let cluster = cluster();
        let releaser = Releaser::new(cluster.ports("one"));
        let plan = Plan::all_at_once().bake(minutes(1));
        let outcome = releaser.run(prompt("Be kind.\n"), &plan).await.unwrap();
        assert_eq!(outcome, Outcome::Released);
        let before = cluster.slot(Color::Blue).state().await.unwrap();
        let change = prompt("Be brief.\n").env("KEY", "sk-new");
        let diff = releaser.diff(&change).await.unwrap().unwrap().to_string();
        assert!(diff.contains("variable agent/KEY: changed, values are not shown\n"), "{diff}");
        assert!(diff.contains("@@ -1 +1 @@\n-Be kind.\n+Be brief.\n"), "{diff}");
        assert!(!diff.contains("sk-"), "{diff}");
        let same = releaser.diff(&prompt("Be kind.\n")).await.unwrap().unwrap();
        assert!(same.is_empty(), "{same}");
        assert_eq!(cluster.slot(Color::Blue).state().await.unwrap(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_may_not_be_read_are_told_of_and_those_that_cannot_are_an_error() {
        let cluster = cluster();
        let told = async |kind| {
            let faults = Faults::new();
            let releaser = Releaser::new(faults.around(cluster.ports("one")));
            faults.always("slot.files", Fault::Before(kind));
            releaser.diff(&prompt("x")).await
        };
        let diff = told(ErrorKind::Rejected).await.unwrap().unwrap().to_string();
        assert!(diff.contains("live has no files that could be read"), "{diff}");
        let error = told(ErrorKind::Unavailable).await.unwrap_err();
        assert!(matches!(error, OperationError::Port(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_is_no_difference() {
        let cluster = cluster();
        let releaser = Releaser::new(cluster.ports("one"));
        assert_eq!(releaser.diff(&Change::image("agnet", "a:2")).await.unwrap(), None);
        cluster.set_routing(ObservedState::Foreign("slot: purple".to_owned()));
        assert_eq!(releaser.diff(&prompt("x")).await.unwrap(), None);
    }
}
