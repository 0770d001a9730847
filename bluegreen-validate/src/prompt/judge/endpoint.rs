//! One place that is asked, within its budgets, and as often as it wants.

use std::sync::Arc;

use bluegreen_core::{AgentClient, Clock, Timestamp};
use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{Connector, Place};
use crate::prompt::answer::{Answer, Usage};
use crate::prompt::ask::{Asker, Reply};
use crate::prompt::run::{Ledger, PAUSE, Pace};
use crate::prompt::suite::{Agent, Prices, Suite};
use crate::prompt::template::{Scope, Templates};

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::prompt) enum Stop {
    /// This budget has no room for another call.
    Budget(&'static str),
    /// It can't be told.
    Untold(String),
}

/// What calls are paid from, and until when they may be made.
#[derive(Clone, Copy)]
pub(in crate::prompt) struct Purse<'a> {
    pub(in crate::prompt) ledger: &'a Ledger<'a>,
    pub(in crate::prompt) clock: &'a dyn Clock,
    pub(in crate::prompt) suite: &'a Suite,
    pub(in crate::prompt) deadline: Timestamp,
}

/// One place that is asked.
pub(super) struct Endpoint {
    name: String,
    asker: Asker,
    client: Arc<dyn AgentClient>,
    templates: Templates,
    pace: Pace,
    prices: Option<Prices>,
    /// Whether it takes no tokens.
    is_free: bool,
}

impl Endpoint {
    /// What is at `place` and is spoken to as an agent is.
    pub(super) fn new(
        name: String,
        suite: &Suite,
        agent: impl Into<Agent>,
        place: &Place,
        connector: &Connector,
    ) -> Result<Self, String> {
        let mut like = Suite::new(agent, []);
        like.name.clone_from(&suite.name);
        (like.timeout, like.max_body) = (suite.timeout, suite.max_body);
        Ok(Self {
            asker: Asker::new(&like).map_err(|why| format!("{name}: {why}"))?,
            client: connector.connect(&place.origin).map_err(|why| format!("{name}: {why}"))?,
            templates: Templates::new(true),
            pace: Pace::new(suite.concurrency),
            prices: None,
            is_free: false,
            name,
        })
    }

    /// The same with prices of its own, if there are such.
    pub(super) fn priced(self, prices: Option<Prices>) -> Self {
        Self { prices, ..self }
    }

    /// The same, which takes no tokens.
    pub(super) fn free(self) -> Self {
        Self { is_free: true, ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The request that asks with these variables and messages.
    pub(super) fn request(&self, vars: &Scope, messages: &[Value]) -> Result<Request<Bytes>, Stop> {
        let request = self.asker.request(&self.templates, vars, messages, "judge");
        request.map_err(|why| self.untold(&why))
    }

    /// Asks once, and again after the pause that an answer of 429 asks for.
    pub(super) async fn ask(
        &self,
        request: Request<Bytes>,
        purse: &Purse<'_>,
    ) -> Result<Box<Answer>, Stop> {
        let (clock, suite) = (purse.clock, purse.suite);
        let mut tries = 0;
        loop {
            if let Some(pause) = self.pace.forbidden() {
                let pause = humantime::format_duration(pause);
                return Err(self.untold(&format!("status 429, again only after {pause}")));
            }
            self.pace.wait(clock).await;
            let call = purse.ledger.begin().map_err(Stop::Budget)?;
            let (reply, usage) = self.asker.ask(self.client.as_ref(), clock, request.clone()).await;
            match (&reply, usage) {
                (_, Some(usage)) => call.took_at(usage, self.prices.as_ref()),
                _ if self.is_free => call.took(Usage::default()),
                (Reply::Busy(_), None) => call.took_nothing(),
                (Reply::Answer(_), None) => call.took_untold(),
                (Reply::Malformed(_) | Reply::Lost(_), None) => drop(call),
            }
            match reply {
                Reply::Answer(answer) => {
                    self.pace.answered();
                    return Ok(answer);
                }
                Reply::Malformed(why) | Reply::Lost(why) => return Err(self.untold(&why)),
                Reply::Busy(after) => {
                    let pause = after.unwrap_or(PAUSE.saturating_mul(1 << tries.min(6)));
                    let now = clock.now();
                    if pause > suite.longest_pause || now.plus(pause) >= purse.deadline {
                        self.pace.forbid(pause);
                        continue;
                    }
                    self.pace.slow_down(now, pause);
                    if tries == suite.retries {
                        return Err(self.untold("status 429, however often it was asked"));
                    }
                    tries += 1;
                }
            }
        }
    }

    /// There is no verdict, for this reason.
    pub(super) fn untold(&self, why: &str) -> Stop {
        Stop::Untold(format!("{}: {why}", self.name))
    }
}
