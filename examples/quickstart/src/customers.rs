//! Customers who come with a need, ask once more if the answer is of no use, and go: helped, or not.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bluegreen_core::{Assignment, Clock as _, Share, SystemClock};
use bluegreen_validate::Exposures;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tokio::time::interval;

use crate::agent::{CONVERSATION, SLOT, lock, question};

/// What is told at the end of a conversation: 1 if the customer got what was needed.
pub(crate) const COMPLETED: &str = "completed";

/// What is told later, by somebody who reads what was said: 1 if it was about the customer's parcel.
pub(crate) const RIGHT: &str = "right";

/// How often that is done.
const READS: Duration = Duration::from_millis(200);

/// How often a customer asks before giving up.
const PATIENCE: usize = 2;

/// All customers of one scene. Who they are follows from their numbers: each time the same ones come.
pub(crate) struct Customers {
    exposures: Exposures,
    lobby: Mutex<Lobby>,
}

#[derive(Default)]
struct Lobby {
    came: u64,
    /// They want to ask again.
    waiting: VecDeque<Conversation>,
    /// Nobody has read yet what they were told.
    unread: Vec<Conversation>,
}

/// One customer's, from the first question on.
pub(crate) struct Conversation {
    unit: String,
    parcel: u64,
    /// What the first answer has said that it came from.
    slot: Option<HeaderValue>,
    answers: Vec<String>,
}

impl Customers {
    /// Nobody yet. What comes of conversations is told to `exposures`, which knows who saw which version.
    pub(crate) fn new(exposures: Exposures) -> Self {
        Self { exposures, lobby: Mutex::default() }
    }

    /// Who asks next: somebody who waits to ask again, or else somebody new.
    pub(crate) fn next(&self) -> Conversation {
        let mut lobby = lock(&self.lobby);
        if let Some(waiting) = lobby.waiting.pop_front() {
            return waiting;
        }
        lobby.came += 1;
        Conversation::new(lobby.came)
    }

    /// What a customer makes of an answer, or of none.
    pub(crate) fn heard(&self, mut conversation: Conversation, answer: Option<&Response<Bytes>>) {
        let is_helped = answer.is_some_and(|answer| conversation.hear(answer));
        let asks_again = answer.is_some() && !is_helped && !conversation.gives_up();
        if asks_again {
            lock(&self.lobby).waiting.push_back(conversation);
            return;
        }
        let value = if is_helped { 1.0 } else { 0.0 };
        self.exposures.outcome(&conversation.unit, COMPLETED, value, SystemClock.now());
        lock(&self.lobby).unread.push(conversation);
    }

    /// Reads what customers were told, for as long as it is waited for. It knows nothing of versions.
    pub(crate) async fn read(&self) -> std::convert::Infallible {
        let mut turns = interval(READS);
        loop {
            turns.tick().await;
            for conversation in std::mem::take(&mut lock(&self.lobby).unread) {
                let value = if conversation.is_right() { 1.0 } else { 0.0 };
                self.exposures.outcome(&conversation.unit, RIGHT, value, SystemClock.now());
            }
        }
    }
}

impl Conversation {
    fn new(number: u64) -> Self {
        let (unit, parcel) = (format!("conversation-{number}"), 4_000 + number);
        Self { unit, parcel, slot: None, answers: Vec::new() }
    }

    pub(crate) fn question(&self) -> Request<Bytes> {
        let parcel = self.parcel;
        let mut request = question(&match self.answers.len() {
            // The agent takes all digits for the number of the parcel.
            0 if self.is("careless", 3) => format!("Where are my 2 parcels, such as {parcel}?"),
            0 => format!("Where is parcel {parcel}?"),
            _ => format!("Can I have parcel {parcel} in another way?"),
        });
        let headers = request.headers_mut();
        if let Ok(unit) = self.unit.parse() {
            headers.insert(CONVERSATION, unit);
        }
        if let Some(slot) = &self.slot {
            headers.insert(SLOT, slot.clone());
        }
        request
    }

