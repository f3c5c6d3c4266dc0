//! What an API server refuses to store: names that are none, missing fields, changes to what cannot change. Pure.
//!
//! Each finding is (field, message), worded as `k8s.io/kubernetes/pkg/apis/core/validation` does.

mod roles;
mod templates;

use serde_json::{Value, json};

/// Findings: (field, message).
pub(super) type Findings = Vec<(String, String)>;

pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const POD_SPEC: &str = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

const CLAIM_SPEC: &str = "Forbidden: spec is immutable after creation except resources.requests and \
    volumeAttributesClassName for bound claims";

/// Most bytes of all keys and values of an object's annotations together (`TotalAnnotationSizeLimitB` of
/// k8s.io/apimachinery).
const MOST_ANNOTATED: usize = 256 << 10;

/// Annotations that are too long, whoever wrote which of them.
fn annotations(object: &Value) -> Option<(String, String)> {
    let all = object["metadata"]["annotations"].as_object()?;
    let bytes: usize = all.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    let message = format!("Too long: may not be more than {MOST_ANNOTATED} bytes");
    (bytes > MOST_ANNOTATED).then(|| ("metadata.annotations".to_owned(), message))
}

/// What is wrong with a new object of kind `resource` (its plural).
pub(super) fn creation(resource: &str, object: &Value) -> Findings {
    let given = |field: &str| object["metadata"][field].as_str().filter(|name| !name.is_empty());
    let mut findings: Findings = annotations(object).into_iter().collect();
    if given("name").is_none() {
        let message = "Required value: name or generateName is required";
        findings.push(("metadata.name".to_owned(), message.to_owned()));
    }
    if roles::is_one(resource) {
        findings.extend(roles::creation(resource, object));
        return findings;
    }
    let mut found = |field: &str, message: &str| findings.push((field.to_owned(), message.to_owned()));
    for field in ["generateName", "name"] {
        let Some(name) = given(field) else { continue };
        // A name may go on after a dash.
        let beginning = name.strip_suffix('-').filter(|_| field == "generateName").unwrap_or(name);
        let (valid, rule) = match resource {
            "namespaces" | "services" => (is_label(beginning), LABEL),
            _ => (is_subdomain(beginning), SUBDOMAIN),
        };
        if !valid {
            found(&format!("metadata.{field}"), &format!("Invalid value: \"{name}\": {rule}"));
        }
    }
    let spec = &object["spec"];
    let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    match resource {
        "pods" if empty(&spec["containers"]) => found("spec.containers", "Required value"),
        "persistentvolumeclaims" => {
            if empty(&spec["accessModes"]) {
                found("spec.accessModes", "Required value: at least 1 access mode is required");
            }
            if spec["resources"]["requests"]["storage"].is_null() {
                found("spec.resources[storage]", "Required value");
            }
        }
        "persistentvolumes" => {
            if empty(&spec["accessModes"]) {
                found("spec.accessModes", "Required value");
            }
            if spec["capacity"]["storage"].is_null() {
                found("spec.capacity", "Required value");
            }
        }
        "statefulsets" => {
            if spec["selector"].is_null() {
                found("spec.selector", "Required value");
            }
            if empty(&spec["template"]["spec"]["containers"]) {
                found("spec.template.spec.containers", "Required value");
            }
            findings.extend(unselected_template(spec));
        }
        "storageclasses" if object["provisioner"].is_null() => found("provisioner", "Required value"),
        "validatingadmissionpolicies" => {
            if let Some(expression) = crate::plugins::unknown_expression(object) {
                let why = "the practice cluster evaluates true, false, request.dryRun and !request.dryRun only";
                found("spec.validations[0].expression", &format!("Invalid value: \"{expression}\": {why}"));
            }
        }
        _ => {}
    }
    findings
}

