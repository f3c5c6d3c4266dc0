//! Durations and ages: read as Go and kubectl read them, and printed the same everywhere. Pure: what time it is now is the
//! caller's to say.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;
use tokio::time::Instant;

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as 30s, 10m or 1h30m")]
pub(crate) struct NotADuration(String);

/// Units of a Go duration (`time.ParseDuration`), the longer one first where two begin alike, and their seconds.
const UNITS: [(&str, f64); 8] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Reads a duration as kubectl's `--request-timeout` does: numbers with units as Go has them (`90s`, `1h30m`, `500ms`), or
/// a bare number of seconds. Negative ones are refused.
///
/// # Errors
/// The text is not a duration, or is longer than a [`Duration`] can be.
pub(crate) fn parse(text: &str) -> Result<Duration, NotADuration> {
    parse_with(text, &UNITS)
}

/// Reads an age: a duration as [`parse`] reads it, or with days (`7d`, `1d12h`).
///
/// # Errors
/// The text is not a duration, or is longer than a [`Duration`] can be.
pub(crate) fn parse_age(text: &str) -> Result<Duration, NotADuration> {
    let mut units = UNITS.to_vec();
    units.push(("d", 86_400.0));
    parse_with(text, &units)
}

fn parse_with(text: &str, units: &[(&str, f64)]) -> Result<Duration, NotADuration> {
    let not_one = || NotADuration(text.to_owned());
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(not_one)?;
        let number: f64 = rest[..digits].parse().map_err(|_| not_one())?;
        rest = &rest[digits..];
        let (unit, seconds) = units.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(not_one)?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| not_one())?;
        total = total.checked_add(part).ok_or_else(not_one)?;
        rest = &rest[unit.len()..];
    }
    if text.is_empty() { Err(not_one()) } else { Ok(total) }
}

/// Returns the moment that lies this long after `now`, or one in the far future if no clock reaches so far: durations come
/// from servers and from the command line, and adding them must not fail.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    // As tokio's own timers do: some 30 years, which every platform's clock can represent.
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    now.checked_add(wait).or_else(|| now.checked_add(FAR)).unwrap_or(now)
}

/// Returns a duration as every text here has it, in two units at most: `697 ms`, `12.4 s`, `3m 21s`, `2h 5m`, `1d 3h`. A
/// decimal or a second unit of zero is left out (`5 s`, `3m`).
pub(crate) fn format(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if time.is_zero() {
        return "0 s".to_owned();
    }
    if seconds < 0.995 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 59.95 {
        let text = format!("{seconds:.1}");
        return format!("{} s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let seconds = seconds.round() as u64;
    let two = |whole: u64, unit: char, rest: u64, rest_unit: char| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit} {rest}{rest_unit}"),
    };
    match seconds {
        ..3600 => two(seconds / 60, 'm', seconds % 60, 's'),
        3600..86_400 => two(seconds / 3600, 'h', seconds % 3600 / 60, 'm'),
        _ => two(seconds / 86_400, 'd', seconds % 86_400 / 3600, 'h'),
    }
}

