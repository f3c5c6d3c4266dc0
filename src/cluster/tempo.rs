//! How fast the API server responds to this program. With a long `--request-timeout`, one dead source must not delay the
//! rest by all of it: once others have responded, it gets a few times as long as they took.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::duration::after;

/// How many times as long as the slowest source that responded another one may take.
const SLOWER: u32 = 3;

/// The part of `--request-timeout` that a source has in any case: one may have much more to send than the others.
const PART: f64 = 0.25;

/// The longest time that a source took to respond so far.
#[derive(Clone, Debug)]
pub(super) struct Tempo(Arc<watch::Sender<Option<Duration>>>);

impl Default for Tempo {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Tempo {
    /// Returns what a source responds. `limits` returns its time limit without `--request-timeout`, and the one in force;
    /// they may grow while it responds.
    ///
    /// # Errors
    /// The time limit that has passed.
    pub(super) async fn limited<T, E>(
        &self,
        limits: impl Fn() -> (Duration, Duration),
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<Result<T, E>, Duration> {
        let started = Instant::now();
        let mut asked = std::pin::pin!(asked);
        let mut slowest = self.0.subscribe();
        loop {
            let (share, longest) = limits();
            let limit = limit(*slowest.borrow_and_update(), share, longest);
            tokio::select! {
                biased;
                answer = &mut asked => {
                    if answer.is_ok() {
                        self.note(started.elapsed());
                    }
                    return Ok(answer);
                }
                () = sleep_until(after(started, limit)) => {
                    if limits() == (share, longest) {
                        return Err(limit);
                    }
                }
                // The sender is in this value.
                _ = slowest.changed() => {}
            }
        }
    }

    fn note(&self, took: Duration) {
        self.0.send_if_modified(|slowest| {
            let slower = slowest.is_none_or(|slowest| took > slowest);
            if slower {
                *slowest = Some(took);
            }
            slower
        });
    }
}

/// Returns the time limit of a source after others took at most `slowest`.
fn limit(slowest: Option<Duration>, share: Duration, longest: Duration) -> Duration {
    let Some(slowest) = slowest.filter(|_| longest > share) else { return longest };
    slowest.saturating_mul(SLOWER).max(longest.mul_f64(PART)).max(share).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_source_gets_its_share_and_what_the_others_show_to_be_needed() {
        for (slowest, longest, expected) in [
            // Nothing responded: all of it.
            (None, 60_000, 60_000),
            (Some(100), 60_000, 15_000),
            (Some(10_000), 60_000, 30_000),
            (Some(30_000), 60_000, 60_000),
            (Some(100), 4000, 2000),
            // Without `--request-timeout`, and with a short one.
            (Some(100), 2000, 2000),
            (None, 2000, 2000),
            (Some(100), 500, 500),
        ] {
            assert_eq!(limit(slowest.map(ms), ms(2000), ms(longest)), ms(expected), "{slowest:?} {longest}");
        }
    }

    #[tokio::test]
    async fn a_dead_source_is_given_up_after_the_others_responded() {
        let tempo = Tempo::default();
        let limits = || (ms(50), ms(100_000));
        let dead = tempo.limited::<(), ()>(|| (ms(50), ms(200)), pending());
        assert_eq!(dead.await, Err(ms(200)), "nothing else responded");
        let (dead, alive) = futures::join!(
            tempo.limited::<(), ()>(|| (ms(50), ms(400)), pending()),
            tempo.limited(limits, ready(Ok::<_, ()>(5)))
        );
        assert_eq!((dead, alive), (Err(ms(100)), Ok(Ok(5))));
    }

    #[tokio::test]
    async fn a_source_that_sends_more_has_more_time() {
        let begun = Instant::now();
        let limits = || if begun.elapsed() < ms(20) { (ms(20), ms(20)) } else { (ms(60), ms(60)) };
        assert_eq!(Tempo::default().limited::<(), ()>(limits, pending()).await, Err(ms(60)));
    }
}
