//! Times in words.

use jiff::Timestamp;
use std::time::Duration;

/// An age as kubectl prints it (apimachinery's `duration.HumanDuration`): `12s`, `5m30s`, `3h`, `2d4h`, `1y20d`.
pub fn age(from: Option<Timestamp>, now: Timestamp) -> String {
    let Some(from) = from else { return "<unknown>".into() };
    let seconds = now.as_second() - from.as_second();
    if seconds < -1 {
        return "<invalid>".into();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |whole: i64, unit: char, rest: i64, rest_unit: char| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{rest_unit}") }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, 'm', seconds % 60, 's')
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, 'h', minutes % 60, 'm')
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 192 {
        two(days, 'd', hours % 24, 'h')
    } else if days < 730 {
        format!("{days}d")
    } else if days < 2920 {
        two(days / 365, 'y', days % 365, 'd')
    } else {
        format!("{}y", days / 365)
    }
}

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
    fn ages_are_kubectls() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (700_000, "8d"),
            (70_000_000, "2y80d"),
        ] {
            let from = Timestamp::from_second(1_000_000_000 - seconds).unwrap();
            assert_eq!(age(Some(from), now), expected);
        }
        assert_eq!(age(None, now), "<unknown>");
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
