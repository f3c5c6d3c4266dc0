//! What is wrong with a change of an object. Pure.

use super::annotations::annotations;
use super::findings::Findings;
use super::set_selector::unselected_template;
use super::{roles, templates};
use crate::objects::is_terminating;
use serde_json::{Value, json};

pub(super) const POD_SPEC: &str = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) const CLAIM_SPEC: &str = "Forbidden: spec is immutable after creation except resources.requests and \
    volumeAttributesClassName for bound claims";

/// What is wrong with a change from `before` to `after`.
pub(crate) fn update(resource: &str, before: &Value, after: &Value) -> Findings {
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
    if is_terminating(before) {
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

/// Returns the finding for an immutable field that changed; absent and empty are equal.
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
