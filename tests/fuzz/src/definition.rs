//! Definitions of smoke tests, in JSON and in YAML.

use bluegreen_validate::{Smoke, SmokeConfig};

use crate::shown;

pub(crate) fn run(given: &[u8]) {
    let Ok(text) = std::str::from_utf8(given) else { return };
    for name in ["smoke.json", "smoke.yaml"] {
        match SmokeConfig::parse(name, text) {
            Ok(config) => {
                let written = serde_json::to_string(&config).expect("what was read can be written");
                let again = SmokeConfig::parse("again.json", &written);
                let again = again.expect("what was written can be read");
                assert_eq!((&again, again.digest()), (&config, config.digest()));
                let _ = format!("{:?}", Smoke::new(config));
            }
            Err(error) => {
                assert!(!error.problems().is_empty(), "an error says what is wrong");
                assert!(error.problems().len() <= 2000, "{}", error.problems().len());
                shown(&error, &[given, given, given, given].concat());
            }
        }
    }
}
