//! Events as requests' bodies.

use bluegreen_core::{ApprovalRequest, Digest, Ports, ReleaseId, Timestamp};
use bytes::Bytes;
use serde_json::{Value, json};

use super::config::Format;
use super::event::{Event, cut};

/// What types of events begin with.
const TYPE: &str = "dev.bluegreen.release.";
/// The most characters of a message: Slack shows no more of one as one.
const MESSAGE: usize = 3_000;
/// The most characters of a version.
const NAME: usize = 200;

/// Whose events these are.
pub(super) struct Sender {
    format: Format,
    agent: String,
    cluster: String,
    source: String,
    /// This process, unlike any other.
    pub(super) instance: String,
}

/// A request that is not yet signed.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Bytes,
}

impl Sender {
    pub(super) fn new(format: Format, ports: &Ports) -> Self {
        let (agent, cluster) = (ports.agent.to_string(), ports.cluster.clone());
        let source = format!("/bluegreen/{}/{}", segment(&cluster), segment(&agent));
        let instance = ports.liveness.holder().to_string();
        Self { format, agent, cluster, source, instance }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.format {
            Format::CloudEvents => "application/cloudevents+json",
            Format::Slack => "application/json",
        }
    }

    /// The request that tells `event`, before which so many were lost.
    pub(super) fn message(&self, event: &Event, lost: u64) -> Message {
        let id = self.id(event);
        let body = match self.format {
            Format::CloudEvents => self.cloud_event(&id, event, lost),
            Format::Slack => json!({ "text": self.text(event, lost) }),
        };
        Message { id, body: Bytes::from(body.to_string()) }
    }

    /// The question whether a candidate may have traffic, asked at `at`. Its id is the same for the same
    /// request, whatever process asks.
    pub(super) fn question(&self, request: &ApprovalRequest, at: Timestamp) -> Message {
        let ApprovalRequest { release, digest, version, deadline, .. } = request;
        let deadline = deadline.to_string();
        let parts = ["approval", &self.source, release.as_str(), digest.as_str(), &deadline];
        let id = id_of("apr_", &Digest::of(parts));
        let version = cut(version.clone(), NAME);
        let body = json!({
            "specversion": "1.0",
            "id": id,
            "source": self.source,
            "type": format!("{TYPE}approval-requested"),
            "subject": release,
            "time": at,
            "datacontenttype": "application/json",
            "data": {
                "agent": self.agent,
                "cluster": self.cluster,
                "release": release,
                "text": format!("may {version} have traffic? until {deadline}"),
                "digest": digest,
                "version": version,
                "deadline": deadline,
            },
        });
        Message { id, body: Bytes::from(body.to_string()) }
    }

    /// The same for the same event, and for no other: no two processes have the same name, and within
    /// one no two events the same number and time. It has no dot, so that what is signed is read in
    /// one way only.
    fn id(&self, event: &Event) -> String {
        let (number, at) = (event.number.to_string(), event.at.to_string());
        id_of("evt_", &Digest::of([&self.source, &self.instance, &number, &at]))
    }

    fn cloud_event(&self, id: &str, event: &Event, lost: u64) -> Value {
        let mut data = event.data.clone();
        data.insert("agent".to_owned(), self.agent.as_str().into());
        data.insert("cluster".to_owned(), self.cluster.as_str().into());
        data.insert("release".to_owned(), json!(event.release));
        data.insert("text".to_owned(), event.text.as_str().into());
        data.insert("lost".to_owned(), lost.into());
        let mut body = json!({
            "specversion": "1.0",
            "id": id,
            "source": self.source,
            "type": format!("{TYPE}{}", event.what),
            "time": event.at,
            "datacontenttype": "application/json",
            "data": data,
        });
        // There is none before the release has its name, and it must not be empty.
        if let Some(release) = &event.release {
            body["subject"] = json!(release);
        }
        body
    }

