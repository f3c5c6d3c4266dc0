//! Formats positions, bytes and rates.

/// Formats a log sequence number as PostgreSQL does: `0/2A55E98`.
pub(crate) fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

/// Formats `1 byte`, `5,308,416 bytes`.
pub(crate) fn bytes(number: u64) -> String {
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

/// Formats bytes per second: `0 B/s`, `26 kB/s`, `1.4 MB/s`.
pub(crate) fn rate(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B/s"),
        1_000..1_000_000 => format!("{} kB/s", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB/s", bytes as f64 / 1e6),
        _ => format!("{:.1} GB/s", bytes as f64 / 1e9),
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
    }
}
