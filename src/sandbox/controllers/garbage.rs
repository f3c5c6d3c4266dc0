//! Collecting what nothing keeps any longer: dependents of a deleted owner, pods of deleted nodes, and pods on nodes
//! that are marked out of service (Kubernetes' garbage collector and pod garbage collector).

use super::objects::{array, is_ready, is_terminating, key, text};
use super::{Context, Controller, Requeue};
use crate::sandbox::store::{DeleteOptions, Key, Preconditions};
use serde_json::Value;

/// See the module.
pub(crate) struct Garbage {
    context: Context,
}

impl Garbage {
    /// The controller.
    pub(crate) fn new(context: Context) -> Garbage {
        Garbage { context }
    }

    fn delete(&self, key: &Key, object: &Value, grace_seconds: Option<u64>) {
        let preconditions = Preconditions::uid(text(object, "/metadata/uid"));
        // Gone already: just as well.
        let _ = self.context.store.delete(key, &DeleteOptions { preconditions, grace_seconds, dry_run: false });
    }

    /// Whether every owner is gone.
    fn orphaned(&self, key: &Key, object: &Value) -> bool {
        let owners = array(object, "/metadata/ownerReferences");
        !owners.is_empty()
            && owners.iter().all(|owner| {
                owner["kind"] == "StatefulSet"
                    && !self
                        .context
                        .store
                        .get(&Key::new("statefulsets", key.namespace.as_str(), text(owner, "/name")))
                        .is_some_and(|set| set["metadata"]["uid"] == owner["uid"])
            })
    }

    /// Whether nobody will ever end a pod's containers properly.
    fn abandoned(&self, pod: &Value) -> bool {
        let node = text(pod, "/spec/nodeName");
        if node.is_empty() {
            return false;
        }
        match self.context.store.get(&Key::new("nodes", "", node)) {
            None => true,
            Some(node) => {
                let out = array(&node, "/spec/taints")
                    .iter()
                    .any(|taint| taint["key"] == "node.kubernetes.io/out-of-service");
                out && !is_ready(&node) && is_terminating(pod)
            }
        }
    }
}

impl Controller for Garbage {
    fn kinds(&self) -> &'static [&'static str] {
        &["pods", "controllerrevisions", "persistentvolumeclaims"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        match changed.resource {
            "pods" => vec![changed.clone()],
            "nodes" => self.context.store.list("pods", None).0.iter().map(|pod| key("pods", pod)).collect(),
            "statefulsets" if self.context.store.get(changed).is_none() => {
                ["pods", "controllerrevisions", "persistentvolumeclaims"]
                    .into_iter()
                    .flat_map(|kind| {
                        let all = self.context.store.list(kind, Some(&changed.namespace)).0;
                        all.iter().map(|object| key(kind, object)).collect::<Vec<_>>()
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let Some(object) = self.context.store.get(key) else { return Requeue::Never };
        let unscheduled = key.resource == "pods" && text(&object, "/spec/nodeName").is_empty();
        if key.resource == "pods" && (self.abandoned(&object) || (unscheduled && is_terminating(&object))) {
            self.delete(key, &object, Some(0));
        } else if !is_terminating(&object) && self.orphaned(key, &object) {
            self.delete(key, &object, None);
        }
        Requeue::Never
    }
}
