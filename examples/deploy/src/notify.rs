//! What releases tell to a receiver over HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use bluegreen_core::{Ports, Sensitive};
use bluegreen_validate::notify::{Notifier, NotifyConfig, SigningKey};
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::https::HttpsClient;
use crate::{Failure, show};

/// Who is told what happens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Notify {
    /// Where to tell what happens: a URL, http or https. Better by the variable, since others see
    /// command lines.
    #[arg(long = "notify", global = true, value_name = "URL", env = "BLUEGREEN_NOTIFY")]
    #[arg(hide_env_values = true, value_parser = sensitive())]
    pub(crate) url: Option<Sensitive>,
    /// What the receiver takes.
    #[arg(long = "notify-as", global = true, value_enum, default_value_t = As::CloudEvents)]
    pub(crate) format: As,
    /// A file with the key that events are signed with: `whsec_` and base64 of 24 to 64 bytes. Several
    /// files, several signatures.
    #[arg(long = "notify-key-file", global = true, value_name = "FILE")]
    pub(crate) key_files: Vec<PathBuf>,
}

/// What a receiver takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum As {
    /// `CloudEvents` 1.0, everything.
    #[value(name = "cloudevents")]
    CloudEvents,
    /// `{"text": …}`, milestones: Slack, Mattermost, Rocket.Chat.
    Slack,
}

/// Whatever it is, it is not shown.
pub(crate) fn sensitive() -> impl TypedValueParser<Value = Sensitive> {
    StringValueParser::new().map(Sensitive::new)
}

impl Notify {
    /// Who tells what happens through `ports`, if somebody wants to hear it.
    pub(crate) fn notifier(&self, ports: &Ports) -> Result<Option<Notifier>, Failure> {
        let Some(config) = self.config()? else { return Ok(None) };
        // Where it is no URL at all, the notifier says so, together with everything else.
        let is_tls = config.url.reveal().is_some_and(|url| url.starts_with("https://"));
        let notifier = if is_tls {
            let client = HttpsClient::new(config.url.reveal().unwrap_or_default())?;
            Notifier::through(Arc::new(client), config, ports)
        } else {
            Notifier::new(config, ports)
        };
        notifier.map(Some).map_err(|error| Failure::Error(error.to_string()))
    }

    fn config(&self) -> Result<Option<NotifyConfig>, Failure> {
        let Some(url) = self.url.as_ref().and_then(Sensitive::reveal) else {
            if self.key_files.is_empty() {
                return Ok(None);
            }
            let text = "--notify-key-file: found no --notify, wanted somebody to tell";
            return Err(Failure::Error(text.to_owned()));
        };
        let config = match self.format {
            As::CloudEvents => NotifyConfig::cloud_events(url),
            As::Slack => NotifyConfig::slack(url),
        };
        signed(config, "--notify-key-file", &self.key_files).map(Some)
    }
}

/// The same settings with the keys of these files.
pub(crate) fn signed(
    config: NotifyConfig,
    option: &str,
    files: &[PathBuf],
) -> Result<NotifyConfig, Failure> {
    files.iter().try_fold(config, |config, file| {
        let fail = |error: &dyn std::fmt::Display| {
            Failure::Error(format!("{option} {}: {error}", file.display()))
        };
        let text = std::fs::read_to_string(file).map_err(|error| fail(&error))?;
        Ok(config.sign(SigningKey::parse(&text).map_err(|error| fail(&error))?))
    })
}

/// Waits a little for what is still to be told, and says what was not.
pub(crate) async fn flush(notifier: Option<&Notifier>) {
    let Some(notifier) = notifier else { return };
    let delivery = notifier.flush(std::time::Duration::from_secs(10)).await;
    if !delivery.is_complete() {
        show::warning(&delivery.to_string());
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn parsed(arguments: &[&str]) -> Notify {
        let all = ["deploy", "status"].iter().chain(arguments);
        Cli::try_parse_from(all).unwrap().notify
    }

    #[test]
    fn nobody_is_told_unless_somebody_is_named() {
        assert!(parsed(&[]).config().unwrap().is_none());
        let alone = parsed(&["--notify-key-file", "key"]).config();
        assert!(matches!(alone, Err(Failure::Error(text)) if text.contains("no --notify")));
    }

    #[test]
    fn a_url_is_not_shown_and_neither_is_a_key() {
        let folder = std::env::temp_dir().join(format!("deploy-notify-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("key");
        let path = file.to_str().unwrap();
        let given = ["--notify", "http://hooks/token-4711", "--notify-key-file", path];
        std::fs::write(&file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let notify = parsed(&given);
        let config = notify.config().unwrap().unwrap();
        assert_eq!(config.keys.len(), 1);
        let shown = format!("{notify:?} {config:?}");
        assert!(!shown.contains("4711") && !shown.contains("MfKQ"), "{shown}");
        std::fs::write(&file, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let Err(Failure::Error(text)) = parsed(&given).config() else { panic!("no key") };
        assert!(text.contains("whsec_") && !text.contains("MfKQ"), "{text}");
        std::fs::remove_dir_all(&folder).unwrap();
        let Err(Failure::Error(text)) = parsed(&given).config() else { panic!("no file") };
        assert!(text.starts_with("--notify-key-file"), "{text}");
    }
}
