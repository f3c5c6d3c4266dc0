//! Times on the command line.

use std::time::Duration;

/// Reads a time as kubectl does: `90s`, `10m`, `1h30m`, `500ms`, or a bare number of seconds.
///
/// # Errors
/// In words, what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is not a time such as 30s, 10m or 1h");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
        let number: f64 = rest[..digits].parse().map_err(|_| expected())?;
        let unit_length = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let seconds = match &rest[digits..digits + unit_length] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(expected()),
        };
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())?;
        rest = &rest[digits + unit_length..];
    }
    if text.is_empty() { Err(expected()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_kubectl_reads_them() {
        for (text, seconds) in
            [("10m", 600.0), ("90", 90.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5s", 1.5), ("0", 0.0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "m", "10x", "-1s", "1s2", "s1"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
