//! Generic ephemeral volumes: makes the claim `POD-VOLUME` of a pod that has one. The pod owns it, and the garbage
//! collector removes it with the pod.
//!
//! As Kubernetes' own controller: a claim of that name without an owner, or owned by another pod, is not this pod's.
//! The new pod of a StatefulSet waits until its predecessor's is gone.

use super::{Context, Controller, Requeue};
use crate::objects::{claims, ephemeral_claim, is_finished, is_terminating, key, name, namespace, uid};
use crate::store::Key;
use crate::values::{items_at, text_at};
use serde_json::{Value, json};

/// See the module.
pub(crate) struct Ephemeral {
    context: Context,
}

impl Ephemeral {
    /// The controller.
    pub(crate) fn new(context: Context) -> Ephemeral {
        Ephemeral { context }
    }
}

/// Whether a pod owns a claim.
pub(super) fn owns(pod: &Value, claim: &Value) -> bool {
    items_at(claim, "/metadata/ownerReferences")
        .iter()
        .any(|owner| owner["uid"] == uid(pod) && owner["controller"] == true)
}

impl Controller for Ephemeral {
    fn kinds(&self) -> &'static [&'static str] {
        &["pods"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        match changed.resource {
            "pods" => vec![changed.clone()],
            // One that is gone was in the way of the next.
            "persistentvolumeclaims" => {
                let pods = self.context.store.list("pods", Some(&changed.namespace)).0;
                let waiting = pods.iter().filter(|pod| claims(pod).any(|claim| claim == changed.name));
                waiting.map(|pod| key("pods", pod)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let store = &self.context.store;
        let Some(pod) = store.get(key).filter(|pod| !is_terminating(pod) && !is_finished(pod)) else {
            return Requeue::Never;
        };
        for volume in items_at(&pod, "/spec/volumes") {
            let Some(claim) = ephemeral_claim(&pod, volume) else { continue };
            let template = &volume["ephemeral"]["volumeClaimTemplate"];
            let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": name(&pod), "uid": uid(&pod),
                "controller": true, "blockOwnerDeletion": true});
            let mut metadata = json!({"ownerReferences": [owner]});
            for field in ["labels", "annotations"] {
                if template["metadata"][field].is_object() {
                    metadata[field] = template["metadata"][field].clone();
                }
            }
            let object = json!({"metadata": metadata, "spec": template["spec"]});
            // There already: this pod's, or one that is in its way.
            let _ = store.create(Key::new("persistentvolumeclaims", namespace(&pod), claim), object, false);
        }
        Requeue::Never
    }
}

/// Why a pod's claim is not one that it may use, in the scheduler's words; `None` if it is.
pub(super) fn not_for(pod: &Value, wanted: &str, claim: &Value) -> Option<String> {
    let ephemeral =
        items_at(pod, "/spec/volumes").iter().any(|volume| ephemeral_claim(pod, volume).is_some_and(|it| it == wanted));
    (ephemeral && !owns(pod, claim)).then(|| {
        let (space, pod) = (text_at(pod, "/metadata/namespace"), name(pod));
        format!("PVC {space}/{wanted} was not created for pod {space}/{pod} (pod is not owner)")
    })
}
