//! What an API server adds to an object at creation: defaults, and the two admission plugins that matter to
//! storage (`StorageObjectInUseProtection` and `DefaultStorageClass`).
//!
//! Pure: an object in, the same object completed. The store calls it for every creation, so that what the
//! controllers create gets the same defaults as what comes in over HTTP. Never overwrites what is given.

use base64::Engine as _;
use serde_json::{Map, Value, json};

/// Annotation that makes a StorageClass the default one.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Completes a new object of kind `resource` (its plural); `classes` are the StorageClasses there are.
pub(crate) fn admit<'a>(resource: &str, object: &mut Value, classes: impl Iterator<Item = &'a Value>) {
    match resource {
        "pods" => default_tolerations(child(object, "spec")),
        "persistentvolumeclaims" => {
            add_finalizer(object, "kubernetes.io/pvc-protection");
            // An explicit "" means: no dynamic provisioning; only an absent name gets the default.
            if let Some(class) = default_class(classes) {
                default(child(object, "spec"), "storageClassName", json!(class));
            }
        }
        "persistentvolumes" => add_finalizer(object, "kubernetes.io/pv-protection"),
        "namespaces" => default(child(object, "spec"), "finalizers", json!(["kubernetes"])),
        _ => {}
    }
    defaults(resource, object);
}

/// Sets absent fields to their defaults, at creation and at every update.
pub(crate) fn defaults(resource: &str, object: &mut Value) {
    match resource {
        "pods" => pod(object),
        "persistentvolumeclaims" => claim(object),
        "persistentvolumes" => volume(object),
        "namespaces" => namespace(object),
        "statefulsets" => stateful_set(object),
        "storageclasses" => storage_class(object),
        "services" => service(object),
        "rolebindings" | "clusterrolebindings" => binding(object),
        "secrets" => secret(object),
        _ => {}
    }
}

/// The default StorageClass: the newest of those annotated so, as the admission plugin chooses.
pub(crate) fn default_class<'a>(classes: impl Iterator<Item = &'a Value>) -> Option<&'a str> {
    classes
        .filter(|c| c["metadata"]["annotations"][DEFAULT_CLASS] == "true")
        .max_by(|a, b| {
            let age = |c: &Value| c["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
            let name = |c: &Value| c["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            age(a).cmp(&age(b)).then(name(b).cmp(&name(a)))
        })
        .and_then(|c| c["metadata"]["name"].as_str())
}

/// Sets a field that is absent or null.
fn default(object: &mut Value, field: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        let slot = map.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value;
        }
    }
}

/// The object in a field, created when absent.
fn child<'v>(object: &'v mut Value, field: &str) -> &'v mut Value {
    if !object[field].is_object() {
        object[field] = Value::Object(Map::new());
    }
    &mut object[field]
}

/// The elements of the list in a field; none if there is no list.
fn items<'v>(object: &'v mut Value, field: &str) -> impl Iterator<Item = &'v mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn add_finalizer(object: &mut Value, name: &str) {
    let metadata = child(object, "metadata");
    default(metadata, "finalizers", json!([]));
    if let Some(list) = metadata["finalizers"].as_array_mut()
        && !list.iter().any(|f| f == name)
    {
        list.push(json!(name));
    }
}

fn claim(object: &mut Value) {
    default(child(object, "spec"), "volumeMode", json!("Filesystem"));
    default(child(object, "status"), "phase", json!("Pending"));
}

fn volume(object: &mut Value) {
    let spec = child(object, "spec");
    default(spec, "persistentVolumeReclaimPolicy", json!("Retain"));
    default(spec, "volumeMode", json!("Filesystem"));
    default(child(object, "status"), "phase", json!("Pending"));
}

fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    let metadata = child(object, "metadata");
    default(child(metadata, "labels"), "kubernetes.io/metadata.name", name);
    default(child(object, "status"), "phase", json!("Active"));
}

fn storage_class(object: &mut Value) {
    default(object, "reclaimPolicy", json!("Delete"));
    default(object, "volumeBindingMode", json!("Immediate"));
}

fn service(object: &mut Value) {
    let spec = child(object, "spec");
    default(spec, "type", json!("ClusterIP"));
    default(spec, "sessionAffinity", json!("None"));
    for port in items(spec, "ports") {
        default(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        default(port, "targetPort", number);
    }
    default(child(object, "status"), "loadBalancer", json!({}));
}

/// `stringData` is for writing alone: its values go to `data`, in base64, before those that are there.
fn secret(object: &mut Value) {
    default(object, "type", json!("Opaque"));
    let Some(plain) = object.as_object_mut().and_then(|map| map.shift_remove("stringData")) else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        child(object, "data")[key] = json!(encoded);
    }
}

fn binding(object: &mut Value) {
    let group = json!("rbac.authorization.k8s.io");
    default(child(object, "roleRef"), "apiGroup", group.clone());
    for subject in items(object, "subjects").filter(|subject| subject["kind"] != "ServiceAccount") {
        default(subject, "apiGroup", group.clone());
    }
}

