//! Which volume fits a claim, as the volume controller and the scheduler see it (`FindMatchingVolume` of
//! `k8s.io/component-helpers/storage/volume`). Written apart from the plugin's own answer to the same question
//! (`topology/binding.rs`), so that each checks the other: a table in `src/testing/binding.rs` holds both.

use super::node_affinity::matches_node;
use crate::api::Selector;
use crate::objects::{annotation, is_terminating, name, namespace, uid};
use crate::quantity;
use crate::values::{items_at, text_at};
use serde_json::Value;
use std::sync::Arc;

/// Comes before `spec.storageClassName`, of claims and of volumes.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// The class that a claim asks for, or that a volume is of; "" for none.
pub(crate) fn class(object: &Value) -> &str {
    match annotation(object, BETA_CLASS) {
        "" => text_at(object, "/spec/storageClassName"),
        old => old,
    }
}

/// Whether a volume is bound to the claim, or reserved for it by name.
pub(crate) fn is_for(volume: &Value, claim: &Value) -> bool {
    let reference = &volume["spec"]["claimRef"];
    let same = reference["namespace"] == namespace(claim) && reference["name"] == name(claim);
    same && (text_at(reference, "/uid").is_empty() || reference["uid"] == uid(claim))
}

/// Whether a volume satisfies a claim, bound or not.
fn suits(volume: &Value, claim: &Value) -> bool {
    let mode = |object: &Value| match text_at(object, "/spec/volumeMode") {
        "" => "Filesystem".to_owned(),
        mode => mode.to_owned(),
    };
    let attributes = |object: &Value| text_at(object, "/spec/volumeAttributesClassName").to_owned();
    let modes = items_at(volume, "/spec/accessModes");
    !is_terminating(volume)
        && size(volume, "/spec/capacity/storage") >= size(claim, "/spec/resources/requests/storage")
        && mode(volume) == mode(claim)
        && attributes(volume) == attributes(claim)
        && items_at(claim, "/spec/accessModes").iter().all(|mode| modes.contains(mode))
}

/// Whether a volume is available and satisfies a claim.
pub(crate) fn fits(volume: &Value, claim: &Value) -> bool {
    let selector = &claim["spec"]["selector"];
    text_at(volume, "/status/phase") == "Available"
        && volume["spec"]["claimRef"].is_null()
        && suits(volume, claim)
        && class(volume) == class(claim)
        && (selector.is_null() || Selector::from_label_selector(selector).matches(volume))
}

/// Whether a volume can be mounted on a node.
pub(crate) fn reaches(volume: &Value, node: &Value) -> bool {
    let required = &volume["spec"]["nodeAffinity"]["required"];
    // A selector without terms chooses no node.
    required.is_null() || !items_at(required, "/nodeSelectorTerms").is_empty() && matches_node(required, node)
}

/// Returns the volume for a claim: one that is reserved for it, or else the smallest that fits. On that node, if one is
/// chosen; `reserved_only` excludes available ones.
pub fn find(volumes: &[Arc<Value>], claim: &Value, node: Option<&Value>, reserved_only: bool) -> Option<Arc<Value>> {
    let here = |volume: &Value| node.is_none_or(|node| reaches(volume, node));
    if let Some(own) = volumes.iter().find(|volume| is_for(volume, claim) && suits(volume, claim)) {
        return here(own).then(|| own.clone());
    }
    let free = volumes.iter().filter(|volume| !reserved_only && fits(volume, claim) && here(volume));
    free.min_by_key(|volume| size(volume, "/spec/capacity/storage")).cloned()
}

/// Returns the size at a JSON pointer; 0 if there is none.
fn size(object: &Value, pointer: &str) -> i128 {
    object.pointer(pointer).and_then(quantity::parse).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_volume_that_is_kept_for_the_claim_comes_first_and_must_be_large_enough() {
        let volume = |name: &str, size: &str, reference: Value| {
            Arc::new(json!({"metadata": {"name": name}, "spec": {"capacity": {"storage": size}, "claimRef": reference,
                "storageClassName": "standard", "accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Available"}}))
        };
        let claim = json!({"metadata": {"namespace": "a", "name": "c", "uid": "1"}, "spec": {"storageClassName": "standard",
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}});
        let kept = json!({"namespace": "a", "name": "c"});
        let volumes = [
            volume("small", "9Gi", Value::Null),
            volume("large", "20Gi", Value::Null),
            volume("free", "11Gi", Value::Null),
            volume("kept", "10Gi", kept.clone()),
        ];
        let found =
            |volumes: &[Arc<Value>], reserved| find(volumes, &claim, None, reserved).map(|it| name(&it).to_owned());
        assert_eq!(found(&volumes, true).as_deref(), Some("kept"));
        assert_eq!(found(&volumes[..3], false).as_deref(), Some("free"));
        assert_eq!(found(&volumes[..3], true), None);
        assert_eq!(found(&[volume("kept", "9Gi", kept)], true), None);
    }
}