    /// Whether it is what the customer needs. Who is at home wants to know when, others what else can be
    /// done; and some are called away and never read it.
    fn hear(&mut self, answer: &Response<Bytes>) -> bool {
        if self.slot.is_none() {
            self.slot = answer.headers().get(SLOT).cloned();
        }
        let said = String::from_utf8_lossy(answer.body()).into_owned();
        let need = if self.is("at home", 50) { "Tuesday" } else { "neighbours" };
        let is_helped = said.contains(need) && !self.is("called away", 10);
        self.answers.push(said);
        is_helped
    }

    fn gives_up(&self) -> bool {
        self.answers.len() >= PATIENCE || self.is("called away", 10)
    }

    /// Whether this customer is one of so many in a hundred.
    fn is(&self, what: &str, percent: u32) -> bool {
        Assignment::new(what).is_candidate(&self.unit, Share::percent(percent))
    }

    fn is_right(&self) -> bool {
        let wanted = format!("Parcel {}:", self.parcel);
        !self.answers.is_empty() && self.answers.iter().all(|said| said.contains(&wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(said: &str) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::from(said.to_owned()));
        answer.headers_mut().insert(SLOT, HeaderValue::from_static("green"));
        answer
    }

    /// The first who is like this.
    fn customer(is_wanted: impl Fn(&Conversation) -> bool) -> Conversation {
        (1..1_000).map(Conversation::new).find(is_wanted).expect("one in a thousand")
    }

    fn asked(conversation: &Conversation) -> (String, Option<String>) {
        let question = conversation.question();
        let slot = question.headers().get(SLOT).map(|it| it.to_str().unwrap().to_owned());
        (String::from_utf8(question.body().to_vec()).unwrap(), slot)
    }

    #[test]
    fn who_is_not_at_home_asks_again_and_stays_on_the_slot_that_answered() {
        let customers = Customers::new(Exposures::new());
        let away = customer(|it| {
            !it.is("at home", 50) && !it.is("careless", 3) && !it.is("called away", 10)
        });
        let parcel = away.parcel;
        assert_eq!(asked(&away), (format!("Where is parcel {parcel}?"), None));
        customers.heard(away, Some(&answer("It comes on Tuesday.")));
        let again = customers.next();
        let wanted = format!("Can I have parcel {parcel} in another way?");
        assert_eq!(asked(&again), (wanted, Some("green".to_owned())));
        customers.heard(again, Some(&answer("It comes on Tuesday.")));
        assert!(customers.next().answers.is_empty(), "whoever has asked twice gives up");
    }

    #[tokio::test]
    async fn what_came_of_a_conversation_is_told_at_its_end_and_what_was_said_later() {
        let (exposures, at) = (Exposures::new(), SystemClock.now());
        let customers = Customers::new(exposures.clone());
        let helped = customer(|it| it.is("at home", 50) && !it.is("called away", 10));
        exposures.expose(&helped.unit, bluegreen_core::Color::Green, "1.8.0", at);
        let (unit, parcel) = (helped.unit.clone(), helped.parcel);
        customers.heard(helped, Some(&answer(&format!("Parcel {parcel}: it comes on Tuesday."))));
        let told = |metric: &str| {
            use bluegreen_validate::experiment::Noted;
            // An older one is known to be outdated only if there is one.
            exposures.outcome(&unit, metric, 0.0, at) != Noted::Kept
        };
        assert!(told(COMPLETED));
        let lobby = lock(&customers.lobby).unread.len();
        assert_eq!(lobby, 1);
        tokio::select! {
            biased;
            never = customers.read() => match never {},
            () = async {
                while !lock(&customers.lobby).unread.is_empty() {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        assert!(told(RIGHT));
    }

    #[test]
    fn it_is_right_only_if_every_answer_is_about_the_parcel() {
        let mut conversation = Conversation::new(711);
        assert!(!conversation.is_right(), "nothing was said");
        conversation.answers = vec!["Parcel 4711: it is on its way.".to_owned()];
        assert!(conversation.is_right());
        conversation.answers.push("Parcel 24711: it is on its way.".to_owned());
        assert!(!conversation.is_right());
    }
}
