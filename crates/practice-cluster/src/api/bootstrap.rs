//! The roles and bindings that every cluster has from its start, limited to the kinds that are served here.

use super::authorization::{AUTHENTICATED, MASTERS};
use crate::resources::RBAC_GROUP;
use crate::resources::Resource;
use crate::resources::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use crate::store::{Key, Store};
use serde_json::{Value, json};

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// Creates them; existing ones stay unchanged.
pub(crate) fn roles(store: &Store) {
    let create = |resource: &'static Resource, name: &str, mut object: Value| {
        object["metadata"] = json!({
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        });
        let _ = store.create(Key::new(resource.plural, "", name), object, false);
    };
    for (name, rules) in cluster_roles() {
        create(&CLUSTER_ROLES, name, json!({"rules": rules}));
    }
    let bindings = [
        ("cluster-admin", vec![MASTERS]),
        ("system:basic-user", vec![AUTHENTICATED]),
        ("system:discovery", vec![AUTHENTICATED]),
        ("system:public-info-viewer", vec![AUTHENTICATED, "system:unauthenticated"]),
    ];
    for (name, groups) in bindings {
        let group = |group: &&str| json!({"kind": "Group", "apiGroup": RBAC_GROUP, "name": group});
        let subjects: Vec<Value> = groups.iter().map(group).collect();
        let role = json!({"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name});
        create(&CLUSTER_ROLE_BINDINGS, name, json!({"roleRef": role, "subjects": subjects}));
    }
}

fn cluster_roles() -> [(&'static str, Vec<Value>); 7] {
    let on = |verbs: &[&str], groups: &[&str], resources: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let paths = |urls: &[&str]| json!({"nonResourceURLs": urls, "verbs": ["get"]});
    let view = vec![
        on(
            &READ,
            &[""],
            &[
                "configmaps",
                "endpoints",
                "persistentvolumeclaims",
                "persistentvolumeclaims/status",
                "pods",
                "serviceaccounts",
                "services",
                "services/status",
            ],
        ),
        on(&READ, &[""], &["namespaces", "namespaces/status", "pods/log", "pods/status"]),
        on(&READ, &["", "events.k8s.io"], &["events"]),
        on(&READ, &["apps"], &["controllerrevisions", "statefulsets", "statefulsets/scale", "statefulsets/status"]),
        on(&READ, &["policy"], &["poddisruptionbudgets", "poddisruptionbudgets/status"]),
    ];
    let edit = vec![
        on(&READ, &[""], &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"]),
        on(&["impersonate"], &[""], &["serviceaccounts"]),
        on(&WRITE, &[""], &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
        on(&["create"], &[""], &["pods/eviction", "serviceaccounts/token"]),
        on(&WRITE, &[""], &["configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"]),
        on(&WRITE, &["", "events.k8s.io"], &["events"]),
        on(&WRITE, &["apps"], &["statefulsets", "statefulsets/scale"]),
        on(&WRITE, &["policy"], &["poddisruptionbudgets"]),
        on(&[&READ[..], &WRITE[..]].concat(), &["coordination.k8s.io"], &["leases"]),
    ];
    let roles = on(&[&READ[..], &WRITE[..]].concat(), &[RBAC_GROUP], &["rolebindings", "roles"]);
    let edit: Vec<Value> = edit.into_iter().chain(view.clone()).collect();
    let admin: Vec<Value> = edit.iter().cloned().chain([roles]).collect();
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    [
        ("cluster-admin", vec![on(&["*"], &["*"], &["*"]), json!({"nonResourceURLs": ["*"], "verbs": ["*"]})]),
        ("admin", admin),
        ("edit", edit),
        ("view", view),
        (
            "system:basic-user",
            vec![
                on(&["create"], &["authorization.k8s.io"], &reviews),
                on(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
            ],
        ),
        (
            "system:discovery",
            vec![paths(&[
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/",
            ])],
        ),
        ("system:public-info-viewer", vec![paths(&["/healthz", "/livez", "/readyz", "/version", "/version/"])]),
    ]
}
