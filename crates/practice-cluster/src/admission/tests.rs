use super::*;
use crate::key::Key;
use serde_json::{Value, json};
use std::sync::Arc;

/// The answer to a change, given the existing objects (kind and object).
fn said(
    there: &[(&'static str, Value)],
    operation: Operation,
    resource: &'static str,
    object: &Value,
    dry: bool,
) -> String {
    let list = |resource: &'static str, namespace: Option<&str>| {
        let of = |object: &Value| namespace.is_none_or(|wanted| object["metadata"]["namespace"] == wanted);
        let found = there.iter().filter(|(kind, object)| *kind == resource && of(object));
        found.map(|(_, object)| Arc::new(object.clone())).collect::<Vec<_>>()
    };
    let key = Key::new(resource, "n", "x");
    let asked = AdmissionRequest { operation, key: &key, object, dry_run: dry };
    refusal(&asked, &list)
        .map(|refusal| format!("{} {}: {}", refusal.code, refusal.reason, refusal.message))
        .unwrap_or_default()
}

fn pod(memory: &str) -> Value {
    json!({"metadata": {"namespace": "n", "name": "p"}, "status": {"phase": "Running"}, "spec": {"containers": [
        {"name": "main", "resources": {"requests": {"memory": memory}, "limits": {"memory": memory}}}]}})
}

fn claim(size: &str) -> Value {
    json!({"metadata": {"namespace": "n", "name": "c"}, "spec": {"storageClassName": "fast",
        "resources": {"requests": {"storage": size}}}})
}

fn quota(hard: Value) -> (&'static str, Value) {
    ("resourcequotas", json!({"metadata": {"namespace": "n", "name": "q"}, "spec": {"hard": hard}}))
}

#[test]
fn a_full_quota_refuses_in_a_real_servers_words() {
    let there = |hard| vec![quota(hard), ("pods", pod("1Gi")), ("persistentvolumeclaims", claim("1Gi"))];
    for (hard, resource, object, expected) in [
        (json!({"pods": "2"}), "pods", pod("1Gi"), ""),
        (
            json!({"pods": "1"}),
            "pods",
            pod("1Gi"),
            "403 Forbidden: pods \"x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
        ),
        (
            json!({"requests.memory": "1536Mi"}),
            "pods",
            pod("1Gi"),
            "403 Forbidden: pods \"x\" is forbidden: exceeded quota: q, requested: requests.memory=1Gi, used: \
             requests.memory=1Gi, limited: requests.memory=1536Mi",
        ),
        (json!({"requests.memory": "2Gi"}), "pods", pod("1Gi"), ""),
        (
            json!({"fast.storageclass.storage.k8s.io/requests.storage": "1Gi"}),
            "persistentvolumeclaims",
            claim("1Gi"),
            "403 Forbidden: persistentvolumeclaims \"x\" is forbidden: exceeded quota: q, requested: \
             fast.storageclass.storage.k8s.io/requests.storage=1Gi, used: \
             fast.storageclass.storage.k8s.io/requests.storage=1Gi, limited: \
             fast.storageclass.storage.k8s.io/requests.storage=1Gi",
        ),
    ] {
        assert_eq!(said(&there(hard.clone()), Operation::Create, resource, &object, true), expected, "{hard}");
    }
    // Nothing of it is about what is there already.
    assert_eq!(said(&there(json!({"pods": "1"})), Operation::Delete, "pods", &pod("1Gi"), false), "");
}

#[test]
fn a_limit_range_bounds_each_container_and_claim() {
    let range = |limit: Value| {
        vec![("limitranges", json!({"metadata": {"namespace": "n", "name": "r"}, "spec": {"limits": [limit]}}))]
    };
    let most = range(json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}));
    assert_eq!(said(&most, Operation::Create, "persistentvolumeclaims", &claim("1Gi"), false), "");
    assert_eq!(
        said(&most, Operation::Create, "persistentvolumeclaims", &claim("2Gi"), false),
        "403 Forbidden: persistentvolumeclaims \"x\" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, \
         but request is 2Gi"
    );
    let most = range(json!({"type": "Container", "max": {"memory": "512Mi"}}));
    assert!(
        said(&most, Operation::Create, "pods", &pod("1Gi"), false)
            .ends_with("per Container is 512Mi, but limit is 1Gi")
    );
    let least = range(json!({"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}}));
    assert!(
        said(&least, Operation::Create, "persistentvolumeclaims", &claim("1Gi"), false)
            .ends_with("minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi")
    );
}

#[test]
fn a_namespace_that_enforces_a_standard_takes_no_other_pods() {
    let space = |level: &str| {
        let labels = json!({"pod-security.kubernetes.io/enforce": level});
        vec![("namespaces", json!({"metadata": {"name": "n", "labels": labels}}))]
    };
    let create = |level: &str, pod: &Value| said(&space(level), Operation::Create, "pods", pod, false);
    assert_eq!(create("privileged", &pod("1Gi")), "");
    assert_eq!(create("baseline", &pod("1Gi")), "");
    let refused = create("restricted", &pod("1Gi"));
    assert!(
        refused
            .starts_with("403 Forbidden: pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allow")
    );
    assert_eq!(refused.matches("container \"main\"").count(), 4, "{refused}");
    let mut tame = pod("1Gi");
    tame["spec"]["securityContext"] = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    tame["spec"]["containers"][0]["securityContext"] =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(create("restricted", &tame), "");
}

#[test]
fn a_policy_denies_what_it_matches_and_may_spare_dry_runs() {
    let policy = |expression: &str, names: Value| {
        let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"],
            "resourceNames": names});
        vec![
            (
                "validatingadmissionpolicies",
                json!({"metadata": {"name": "pol"}, "spec": {"matchConstraints": {"resourceRules": [rule]},
                    "validations": [{"expression": expression, "message": "pods stay"}]}}),
            ),
            (
                "validatingadmissionpolicybindings",
                json!({"metadata": {"name": "bin"}, "spec": {"policyName": "pol", "validationActions": ["Deny"],
                    "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "n"}}}}}),
            ),
            ("namespaces", json!({"metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}}})),
        ]
    };
    let denied = "422 Invalid: pods \"x\" is forbidden: ValidatingAdmissionPolicy 'pol' with binding 'bin' denied request: \
                  pods stay";
    for (expression, names, operation, dry, expected) in [
        ("false", json!(null), Operation::Delete, true, denied),
        ("false", json!(["x"]), Operation::Delete, false, denied),
        ("false", json!(["y"]), Operation::Delete, false, ""),
        ("false", json!(null), Operation::Create, false, ""),
        ("true", json!(null), Operation::Delete, false, ""),
        ("request.dryRun", json!(null), Operation::Delete, true, ""),
        ("request.dryRun", json!(null), Operation::Delete, false, denied),
        ("!request.dryRun", json!(null), Operation::Delete, true, denied),
    ] {
        let there = policy(expression, names);
        assert_eq!(said(&there, operation, "pods", &pod("1Gi"), dry), expected, "{expression} {operation:?} {dry}");
    }
    let (_, unknown) = &policy("object.spec.replicas > 5", json!(null))[0];
    assert_eq!(unknown_expression(unknown), Some("object.spec.replicas > 5"));
    let (_, known) = &policy("false", json!(null))[0];
    assert_eq!(unknown_expression(known), None);
}