/// Returns whole seconds as [`format()`] prints them; `0 s` for a negative number.
pub(crate) fn format_seconds(seconds: i64) -> String {
    format(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Returns an age as kubectl prints it (apimachinery's `duration.HumanDuration`): `12s`, `5m30s`, `3h`, `2d4h`, `1y20d`.
pub(crate) fn age(from: Option<Timestamp>, now: Timestamp) -> String {
    match from {
        None => "<unknown>".into(),
        Some(from) => age_of(now.as_second().saturating_sub(from.as_second())),
    }
}

/// Returns the age of something that began so many seconds ago, as [`age`] prints it.
pub(crate) fn age_of(seconds: i64) -> String {
    // Two clocks may be a second apart.
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

/// Returns the time of day and the day in UTC, so that everyone on a call reads the same, with the age in parentheses:
/// `02:14 UTC yesterday (19h ago)`, `21:03 UTC today (12m ago)`, `02:14 UTC on 2026-11-20 (7d3h ago)`.
///
/// A time that lies ahead by the little that two clocks may differ counts as now.
pub(crate) fn when(then: Timestamp, now: Timestamp) -> String {
    let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let day = match (date(then), date(now)) {
        (then, now) if then == now => "today".to_owned(),
        (then, now) if then.tomorrow().is_ok_and(|next| next == now) => "yesterday".to_owned(),
        (then, _) => format!("on {then}"),
    };
    let time = then.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    format!("{time} UTC {day} ({} ago)", age(Some(then.min(now)), now))
}

/// Returns the time of day of an RFC 3339 time, `02:14:05 UTC`; `None` if the text is not one.
pub(crate) fn clock(time: &str) -> Option<String> {
    let time: Timestamp = time.parse().ok()?;
    Some(time.strftime("%H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubectl_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("5", 5000),
            ("90", 90_000),
            ("30s", 30_000),
            ("1.5s", 1500),
            ("10m", 600_000),
            ("1m30s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("500ms", 500),
            ("1m500ms", 60_500),
            ("2000us", 2),
            ("2000µs", 2),
            ("2000μs", 2),
            ("2000000ns", 2),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "", "-5", "-5s", "-1s", "abc", "m", "s", "s1", "5x", "10x", "5 s", "1m30", "1s2", ".", "..s", "1e3s",
            "infs",
        ] {
            assert_eq!(parse(text), Err(NotADuration(text.to_owned())), "{text}");
        }
        // One that does not fit, and two that do and together do not.
        for text in ["99999999999999999999h", "18446744073709551615", "18446744073709549568s18446744073709549568s"] {
            assert_eq!(parse(text).is_ok(), text.parse::<u64>().is_ok(), "{text}");
        }
    }

    #[test]
    fn no_wait_is_too_long_for_the_clock() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(5)) - now, Duration::from_secs(5));
        for wait in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(i64::MAX as u64)] {
            assert!(after(now, wait) - now > Duration::from_secs(86_400 * 365), "{wait:?}");
        }
    }

    #[test]
    fn durations_look_the_same_everywhere() {
        for (millis, expected) in [
            (0, "0 s"),
            (1, "1 ms"),
            (250, "250 ms"),
            (697, "697 ms"),
            (994, "994 ms"),
            (996, "1 s"),
            (2040, "2 s"),
            (2000, "2 s"),
            (2340, "2.3 s"),
            (12_400, "12.4 s"),
            (59_000, "59 s"),
            (59_940, "59.9 s"),
            // Not 60.0 s.
            (59_960, "1m"),
            (60_000, "1m"),
            (90_000, "1m 30s"),
            (119_600, "2m"),
            (201_000, "3m 21s"),
            (3_599_000, "59m 59s"),
            (3_600_000, "1h"),
            (7_500_000, "2h 5m"),
            (86_399_000, "23h 59m"),
            (86_400_000, "1d"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(format(Duration::from_millis(millis)), expected, "{millis}");
        }
        assert_eq!((format_seconds(-3), format_seconds(65)), ("0 s".to_owned(), "1m 5s".to_owned()));
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
            (630, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (29_400, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (700_000, "8d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
            (70_000_000, "2y80d"),
            (260_000_000, "8y"),
            // Two clocks may be a second apart.
            (-1, "0s"),
            (-2, "<invalid>"),
        ] {
            let from = Timestamp::from_second(1_000_000_000 - seconds).unwrap();
            assert_eq!((age(Some(from), now), age_of(seconds)), (expected.to_owned(), expected.to_owned()));
        }
        assert_eq!(age(None, now), "<unknown>");
    }

    #[test]
    fn a_time_has_its_day_and_its_age() {
        let now: Timestamp = "2026-11-27T21:15:00Z".parse().unwrap();
        for (then, expected) in [
            ("2026-11-27T21:03:00Z", "21:03 UTC today (12m ago)"),
            ("2026-11-27T21:16:00Z", "21:16 UTC today (0s ago)"),
            ("2026-11-27T02:14:59+02:00", "00:14 UTC today (21h ago)"),
            ("2026-11-26T02:14:00Z", "02:14 UTC yesterday (43h ago)"),
            ("2026-11-25T23:59:59Z", "23:59 UTC on 2026-11-25 (45h ago)"),
            ("2026-11-20T18:14:00Z", "18:14 UTC on 2026-11-20 (7d3h ago)"),
        ] {
            assert_eq!(when(then.parse().unwrap(), now), expected);
        }
        let (first, last) = (Timestamp::MIN, Timestamp::MAX);
        assert!(when(first, last).ends_with(" ago)") && when(last, first).ends_with("(0s ago)"));
    }

    #[test]
    fn a_clock_shows_seconds() {
        assert_eq!(clock("2026-01-02T03:04:05.678Z").as_deref(), Some("03:04:05 UTC"));
        assert_eq!(clock("yesterday"), None);
    }
}
