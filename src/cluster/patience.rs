//! Limits how long a failed request is retried. Pure except for the clock.

use std::time::Duration;

use tokio::time::Instant;

use super::transport;

/// The retries of one request: with growing pauses, until a time has passed.
pub(super) struct Patience {
    started: Instant,
    ends: Duration,
    tries: u32,
}

impl Patience {
    /// Begins now, and ends after this time.
    pub(super) fn of(ends: Duration) -> Self {
        Self { started: Instant::now(), ends, tries: 0 }
    }

    /// Returns the pause before the next attempt; `None` once that would be too late.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        let pause = transport::pause(self.tries);
        self.tries = self.tries.saturating_add(1);
        (self.started.elapsed().saturating_add(pause) <= self.ends).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(ago: Duration, ends: Duration) -> Patience {
        Patience { started: Instant::now().checked_sub(ago).unwrap(), ..Patience::of(ends) }
    }

    #[test]
    fn the_pauses_grow() {
        let mut patience = Patience::of(Duration::MAX / 2);
        let pauses: Vec<Duration> = std::iter::repeat_with(|| patience.pause().unwrap()).take(8).collect();
        // A random half to all of 50 ms, and after six doublings of 2 s.
        assert!(pauses[0] <= Duration::from_millis(50), "{pauses:?}");
        assert!(pauses[2] >= Duration::from_millis(100), "{pauses:?}");
        assert!(pauses[7] >= Duration::from_secs(1), "{pauses:?}");
    }

    #[test]
    fn it_ends_once_the_next_try_would_come_too_late() {
        let second = Duration::from_secs(1);
        assert!(begun(Duration::ZERO, second).pause().is_some());
        assert!(begun(2 * second, second).pause().is_none());
        // The time is not yet over, but would be after the pause.
        let mut patience = begun(30 * second, 31 * second);
        patience.tries = 10;
        assert!(patience.pause().is_none());
        assert!(begun(30 * second, 31 * second).pause().is_some());
    }
}
