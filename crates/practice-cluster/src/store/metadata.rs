//! The metadata that the store itself writes: names, times, generations and deletion marks.

use crate::key::Key;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// RFC 3339 with whole seconds, as Kubernetes' `metav1.Time`.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns a name with that prefix (cut if too long) and a random suffix of five characters that spell no words.
pub(crate) fn generated_name(prefix: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    const LONGEST: usize = 58;
    let random = uuid::Uuid::new_v4();
    let suffix = random.as_bytes()[..5].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    let end = prefix.floor_char_boundary(LONGEST);
    prefix[..end].chars().chain(suffix).collect()
}

/// Restores the fields that an update may not change.
pub(super) fn keep_identity(before: &Value, object: &mut Value) {
    for name in ["apiVersion", "kind"] {
        object[name] = before[name].clone();
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for name in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match before["metadata"].get(name) {
            Some(value) => metadata.insert(name.to_owned(), value.clone()),
            None => metadata.shift_remove(name),
        };
    }
}

pub(super) fn bump_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_u64() {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

/// Sets or shortens the deletion's time (Kubernetes' `rest.BeforeDelete` and the pod strategy's
/// `CheckGracefulDelete`).
pub(super) fn mark_deleted(key: &Key, object: &mut Value, grace: Option<u64>) {
    let now = Timestamp::now();
    if let Some(at) = object["metadata"]["deletionTimestamp"].as_str() {
        // Already being deleted: the grace period can only be made shorter.
        let current = object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
        let (Some(grace), Ok(at)) = (grace, at.parse::<Timestamp>()) else { return };
        if grace < current {
            let earlier = at.saturating_sub(SignedDuration::from_secs((current - grace).cast_signed()));
            object["metadata"]["deletionTimestamp"] = json!(seconds(earlier.unwrap_or(now)));
            object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        }
        return;
    }
    let grace = if key.resource == "pods" {
        let unscheduled = object["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
        let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        if unscheduled || finished {
            0
        } else {
            grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30)
        }
    } else {
        0
    };
    let at = now.saturating_add(SignedDuration::from_secs(grace.min(i32::MAX as u64).cast_signed())).unwrap_or(now);
    object["metadata"]["deletionTimestamp"] = json!(seconds(at));
    object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    bump_generation(object);
}

/// Whether nothing holds a deleted object any longer.
pub(super) fn can_be_removed(object: &Value) -> bool {
    let metadata = &object["metadata"];
    // A namespace has finalizers of its own kind: its contents go first.
    let emptied = object["kind"] != "Namespace" || object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty);
    emptied
        && metadata["deletionTimestamp"].is_string()
        && metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && metadata["finalizers"].as_array().is_none_or(Vec::is_empty)
}
