//! Who pulls, as the workers say.

use bluegreen_core::{Color, Load};

use super::QueueSwitch;

/// How many workers of a slot pull.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Count {
    Known(u64),
    /// And why not.
    Unknown(String),
}

impl Count {
    /// Whether anybody pulls, where that is known.
    pub(super) fn pulls(&self) -> Option<bool> {
        match self {
            Self::Known(count) => Some(*count > 0),
            Self::Unknown(_) => None,
        }
    }

    pub(super) fn in_words(&self, slot: Color) -> String {
        match self {
            Self::Known(0) => format!("nobody of {slot} pulls"),
            Self::Known(count) => format!("{count} of {slot} pull"),
            Self::Unknown(why) => format!("whether {slot} pulls is not known: {why}"),
        }
    }
}

impl QueueSwitch {
    /// Asks the workers of a slot, for no longer than a call may take.
    pub(super) async fn count(&self, load: &dyn Load, slot: Color) -> Count {
        let limit = self.settings.call;
        match tokio::time::timeout(limit, load.in_flight(slot)).await {
            Ok(Ok(Some(count))) => Count::Known(count),
            Ok(Ok(None)) => Count::Unknown("it cannot be measured".to_owned()),
            Ok(Err(error)) => Count::Unknown(error.chain()),
            Err(_) => Count::Unknown(format!("no answer within {} s", limit.as_secs_f64())),
        }
    }
}
