//! Roles and bindings that an API server refuses, worded as `k8s.io/kubernetes/pkg/apis/rbac/validation` does.

use super::findings::Findings;
use crate::resources::RBAC_GROUP;
use serde_json::Value;

/// Whether the kind (its plural) is one of these.
pub(super) fn is_one(resource: &str) -> bool {
    matches!(resource, "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings")
}

/// What is wrong with a new one.
pub(super) fn creation(resource: &str, object: &Value) -> Findings {
    let mut findings = Findings::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&object["metadata"]["name"]);
    for part in ["/", "%"] {
        if name.contains(part) {
            let why = format!("Invalid value: \"{name}\": may not contain '{part}'");
            findings.push(("metadata.name".to_owned(), why));
        }
    }
    if matches!(resource, "roles" | "clusterroles") {
        for (at, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
            self::rule(&format!("rules[{at}]"), rule, resource == "roles", &mut findings);
        }
        return findings;
    }
    let reference = &object["roleRef"];
    let kinds: &[&str] = if resource == "rolebindings" { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
    let mut found = |field: String, message: String| findings.push((field, message));
    let group = text(&reference["apiGroup"]);
    if !group.is_empty() && group != RBAC_GROUP {
        found("roleRef.apiGroup".to_owned(), unsupported(&group, &[RBAC_GROUP]));
    }
    let kind = text(&reference["kind"]);
    if !kinds.contains(&kind.as_str()) {
        found("roleRef.kind".to_owned(), unsupported(&kind, kinds));
    }
    if text(&reference["name"]).is_empty() {
        found("roleRef.name".to_owned(), "Required value".to_owned());
    }
    for (at, subject) in object["subjects"].as_array().into_iter().flatten().enumerate() {
        let field = |name: &str| format!("subjects[{at}].{name}");
        if text(&subject["name"]).is_empty() {
            found(field("name"), "Required value".to_owned());
        }
        let (kind, group) = (text(&subject["kind"]), text(&subject["apiGroup"]));
        match kind.as_str() {
            "ServiceAccount" => {
                if !group.is_empty() {
                    found(field("apiGroup"), unsupported(&group, &[""]));
                }
                if resource == "clusterrolebindings" && text(&subject["namespace"]).is_empty() {
                    found(field("namespace"), "Required value".to_owned());
                }
            }
            "User" | "Group" => {
                if !group.is_empty() && group != RBAC_GROUP {
                    found(field("apiGroup"), unsupported(&group, &[RBAC_GROUP]));
                }
            }
            _ => found(field("kind"), unsupported(&kind, &["Group", "ServiceAccount", "User"])),
        }
    }
    findings
}

/// What is wrong with a change: as for a new one, and a binding stays with its role.
pub(super) fn update(resource: &str, before: &Value, after: &Value) -> Findings {
    let mut findings = creation(resource, after);
    if before["roleRef"] != after["roleRef"] {
        findings.push(("roleRef".to_owned(), format!("Invalid value: {}: field is immutable", after["roleRef"])));
    }
    findings
}

fn rule(path: &str, rule: &Value, namespaced: bool, findings: &mut Findings) {
    let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
    let mut found = |field: &str, message: String| findings.push((format!("{path}.{field}"), message));
    if empty("verbs") {
        found("verbs", "Required value: verbs must contain at least one value".to_owned());
    }
    if !empty("nonResourceURLs") {
        let urls = &rule["nonResourceURLs"];
        if namespaced {
            let why = "namespaced rules cannot apply to non-resource URLs";
            found("nonResourceURLs", format!("Invalid value: {urls}: {why}"));
        }
        if !(empty("apiGroups") && empty("resources") && empty("resourceNames")) {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            found("nonResourceURLs", format!("Invalid value: {urls}: {why}"));
        }
        return;
    }
    if empty("apiGroups") {
        found("apiGroups", "Required value: resource rules must supply at least one api group".to_owned());
    }
    if empty("resources") {
        found("resources", "Required value: resource rules must supply at least one resource".to_owned());
    }
}

fn unsupported(value: &str, supported: &[&str]) -> String {
    let listed: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
    format!("Unsupported value: \"{value}\": supported values: {}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_is_named() {
        let fields = |findings: Findings| findings.into_iter().map(|(field, _)| field).collect::<Vec<_>>();
        let role = json!({"metadata": {"name": "a:b"}, "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"resources": ["pods"]}, {"nonResourceURLs": ["/x"], "verbs": ["get"]}]});
        let wrong = ["rules[1].verbs", "rules[1].apiGroups", "rules[2].nonResourceURLs"];
        assert_eq!(fields(creation("roles", &role)), wrong);
        assert_eq!(fields(creation("clusterroles", &role)), wrong[..2]);
        let binding =
            |kind: &str, subject: Value| json!({"roleRef": {"kind": kind, "name": "r"}, "subjects": [subject]});
        let account = binding("Role", json!({"kind": "ServiceAccount", "name": "s"}));
        assert_eq!(creation("rolebindings", &account), []);
        assert_eq!(fields(creation("clusterrolebindings", &account)), ["roleRef.kind", "subjects[0].namespace"]);
        let other = binding("ClusterRole", json!({"kind": "Pod", "name": "p"}));
        assert_eq!(fields(creation("rolebindings", &other)), ["subjects[0].kind"]);
        assert_eq!(fields(update("rolebindings", &account, &other)), ["subjects[0].kind", "roleRef"]);
    }
}
