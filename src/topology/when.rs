//! Formats points in time. Pure: the caller passes the current time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns an age as kubectl prints it (apimachinery's `duration.HumanDuration`): `12s`, `5m30s`, `3h`, `2d4h`, `1y20d`.
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

/// Returns the time of day and the day in UTC, so that everyone on a call reads the same, with the age in parentheses:
/// `02:14 UTC yesterday (19h ago)`, `21:03 UTC today (12m ago)`, `02:14 UTC on 2026-11-20 (7d3h ago)`.
///
/// A time that is ahead by no more than clocks differ counts as now.
pub fn when(then: Timestamp, now: Timestamp) -> String {
    let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let day = match (date(then), date(now)) {
        (then, now) if then == now => "today".to_owned(),
        (then, now) if then.tomorrow().is_ok_and(|next| next == now) => "yesterday".to_owned(),
        (then, _) => format!("on {then}"),
    };
    let time = then.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    format!("{time} UTC {day} ({} ago)", age(Some(then.min(now)), now))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(age(Some(from), now), expected);
        }
        assert_eq!(age(None, now), "<unknown>");
    }

    #[test]
    fn a_time_is_told_with_its_day_and_its_age() {
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
}