/// A set whose selector does not choose its own pods.
fn unselected_template(spec: &Value) -> Option<(String, String)> {
    let chosen = super::selector::Selector::from_label_selector(&spec["selector"]).matches(&spec["template"]);
    let labels = &spec["template"]["metadata"]["labels"];
    let message = format!("Invalid value: {labels}: `selector` does not match template `labels`");
    (!chosen).then(|| ("spec.template.metadata.labels".to_owned(), message))
}

/// What is wrong with a change from `before` to `after`.
pub(super) fn update(resource: &str, before: &Value, after: &Value) -> Findings {
    let mut findings = if roles::is_one(resource) { roles::update(resource, before, after) } else { Findings::new() };
    findings.extend(annotations(after));
    let mut found = |field: &str, message: &str| findings.push((field.to_owned(), message.to_owned()));
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (old, new) = (&before["metadata"][field], &after["metadata"][field]);
        // What a client leaves out is put back.
        if let Some(message) = changed(old, new).filter(|_| !new.is_null()) {
            found(&format!("metadata.{field}"), &message);
        }
    }
    if before["metadata"]["deletionTimestamp"].is_string() {
        let old = before["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let new: Vec<&Value> =
            after["metadata"]["finalizers"].as_array().into_iter().flatten().filter(|f| !old.contains(f)).collect();
        if !new.is_empty() {
            let listed: Vec<String> = new.iter().map(ToString::to_string).collect();
            let message = format!(
                "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \
                 []string{{{}}}",
                listed.join(", ")
            );
            found("metadata.finalizers", &message);
        }
    }
    let (old, new) = (&before["spec"], &after["spec"]);
    match resource {
        "pods" if without_pod_exceptions(old) != without_pod_exceptions(new) || !tolerations_kept(old, new) => {
            found("spec", POD_SPEC);
        }
        "persistentvolumeclaims" => {
            // Binding sets the volume's name once.
            let mut allowed = old.clone();
            for field in ["resources", "volumeAttributesClassName"] {
                allowed[field] = new[field].clone();
            }
            if old["volumeName"].as_str().unwrap_or_default().is_empty() {
                allowed["volumeName"] = new["volumeName"].clone();
            }
            if without_nulls(&allowed) != without_nulls(new) {
                found("spec", CLAIM_SPEC);
            }
        }
        "persistentvolumes" => {
            let source = |spec: &Value| {
                const NOT_THE_SOURCE: [&str; 9] = [
                    "accessModes",
                    "capacity",
                    "claimRef",
                    "mountOptions",
                    "nodeAffinity",
                    "persistentVolumeReclaimPolicy",
                    "storageClassName",
                    "volumeAttributesClassName",
                    "volumeMode",
                ];
                let mut spec = spec.clone();
                if let Some(map) = spec.as_object_mut() {
                    map.retain(|key, _| !NOT_THE_SOURCE.contains(&key.as_str()));
                }
                spec
            };
            if source(old) != source(new) {
                found(
                    "spec.persistentvolumesource",
                    "Forbidden: spec.persistentvolumesource is immutable after creation",
                );
            }
            if let Some(message) = changed(&old["volumeMode"], &new["volumeMode"]) {
                // The real server leaves `spec` out of the path.
                found("volumeMode", &message);
            }
            let policy = &new["persistentVolumeReclaimPolicy"];
            if !matches!(policy.as_str(), Some("Retain" | "Delete" | "Recycle")) {
                found(
                    "spec.persistentVolumeReclaimPolicy",
                    &format!("Unsupported value: {policy}: supported values: \"Delete\", \"Recycle\", \"Retain\""),
                );
            }
        }
        "statefulsets" => {
            if let Some((field, message)) = unselected_template(new) {
                found(&field, &message);
            }
            for field in ["selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy"] {
                let shown = |spec: &Value| match field {
                    "volumeClaimTemplates" => templates::shown(&spec[field]),
                    _ => spec[field].clone(),
                };
                if let Some(message) = changed(&shown(old), &shown(new)) {
                    found(&format!("spec.{field}"), &message);
                }
            }
            if new["replicas"].as_i64().is_some_and(|n| n < 0) {
                let message = format!("Invalid value: {}: must be greater than or equal to 0", new["replicas"]);
                found("spec.replicas", &message);
            }
        }
        "storageclasses" => {
            for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
                if let Some(message) = changed(&before[field], &after[field]) {
                    found(field, &message);
                }
            }
        }
        _ => {}
    }
    findings
}

