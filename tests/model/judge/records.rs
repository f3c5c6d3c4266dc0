//! The plugin's records, read from volumes by their documented format, not by its own code.

use super::super::world::text;
use jiff::Timestamp;
use serde_json::Value;

/// The plugin's annotations on volumes.
const ANNOTATIONS: &str = "kubectl-synxdb/";

/// Returns the record of the operation with that ID on a volume.
pub(super) fn record(volume: &Value, id: &Value) -> Option<Value> {
    records(volume).into_iter().find(|record| record["id"] == *id)
}

/// Returns all records on a volume.
pub(super) fn records(volume: &Value) -> Vec<Value> {
    let annotations = volume["metadata"]["annotations"].as_object().into_iter().flatten();
    let ours = annotations.filter(|(key, _)| key.starts_with(ANNOTATIONS)).filter_map(|(_, text)| text.as_str());
    ours.filter_map(|text| serde_json::from_str(text).ok()).collect()
}

/// Returns when an operation began.
pub(super) fn started(record: &Value) -> Timestamp {
    text(record, "/started").parse().unwrap_or(Timestamp::MIN)
}

/// Returns a record's entries about claims of that name.
pub(super) fn claims<'r>(record: &'r Value, name: &'r str) -> impl Iterator<Item = &'r Value> + Clone {
    let claims = record["claims"].as_array().map_or(&[][..], Vec::as_slice);
    claims.iter().filter(move |claim| claim["name"] == name)
}

/// Whether a record retains that volume.
pub(super) fn retains(record: &Value, volume: &str) -> bool {
    record["claims"].as_array().into_iter().flatten().any(|claim| claim["volume"] == volume)
}
