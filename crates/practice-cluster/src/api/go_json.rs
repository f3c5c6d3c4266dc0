//! JSON errors as Go's `encoding/json` words them, which clients of a real server see. Pure.

use serde_json::Value;

/// Returns a value's type as Go's `encoding/json` names it.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Describes a JSON error as Go's `encoding/json` does.
pub(super) fn json_error(text: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let why = error.to_string();
    let place = [
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing characters", "after top-level value"),
        ("trailing comma", "looking for beginning of value"),
        ("control character", "in string literal"),
        ("expected value", "looking for beginning of value"),
    ];
    let place = place.iter().find(|(start, _)| why.starts_with(start)).map(|(_, place)| place);
    let line = text.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    match (place, line.get(error.column().saturating_sub(1))) {
        (Some(place), Some(byte)) => {
            // A byte is shown as the character of its number.
            let shown = match *byte {
                b'\'' => "\\'".to_owned(),
                b'\n' => "\\n".to_owned(),
                b'\r' => "\\r".to_owned(),
                b'\t' => "\\t".to_owned(),
                byte @ (..0x20 | 0x7f) => format!("\\x{byte:02x}"),
                byte @ 0x80..0xa0 => format!("\\u00{byte:02x}"),
                byte => char::from(byte).to_string(),
            };
            format!("invalid character '{shown}' {place}")
        }
        _ => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_is_described_as_by_go() {
        for (text, why) in [
            ("", "unexpected end of JSON input"),
            ("{\"a\": 1", "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            ("\u{1}", "invalid character '\\x01' looking for beginning of value"),
            ("{a: 1}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\": 1 \"b\": 2}", "invalid character '\"' after object key:value pair"),
            ("[1\n 2]", "invalid character '2' after array element"),
            ("{} {}", "invalid character '{' after top-level value"),
        ] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(json_error(text.as_bytes(), &error), why, "{text}");
        }
    }
}
