//! A cassette in a run: which exchange is which, and whether it is there.

use bluegreen_core::{Digest, Result, Side, Timestamp, Trial};
use bytes::Bytes;
use http::Request;

use super::line::{Head, Line, Named, Said, SaidAnswer, VERSION, hidden_body};
use super::{Cassette, CassetteMode, refused};
use crate::excerpt::Mask;
use crate::prompt::answer::Answer;
use crate::prompt::ask::Reply;
use crate::prompt::report::redacted;
use crate::prompt::suite::Suite;

/// The longest body that is kept of a request.
const BODY: usize = 64 * 1024;

/// A cassette that is of this suite and of these slots.
pub(in crate::prompt) struct Session<'a> {
    cassette: &'a Cassette,
    live: Digest,
    idle: Digest,
    mask: &'a Mask,
    recorded: Timestamp,
}

/// Which question.
#[derive(Clone, Copy)]
pub(in crate::prompt) struct Asked<'a> {
    pub(in crate::prompt) slot: &'a str,
    pub(in crate::prompt) case: &'a str,
    pub(in crate::prompt) turn: usize,
    pub(in crate::prompt) repeat: u32,
}

/// What a cassette has for a question.
pub(in crate::prompt) enum Sought {
    /// The answer, in a conversation of this name.
    Found(Reply, String),
    /// Nothing: it is to be asked, and what comes kept under this key.
    Ask(Digest),
    /// Nothing, and nobody is to be asked.
    Missing(String),
}

impl<'a> Session<'a> {
    /// Begins a file, or says why one that has begun is not of this run.
    pub(in crate::prompt) fn begin(
        cassette: &'a Cassette,
        suite: &Suite,
        mask: &'a Mask,
        trial: &Trial,
    ) -> Result<Self> {
        let (live, idle) = (runs(&trial.live), runs(&trial.candidate));
        let named =
            |side: &Side, digest: &Digest| Named::new(side.state.running.to_string(), digest);
        let head = Head {
            cassette: VERSION,
            suite: Named::new(&suite.name, &suite.asked_digest()),
            live: named(&trial.live, &live),
            idle: named(&trial.candidate, &idle),
            agent: Some(suite.agent_digest().to_string()),
            recorded: trial.clock.now(),
        };
        let path = &cassette.0.path;
        let mut state = cassette.state();
        if let Some(found) = &state.tape.head {
            let others = others(found, &head);
            if !others.is_empty() {
                let others = others.join("; ");
                let why = format!("it is of another run: {others}; record it into another file");
                return Err(refused(path, why));
            }
        }
        let recorded = match &state.tape.head {
            Some(found) if !state.tape.is_stale => found.recorded,
            _ => {
                let now = head.recorded;
                state.tape.begin(head).map_err(|why| refused(path, why))?;
                now
            }
        };
        drop(state);
        Ok(Self { cassette, live, idle, mask, recorded })
    }

    /// Whether nobody is asked.
    pub(in crate::prompt) fn replays(&self) -> bool {
        self.cassette.0.mode == CassetteMode::Replay
    }

    /// Whether there is something of both slots on a case.
    pub(in crate::prompt) fn has(&self, case: &str, repeat: u32) -> bool {
        let state = self.cassette.state();
        ["live", "idle"].iter().all(|slot| state.tape.has_heard(slot, case, repeat))
    }

    /// Whether there was something of live on a case when it was opened.
    pub(in crate::prompt) fn has_live(&self, case: &str, repeat: u32) -> bool {
        self.cassette.state().tape.has_heard("live", case, repeat)
    }

    /// How reports call it.
    pub(in crate::prompt) fn shown(&self) -> String {
        let what = match self.cassette.0.mode {
            CassetteMode::Record => "recorded into",
            CassetteMode::Replay => "replayed from",
            CassetteMode::Refresh => "recorded anew into",
        };
        let path = self.cassette.0.path.display();
        redacted(self.mask, &format!("{what} {path}, begun {}", self.recorded))
    }

