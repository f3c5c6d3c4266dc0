//! Kinds that show what another kind keeps: events of `events.k8s.io/v1`, which are the core ones in other words.

use crate::resources::{EVENTS_V1, Resource};
use serde_json::Value;
use std::borrow::Cow;

/// Names of an event's fields: as kept, as shown.
const FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// An object as a kind shows it.
pub(super) fn shown<'o>(resource: &Resource, object: &'o Value) -> Cow<'o, Value> {
    let Some(fields) = object.as_object().filter(|_| *resource == EVENTS_V1) else { return Cow::Borrowed(object) };
    let renamed = fields.iter().map(|(name, value)| {
        let name = FIELDS.iter().find(|(kept, _)| kept == name).map_or(name.as_str(), |(_, shown)| shown);
        (name.to_owned(), value.clone())
    });
    let mut event: Value = Value::Object(renamed.collect());
    event["apiVersion"] = EVENTS_V1.api_version().into();
    Cow::Owned(event)
}
