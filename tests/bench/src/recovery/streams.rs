//! Streams that are open while a release goes on.

use std::net::SocketAddr;
use std::time::Duration;

use bluegreen_tests::Kept;
use tokio::task::JoinSet;
use tower::BoxError;

/// How many.
const COUNT: usize = 6;
/// How long each is, and what it ends with. A pod that is told to end after 30 s and killed after
/// 30 more does not get so far.
const PATH: &str = "/stream?chunks=91&interval_ms=1000";
const END: &[u8] = b" 91/91\n";
/// How long all of them may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Some streams, begun.
pub(super) struct Streams(JoinSet<Result<(), BoxError>>);

impl Streams {
    /// Opens them; returns once each has had its first piece.
    pub(super) async fn open(address: SocketAddr) -> Self {
        let mut streams = JoinSet::new();
        for _ in 0..COUNT {
            let mut connection = Kept::open(address).await.unwrap();
            let mut answer = connection.begin(PATH).await.unwrap();
            assert!(answer.status().is_success());
            answer.piece().await.expect("a first piece");
            streams.spawn(async move {
                // The connection has to live as long.
                let _connection = connection;
                let mut last = Vec::new();
                while let Some(piece) = answer.piece().await {
                    last = piece.to_vec();
                }
                if last.ends_with(END) { Ok(()) } else { Err("cut".into()) }
            });
        }
        Self(streams)
    }

    /// How many were cut, once all have ended.
    pub(super) async fn cut(self) -> usize {
        let ended = tokio::time::timeout(LIMIT, self.0.join_all()).await;
        ended.expect("all streams end").iter().filter(|stream| stream.is_err()).count()
    }
}
