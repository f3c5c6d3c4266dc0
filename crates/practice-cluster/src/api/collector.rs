//! Deletes what belongs to deleted objects: dependents (by ownerReferences) and the contents of namespaces.
//!
//! The garbage collector and the namespace controller of a real cluster, driven by the store's changes. They live
//! beside the API because the API promises what `propagationPolicy` and the deletion of a namespace do.

use super::contents::{all, remove};
use super::finalizers::{FOREGROUND, ORPHAN, drop_finalizer, has_finalizer};
use super::{budgets, namespaces};
use crate::objects::is_terminating;
use crate::resources::RESOURCES;
use crate::store::{Change, ChangeKind, Key, Preconditions, Store};
use serde_json::Value;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs until `shutdown`, or until the store is gone.
pub(super) async fn run(store: Arc<Store>, shutdown: CancellationToken) {
    loop {
        // Opened before the sweep, so that no change is missed in between.
        let Ok(mut watcher) = store.watch(store.version()) else { continue };
        sweep(&store);
        loop {
            let change = tokio::select! {
                () = shutdown.cancelled() => return,
                change = watcher.next() => change,
            };
            match change {
                Some(change) => react(&store, &change),
                // It fell behind the history: start over from the current objects.
                None if watcher.expired() => break,
                None => return,
            }
        }
    }
}

fn react(store: &Store, change: &Change) {
    let object = &change.object;
    if matches!(change.key.resource, "pods" | "poddisruptionbudgets" | "statefulsets") {
        budgets::refresh(store, &change.key.namespace);
    }
    if change.kind == ChangeKind::Deleted {
        delete_dependents(store, object);
        // Owners that waited for this object may be removed now.
        for owner in owners(object) {
            if let Some((key, owner)) = find(store, &change.key.namespace, owner) {
                finish_foreground(store, &key, &owner);
            }
        }
        namespaces::empty(store, &change.key.namespace);
    } else {
        advance(store, &change.key, object);
    }
}

/// Advances the deletion of an object by one step.
fn advance(store: &Store, key: &Key, object: &Value) {
    if !is_terminating(object) {
        return;
    }
    if has_finalizer(object, ORPHAN) {
        orphan_dependents(store, object);
        drop_finalizer(store, key, object, ORPHAN);
    }
    if has_finalizer(object, FOREGROUND) {
        delete_dependents(store, object);
        finish_foreground(store, key, object);
    }
    if key.resource == "namespaces" {
        namespaces::empty(store, &key.name);
    }
}

/// Does for every object what its changes would have triggered.
fn sweep(store: &Store) {
    budgets::refresh_all(store);
    for (key, object) in all(store, None).collect::<Vec<_>>() {
        advance(store, &key, &object);
        let orphaned = !owners(&object).is_empty()
            && !owners(&object).iter().any(|owner| owner_exists(store, &key.namespace, owner));
        if orphaned && !is_terminating(&object) {
            remove(store, &key, &object);
        }
    }
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The objects that name `owner` among their owners.
fn dependents(store: &Store, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = &owner["metadata"]["uid"];
    all(store, None).filter(|(_, object)| owners(object).iter().any(|o| o["uid"] == *uid)).collect()
}

/// Returns the owner that a reference names, if it still exists: dependents live in their owner's namespace, or the
/// owner in none.
fn find(store: &Store, namespace: &str, reference: &Value) -> Option<(Key, Arc<Value>)> {
    let resource = RESOURCES.into_iter().find(|r| reference["kind"] == r.kind)?;
    let namespace = if resource.namespaced { namespace } else { "" };
    let key = Key::new(resource.plural, namespace, reference["name"].as_str()?);
    store.get(&key).filter(|object| object["metadata"]["uid"] == reference["uid"]).map(|object| (key, object))
}

/// Whether a reference's owner exists; an owner of a kind that is not served here counts as existing.
fn owner_exists(store: &Store, namespace: &str, reference: &Value) -> bool {
    RESOURCES.into_iter().all(|r| reference["kind"] != r.kind) || find(store, namespace, reference).is_some()
}

fn delete_dependents(store: &Store, owner: &Value) {
    for (key, object) in dependents(store, owner) {
        // A dependent stays as long as one of its owners does.
        let kept = owners(&object)
            .iter()
            .any(|reference| find(store, &key.namespace, reference).is_some_and(|(_, owner)| !is_terminating(&owner)));
        if kept {
            drop_reference(store, &key, owner);
        } else if !is_terminating(&object) {
            remove(store, &key, &object);
        }
    }
}

fn orphan_dependents(store: &Store, owner: &Value) {
    for (key, _) in dependents(store, owner) {
        drop_reference(store, &key, owner);
    }
}

/// Removes one owner from a dependent.
fn drop_reference(store: &Store, key: &Key, owner: &Value) {
    let uid = &owner["metadata"]["uid"];
    let _ = store.update(key, &Preconditions::none(), false, |object| {
        if let Some(list) = object["metadata"]["ownerReferences"].as_array_mut() {
            list.retain(|reference| reference["uid"] != *uid);
        }
        Ok(())
    });
}

fn finish_foreground(store: &Store, key: &Key, owner: &Value) {
    let waits = is_terminating(owner) && has_finalizer(owner, FOREGROUND);
    if waits && dependents(store, owner).is_empty() {
        drop_finalizer(store, key, owner, FOREGROUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeleteOptions;
    use serde_json::json;

    #[test]
    fn a_sweep_finishes_what_was_missed() {
        let store = Store::new();
        let create = |name: &str, metadata: Value| {
            let key = Key::new("configmaps", "ns", name);
            store.create(key, json!({"metadata": metadata}), false).unwrap()
        };
        let reference = |kind: &str, name: &str, uid: &Value| json!({"kind": kind, "name": name, "uid": uid});
        let owner = create("owner", json!({"finalizers": [FOREGROUND]}));
        let other = create("other", json!({}));
        let mine = reference("ConfigMap", "owner", &owner["metadata"]["uid"]);
        let theirs = reference("ConfigMap", "other", &other["metadata"]["uid"]);
        create("child", json!({"ownerReferences": [mine]}));
        create("shared", json!({"ownerReferences": [mine, theirs]}));
        create("left", json!({"ownerReferences": [reference("ConfigMap", "gone", &json!("u-1"))]}));
        create("namesake", json!({"ownerReferences": [reference("ConfigMap", "other", &json!("u-2"))]}));
        create("foreign", json!({"ownerReferences": [reference("Widget", "w", &json!("u-3"))]}));
        store.delete(&Key::new("configmaps", "ns", "owner"), &DeleteOptions::default()).unwrap();
        sweep(&store);
        let names = || -> Vec<String> {
            let objects = store.list("configmaps", None).0;
            objects.iter().map(|o| o["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(), ["foreign", "other", "shared"]);
        let shared = store.get(&Key::new("configmaps", "ns", "shared")).unwrap();
        assert_eq!(owners(&shared), [theirs]);
    }
}
