//! Who is told, how, and how patiently.

use std::time::Duration;

use bluegreen_core::{Problem, Sensitive};
use http::{HeaderValue, Uri};

use super::signature::SigningKey;

/// Longer than any answer, or any pause, is waited for.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// The most events that wait.
const MOST_WAITING: usize = 100_000;
/// The most tries.
const MOST_TRIES: u32 = 100;

/// What the receiver takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// `CloudEvents` 1.0, one to a request, in structured mode.
    CloudEvents,
    /// `{"text": …}`, as Slack's incoming webhooks take it.
    Slack,
}

/// How much is told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Detail {
    /// How releases end, or that they are stuck.
    Outcomes,
    /// Also phases, traffic that moved, takeovers, warnings, and validators that fail.
    Milestones,
    /// Everything: also each look of each guard, tries, and the work in hand of a slot that drains.
    Everything,
}

/// Who is told, how, and how patiently.
///
/// ```
/// use bluegreen_validate::notify::{Detail, NotifyConfig};
///
/// let config = NotifyConfig::slack("http://chat.tools/services/T0/B0/secret").detail(Detail::Outcomes);
/// assert!(config.problems().is_empty());
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotifyConfig {
    /// The whole URL. Path and query are never shown: they may be what lets one in.
    pub url: Sensitive,
    /// What the receiver takes.
    pub format: Format,
    /// Keys that events are signed with, each by itself, so that keys can be changed while both are
    /// in use.
    pub keys: Vec<SigningKey>,
    /// A token that goes with each request as `authorization: Bearer`.
    pub bearer: Option<Sensitive>,
    /// How much is told.
    pub detail: Detail,
    /// How many events wait at most; 256 by default.
    pub queue: usize,
    /// How often an event is tried at most; 5 by default.
    pub tries: u32,
    /// How long one try may take; 10 s by default.
    pub timeout: Duration,
    /// About how long the pause after the first try is; 500 ms by default. Each is twice as long as
    /// the one before.
    pub first_pause: Duration,
    /// How long such a pause gets at most; 30 s by default.
    pub longest_pause: Duration,
    /// How long a pause that the receiver asks for may be; 2 min by default. One that asks for
    /// more does not get the event.
    pub patience: Duration,
    /// What the jitter of pauses follows from; by default each process has its own.
    pub seed: Option<u64>,
}

/// Where a URL leads.
pub(super) struct Address {
    pub(super) is_tls: bool,
    /// Host and port.
    pub(super) host: String,
    /// Path and query.
    pub(super) path: Uri,
}

impl NotifyConfig {
    /// Everything, as `CloudEvents`.
    pub fn cloud_events(url: impl Into<String>) -> Self {
        Self::new(url, Format::CloudEvents, Detail::Everything)
    }

    /// Milestones, for people in a chat.
    pub fn slack(url: impl Into<String>) -> Self {
        Self::new(url, Format::Slack, Detail::Milestones)
    }

    fn new(url: impl Into<String>, format: Format, detail: Detail) -> Self {
        Self {
            url: Sensitive::new(url),
            format,
            keys: Vec::new(),
            bearer: None,
            detail,
            queue: 256,
            tries: 5,
            timeout: Duration::from_secs(10),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            patience: Duration::from_mins(2),
            seed: None,
        }
    }

    /// Signs with `key`, too.
    #[must_use]
    pub fn sign(mut self, key: SigningKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Sends `token` with each request.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(Sensitive::new(token));
        self
    }

