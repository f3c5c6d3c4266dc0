//! Formats positions, bytes, rates and times.

use std::time::Duration;

/// Formats a log sequence number as PostgreSQL does: `0/2A55E98`.
pub fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

/// Formats `1 byte`, `5,308,416 bytes`.
pub fn bytes(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} byte{}", if number == 1 { "" } else { "s" })
}

/// Formats `1 timeline`, `2 timelines`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Formats bytes per second: `0 B/s`, `26 kB/s`, `1.4 MB/s`.
pub fn rate(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B/s"),
        1_000..1_000_000 => format!("{} kB/s", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB/s", bytes as f64 / 1e6),
        _ => format!("{:.1} GB/s", bytes as f64 / 1e9),
    }
}

/// Formats an estimated time with at most two units: `4 s`, `3m 20s`, `2h 5m`.
pub fn about(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Returns the first three lines, and how many more there are.
pub fn some(lines: &[String]) -> String {
    let shown = lines.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; ");
    match lines.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        assert_eq!((lsn(0x2A5_5E98), lsn((7 << 32) + 1)), ("0/2A55E98".to_owned(), "7/1".to_owned()));
        for (number, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1,000 bytes"),
            (7_903_656, "7,903,656 bytes"),
            (u64::MAX, "18,446,744,073,709,551,615 bytes"),
        ] {
            assert_eq!(bytes(number), expected);
        }
        for (number, expected) in
            [(999, "999 B/s"), (26_500, "26 kB/s"), (1_440_000, "1.4 MB/s"), (2_000_000_000, "2.0 GB/s")]
        {
            assert_eq!(rate(number), expected);
        }
        for (seconds, expected) in
            [(0.2, "1 s"), (59.0, "59 s"), (200.0, "3m 20s"), (7500.0, "2h 5m"), (90_000.0, "1d 1h")]
        {
            assert_eq!(about(Duration::from_secs_f64(seconds)), expected);
        }
    }
}
