//! RBAC: what roles and bindings in the store allow, in addition to the scenario's rules. What those deny stays
//! denied.

use super::aggregate::aggregate;
use super::authorization::{Attributes, Authorizer, Decision, MASTERS, READERS, User};
use super::rules::Rules;
use crate::resources::RBAC_GROUP;
use crate::store::{Key, Store};
use crate::values::text;
use serde_json::Value;
use std::sync::Arc;

/// Rules as data first, then roles.
#[derive(Debug)]
pub struct Rbac {
    rules: Rules,
    store: Arc<Store>,
}

/// A rule of a role, and the binding that grants it.
struct Grant {
    by: String,
    rule: Value,
}

impl Rbac {
    /// An authorizer with these rules and the roles in that store.
    pub fn new(rules: Rules, store: Arc<Store>) -> Rbac {
        Rbac { rules, store }
    }

    /// Returns what a user is granted in a namespace (empty: cluster-wide), and which roles are missing.
    fn grants(&self, user: &User, namespace: &str) -> (Vec<Grant>, Vec<String>) {
        let (mut grants, mut missing) = (Vec::new(), Vec::new());
        let mut bindings = self.store.list("clusterrolebindings", None).0;
        if !namespace.is_empty() {
            bindings.extend(self.store.list("rolebindings", Some(namespace)).0);
        }
        for binding in bindings {
            let subjects = binding["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
            let space = text(&binding["metadata"]["namespace"]);
            let Some(subject) = subjects.iter().find(|subject| applies(subject, user, space)) else { continue };
            let (kind, name) = (text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"]));
            let role = match kind {
                "Role" if !space.is_empty() => self.store.get(&Key::new("roles", space, name)),
                "ClusterRole" => self.store.get(&Key::new("clusterroles", "", name)),
                _ => None,
            };
            let Some(role) = role else {
                missing.push(format!("{}.{RBAC_GROUP} \"{name}\" not found", kind.to_lowercase()));
                continue;
            };
            let own = text(&binding["metadata"]["name"]);
            let bound = if space.is_empty() {
                format!("ClusterRoleBinding \"{own}\"")
            } else {
                format!("RoleBinding \"{own}/{space}\"")
            };
            let by = format!("{bound} of {kind} \"{name}\" to {}", describe(subject, space));
            let rules = role["rules"].as_array().cloned().unwrap_or_default();
            grants.extend(rules.into_iter().map(|rule| Grant { by: by.clone(), rule }));
        }
        (grants, missing)
    }
}

impl Authorizer for Rbac {
    fn decide(&self, user: &User, request: &Attributes) -> Decision {
        if self.rules.denies(request) {
            return Decision::default();
        }
        let ruled = self.rules.decide(user, request);
        // A superuser needs no role and gets no reason.
        if ruled.allowed && self.rules.is_master(user) {
            return ruled;
        }
        let (grants, missing) = self.grants(user, &request.namespace);
        if let Some(grant) = grants.iter().find(|grant| covers(&grant.rule, request)) {
            return Decision { allowed: true, reason: format!("RBAC: allowed by {}", grant.by) };
        }
        if ruled.allowed {
            return ruled;
        }
        let reason = if missing.is_empty() { String::new() } else { format!("RBAC: {}", aggregate(&missing)) };
        Decision { allowed: false, reason }
    }

    fn granted(&self, user: &User, namespace: &str) -> Option<Vec<Value>> {
        let other_rules = !self.rules.deny.is_empty() || user.groups.iter().any(|g| g == MASTERS || g == READERS);
        (!other_rules).then(|| self.grants(user, namespace).0.into_iter().map(|grant| grant.rule).collect())
    }
}

/// Whether a binding's subject is that user; a service account without a namespace is one of the binding's.
fn applies(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = text(&subject["name"]);
    match text(&subject["kind"]) {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let space = Some(text(&subject["namespace"])).filter(|own| !own.is_empty()).unwrap_or(namespace);
            !space.is_empty() && user.name == format!("system:serviceaccount:{space}:{name}")
        }
        _ => false,
    }
}

fn describe(subject: &Value, namespace: &str) -> String {
    let (kind, name) = (text(&subject["kind"]), text(&subject["name"]));
    if kind != "ServiceAccount" {
        return format!("{kind} \"{name}\"");
    }
    let space = Some(text(&subject["namespace"])).filter(|own| !own.is_empty()).unwrap_or(namespace);
    format!("{kind} \"{name}/{space}\"")
}

/// Whether a rule of a role is about a request.
fn covers(rule: &Value, request: &Attributes) -> bool {
    let list = |field: &str| rule[field].as_array().into_iter().flatten().map(text);
    let has = |field: &str, value: &str| list(field).any(|entry| entry == "*" || entry == value);
    if !has("verbs", &request.verb) {
        return false;
    }
    if let Some(path) = &request.path {
        let begins = |url: &str| url.strip_suffix('*').is_some_and(|start| path.starts_with(start));
        return list("nonResourceURLs").any(|url| url == path || begins(url));
    }
    let sub = request.subresource.as_str();
    let resource = has("resources", &request.path_of_resource())
        || (!sub.is_empty() && list("resources").any(|e| e.strip_prefix("*/") == Some(sub)));
    let name = list("resourceNames").next().is_none() || list("resourceNames").any(|name| name == request.name);
    resource && name && has("apiGroups", &request.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(text: &str) -> Attributes {
        // verb group resource/subresource name
        let words: Vec<&str> = text.split(' ').collect();
        let (resource, subresource) = words[2].split_once('/').unwrap_or((words[2], ""));
        Attributes {
            verb: words[0].into(),
            group: words[1].trim_matches('-').into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: words.get(3).copied().unwrap_or_default().into(),
            ..Attributes::default()
        }
    }

    #[test]
    fn a_rule_covers_what_it_names() {
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names});
        for (rule, yes, no) in [
            (
                rule(&[""], &["pods"], &["get", "list"], &[]),
                vec!["get - pods", "list - pods", "get - pods x"],
                vec!["delete - pods", "get - pods/log", "get apps pods", "get - secrets"],
            ),
            (rule(&["*"], &["*"], &["*"], &[]), vec!["delete apps statefulsets x", "get - pods/log x"], vec![]),
            (rule(&[""], &["pods/log"], &["get"], &[]), vec!["get - pods/log"], vec!["get - pods"]),
            (
                rule(&["apps"], &["*/scale"], &["patch"], &[]),
                vec!["patch apps statefulsets/scale"],
                vec!["patch apps statefulsets", "patch apps statefulsets/status"],
            ),
            (rule(&[""], &["pods"], &["get"], &["a"]), vec!["get - pods a"], vec!["get - pods b", "get - pods"]),
        ] {
            for text in yes {
                assert!(covers(&rule, &request(text)), "{rule}: {text}");
            }
            for text in no {
                assert!(!covers(&rule, &request(text)), "{rule}: {text}");
            }
        }
        let paths = json!({"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]});
        for (path, covered) in [("/metrics", true), ("/logs/a", true), ("/metrics/x", false), ("/logs", false)] {
            let request = Attributes { verb: "get".into(), path: Some(path.into()), ..Attributes::default() };
            assert_eq!(covers(&paths, &request), covered, "{path}");
        }
    }

    #[test]
    fn bindings_grant_to_subjects_where_they_hold() {
        let store = Store::new();
        let make = |resource: &'static str, namespace: &str, name: &str, object: Value| {
            store.create(Key::new(resource, namespace, name), object, false).unwrap();
        };
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        make("roles", "a", "reader", json!({"rules": rules}));
        make("clusterroles", "", "reader", json!({"rules": rules}));
        let bound = |kind: &str, role: &str, subject: Value| json!({"roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": role}, "subjects": [subject]});
        let account = json!({"kind": "ServiceAccount", "name": "s"});
        make("rolebindings", "a", "own", bound("Role", "reader", account));
        make("rolebindings", "b", "jane", bound("ClusterRole", "reader", json!({"kind": "User", "name": "jane"})));
        make("clusterrolebindings", "", "dba", bound("ClusterRole", "reader", json!({"kind": "Group", "name": "dba"})));
        make("rolebindings", "c", "dangling", bound("Role", "none", json!({"kind": "User", "name": "jane"})));
        let deny = serde_saphyr::from_str("deny: [{resources: [pods], namespaces: [d]}]").unwrap();
        let rbac = Rbac::new(deny, store.clone());
        let ask = |name: &str, group: &str, namespace: &str| {
            let user = User { name: name.into(), groups: vec![group.into()], ..User::default() };
            let request = Attributes { namespace: namespace.into(), ..request("get - pods") };
            let decision = rbac.decide(&user, &request);
            (decision.allowed, decision.reason)
        };
        let allowed = |reason: &str| (true, format!("RBAC: allowed by {reason}"));
        let by_own = r#"RoleBinding "own/a" of Role "reader" to ServiceAccount "s/a""#;
        assert_eq!(ask("system:serviceaccount:a:s", "", "a"), allowed(by_own));
        assert!(!ask("system:serviceaccount:b:s", "", "a").0 && !ask("system:serviceaccount:a:s", "", "b").0);
        let by_jane = r#"RoleBinding "jane/b" of ClusterRole "reader" to User "jane""#;
        assert_eq!(ask("jane", "", "b"), allowed(by_jane));
        let by_dba = r#"ClusterRoleBinding "dba" of ClusterRole "reader" to Group "dba""#;
        assert_eq!(ask("john", "dba", ""), allowed(by_dba));
        assert_eq!(ask("jane", "", "c"), (false, r#"RBAC: role.rbac.authorization.k8s.io "none" not found"#.into()));
        // What a scenario denies, no role gives.
        assert_eq!(ask("john", "dba", "d"), (false, String::new()));
    }
}