/// Whether a name is a DNS subdomain.
pub(super) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// A pod's spec without what may change in it.
fn without_pod_exceptions(spec: &Value) -> Value {
    let mut spec = without_nulls(spec);
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            container["image"] = json!("");
        }
    }
    if let Some(map) = spec.as_object_mut() {
        for field in ["activeDeadlineSeconds", "tolerations"] {
            map.shift_remove(field);
        }
    }
    spec
}

fn tolerations_kept(old: &Value, new: &Value) -> bool {
    let new = new["tolerations"].as_array().cloned().unwrap_or_default();
    old["tolerations"].as_array().is_none_or(|old| old.iter().all(|toleration| new.contains(toleration)))
}

fn without_nulls(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, v| !v.is_null());
    }
    value
}

/// What is said of a field that may not change and did; nothing is as good as empty.
fn changed(old: &Value, new: &Value) -> Option<String> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let same = old == new || (empty(old) && empty(new));
    (!same).then(|| format!("Invalid value: {new}: field is immutable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creations() {
        let claim = |name: &str| {
            json!({"metadata": {"name": name},
                   "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        };
        assert_eq!(creation("persistentvolumeclaims", &claim("data-wh9527-0")), []);
        for bad in ["A", "a_b", "-a", "a-", "a..b", "a+"] {
            let findings = creation("persistentvolumeclaims", &claim(bad));
            assert_eq!(findings.len(), 1, "{bad}");
            assert!(findings[0].1.starts_with(&format!("Invalid value: \"{bad}\"")));
        }
        let named = |kind: &str| creation(kind, &json!({"metadata": {"name": "a-b", "generateName": "a-"}}));
        assert_eq!(named("persistentvolumeclaims").len(), 2);
        assert_eq!(named("pods")[0].0, "spec.containers");
        let wrong = json!({"metadata": {"name": "A-b", "generateName": "A-"}});
        let wrong: Vec<String> = creation("configmaps", &wrong).into_iter().map(|(field, _)| field).collect();
        assert_eq!(wrong, ["metadata.generateName", "metadata.name"]);
        let nameless = creation("configmaps", &json!({"metadata": {"name": "", "generateName": ""}}));
        let why = "Required value: name or generateName is required";
        assert_eq!(nameless, [("metadata.name".to_owned(), why.to_owned())]);
        let set = json!({"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": {"a": "1"}},
            "template": {"metadata": {"labels": {"a": "2"}}, "spec": {"containers": [{}]}}}});
        assert_eq!(creation("statefulsets", &set)[0].0, "spec.template.metadata.labels");
    }

    #[test]
    fn updates() {
        let pod = json!({"metadata": {"uid": "1"}, "spec": {"nodeName": "n", "containers": [{"image": "a", "name": "c"}],
                         "tolerations": [{"key": "x"}]}});
        let changed = |path: &str, value: Value| {
            let mut pod = pod.clone();
            *pod.pointer_mut(path).unwrap() = value;
            update("pods", &pod_before(&pod, path), &pod)
        };
        // The object before is the same one with the field as it was.
        fn pod_before(after: &Value, path: &str) -> Value {
            let original = json!({"metadata": {"uid": "1"}, "spec": {"nodeName": "n",
                "containers": [{"image": "a", "name": "c"}], "tolerations": [{"key": "x"}]}});
            let mut before = after.clone();
            *before.pointer_mut(path).unwrap() = original.pointer(path).unwrap().clone();
            before
        }
        assert_eq!(changed("/spec/containers/0/image", json!("b")), []);
        assert_eq!(changed("/spec/tolerations", json!([{"key": "x"}, {"key": "y"}])), []);
        assert_eq!(changed("/spec/tolerations", json!([]))[0].0, "spec");
        assert_eq!(changed("/spec/nodeName", json!("m"))[0].1, POD_SPEC);
        assert_eq!(
            changed("/metadata/uid", json!("2")),
            [("metadata.uid".to_owned(), "Invalid value: \"2\": field is immutable".to_owned())]
        );

        let claim = json!({"spec": {"storageClassName": "a", "resources": {"requests": {"storage": "1Gi"}}}});
        let mut bound = claim.clone();
        bound["spec"]["volumeName"] = json!("pv-1");
        assert_eq!(update("persistentvolumeclaims", &claim, &bound), []);
        let mut moved = bound.clone();
        moved["spec"]["volumeName"] = json!("pv-2");
        assert_eq!(update("persistentvolumeclaims", &bound, &moved)[0].1, CLAIM_SPEC);
        assert_eq!(update("persistentvolumeclaims", &bound, &claim)[0].1, CLAIM_SPEC);

        let volume = json!({"spec": {"csi": {"volumeHandle": "h"}, "persistentVolumeReclaimPolicy": "Delete"}});
        let mut retained = volume.clone();
        retained["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain");
        assert_eq!(update("persistentvolumes", &volume, &retained), []);
        retained["spec"]["persistentVolumeReclaimPolicy"] = json!("Keep");
        retained["spec"]["csi"]["volumeHandle"] = json!("other");
        assert_eq!(update("persistentvolumes", &volume, &retained).len(), 2);

        let set = json!({"spec": {"replicas": 1, "serviceName": "a"}});
        assert_eq!(update("statefulsets", &set, &json!({"spec": {"replicas": 3, "serviceName": "a"}})), []);
        assert_eq!(
            update(
                "statefulsets",
                &set,
                &json!({"spec": {"replicas": 1, "serviceName": "b", "podManagementPolicy": "Parallel"}})
            ),
            [
                ("spec.serviceName".to_owned(), "Invalid value: \"b\": field is immutable".to_owned()),
                ("spec.podManagementPolicy".to_owned(), "Invalid value: \"Parallel\": field is immutable".to_owned()),
            ]
        );
        let class = json!({"provisioner": "a"});
        assert_eq!(update("storageclasses", &class, &json!({"provisioner": "a", "parameters": {}})), []);
        assert_eq!(
            update("storageclasses", &class, &json!({"provisioner": "b"})),
            [("provisioner".to_owned(), "Invalid value: \"b\": field is immutable".to_owned())]
        );
    }

    /// Real: `The PersistentVolume "pv" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes`.
    #[test]
    fn annotations_are_bounded_together_keys_and_all() {
        let with = |bytes: usize| {
            let (first, second) = ("a".repeat(1000), "b".repeat(bytes - 1000 - 2));
            json!({"metadata": {"name": "m", "annotations": {"x": first, "y": second}}})
        };
        let message = "Too long: may not be more than 262144 bytes".to_owned();
        let too_long = [("metadata.annotations".to_owned(), message)];
        assert_eq!(creation("configmaps", &with(256 << 10)), []);
        assert_eq!(creation("configmaps", &with((256 << 10) + 1)), too_long);
        assert_eq!(update("configmaps", &with(2000), &with(256 << 10)), []);
        assert_eq!(update("configmaps", &with(2000), &with((256 << 10) + 1)), too_long);
        // One that is over is refused until it is not: shorter is not enough.
        assert_eq!(update("configmaps", &with(300 << 10), &with((256 << 10) + 1)), too_long);
    }

    #[test]
    fn no_finalizer_is_added_to_what_is_being_deleted() {
        let before = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a", "b"]}});
        let mut after = before.clone();
        after["metadata"]["finalizers"] = json!(["a"]);
        assert_eq!(update("pods", &before, &after), []);
        after["metadata"]["finalizers"] = json!(["a", "c"]);
        assert!(update("pods", &before, &after)[0].1.ends_with("[]string{\"c\"}"));
    }
}
