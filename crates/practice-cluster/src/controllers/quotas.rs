//! The quota controller: what a namespace's pods and claims take together, in the status of its ResourceQuotas.

use super::{Context, Controller, Requeue};
use crate::admission::quotas::status;
use crate::objects::key;
use crate::store::{Key, Preconditions};
use serde_json::Value;

/// See the module.
pub(crate) struct Quotas(Context);

impl Quotas {
    /// The controller.
    pub(crate) fn new(context: Context) -> Quotas {
        Quotas(context)
    }
}

impl Controller for Quotas {
    fn kinds(&self) -> &'static [&'static str] {
        &["resourcequotas"]
    }

    fn concerned(&self, changed: &Key, _: &Value) -> Vec<Key> {
        match changed.resource {
            "resourcequotas" => vec![changed.clone()],
            "pods" | "persistentvolumeclaims" => {
                let quotas = self.0.store.list("resourcequotas", Some(&changed.namespace)).0;
                quotas.iter().map(|quota| key("resourcequotas", quota)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let Some(quota) = self.0.store.get(key) else { return Requeue::Never };
        let list = |resource: &'static str, namespace: Option<&str>| self.0.store.list(resource, namespace).0;
        let counted = status(&quota, key, &list);
        // Gone by now: nothing to count for.
        let _ = self.0.store.update(key, &Preconditions::default(), false, |quota| {
            quota["status"] = counted;
            Ok(())
        });
        Requeue::Never
    }
}
