//! Deleting a namespace: its contents are deleted first, and its conditions report what is left.

use super::contents::{all, remove};
use crate::objects::is_terminating;
use crate::resources;
use crate::store::{Key, Preconditions, Store, seconds};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A condition's type, and its reason and message while nothing is wrong.
const CONDITIONS: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];

/// Deletes the contents of a terminating namespace, and releases the namespace once nothing is left.
pub(super) fn empty(store: &Store, namespace: &str) {
    let key = Key::new("namespaces", "", namespace);
    let Some(object) = store.get(&key).filter(|n| is_terminating(n)) else { return };
    for (key, object) in all(store, Some(namespace)).collect::<Vec<_>>() {
        if !is_terminating(&object) {
            remove(store, &key, &object);
        }
    }
    let left: Vec<_> = all(store, Some(namespace)).collect();
    let uid = Preconditions::uid(object["metadata"]["uid"].as_str().unwrap_or_default());
    // Gone by now: nothing to update.
    let _ = store.update(&key, &uid, false, |object| {
        if left.is_empty() {
            object["spec"]["finalizers"] = json!([]);
        } else {
            object["status"]["conditions"] = conditions(&object["status"]["conditions"], &left);
        }
        Ok(())
    });
}

/// Returns the conditions of a namespace that still has contents.
fn conditions(before: &Value, left: &[(Key, Arc<Value>)]) -> Value {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, object) in left {
        let group = resources::by_plural(key.resource).map_or("", |resource| resource.group);
        *kinds.entry(format!("{}.{group}", key.resource)).or_default() += 1;
        for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            *finalizers.entry(finalizer).or_default() += 1;
        }
    }
    let list = |parts: Vec<String>| parts.join(", ");
    let kinds = list(kinds.iter().map(|(kind, count)| format!("{kind} has {count} resource instances")).collect());
    let held = list(finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect());
    let now = seconds(Timestamp::now());
    let condition = |(kind, reason, message): &(&str, &str, &str)| {
        let (status, reason, message) = match *kind {
            "NamespaceContentRemaining" => {
                ("True", "SomeResourcesRemain", format!("Some resources are remaining: {kinds}"))
            }
            "NamespaceFinalizersRemaining" if !held.is_empty() => {
                let message = format!("Some content in the namespace has finalizers remaining: {held}");
                ("True", "SomeFinalizersRemain", message)
            }
            _ => ("False", *reason, (*message).to_owned()),
        };
        let known = before.as_array().into_iter().flatten().find(|known| known["type"] == *kind);
        let since = known.filter(|known| known["status"] == status).map(|known| known["lastTransitionTime"].clone());
        json!({"type": kind, "status": status, "reason": reason, "message": message,
               "lastTransitionTime": since.unwrap_or_else(|| json!(now))})
    };
    CONDITIONS.iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeleteOptions;

    #[test]
    fn a_namespace_that_cannot_go_says_what_is_left() {
        let store = Store::new();
        let key = Key::new("namespaces", "", "n");
        store.create(key.clone(), json!({}), false).unwrap();
        for name in ["a", "b"] {
            let held = json!({"metadata": {"finalizers": ["x/y"]}});
            store.create(Key::new("configmaps", "n", name), held, false).unwrap();
        }
        store.create(Key::new("secrets", "n", "free"), json!({}), false).unwrap();
        store.delete(&key, &DeleteOptions::default()).unwrap();
        empty(&store, "n");
        let said = |kind: &str| {
            let namespace = store.get(&key).unwrap();
            let conditions = namespace["status"]["conditions"].as_array().unwrap();
            let one = conditions.iter().find(|c| c["type"] == kind).unwrap();
            format!("{}: {}", one["status"].as_str().unwrap(), one["message"].as_str().unwrap())
        };
        assert_eq!(
            said("NamespaceContentRemaining"),
            "True: Some resources are remaining: configmaps. has 2 resource instances"
        );
        assert_eq!(
            said("NamespaceFinalizersRemaining"),
            "True: Some content in the namespace has finalizers remaining: x/y in 2 resource instances"
        );
        assert!(said("NamespaceDeletionContentFailure").starts_with("False: "));
        for name in ["a", "b"] {
            let free = |object: &mut Value| {
                object["metadata"]["finalizers"] = json!([]);
                Ok(())
            };
            store.update(&Key::new("configmaps", "n", name), &Preconditions::none(), false, free).unwrap();
        }
        empty(&store, "n");
        assert!(store.get(&key).is_none());
    }
}
