//! One request to one pod, and what came back, within limits of time and size.

use std::time::Duration;

use bluegreen_core::{AgentClient, Clock, Error, Result, Target};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::prepare::Prepared;

/// Pieces that come faster than this after one another are taken for one: the network cuts what
/// was sent at once as it likes.
const APART: Duration = Duration::from_millis(1);

/// What came back.
pub(super) struct Exchange {
    pub(super) head: Option<Head>,
    /// The body as far as it is kept.
    pub(super) body: Vec<u8>,
    /// How long the body is, as far as it was read.
    pub(super) size: usize,
    /// When the first byte of the body came, or the end of an empty one.
    pub(super) first: Option<Duration>,
    /// When it was over.
    pub(super) total: Duration,
    pub(super) pieces: Pieces,
    pub(super) end: End,
}

/// The head of an answer.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// How an exchange ended.
pub(super) enum End {
    /// The whole answer came.
    Whole,
    /// Its body is too long.
    TooLong,
    /// Its head is too large, by so many bytes.
    HeadTooLarge(usize),
    /// It broke off.
    Broken(Error),
    /// It took too long.
    TimedOut,
}

/// How a body arrived.
#[derive(Default)]
pub(super) struct Pieces {
    /// How many pieces came at different times.
    pub(super) count: u32,
    /// The longest silence between two of them, and between the last one and the end.
    pub(super) longest_gap: Duration,
    last: Option<Duration>,
}

impl Exchange {
    /// Whether anything came back at all.
    pub(super) fn is_answered(&self) -> bool {
        self.head.is_some()
    }
}

impl Pieces {
    fn arrived(&mut self, at: Duration) {
        let gap = self.last.map(|last| at.saturating_sub(last));
        if gap.is_none_or(|gap| gap >= APART) {
            self.count = self.count.saturating_add(1);
        }
        self.longest_gap = self.longest_gap.max(gap.unwrap_or_default());
        self.last = Some(at);
    }

    fn ended(&mut self, at: Duration) {
        if let Some(last) = self.last {
            self.longest_gap = self.longest_gap.max(at.saturating_sub(last));
        }
    }
}

/// Sends a request and reads the answer.
///
/// # Cancel safety
/// Dropping it closes the connection, as the client promises.
pub(super) async fn exchange(
    client: &dyn AgentClient,
    to: &Target,
    prepared: &Prepared<'_>,
    clock: &dyn Clock,
) -> Exchange {
    let mut exchange = Exchange {
        head: None,
        body: Vec::new(),
        size: 0,
        first: None,
        total: Duration::ZERO,
        pieces: Pieces::default(),
        end: End::TimedOut,
    };
    let begin = Instant::now();
    let end = tokio::select! {
        // What has already come counts, also when the time is over.
        biased;
        end = receive(client, to, prepared, begin, &mut exchange) => {
            end.unwrap_or_else(End::Broken)
        }
        () = clock.sleep(prepared.timeout) => End::TimedOut,
    };
    exchange.end = end;
    exchange.total = begin.elapsed();
    exchange.pieces.ended(exchange.total);
    if matches!(exchange.end, End::Whole) {
        exchange.first.get_or_insert(exchange.total);
    }
    exchange
}

async fn receive(
    client: &dyn AgentClient,
    to: &Target,
    prepared: &Prepared<'_>,
    begin: Instant,
    exchange: &mut Exchange,
) -> Result<End> {
    let (head, mut body) = client.send(to, prepared.message()).await?.into_parts();
    let size = size_of(&head.headers);
    exchange.head = Some(Head { status: head.status, headers: head.headers });
    if size > prepared.max_head {
        return Ok(End::HeadTooLarge(size));
    }
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if piece.is_empty() {
            continue;
        }
        let at = begin.elapsed();
        exchange.first.get_or_insert(at);
        exchange.pieces.arrived(at);
        exchange.size = exchange.size.saturating_add(piece.len());
        let room = prepared.kept.saturating_sub(exchange.body.len());
        exchange.body.extend_from_slice(&piece[..piece.len().min(room)]);
        if exchange.size > prepared.max_body {
            return Ok(End::TooLong);
        }
    }
    Ok(End::Whole)
}

fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn pieces_that_come_together_are_one() {
        let mut pieces = Pieces::default();
        // Three within a millisecond, then one 20 ms later, then one at once after it.
        for micros in [5000, 5100, 5900, 25_900, 26_000] {
            pieces.arrived(Duration::from_micros(micros));
        }
        pieces.ended(millis(30));
        assert_eq!(pieces.count, 2);
        assert_eq!(pieces.longest_gap, millis(20));
    }

    #[test]
    fn a_silence_before_the_end_is_a_gap() {
        let mut pieces = Pieces::default();
        pieces.arrived(millis(1));
        pieces.ended(millis(50));
        assert_eq!((pieces.count, pieces.longest_gap), (1, millis(49)));
        let mut none = Pieces::default();
        none.ended(millis(50));
        assert_eq!((none.count, none.longest_gap), (0, Duration::ZERO));
    }
}
