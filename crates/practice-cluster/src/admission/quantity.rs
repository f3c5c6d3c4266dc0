//! Kubernetes' quantities: `3`, `500m`, `1Gi`.

use serde_json::Value;

/// Binary suffixes, the largest first.
const BINARY: [(&str, i128); 4] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
const DECIMAL: [(&str, i128); 4] = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000)];

/// Returns a quantity in thousandths; `None` if it is not one that is known here.
pub(super) fn parse(value: &Value) -> Option<i128> {
    let Some(text) = value.as_str() else { return value.as_i64().map(|number| i128::from(number) * 1000) };
    let (number, factor) = match text.strip_suffix('m') {
        Some(number) => (number, 1),
        None => {
            let suffix = BINARY.iter().chain(&DECIMAL).find(|(suffix, _)| text.ends_with(suffix));
            suffix.map_or((text, 1000), |(suffix, factor)| (&text[..text.len() - suffix.len()], factor * 1000))
        }
    };
    match number.split_once('.') {
        None => number.parse::<i128>().ok().map(|number| number * factor),
        Some((whole, part)) => {
            let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
            let digits: i128 = format!("{whole}{part}").parse().ok()?;
            Some(digits * factor / scale)
        }
    }
}

/// Formats a quantity as a real server does; a size in binary units.
pub(super) fn text(thousandths: i128, size: bool) -> String {
    if thousandths % 1000 != 0 {
        return format!("{thousandths}m");
    }
    let number = thousandths / 1000;
    let unit = BINARY.iter().find(|(_, factor)| size && number != 0 && number % factor == 0);
    unit.map_or_else(|| number.to_string(), |(suffix, factor)| format!("{}{suffix}", number / factor))
}
