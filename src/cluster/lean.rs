//! What is dropped of an object as soon as it is decoded.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    Container, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodSpec, Service,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

/// kubectl's copy of what it applied, which may be as large as the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A kind of which a list keeps less than the server sends.
pub(super) trait Lean: Resource {
    /// Drops what no command reads: which client wrote which field is a third of an object.
    fn without_managed_fields(&mut self) {
        self.meta_mut().managed_fields = None;
    }

    /// Drops what only a change needs: how containers are run, and copies of the object.
    fn lean(&mut self) {
        trim(self.meta_mut());
    }
}

impl Lean for PersistentVolumeClaim {
    fn lean(&mut self) {
        trim(&mut self.metadata);
        if let Some(status) = &mut self.status {
            fit(&mut status.conditions);
        }
    }
}

impl Lean for PersistentVolume {}
impl Lean for PodDisruptionBudget {}
impl Lean for Namespace {}
impl Lean for Node {}
impl Lean for StorageClass {}
impl Lean for Lease {}
impl Lean for Service {}

impl Lean for Pod {
    fn lean(&mut self) {
        trim(&mut self.metadata);
        if let Some(spec) = &mut self.spec {
            trim_spec(spec);
        }
        if let Some(status) = &mut self.status {
            for statuses in [&mut status.container_statuses, &mut status.init_container_statuses] {
                fit(statuses);
            }
            status.ephemeral_container_statuses = None;
            fit(&mut status.conditions);
        }
    }
}

impl Lean for StatefulSet {
    fn lean(&mut self) {
        trim(&mut self.metadata);
        if let Some(spec) = self.spec.template.spec.as_mut() {
            trim_spec(spec);
        }
    }
}

fn trim(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    fit(&mut metadata.owner_references);
    fit(&mut metadata.finalizers);
}

/// Frees the room that a list has for more: a decoded one has room for four, and a container's status takes 750 bytes.
fn fit<T>(list: &mut Option<Vec<T>>) {
    if let Some(list) = list {
        list.shrink_to_fit();
    }
}

/// Keeps which containers there are, their images, ports and probes.
fn trim_spec(spec: &mut PodSpec) {
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for container in containers {
        *container = Container {
            name: std::mem::take(&mut container.name),
            image: container.image.take(),
            ports: container.ports.take(),
            readiness_probe: container.readiness_probe.take(),
            restart_policy: container.restart_policy.take(),
            ..Container::default()
        };
    }
    spec.affinity = None;
    spec.tolerations = None;
    spec.topology_spread_constraints = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_topology_reads_stays() {
        let pod = json!({
            "metadata": {"name": "p", "managedFields": [{"manager": "m"}],
                "annotations": {"kept": "yes", "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "spec": {
                "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "b"}], "args": ["x"],
                    "ports": [{"containerPort": 5432}], "readinessProbe": {"periodSeconds": 5},
                    "resources": {"limits": {"cpu": "1"}}}],
                "initContainers": [{"name": "s", "restartPolicy": "Always", "command": ["y"]}],
                "nodeName": "n",
                "tolerations": [{"operator": "Exists"}],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "v-p"}}]}});
        let mut pod: Pod = serde_json::from_value(pod).unwrap();
        pod.lean();
        assert_eq!(
            serde_json::to_value(&pod).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "p", "annotations": {"kept": "yes"}},
                "spec": {
                    "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 5432}],
                        "readinessProbe": {"periodSeconds": 5}}],
                    "initContainers": [{"name": "s", "restartPolicy": "Always"}],
                    "nodeName": "n",
                    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "v-p"}}]}})
        );
        let mut set: StatefulSet = serde_json::from_value(json!({"metadata": {}, "spec": {
            "template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "b"}]}]}}}}))
        .unwrap();
        set.lean();
        let template = serde_json::to_value(&set).unwrap()["spec"]["template"].clone();
        assert_eq!(template["spec"]["containers"], json!([{"name": "c"}]));
        set.without_managed_fields();
        assert_ne!(template, Value::Null);
    }
}
