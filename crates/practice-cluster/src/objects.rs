//! Reading and building Kubernetes objects as JSON: the few accesses that all controllers share.

use crate::store::{Key, Store, seconds};
use crate::values::{items_at, text_at};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::borrow::Cow;

/// An annotation, or "".
pub(crate) fn annotation<'v>(object: &'v Value, name: &str) -> &'v str {
    object["metadata"]["annotations"][name].as_str().unwrap_or_default()
}

/// Sets an annotation.
pub(crate) fn annotate(object: &mut Value, name: &str, value: &str) {
    object["metadata"]["annotations"][name] = json!(value);
}

/// Its name.
pub(crate) fn name(object: &Value) -> &str {
    text_at(object, "/metadata/name")
}

/// Its namespace, or "".
pub(crate) fn namespace(object: &Value) -> &str {
    text_at(object, "/metadata/namespace")
}

/// Its UID.
pub(crate) fn uid(object: &Value) -> &str {
    text_at(object, "/metadata/uid")
}

/// Its resourceVersion.
pub(crate) fn version(object: &Value) -> &str {
    text_at(object, "/metadata/resourceVersion")
}

/// Whether it is being deleted.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether a condition of that type is `True`.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    items_at(object, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// Whether a pod or node is Ready.
pub(crate) fn is_ready(object: &Value) -> bool {
    has_condition(object, "Ready")
}

/// Whether a pod has finished for good.
pub(crate) fn is_finished(pod: &Value) -> bool {
    matches!(text_at(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Names of the claims that a pod uses.
pub(crate) fn claims(pod: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    items_at(pod, "/spec/volumes").iter().filter_map(|volume| {
        let named = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str).map(Cow::Borrowed);
        named.or_else(|| ephemeral_claim(pod, volume).map(Cow::Owned))
    })
}

/// Name of the claim that is made for one of a pod's volumes, where that is a generic ephemeral one.
pub(crate) fn ephemeral_claim(pod: &Value, volume: &Value) -> Option<String> {
    volume["ephemeral"].is_object().then(|| format!("{}-{}", name(pod), text_at(volume, "/name")))
}

/// Now, as Kubernetes writes times.
pub(crate) fn now() -> String {
    seconds(Timestamp::now())
}

/// Sets a condition; its transition time moves only when the status does.
pub(crate) fn set_condition(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str) {
    if !object["status"]["conditions"].is_array() {
        object["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = object["status"]["conditions"].as_array_mut() else { return };
    let at = conditions.iter().position(|condition| condition["type"] == kind);
    let since = at
        .map(|at| &conditions[at])
        .filter(|old| old["status"] == status)
        .map_or_else(|| json!(now()), |old| old["lastTransitionTime"].clone());
    let mut condition = json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
    for (field, value) in [("reason", reason), ("message", message)] {
        if !value.is_empty() {
            condition[field] = json!(value);
        }
    }
    match at {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

/// The key of an object of that kind.
pub(crate) fn key(resource: &'static str, object: &Value) -> Key {
    Key::new(resource, namespace(object), name(object))
}

/// A PersistentVolumeClaim of a namespace.
pub(crate) fn claim(store: &Store, namespace: &str, name: &str) -> Option<std::sync::Arc<Value>> {
    store.get(&Key::new("persistentvolumeclaims", namespace, name))
}

/// A PersistentVolume.
pub(crate) fn volume(store: &Store, name: &str) -> Option<std::sync::Arc<Value>> {
    store.get(&Key::new("persistentvolumes", "", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let mut pod = json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}});
        set_condition(&mut pod, "Ready", "False", "ContainersNotReady", "waiting");
        assert_eq!(pod["status"]["conditions"][0]["lastTransitionTime"], "2020-01-01T00:00:00Z");
        assert_eq!(pod["status"]["conditions"][0]["reason"], "ContainersNotReady");
        set_condition(&mut pod, "Ready", "True", "", "");
        assert_ne!(pod["status"]["conditions"][0]["lastTransitionTime"], "2020-01-01T00:00:00Z");
        assert!(is_ready(&pod));
    }

    #[test]
    fn only_claims_are_claims() {
        let pod = json!({"metadata": {"name": "x-0"}, "spec": {"volumes": [{"name": "tmp", "emptyDir": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-x-0"}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}]}});
        assert_eq!(claims(&pod).collect::<Vec<_>>(), ["data-x-0", "x-0-scratch"]);
    }
}
