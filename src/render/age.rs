//! Times in words.

pub use crate::topology::when::age;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_times_are_short() {
        for (millis, expected) in
            [(0, "0 ms"), (994, "994 ms"), (996, "1.0 s"), (2340, "2.3 s"), (200_000, "3 min 20 s")]
        {
            assert_eq!(took(Duration::from_millis(millis)), expected);
        }
    }
}
