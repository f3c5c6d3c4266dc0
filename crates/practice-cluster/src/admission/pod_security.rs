//! Pod Security: what a namespace's label `pod-security.kubernetes.io/enforce` requires of new pods. Of the two
//! standards, only those requirements that pods of this cluster could violate.

use super::change::{AdmissionRequest, List};
use crate::values::items_at;
use serde_json::Value;

const LABEL: &str = "pod-security.kubernetes.io/enforce";

/// Returns why a pod violates its namespace's standard.
pub(super) fn refusal(asked: &AdmissionRequest<'_>, list: List<'_>) -> Option<String> {
    if asked.key.resource != "pods" {
        return None;
    }
    let namespaces = list("namespaces", None);
    let namespace = namespaces.iter().find(|space| space["metadata"]["name"] == asked.key.namespace.as_str())?;
    let level = namespace["metadata"]["labels"][LABEL].as_str()?;
    let spec = &asked.object["spec"];
    let mut lacks = Vec::new();
    if matches!(level, "baseline" | "restricted") {
        if spec["hostNetwork"] == true {
            lacks.push("host namespaces (hostNetwork=true)".to_owned());
        }
        if items_at(spec, "/volumes").iter().any(|volume| volume["hostPath"].is_object()) {
            lacks.push("hostPath volumes".to_owned());
        }
        lacks.extend(
            missed(spec, |_, own| own["privileged"] != true)
                .map(|name| format!("privileged (container \"{name}\" must not set securityContext.privileged=true)")),
        );
    }
    if level == "restricted" {
        let of_pod = |pod: &Value, own: &Value, field: &str| match own.get(field) {
            Some(value) if !value.is_null() => value.clone(),
            _ => pod[field].clone(),
        };
        let escalates = |_: &Value, own: &Value| own["allowPrivilegeEscalation"] == false;
        let capable = |_: &Value, own: &Value| items_at(own, "/capabilities/drop").iter().any(|one| one == "ALL");
        let root = |pod: &Value, own: &Value| of_pod(pod, own, "runAsNonRoot") == true;
        let profile = |pod: &Value, own: &Value| {
            matches!(of_pod(pod, own, "seccompProfile")["type"].as_str(), Some("RuntimeDefault" | "Localhost"))
        };
        lacks.extend(missed(spec, escalates).map(|name| {
            format!(
                "allowPrivilegeEscalation != false (container \"{name}\" must set \
                 securityContext.allowPrivilegeEscalation=false)"
            )
        }));
        lacks.extend(missed(spec, capable).map(|name| {
            format!(
                "unrestricted capabilities (container \"{name}\" must set securityContext.capabilities.drop=[\"ALL\"])"
            )
        }));
        lacks.extend(missed(spec, root).map(|name| {
            format!("runAsNonRoot != true (pod or container \"{name}\" must set securityContext.runAsNonRoot=true)")
        }));
        lacks.extend(missed(spec, profile).map(|name| {
            format!(
                "seccompProfile (pod or container \"{name}\" must set securityContext.seccompProfile.type to \
                 \"RuntimeDefault\" or \"Localhost\")"
            )
        }));
    }
    (!lacks.is_empty()).then(|| format!("violates PodSecurity \"{level}:latest\": {}", lacks.join(", ")))
}

/// Returns the containers that fail a requirement, given the pod's security context and their own.
fn missed(spec: &Value, holds: impl Fn(&Value, &Value) -> bool) -> impl Iterator<Item = &str> {
    let pod = &spec["securityContext"];
    let containers = items_at(spec, "/containers").iter().filter(move |one| !holds(pod, &one["securityContext"]));
    containers.filter_map(|container| container["name"].as_str())
}