fn stateful_set(object: &mut Value) {
    let spec = child(object, "spec");
    default(spec, "replicas", json!(1));
    default(spec, "podManagementPolicy", json!("OrderedReady"));
    default(spec, "revisionHistoryLimit", json!(10));
    default(spec, "persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Retain", "whenScaled": "Retain"}));
    default(spec, "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    pod_spec(child(child(spec, "template"), "spec"));
    for template in items(spec, "volumeClaimTemplates") {
        default(template, "apiVersion", json!("v1"));
        default(template, "kind", json!("PersistentVolumeClaim"));
        default(child(template, "spec"), "volumeMode", json!("Filesystem"));
        default(child(template, "status"), "phase", json!("Pending"));
    }
    default(child(object, "status"), "replicas", json!(0));
}

fn pod(object: &mut Value) {
    let spec = child(object, "spec");
    pod_spec(spec);
    default(spec, "serviceAccountName", json!("default"));
    default(spec, "enableServiceLinks", json!(true));
    default(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    default(spec, "priority", json!(0));
    let class = qos_class(spec);
    let status = child(object, "status");
    default(status, "phase", json!("Pending"));
    default(status, "qosClass", json!(class));
}

/// The DefaultTolerationSeconds plugin.
fn default_tolerations(spec: &mut Value) {
    default(spec, "tolerations", json!([]));
    if let Some(tolerations) = spec["tolerations"].as_array_mut() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            if !tolerations.iter().any(|t| t["key"] == key) {
                tolerations.push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300
                }));
            }
        }
    }
}

fn pod_spec(spec: &mut Value) {
    default(spec, "restartPolicy", json!("Always"));
    default(spec, "terminationGracePeriodSeconds", json!(30));
    default(spec, "dnsPolicy", json!("ClusterFirst"));
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", json!("default-scheduler"));
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            default(container, "resources", json!({}));
            default(container, "terminationMessagePath", json!("/dev/termination-log"));
            default(container, "terminationMessagePolicy", json!("File"));
            let image = container["image"].as_str().unwrap_or_default();
            let name = image.rsplit('/').next().unwrap_or_default();
            let latest = name.ends_with(":latest") || !name.contains([':', '@']);
            default(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
            for port in items(container, "ports") {
                default(port, "protocol", json!("TCP"));
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if container[probe].is_object() {
                    let probe = &mut container[probe];
                    default(probe, "timeoutSeconds", json!(1));
                    default(probe, "periodSeconds", json!(10));
                    default(probe, "successThreshold", json!(1));
                    default(probe, "failureThreshold", json!(3));
                }
            }
        }
    }
}

/// `BestEffort`, `Burstable` or `Guaranteed`, from requests and limits.
fn qos_class(spec: &Value) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    for container in spec["containers"].as_array().into_iter().flatten() {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let (request, limit) = (&resources["requests"][name], &resources["limits"][name]);
            any |= !request.is_null() || !limit.is_null();
            guaranteed &= !limit.is_null() && (request.is_null() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(resource: &str, mut object: Value, classes: &[Value]) -> Value {
        admit(resource, &mut object, classes.iter());
        object
    }

    #[test]
    fn claims_get_protection_and_the_default_class_unless_one_is_named() {
        let classes = [
            json!({"metadata": {"name": "slow"}}),
            json!({"metadata": {"name": "fast", "annotations": {DEFAULT_CLASS: "true"}}}),
        ];
        let got = admitted("persistentvolumeclaims", json!({"metadata": {"name": "a"}}), &classes);
        assert_eq!(got["spec"]["storageClassName"], "fast");
        assert_eq!(got["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
        assert_eq!(got["status"]["phase"], "Pending");
        for named in ["", "slow"] {
            let got = admitted("persistentvolumeclaims", json!({"spec": {"storageClassName": named}}), &classes);
            assert_eq!(got["spec"]["storageClassName"], named);
        }
        let got = admitted("persistentvolumeclaims", json!({}), &classes[..1]);
        assert!(got["spec"].get("storageClassName").is_none());
    }

    #[test]
    fn what_a_secret_is_given_in_plain_text_is_kept_encoded() {
        let given = json!({"data": {"a": "b2xk", "b": "Yg=="}, "stringData": {"a": "new", "c": ""}});
        let expected = json!({"data": {"a": "bmV3", "b": "Yg==", "c": ""}, "type": "Opaque"});
        assert_eq!(admitted("secrets", given, &[]), expected);
        let empty = json!({"type": "kubernetes.io/basic-auth", "stringData": null});
        assert_eq!(admitted("secrets", empty, &[]), json!({"type": "kubernetes.io/basic-auth"}));
    }

    #[test]
    fn pods_are_completed_and_what_is_given_stays() {
        let got = admitted(
            "pods",
            json!({"spec": {"terminationGracePeriodSeconds": 5, "containers": [
                {"name": "a", "image": "x/y:1", "ports": [{"containerPort": 5432}],
                 "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}),
            &[],
        );
        assert_eq!(got["spec"]["terminationGracePeriodSeconds"], 5);
        assert_eq!(got["spec"]["restartPolicy"], "Always");
        assert_eq!(got["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(got["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(got["status"], json!({"phase": "Pending", "qosClass": "Guaranteed"}));
        assert!(got["spec"].get("initContainers").is_none());
        assert!(got["spec"]["containers"][0].get("livenessProbe").is_none());
    }
}
