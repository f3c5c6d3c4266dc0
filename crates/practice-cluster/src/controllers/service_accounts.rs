//! Gives each namespace its service account `default`.

use super::{Context, Controller, Requeue};
use crate::objects::{is_terminating, name};
use crate::store::Key;
use serde_json::{Value, json};

/// See the module.
pub(crate) struct ServiceAccounts {
    context: Context,
}

impl ServiceAccounts {
    /// The controller.
    pub(crate) fn new(context: Context) -> ServiceAccounts {
        ServiceAccounts { context }
    }
}

impl Controller for ServiceAccounts {
    fn kinds(&self) -> &'static [&'static str] {
        &["namespaces"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        match changed.resource {
            "namespaces" => vec![changed.clone()],
            "serviceaccounts" if changed.name == "default" => {
                vec![Key::new("namespaces", "", changed.namespace.as_str())]
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        if let Some(namespace) = self.context.store.get(key).filter(|namespace| !is_terminating(namespace)) {
            // There already: good.
            let account = Key::new("serviceaccounts", name(&namespace), "default");
            let _ = self.context.store.create(account, json!({}), false);
        }
        Requeue::Never
    }
}