    fn text(&self, event: &Event, lost: u64) -> String {
        let release = event.release.as_ref().map(ReleaseId::as_str);
        let release = release.map(|release| format!(", {release}")).unwrap_or_default();
        let lost = match lost {
            0 => String::new(),
            lost => format!("\n({lost} messages before this one were lost)"),
        };
        let text = format!("{} in {}{release}: {}", self.agent, self.cluster, event.text);
        escaped(&cut(text, MESSAGE)) + &lost
    }
}

/// 128 bits of a digest as an id.
fn id_of(kind: &str, digest: &Digest) -> String {
    let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
    format!("{kind}{}", hex.get(..32).unwrap_or(hex))
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Text that calls nobody and links nowhere. Slack takes `<…>` for its own and wants three characters
/// escaped; others who take the same messages call everybody at a plain `@channel`.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut shown = String::with_capacity(text.len());
    for (at, symbol) in text.char_indices() {
        shown.push(symbol);
        let calls = |word: &str| {
            let rest = text.get(at + 1..at + 1 + word.len());
            rest.is_some_and(|rest| rest.eq_ignore_ascii_case(word))
        };
        if symbol == '@' && ["channel", "here", "all", "everyone"].into_iter().any(calls) {
            // A space of no width: it reads the same.
            shown.push('\u{200b}');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Outcome, Progress, Timestamp};

    use super::*;

    fn sender(format: Format, instance: &str) -> Sender {
        Sender {
            format,
            agent: "agent-service".into(),
            cluster: "eu west".into(),
            source: format!("/bluegreen/{}/agent-service", segment("eu west")),
            instance: instance.into(),
        }
    }

    fn event(progress: &Progress) -> Event {
        let mut event = Event::of(progress, Timestamp::from_unix_millis(1_764_000_000_123));
        event.number = 3;
        event
    }

    fn body(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    #[test]
    fn a_cloud_event_has_all_its_attributes() {
        let mut released = event(&Progress::Finished { outcome: Outcome::Released });
        released.release = Some(ReleaseId::new("r7"));
        let sender = sender(Format::CloudEvents, "driver-1");
        let message = sender.message(&released, 2);
        let wanted = json!({
            "specversion": "1.0",
            "id": message.id,
            "source": "/bluegreen/eu%20west/agent-service",
            "type": "dev.bluegreen.release.released",
            "subject": "r7",
            "time": "2025-11-24T16:00:00.123Z",
            "datacontenttype": "application/json",
            "data": {
                "agent": "agent-service",
                "cluster": "eu west",
                "release": "r7",
                "text": "released",
                "lost": 2,
                "outcome": { "name": "released" },
            },
        });
        assert_eq!(body(&message), wanted);
        let early = sender.message(&event(&Progress::note("early")), 0);
        assert_eq!(body(&early).get("subject"), None);
    }

    #[test]
    fn an_id_is_that_of_one_event() {
        let (one, two) = (event(&Progress::note("a")), event(&Progress::note("b")));
        let driver = sender(Format::CloudEvents, "driver-1");
        assert_eq!(driver.id(&one), driver.message(&one, 9).id);
        let mut later = two.clone();
        later.number = 4;
        assert_ne!(driver.id(&one), driver.id(&later));
        assert_ne!(driver.id(&one), sender(Format::CloudEvents, "driver-2").id(&one));
        let id = driver.id(&one);
        assert!(id.len() == 36 && !id.contains('.'), "{id}");
    }

    #[test]
    fn a_message_calls_nobody_and_links_nowhere() {
        let said = "<!channel> <https://evil.example|here> a & b @channel @Here ann@example.com";
        let message = sender(Format::Slack, "driver-1").message(&event(&Progress::note(said)), 1);
        assert_eq!(
            body(&message),
            json!({ "text": "agent-service in eu west: &lt;!channel&gt; \
                &lt;https://evil.example|here&gt; a &amp; b @\u{200b}channel @\u{200b}Here \
                ann@example.com\n(1 messages before this one were lost)" })
        );
        let long = event(&Progress::note("ü&".repeat(9_000)));
        let text = body(&sender(Format::Slack, "driver-1").message(&long, 0))["text"].to_string();
        assert!(text.ends_with("…\"") && text.chars().count() < 6 * MESSAGE, "{}", text.len());
    }
}
