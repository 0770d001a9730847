//! Asking a source, within bounds and without believing everything.

use std::time::Duration;

use bluegreen_core::{Color, Measurement, MetricSource, Timestamp, Trial, Window};

use super::compare::Frame;
use super::counts::Counts;

/// How far ahead of now a source is asked once for what it can't know.
const AHEAD: Duration = Duration::from_hours(24);

/// Why there are no numbers to judge by: asked, found and wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) asked: String,
    pub(crate) found: String,
    pub(crate) wanted: String,
}

impl Trouble {
    pub(crate) fn new(asked: impl Into<String>, [found, wanted]: [String; 2]) -> Self {
        Self { asked: asked.into(), found, wanted }
    }
}

/// A source and what it is asked for in one look.
pub(crate) struct Listener<'a> {
    pub(crate) source: &'a dyn MetricSource,
    pub(crate) frame: Frame<'a>,
    pub(crate) trial: &'a Trial,
}

impl Listener<'_> {
    /// What a slot has had in a stretch of time.
    pub(crate) async fn hear(&self, slot: Color, window: Window) -> Result<Counts, Trouble> {
        let asked = format!("{slot} {}", since(window));
        if window.length.is_zero() {
            return Ok(Counts::default());
        }
        let answer = self.ask(slot, window).await.map_err(|found| {
            let wanted = "an answer of the metric source".to_owned();
            Trouble::new(&asked, [found, wanted])
        })?;
        Counts::of(answer.as_ref(), self.frame.needs).map_err(|why| Trouble::new(asked, why))
    }

    /// Sees whether the source heeds the time that it is asked for: of tomorrow it can't know anything.
    pub(crate) async fn is_honest(&self, slot: Color, now: Timestamp) -> Result<(), Trouble> {
        let tomorrow = Window::new(now.plus(AHEAD), Duration::from_mins(1));
        // A source may well refuse such a question.
        let Ok(Some(told)) = self.ask(slot, tomorrow).await else { return Ok(()) };
        if told.count == 0 {
            return Ok(());
        }
        let found = format!("{} units of a minute that has not come yet", told.count);
        let wanted = "a source that heeds the time that it is asked for".to_owned();
        Err(Trouble::new(format!("{slot} tomorrow"), [found, wanted]))
    }

    async fn ask(&self, slot: Color, window: Window) -> Result<Option<Measurement>, String> {
        let metric = self.frame.metric();
        let timeout = self.frame.sampling.timeout;
        tokio::select! {
            biased;
            answer = self.source.measure(&metric, slot, window) => {
                answer.map_err(|error| error.chain())
            }
            () = self.trial.clock.sleep(timeout) => {
                Err(format!("no answer within {}", humantime::format_duration(timeout)))
            }
        }
    }
}

fn since(window: Window) -> String {
    let length = Duration::from_secs(window.length.as_secs().max(1));
    format!("in {} until {}", humantime::format_duration(length), window.until)
}
