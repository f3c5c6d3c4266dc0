//! Cells that several kinds share.

use super::duration;
use crate::objects::is_terminating;
use crate::values::text;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    json!(duration::since(&object["metadata"]["creationTimestamp"], now))
}

/// A text, or `<none>`.
pub(super) fn or_none(value: &Value) -> Value {
    match text(value) {
        "" => json!("<none>"),
        text => json!(text),
    }
}

pub(super) fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// A phase, or `Terminating` once the object is being deleted.
pub(super) fn phase(object: &Value) -> Value {
    if is_terminating(object) { json!("Terminating") } else { json!(text(&object["status"]["phase"])) }
}

/// `a=b,c=d`, or `<none>`.
pub(super) fn labels(selector: &Value) -> Value {
    let mut pairs: Vec<String> =
        selector.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect();
    pairs.sort();
    if pairs.is_empty() { json!("<none>") } else { json!(pairs.join(",")) }
}