    /// What there is for a question, whose `request` is made with a conversation of a fixed name. In a
    /// conversation that `is_asked` has begun anew there is nothing: one answer knows of those before.
    pub(in crate::prompt) fn seek(
        &self,
        asked: Asked<'_>,
        request: &Request<Bytes>,
        is_asked: bool,
    ) -> Sought {
        let key = self.key(asked, request);
        if is_asked {
            return Sought::Ask(key);
        }
        let mut state = self.cassette.state();
        let mut absent = "not recorded";
        match state.tape.find(key.as_str()) {
            Ok(Some(line)) if line.hidden => {
                absent = "hidden in part, so it can't be judged again";
            }
            Ok(Some(line)) => {
                state.counts.replayed += 1;
                return Sought::Found(line.reply.reply(), line.conversation);
            }
            Ok(None) => {}
            Err(why) => {
                state.counts.missing += 1;
                return Sought::Missing(self.missing(asked, &format!("not to be read ({why})")));
            }
        }
        if self.cassette.0.mode == CassetteMode::Replay {
            state.counts.missing += 1;
            return Sought::Missing(self.missing(asked, absent));
        }
        Sought::Ask(key)
    }

    fn missing(&self, asked: Asked<'_>, why: &str) -> String {
        let Asked { slot, case, turn, repeat } = asked;
        let path = self.cassette.0.path.display();
        let (turn, repeat) = (turn + 1, repeat + 1);
        format!("{why}: {slot} on case {case}, turn {turn}, repeat {repeat}, in cassette {path}")
    }

    fn key(&self, asked: Asked<'_>, request: &Request<Bytes>) -> Digest {
        let runs = if asked.slot == "live" { &self.live } else { &self.idle };
        key(asked, runs, request, self.mask)
    }

    /// Keeps an answer. What came to nothing is not kept, since it is to be asked again.
    pub(in crate::prompt) fn keep(
        &self,
        key: &Digest,
        asked: Asked<'_>,
        conversation: &str,
        request: &[u8],
        reply: &Reply,
        at: Timestamp,
    ) {
        let (said, hidden) = match reply {
            Reply::Answer(answer) => self.said(answer),
            Reply::Malformed(found) => (Said::Malformed(redacted(self.mask, found)), false),
            Reply::Busy(_) | Reply::Lost(_) => return,
        };
        let line = Line {
            key: key.as_str().to_owned(),
            slot: asked.slot.to_owned(),
            case: asked.case.to_owned(),
            turn: asked.turn,
            repeat: asked.repeat,
            at,
            conversation: conversation.to_owned(),
            request: (request.len() <= BODY).then(|| hidden_body(self.mask, request)),
            reply: said,
            hidden,
        };
        let mut state = self.cassette.state();
        if state.problem.is_some() {
            return;
        }
        match state.tape.add(&line) {
            Ok(true) => state.counts.recorded += 1,
            Ok(false) => state.counts.left_out += 1,
            Err(why) => state.problem = Some(why),
        }
    }

    fn said(&self, answer: &Answer) -> (Said, bool) {
        let (said, hidden) = SaidAnswer::of(answer, self.mask);
        (Said::Answer(Box::new(said)), hidden)
    }
}

/// What decides an answer: what the slot runs, and what it is asked for the how-manieth time.
pub(super) fn key(
    asked: Asked<'_>,
    runs: &Digest,
    request: &Request<Bytes>,
    mask: &Mask,
) -> Digest {
    let path = request.uri().path_and_query().map_or("", |it| it.as_str());
    let body = hidden_body(mask, request.body());
    Digest::of([
        "bluegreen cassette 1",
        asked.slot,
        runs.as_str(),
        asked.case,
        &asked.turn.to_string(),
        &asked.repeat.to_string(),
        request.method().as_str(),
        &redacted(mask, path),
        &crate::canonical::canonical(&body),
    ])
}

/// What a slot really runs: a tag may have moved since.
pub(super) fn runs(side: &Side) -> Digest {
    let binding = side.state.binding();
    if binding.image_ids.is_empty() {
        return binding.digest;
    }
    let images = binding.image_ids.iter().map(String::as_str);
    Digest::of([binding.digest.as_str()].into_iter().chain(images))
}

/// In what a cassette that has this head is of another run.
fn others(found: &Head, wanted: &Head) -> Vec<String> {
    let all = [
        ("suite", &found.suite, &wanted.suite),
        ("live", &found.live, &wanted.live),
        ("idle", &found.idle, &wanted.idle),
    ];
    let others = all.iter().filter(|(_, found, wanted)| found.digest != wanted.digest);
    others.map(|(what, found, wanted)| format!("{what}: found {found}, wanted {wanted}")).collect()
}
