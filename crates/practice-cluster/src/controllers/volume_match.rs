//! Which volume fits a claim, as the volume controller and the scheduler see it (`FindMatchingVolume` of
//! `k8s.io/component-helpers/storage/volume`). Written apart from the plugin's own answer to the same question
//! (`topology/binding.rs`), so that each checks the other: a table in `src/testing/binding.rs` holds both.

use super::node_affinity::matches_node;
use crate::api::Selector;
use crate::objects::{annotation, array, is_terminating, name, namespace, text, uid};
use serde_json::Value;
use std::sync::Arc;

/// Comes before `spec.storageClassName`, of claims and of volumes.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// The class that a claim asks for, or that a volume is of; "" for none.
pub(crate) fn class(object: &Value) -> &str {
    match annotation(object, BETA_CLASS) {
        "" => text(object, "/spec/storageClassName"),
        old => old,
    }
}

/// Whether a volume is bound to the claim, or reserved for it by name.
pub(crate) fn is_for(volume: &Value, claim: &Value) -> bool {
    let reference = &volume["spec"]["claimRef"];
    let same = reference["namespace"] == namespace(claim) && reference["name"] == name(claim);
    same && (text(reference, "/uid").is_empty() || reference["uid"] == uid(claim))
}

/// Whether a volume satisfies a claim, bound or not.
fn suits(volume: &Value, claim: &Value) -> bool {
    let mode = |object: &Value| match text(object, "/spec/volumeMode") {
        "" => "Filesystem".to_owned(),
        mode => mode.to_owned(),
    };
    let attributes = |object: &Value| text(object, "/spec/volumeAttributesClassName").to_owned();
    let modes = array(volume, "/spec/accessModes");
    !is_terminating(volume)
        && bytes(text(volume, "/spec/capacity/storage")) >= bytes(text(claim, "/spec/resources/requests/storage"))
        && mode(volume) == mode(claim)
        && attributes(volume) == attributes(claim)
        && array(claim, "/spec/accessModes").iter().all(|mode| modes.contains(mode))
}

/// Whether a volume is available and satisfies a claim.
pub(crate) fn fits(volume: &Value, claim: &Value) -> bool {
    let selector = &claim["spec"]["selector"];
    text(volume, "/status/phase") == "Available"
        && volume["spec"]["claimRef"].is_null()
        && suits(volume, claim)
        && class(volume) == class(claim)
        && (selector.is_null() || Selector::from_label_selector(selector).matches(volume))
}

/// Whether a volume can be mounted on a node.
pub(crate) fn reaches(volume: &Value, node: &Value) -> bool {
    let required = &volume["spec"]["nodeAffinity"]["required"];
    // A selector without terms chooses no node.
    required.is_null() || !array(required, "/nodeSelectorTerms").is_empty() && matches_node(required, node)
}

/// Returns the volume for a claim: one that is reserved for it, or else the smallest that fits. On that node, if one is
/// chosen; `reserved_only` excludes available ones.
pub fn find(volumes: &[Arc<Value>], claim: &Value, node: Option<&Value>, reserved_only: bool) -> Option<Arc<Value>> {
    let here = |volume: &Value| node.is_none_or(|node| reaches(volume, node));
    if let Some(own) = volumes.iter().find(|volume| is_for(volume, claim) && suits(volume, claim)) {
        return here(own).then(|| own.clone());
    }
    let free = volumes.iter().filter(|volume| !reserved_only && fits(volume, claim) && here(volume));
    let size = |volume: &Arc<Value>| bytes(text(volume, "/spec/capacity/storage"));
    free.min_by(|a, b| size(a).total_cmp(&size(b))).cloned()
}

/// A quantity in bytes: `10Gi`, `1.5Gi`, `500M`, `1e3`.
fn bytes(quantity: &str) -> f64 {
    let units = [
        ("Ki", 2f64.powi(10)),
        ("Mi", 2f64.powi(20)),
        ("Gi", 2f64.powi(30)),
        ("Ti", 2f64.powi(40)),
        ("Pi", 2f64.powi(50)),
        ("Ei", 2f64.powi(60)),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let of_unit = |(unit, factor): &(&str, f64)| Some(quantity.strip_suffix(unit)?.parse::<f64>().ok()? * factor);
    units.iter().find_map(of_unit).or_else(|| quantity.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_compare_by_what_they_mean() {
        assert!(bytes("1Gi") > bytes("1G"));
        for (text, value) in [
            ("10Gi", 10.0 * 2f64.powi(30)),
            ("1.5Gi", 1.5 * 2f64.powi(30)),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("", 0.0),
        ] {
            assert!((bytes(text) - value).abs() < 0.5, "{text}");
        }
    }

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
