//! Admission policies of a case, created in effect and lifted when dropped.

use super::World;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;
use std::time::Duration;

/// A policy that denies deletions in one namespace.
pub(crate) struct Policy<'w> {
    world: &'w World,
    name: String,
    namespace: String,
}

impl World {
    /// Denies the deletion of an object (its resource and name) in a namespace while this CEL expression is false.
    /// ConfigMaps with the policy's name serve as probes: an API server learns of a policy a moment later, and no event
    /// signals it.
    pub(crate) fn deny_deletion(&self, namespace: &str, (what, whose): (&str, &str), expression: &str) -> Policy<'_> {
        let name = format!("e2e-{}", uuid::Uuid::new_v4());
        let policy = Policy { world: self, name: name.clone(), namespace: namespace.to_owned() };
        let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"],
            "resources": [what, "configmaps"], "resourceNames": [whose, name]});
        self.create(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": expression, "message": format!("{what} of this account stay")}]},
        }));
        self.create(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}},
        }));
        policy.until(true);
        policy
    }
}

impl Policy<'_> {
    /// Lifts it, and waits until that is in effect.
    pub(crate) fn lift(self) {
        self.remove();
        self.until(false);
    }

    fn remove(&self) {
        let (policies, bindings) = (
            self.world.cluster_wide::<ValidatingAdmissionPolicy>(),
            self.world.cluster_wide::<ValidatingAdmissionPolicyBinding>(),
        );
        self.world.block_on(async {
            // It may be lifted already.
            let _ = bindings.delete(&self.name, &DeleteParams::default()).await;
            let _ = policies.delete(&self.name, &DeleteParams::default()).await;
        });
    }

    /// Waits until the deletion of its probe is denied, or no longer is.
    fn until(&self, denied: bool) {
        let probes: Api<ConfigMap> = self.world.within(&self.namespace);
        let metadata = kube::core::ObjectMeta { name: Some(self.name.clone()), ..Default::default() };
        let probe = ConfigMap { metadata, ..ConfigMap::default() };
        let asked = async {
            loop {
                // It may exist already.
                let _ = probes.create(&PostParams::default(), &probe).await;
                if probes.delete(&self.name, &DeleteParams::default()).await.is_err() == denied {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        self.world.in_time(asked).unwrap_or_else(|| panic!("policy {}: denied is still not {denied}", self.name));
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
