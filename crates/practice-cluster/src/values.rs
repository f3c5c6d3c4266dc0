//! Reading JSON values that may be absent or of another type.

use serde_json::Value;

/// Returns a string's text; empty for anything else.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the text of the string at a JSON pointer; empty if there is none.
pub(crate) fn text_at<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).map(text).unwrap_or_default()
}

/// Returns the items of the array at a JSON pointer; none if there is no array.
pub(crate) fn items_at<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).map(items).unwrap_or_default()
}

/// Returns an array's items; none for anything else.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
