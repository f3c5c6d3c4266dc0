//! Collecting pods that no kubelet will ever end: those of deleted nodes, and those being deleted on nodes that are
//! marked out of service (Kubernetes' pod garbage collector, KEP-2268).

use super::{Context, Controller, Requeue};
use crate::objects::{is_ready, is_terminating, key, uid};
use crate::store::{DeleteOptions, Key, Preconditions};
use crate::values::{items_at, text_at};
use serde_json::Value;

/// See the module.
pub(crate) struct PodGarbage {
    context: Context,
}

impl PodGarbage {
    /// The controller.
    pub(crate) fn new(context: Context) -> PodGarbage {
        PodGarbage { context }
    }

    /// Whether no kubelet will ever end a pod's containers properly.
    fn abandoned(&self, pod: &Value) -> bool {
        let node = text_at(pod, "/spec/nodeName");
        if node.is_empty() {
            return false;
        }
        match self.context.store.get(&Key::new("nodes", "", node)) {
            None => true,
            Some(node) => {
                let out = items_at(&node, "/spec/taints")
                    .iter()
                    .any(|taint| taint["key"] == "node.kubernetes.io/out-of-service");
                out && !is_ready(&node) && is_terminating(pod)
            }
        }
    }
}

impl Controller for PodGarbage {
    fn kinds(&self) -> &'static [&'static str] {
        &["pods"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        match changed.resource {
            "pods" => vec![changed.clone()],
            "nodes" => self.context.store.list("pods", None).0.iter().map(|pod| key("pods", pod)).collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        if let Some(pod) = self.context.store.get(key).filter(|pod| self.abandoned(pod)) {
            let preconditions = Preconditions::uid(uid(&pod));
            let options = DeleteOptions { preconditions, grace_seconds: Some(0), dry_run: false };
            // Gone already: just as well.
            let _ = self.context.store.delete(key, &options);
        }
        Requeue::Never
    }
}
