//! What the environment says about an agent at its start.

use std::str::FromStr;
use std::time::Duration;

/// The settings of one agent, all from `AGENT_*` variables but the pod's name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// `AGENT_VERSION`: what every answer says.
    pub(crate) version: String,
    /// `HOSTNAME`, which in a pod is the pod's name.
    pub(crate) pod: String,
    /// `AGENT_PORT`, 8000 by default; 0 lets the system choose.
    pub(crate) port: u16,
    /// `AGENT_UNREADY=1`: not ready until told otherwise.
    pub(crate) unready: bool,
    /// `AGENT_FAIL_RATE`: the share of requests that fail, from 0 to 1.
    pub(crate) fail_rate: f64,
    /// `AGENT_SLOW_MS`: what every request waits before its answer.
    pub(crate) slow: Duration,
    /// `AGENT_WARM_AFTER`: how many requests it is cold for, as a model is after its start.
    pub(crate) warm_after: u64,
    /// `AGENT_COLD_MS`, 1000 by default: what each of them waits besides.
    pub(crate) cold: Duration,
    /// `AGENT_IGNORE_SIGTERM=1`: only SIGKILL ends it.
    pub(crate) ignore_sigterm: bool,
    /// `AGENT_CRASH_AFTER_MS`: exits with 1 that long after its start.
    pub(crate) crash_after: Option<Duration>,
    /// `AGENT_PROMPT_FILE`: what `/prompt` answers with, read each time.
    pub(crate) prompt_file: Option<String>,
    /// `AGENT_QUEUE_URL`: what it pulls work from, and by what right. A server only where it is not set.
    pub(crate) worker: Option<Worker>,
    /// `AGENT_START_DELAY_MS`: how long it does not listen at first.
    pub(crate) start_delay: Duration,
    /// `AGENT_TERM_DELAY_MS`: how long it still accepts connections after SIGTERM, as a
    /// service must whose clients hear of its end later than it does.
    pub(crate) term_delay: Duration,
}

/// What an agent needs to know to pull work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worker {
    /// `AGENT_QUEUE_URL`: the queue, `http://` only.
    pub(crate) queue: String,
    /// `AGENT_SLOT`: whose right it may use.
    pub(crate) slot: String,
    /// `AGENT_RIGHT_URL` or `AGENT_RIGHT_FILE`: where the slot that has the right is read.
    pub(crate) right: Source,
}

/// Where something is read, each time anew.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Asked for by GET.
    Url(String),
    /// A mounted file.
    File(String),
}

impl Config {
    /// Reads the settings through `get`, which looks a variable up.
    ///
    /// A value that makes no sense is an error that names the variable: a test that
    /// misspells a fault must not pass against a healthy agent.
    pub(crate) fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let millis = |name| parse(&get, name).map(|ms| ms.map(Duration::from_millis));
        // Beside a Service named `agent`, Kubernetes itself sets AGENT_PORT to that one's URL.
        let not_a_service = |name: &str| get(name).filter(|value| !value.starts_with("tcp://"));
        let flag = |name| match get(name).as_deref() {
            None | Some("" | "0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => Err(format!("{name} is {other:?}: 1, 0 or nothing is meant")),
        };
        Ok(Self {
            version: get("AGENT_VERSION").unwrap_or_else(|| "unknown".to_owned()),
            pod: get("HOSTNAME").unwrap_or_default(),
            port: parse(&not_a_service, "AGENT_PORT")?.unwrap_or(8000),
            unready: flag("AGENT_UNREADY")?,
            fail_rate: match get("AGENT_FAIL_RATE").filter(|value| !value.is_empty()) {
                None => 0.0,
                Some(value) => rate(&value).ok_or_else(|| {
                    format!("AGENT_FAIL_RATE is {value:?}: a number from 0 to 1 is meant")
                })?,
            },
            slow: millis("AGENT_SLOW_MS")?.unwrap_or_default(),
            warm_after: parse(&get, "AGENT_WARM_AFTER")?.unwrap_or_default(),
            cold: millis("AGENT_COLD_MS")?.unwrap_or(Duration::from_secs(1)),
            ignore_sigterm: flag("AGENT_IGNORE_SIGTERM")?,
            crash_after: millis("AGENT_CRASH_AFTER_MS")?,
            prompt_file: get("AGENT_PROMPT_FILE").filter(|value| !value.is_empty()),
            worker: worker(&get)?,
            start_delay: millis("AGENT_START_DELAY_MS")?.unwrap_or_default(),
            term_delay: millis("AGENT_TERM_DELAY_MS")?.unwrap_or_default(),
        })
    }
}

