//! Reading and changing finalizers, and those of the propagation policies.

use crate::store::{Key, Preconditions, Store};
use serde_json::{Value, json};

/// Finalizer of an object that waits for its dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// Finalizer of an object whose dependents are orphaned first.
pub(super) const ORPHAN: &str = "orphan";

/// Adds a finalizer to an object.
pub(super) fn add_finalizer(object: &mut Value, finalizer: &str) {
    let list = &mut object["metadata"]["finalizers"];
    if !list.is_array() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|f| f == finalizer)
    {
        list.push(json!(finalizer));
    }
}

pub(super) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|f| f == finalizer))
}

pub(super) fn drop_finalizer(store: &Store, key: &Key, object: &Value, finalizer: &str) {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let _ = store.update(key, &Preconditions::uid(uid), false, |object| {
        if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
            list.retain(|f| f != finalizer);
        }
        Ok(())
    });
}
