//! Answers that several parts of a cluster ask for at the same moment.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::Result;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One answer, asked for once by whoever comes first and good for a moment.
///
/// The parts of a cluster check themselves side by side, and each asks which rights there are.
pub(crate) struct Shared<T>(Arc<Mutex<Option<Answer<T>>>>);

type Answer<T> = (Instant, Arc<T>);

impl<T> Shared<T> {
    /// The answer that came at most `fresh` before this is called, or while it waits; by `asking`
    /// if there is none. A failure is not kept.
    ///
    /// # Cancel safety
    /// Whoever waits next asks again.
    pub(crate) async fn get_or<F>(&self, fresh: Duration, asking: F) -> Result<Arc<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let asked = Instant::now();
        let mut kept = self.0.lock().await;
        if let Some((at, answer)) = kept.as_ref()
            && asked.saturating_duration_since(*at) <= fresh
        {
            return Ok(answer.clone());
        }
        let answer = Arc::new(asking.await?);
        *kept = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }

    /// Gives up an answer that came longer than `fresh` ago, unless somebody is asking.
    pub(crate) fn slim(&self, fresh: Duration) {
        if let Ok(mut kept) = self.0.try_lock() {
            kept.take_if(|(at, _)| at.elapsed() > fresh);
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Error, ErrorKind};

    use super::*;

    const FRESH: Duration = Duration::from_millis(200);

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_together_get_one_answer_and_later_ones_another() {
        let slowly = |number: u32| async move {
            tokio::time::sleep(FRESH / 4).await;
            Ok(number)
        };
        for fresh in [Duration::ZERO, FRESH] {
            let shared = Shared::default();
            let (a, b) =
                tokio::join!(shared.get_or(fresh, slowly(1)), shared.get_or(fresh, slowly(2)));
            assert_eq!((*a.unwrap(), *b.unwrap()), (1, 1));
            tokio::time::advance(fresh + Duration::from_millis(1)).await;
            assert_eq!(*shared.get_or(fresh, slowly(3)).await.unwrap(), 3);
        }
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let shared = Shared::default();
        let fails = async { Err(Error::new(ErrorKind::Unavailable, "ask")) };
        assert!(shared.get_or(FRESH, fails).await.is_err());
        assert_eq!(*shared.get_or(FRESH, async { Ok(1) }).await.unwrap(), 1);
    }
}