fn worker(get: &impl Fn(&str) -> Option<String>) -> Result<Option<Worker>, String> {
    let set = |name: &str| get(name).filter(|value| !value.is_empty());
    let Some(queue) = set("AGENT_QUEUE_URL") else { return Ok(None) };
    let slot = set("AGENT_SLOT").ok_or("AGENT_SLOT is not set: AGENT_QUEUE_URL needs it")?;
    let right = match (set("AGENT_RIGHT_URL"), set("AGENT_RIGHT_FILE")) {
        (Some(url), None) => Source::Url(url),
        (None, Some(file)) => Source::File(file),
        _ => return Err("AGENT_RIGHT_URL or AGENT_RIGHT_FILE: one of them is meant".to_owned()),
    };
    Ok(Some(Worker { queue, slot, right }))
}

/// A share from 0 to 1.
pub(crate) fn rate(value: &str) -> Option<f64> {
    value.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))
}

fn parse<T: FromStr>(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
) -> Result<Option<T>, String> {
    match get(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => value
            .parse()
            .map(Some)
            .map_err(|_| format!("{name} is {value:?}: a whole number is meant")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(set: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_env(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_is_a_healthy_agent() {
        let config = config(&[]).unwrap();
        assert_eq!(config.port, 8000);
        assert_eq!(config.version, "unknown");
        assert!(!config.unready && !config.ignore_sigterm && config.crash_after.is_none());
        assert!(config.fail_rate == 0.0 && config.slow.is_zero() && config.start_delay.is_zero());
    }

    #[test]
    fn faults_are_read() {
        let config = config(&[
            ("AGENT_VERSION", "1.3.0"),
            ("AGENT_UNREADY", "1"),
            ("AGENT_FAIL_RATE", "0.25"),
            ("AGENT_CRASH_AFTER_MS", "10"),
            ("AGENT_WARM_AFTER", "4"),
        ])
        .unwrap();
        assert_eq!(config.version, "1.3.0");
        assert!(config.unready);
        assert!((config.fail_rate - 0.25).abs() < f64::EPSILON);
        assert_eq!(config.crash_after, Some(Duration::from_millis(10)));
        assert_eq!((config.warm_after, config.cold), (4, Duration::from_secs(1)));
    }

    #[test]
    fn the_url_of_a_service_named_agent_is_no_port() {
        assert_eq!(config(&[("AGENT_PORT", "tcp://10.0.0.1:80")]).unwrap().port, 8000);
        assert_eq!(config(&[("AGENT_PORT", "9000")]).unwrap().port, 9000);
    }

    #[test]
    fn a_worker_needs_a_slot_and_one_source_of_its_right() {
        let queue = ("AGENT_QUEUE_URL", "http://10.0.0.1:80");
        let (slot, file) = (("AGENT_SLOT", "blue"), ("AGENT_RIGHT_FILE", "/right/pull"));
        assert_eq!(config(&[slot, file]).unwrap().worker, None);
        assert!(config(&[queue, file]).unwrap_err().contains("AGENT_SLOT"));
        assert!(config(&[queue, slot]).unwrap_err().contains("AGENT_RIGHT_FILE"));
        let url = ("AGENT_RIGHT_URL", "http://10.0.0.1:80/right");
        assert!(config(&[queue, slot, file, url]).unwrap_err().contains("one of them"));
        let worker = config(&[queue, slot, file]).unwrap().worker.unwrap();
        assert_eq!(worker.right, Source::File("/right/pull".to_owned()));
    }

    #[test]
    fn nonsense_is_named() {
        for (name, value) in [
            ("AGENT_PORT", "http"),
            ("AGENT_UNREADY", "yes"),
            ("AGENT_FAIL_RATE", "1.5"),
            ("AGENT_FAIL_RATE", "NaN"),
            ("AGENT_SLOW_MS", "-1"),
        ] {
            let message = config(&[(name, value)]).unwrap_err();
            assert!(message.contains(name) && message.contains(value), "{message}");
        }
    }
}