    /// How much is told.
    #[must_use]
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// Everything that is wrong with these settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |code: &str, field: &str, found: String, wanted: String| {
            let problem = Problem::new(code, format!("notify, {field}"));
            problems.push(problem.found(found).wanted(wanted));
        };
        if let Err(wanted) = self.address() {
            say("notify-url", "url", format!("`{}`", self.shown()), wanted.to_owned());
        }
        if self.bearer.is_some() && self.authorization().is_err() {
            let found = "a token that no header can hold".to_owned();
            say("notify-bearer", "bearer", found, "printable ASCII on one line".to_owned());
        }
        let mut check = |field: &str, found: u64, most: u64| {
            if found == 0 || found > most {
                say("notify-count", field, found.to_string(), format!("1 to {most}"));
            }
        };
        check("queue", self.queue as u64, MOST_WAITING as u64);
        check("tries", self.tries.into(), MOST_TRIES.into());
        let durations = [
            ("timeout", self.timeout),
            ("first_pause", self.first_pause),
            ("longest_pause", self.longest_pause),
            ("patience", self.patience),
        ];
        for (field, duration) in durations {
            if duration.is_zero() || duration > LONGEST_WAIT {
                let found = humantime::format_duration(duration).to_string();
                let most = humantime::format_duration(LONGEST_WAIT);
                let wanted = format!("more than nothing and at most {most}");
                say("notify-duration", field, found, wanted);
            }
        }
        if self.longest_pause < self.first_pause {
            let found = humantime::format_duration(self.longest_pause).to_string();
            say("notify-duration", "longest_pause", found, "at least first_pause".to_owned());
        }
        problems
    }

    /// Where the URL leads.
    ///
    /// # Errors
    /// What is wanted instead.
    pub(super) fn address(&self) -> Result<Address, &'static str> {
        let url = self.url.reveal().ok_or("a URL, and not only its digest")?;
        let uri: Uri = url.parse().map_err(|_| "a URL like http://hooks:8080/releases")?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("a URL that begins with http:// or https://"),
        };
        let authority = uri.authority().filter(|it| !it.host().is_empty());
        let authority = authority.ok_or("a URL with a host")?;
        if authority.as_str().contains('@') || url.contains('#') {
            return Err("a URL without a user and without a fragment; a token is a bearer");
        }
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let host = format!("{}:{port}", authority.host());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse().map_err(|_| "a URL with a path that can be sent")?;
        Ok(Address { is_tls, host, path })
    }

    /// As much of the URL as may be shown: scheme and host.
    pub(super) fn shown(&self) -> String {
        let url = self.url.reveal().unwrap_or_default();
        let Some((scheme @ ("http" | "https"), rest)) = url.split_once("://") else {
            return "…".to_owned();
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let host: String = host.chars().filter(|c| is_plain(*c)).take(253).collect();
        format!("{scheme}://{host}/…")
    }

    /// The header that lets one in, if there is one.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, http::Error> {
        let Some(token) = self.bearer.as_ref().and_then(Sensitive::reveal) else { return Ok(None) };
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_come_at_once_and_repeat_no_secret() {
        let url = "ftp://me:hunter2@hooks.example.com/services/hunter2?key=hunter2";
        let mut config = NotifyConfig::cloud_events(url).bearer("hunter2\n");
        (config.queue, config.tries, config.timeout) = (0, 1000, Duration::ZERO);
        config.longest_pause = Duration::from_millis(1);
        let problems = config.problems();
        let objects: Vec<&str> = problems.iter().map(|it| it.object.as_str()).collect();
        assert_eq!(
            objects,
            [
                "notify, url",
                "notify, bearer",
                "notify, queue",
                "notify, tries",
                "notify, timeout",
                "notify, longest_pause"
            ]
        );
        let told = format!("{problems:?} {config:?}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_url_is_taken_or_refused_and_shown_without_its_path() {
        let refused = [
            "",
            "hooks",
            "/releases",
            "hooks:8080",
            "http://",
            "http:///x",
            "http://a b/",
            "http://hooks/#part",
            "http://me:hunter2@hooks/",
        ];
        for url in refused {
            let config = NotifyConfig::cloud_events(url);
            let problems = config.problems();
            assert_eq!(problems.len(), 1, "{url}: {problems:?}");
            assert!(!problems[0].to_string().contains("hunter2"), "{problems:?}");
        }
        let config = NotifyConfig::slack("https://hooks.example.com/services/T0/B0/hunter2?x=y");
        let address = config.address().unwrap();
        assert_eq!((address.is_tls, &*address.host), (true, "hooks.example.com:443"));
        assert_eq!(address.path.to_string(), "/services/T0/B0/hunter2?x=y");
        assert_eq!(config.shown(), "https://hooks.example.com/…");
        let address = NotifyConfig::slack("http://[::1]:8080").address().unwrap();
        assert_eq!((&*address.host, address.path.to_string()), ("[::1]:8080", "/".to_owned()));
    }
}
