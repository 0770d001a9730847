//! Whether the vantage of the evidence can be reached from this process.

use std::time::Duration;

use bluegreen_core::Problem;
use futures_util::future::join_all;

use crate::answers::{Address, connect};

/// How long a connection may take. A Service without endpoints makes clients hang.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tries one connection to each address.
pub(crate) async fn problems(addresses: &[Address]) -> Vec<Problem> {
    let tries = addresses.iter().map(|address| async move {
        let reason = match tokio::time::timeout(PATIENCE, connect(&address.authority)).await {
            Ok(Ok(_)) => return None,
            Ok(Err(reason)) => reason,
            Err(_) => format!("no connection within {PATIENCE:?}"),
        };
        Some(problem(address.authority.as_str(), reason))
    });
    join_all(tries).await.into_iter().flatten().collect()
}

pub(crate) fn problem(place: &str, found: impl Into<String>) -> Problem {
    Problem::new("unreachable-vantage", format!("evidence by answers, {place}"))
        .found(found)
        .wanted("an address that this process can connect to")
        .mend("run inside the cluster, use a public URL, or ask for endpoints as evidence")
}
