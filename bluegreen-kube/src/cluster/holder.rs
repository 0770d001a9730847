//! What a process calls itself when nobody says otherwise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bluegreen_core::HolderId;

/// `<host>-<pid>-<milliseconds>`, and a number when this process has such a name already.
pub(crate) fn unique() -> HolderId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let name = format!("{}-{}-{millis}", host(), std::process::id());
    match COUNT.fetch_add(1, Ordering::Relaxed) {
        0 => HolderId::new(name),
        count => HolderId::new(format!("{name}-{count}")),
    }
}

/// The name of this machine or pod. It only has to be recognised by people.
fn host() -> String {
    // The second is a file of the kernel's, in memory.
    let name = std::env::var("HOSTNAME")
        .or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"))
        .unwrap_or_default();
    match name.trim() {
        "" => "host".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let (one, two) = (unique(), unique());
        assert_ne!(one, two);
        assert!(one.as_str().contains(&std::process::id().to_string()), "{one}");
    }
}
