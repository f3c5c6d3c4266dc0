//! Kubernetes' quantities: `3`, `500m`, `1Gi`, `1.5G`, `1e3`.

use serde_json::Value;

/// Binary suffixes, the largest first.
const BINARY: [(&str, i128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
const DECIMAL: [(&str, u32); 6] = [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3)];
/// Suffixes of fractions, as powers of a billionth.
const FRACTIONS: [(&str, u32); 3] = [("n", 0), ("u", 3), ("m", 6)];
const BILLION: i128 = 1_000_000_000;

/// Returns a quantity in thousandths, rounded up as Kubernetes rounds; `None` if it is not a quantity.
pub(crate) fn parse(value: &Value) -> Option<i128> {
    let Some(text) = value.as_str() else { return value.as_i64().map(|number| i128::from(number) * 1000) };
    let (number, factor) = split(text)?;
    let billionths = match number.split_once('.') {
        None => number.parse::<i128>().ok()?.checked_mul(factor)?,
        Some((whole, part)) => {
            let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
            let digits: i128 = format!("{whole}{part}").parse().ok()?;
            divided_up(digits.checked_mul(factor)?, scale)
        }
    };
    Some(divided_up(billionths, BILLION / 1000))
}

/// Splits a quantity into its number and the factor of its suffix or exponent, in billionths.
fn split(text: &str) -> Option<(&str, i128)> {
    let strip = |suffix: &str| text.strip_suffix(suffix);
    if let Some((number, factor)) = BINARY.iter().find_map(|(suffix, factor)| Some((strip(suffix)?, factor))) {
        return Some((number, factor * BILLION));
    }
    if let Some((number, power)) = DECIMAL.iter().find_map(|(suffix, power)| Some((strip(suffix)?, power))) {
        return Some((number, 10_i128.pow(*power) * BILLION));
    }
    if let Some((number, power)) = FRACTIONS.iter().find_map(|(suffix, power)| Some((strip(suffix)?, power))) {
        return Some((number, 10_i128.pow(*power)));
    }
    match text.split_once(['e', 'E']) {
        None => Some((text, BILLION)),
        Some((number, exponent)) => {
            let exponent = exponent.parse::<i32>().ok()?.checked_add(9)?;
            Some((number, 10_i128.checked_pow(u32::try_from(exponent).ok()?)?))
        }
    }
}

/// Divides and rounds up.
fn divided_up(number: i128, by: i128) -> i128 {
    number.div_euclid(by) + i128::from(number.rem_euclid(by) != 0)
}

/// Formats a quantity as a real server does; a size in binary units.
pub(crate) fn text(thousandths: i128, size: bool) -> String {
    if thousandths % 1000 != 0 {
        return format!("{thousandths}m");
    }
    let number = thousandths / 1000;
    let unit = BINARY.iter().find(|(_, factor)| size && number != 0 && number % factor == 0);
    unit.map_or_else(|| number.to_string(), |(suffix, factor)| format!("{}{suffix}", number / factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_in_all_their_forms() {
        for (text, thousandths) in [
            ("0", 0),
            ("3", 3000),
            ("500m", 500),
            ("1.5", 1500),
            ("10Gi", 10 * (1 << 30) * 1000),
            ("1.5Gi", 1536 * (1 << 20) * 1000),
            ("1G", 1_000_000_000_000),
            ("1k", 1_000_000),
            ("2Ei", 2 * (1 << 60) * 1000),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("25e-1", 2500),
            // Less than a thousandth is rounded up.
            ("1u", 1),
            ("1001u", 2),
            ("1n", 1),
        ] {
            assert_eq!(parse(&json!(text)), Some(thousandths), "{text}");
        }
        assert_eq!(parse(&json!(2)), Some(2000));
        for text in ["", "x", "1x", "Gi", "1.2.3", "1e", "e3", "1e99"] {
            assert_eq!(parse(&json!(text)), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_in_the_largest_unit_that_divides_them() {
        for (thousandths, size, written) in [
            (0, true, "0"),
            (500, false, "500m"),
            (2_048_000, true, "2Ki"),
            (2_048_000, false, "2048"),
            (3 * (1 << 30) * 1000, true, "3Gi"),
        ] {
            assert_eq!(text(thousandths, size), written);
        }
    }
}
