//! Protection of storage in use: the finalizers of claims and volumes are removed only when nothing needs them.
//!
//! As in Kubernetes, a pod uses its claims from when it is scheduled until it is gone, finished or not: a Pending
//! pod without a node does not keep a claim that is being deleted.

use super::{Context, Controller, Requeue};
use crate::objects::{claims, is_terminating, name, namespace};
use crate::store::{Key, Preconditions};
use crate::values::{items_at, text_at};
use serde_json::Value;
use std::collections::HashMap;
use tokio::time::Instant;

const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";

/// See the module.
pub(crate) struct Protection {
    context: Context,
    /// Claims that no pod uses any longer, and since when.
    unused: HashMap<Key, Instant>,
}

impl Protection {
    /// The controller.
    pub(crate) fn new(context: Context) -> Protection {
        Protection { context, unused: HashMap::new() }
    }

    fn in_use(&self, claim: &Value) -> bool {
        self.context
            .store
            .list("pods", Some(namespace(claim)))
            .0
            .iter()
            .any(|pod| claims(pod).any(|used| used == name(claim)) && !text_at(pod, "/spec/nodeName").is_empty())
    }

    fn claim(&mut self, key: &Key, claim: &Value) -> Requeue {
        if !is_terminating(claim) || !has_finalizer(claim, CLAIM_FINALIZER) || self.in_use(claim) {
            self.unused.remove(key);
            return Requeue::Never;
        }
        // The race that a scenario wants to show: the replacement pod exists before the claim is gone.
        let owed = self.waiting_replacement(claim);
        let since = *self.unused.entry(key.clone()).or_insert_with(Instant::now);
        let left = (self.context.pace.protection).saturating_sub(since.elapsed());
        if !left.is_zero() {
            return Requeue::After(left);
        }
        if owed {
            return Requeue::Never;
        }
        self.unused.remove(key);
        self.remove_finalizer(key, CLAIM_FINALIZER);
        Requeue::Never
    }

    /// Whether a StatefulSet is about to create a pod on this claim although it is being deleted.
    fn waiting_replacement(&self, claim: &Value) -> bool {
        self.context.store.list("statefulsets", Some(namespace(claim))).0.iter().any(|set| {
            let replicas = set["spec"]["replicas"].as_u64().unwrap_or(1);
            items_at(set, "/spec/volumeClaimTemplates").iter().any(|template| {
                let prefix = format!("{}-{}-", name(template), name(set));
                let ordinal = name(claim).strip_prefix(&prefix).and_then(|ordinal| ordinal.parse::<u64>().ok());
                ordinal.is_some_and(|ordinal| {
                    ordinal < replicas && self.context.race_due(namespace(claim), &format!("{}-{ordinal}", name(set)))
                })
            })
        })
    }

    fn volume(&self, key: &Key, volume: &Value) -> Requeue {
        let bound = text_at(volume, "/status/phase") == "Bound";
        if is_terminating(volume) && has_finalizer(volume, VOLUME_FINALIZER) && !bound {
            self.remove_finalizer(key, VOLUME_FINALIZER);
        }
        Requeue::Never
    }

    fn remove_finalizer(&self, key: &Key, finalizer: &str) {
        // Gone by now: nothing to remove.
        let _ = self.context.store.update(key, &Preconditions::default(), false, |object| {
            if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
                list.retain(|known| known != finalizer);
            }
            Ok(())
        });
    }
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    items_at(object, "/metadata/finalizers").iter().any(|known| known == finalizer)
}

impl Controller for Protection {
    fn kinds(&self) -> &'static [&'static str] {
        &["persistentvolumeclaims", "persistentvolumes"]
    }

    fn concerned(&self, key: &Key, object: &Value) -> Vec<Key> {
        match key.resource {
            "persistentvolumeclaims" | "persistentvolumes" => vec![key.clone()],
            "pods" => {
                claims(object).map(|claim| Key::new("persistentvolumeclaims", key.namespace.as_str(), claim)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        match (self.context.store.get(key), key.resource) {
            (Some(claim), "persistentvolumeclaims") => self.claim(key, &claim),
            (Some(volume), _) => self.volume(key, &volume),
            (None, _) => {
                self.unused.remove(key);
                Requeue::Never
            }
        }
    }
}
