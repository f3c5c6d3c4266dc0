//! The objects that binding and provisioning write.

use crate::objects::{annotation, name, namespace, uid};
use serde_json::{Value, json};

/// Set by the scheduler on a claim whose volume waits for its first consumer.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Returns a volume's reference to the claim that it is bound to.
pub(super) fn claim_reference(claim: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name(claim), "namespace": namespace(claim),
        "uid": uid(claim), "resourceVersion": claim["metadata"]["resourceVersion"],
    })
}

/// Returns a new volume for a claim; a `pinned` one can be reached from the claim's selected node only.
pub(super) fn new_volume(claim: &Value, class: &Value, volume: &str, pinned: bool) -> Value {
    let mut spec = json!({
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": claim["spec"]["accessModes"],
        "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
        "storageClassName": name(class),
        "volumeMode": claim["spec"]["volumeMode"],
        "csi": {"driver": class["provisioner"], "volumeHandle": volume, "fsType": "ext4"},
        "claimRef": claim_reference(claim),
    });
    let node = annotation(claim, SELECTED_NODE);
    if pinned && !node.is_empty() {
        spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}});
    }
    json!({"metadata": {"annotations": {PROVISIONED_BY: class["provisioner"]}}, "spec": spec})
}
