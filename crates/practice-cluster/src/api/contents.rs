//! The objects of the store, or of a namespace, whatever their kind.

use crate::resources::RESOURCES;
use crate::store::{DeleteOptions, Key, Preconditions, Store};
use serde_json::Value;
use std::sync::Arc;

/// Returns every object with its key.
pub(super) fn all(store: &Store, namespace: Option<&str>) -> impl Iterator<Item = (Key, Arc<Value>)> {
    RESOURCES.into_iter().filter(move |resource| namespace.is_none() || resource.namespaced).flat_map(move |resource| {
        store.list(resource.plural, namespace).0.into_iter().map(|object| {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            (Key::new(resource.plural, text("namespace"), text("name")), object)
        })
    })
}

pub(super) fn remove(store: &Store, key: &Key, object: &Value) {
    let uid = object["metadata"]["uid"].as_str().map(str::to_owned);
    let preconditions = Preconditions { uid, resource_version: None };
    // Gone or replaced by now: nothing left to do.
    let _ = store.delete(key, &DeleteOptions { preconditions, ..DeleteOptions::default() });
}
