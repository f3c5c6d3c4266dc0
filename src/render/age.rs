//! Times in words.

pub use crate::topology::when::age;
use jiff::Timestamp;
use std::time::Duration;

/// A time that was measured: `45 ms`, `2.3 s`, `3 min 20 s`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.995 {
        format!("{} ms", time.as_millis())
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// The time of day of an RFC 3339 time, `02:14:05 UTC`; none where it is not one.
pub fn clock(time: &str) -> Option<String> {
    let time: Timestamp = time.parse().ok()?;
    Some(time.strftime("%H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_seconds() {
        assert_eq!(clock("2026-01-02T03:04:05.678Z").as_deref(), Some("03:04:05 UTC"));
        assert_eq!(clock("yesterday"), None);
    }

    #[test]
    fn measured_times_are_short() {
        for (millis, expected) in
            [(0, "0 ms"), (994, "994 ms"), (996, "1.0 s"), (2340, "2.3 s"), (200_000, "3 min 20 s")]
        {
            assert_eq!(took(Duration::from_millis(millis)), expected);
        }
    }
}
