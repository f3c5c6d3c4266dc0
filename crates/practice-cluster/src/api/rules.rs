//! Rules as data: what the users of a scenario may do, and what is denied to all of them.

use super::authorization::{Attributes, Authorizer, Decision, MASTERS, READERS, User};
use serde::{Deserialize, Serialize};

/// Rules as data: [`MASTERS`] may do everything that is not denied, [`READERS`] may read, others nothing. Everyone may
/// read discovery and ask about themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Requests that are denied to all users.
    #[serde(default)]
    pub deny: Vec<Rule>,
}

/// A set of requests. In every list `*` stands for all, and an absent list means all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Verbs, as in RBAC.
    #[serde(default = "all")]
    pub verbs: Vec<String>,
    /// Plural names; `pods/eviction` names a subresource.
    #[serde(default = "all")]
    pub resources: Vec<String>,
    /// Namespaces; a cluster-wide request counts as in none of them.
    #[serde(default = "all")]
    pub namespaces: Vec<String>,
    /// Only this subresource of the resources (`*`: any, and the object itself).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Rule {
    /// Whether the rule is about this request.
    pub fn covers(&self, request: &Attributes) -> bool {
        if request.path.is_some() {
            return false;
        }
        let has = |list: &[String], value: &str| list.iter().any(|entry| entry == "*" || entry == value);
        let subresource = request.subresource.as_str();
        let resource = match self.subresource.as_deref() {
            Some("*") => has(&self.resources, &request.resource),
            Some(only) => only == subresource && has(&self.resources, &request.resource),
            None if subresource.is_empty() => has(&self.resources, &request.resource),
            None => has(&self.resources, &format!("{}/{subresource}", request.resource)),
        };
        resource && has(&self.verbs, &request.verb) && has(&self.namespaces, &request.namespace)
    }
}

impl Rules {
    /// Whether a request is denied to all users.
    pub(super) fn denies(&self, request: &Attributes) -> bool {
        !always_allowed(request) && self.deny.iter().any(|rule| rule.covers(request))
    }

    /// Whether a user may do everything that is not denied.
    pub(super) fn is_master(&self, user: &User) -> bool {
        user.groups.iter().any(|group| group == MASTERS)
    }
}

impl Authorizer for Rules {
    fn decide(&self, user: &User, request: &Attributes) -> Decision {
        let reads = matches!(request.verb.as_str(), "get" | "list" | "watch");
        let allowed = always_allowed(request)
            || (!self.denies(request)
                && (self.is_master(user) || (reads && user.groups.iter().any(|group| group == READERS))));
        Decision { allowed, reason: String::new() }
    }
}

/// What the roles `system:discovery` and `system:basic-user` give to everyone.
fn always_allowed(request: &Attributes) -> bool {
    const PATHS: [&str; 8] = ["/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz", "/"];
    match &request.path {
        Some(path) => {
            request.verb == "get"
                && PATHS.iter().any(|allowed| {
                    path == allowed
                        || (*allowed != "/" && path.strip_prefix(allowed).is_some_and(|r| r.starts_with('/')))
                })
        }
        None => {
            request.verb == "create"
                && matches!(
                    request.resource.as_str(),
                    "selfsubjectaccessreviews" | "selfsubjectrulesreviews" | "selfsubjectreviews"
                )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(group: &str) -> User {
        User { name: "u".into(), groups: vec![group.into()], ..User::default() }
    }

    fn request(verb: &str, resource: &str, namespace: &str) -> Attributes {
        Attributes {
            verb: verb.into(),
            resource: resource.into(),
            namespace: namespace.into(),
            ..Attributes::default()
        }
    }

    #[test]
    fn deny_rules_hold_for_masters_and_only_for_what_they_cover() {
        let rules: Rules = serde_saphyr::from_str(
            "deny:\n- {verbs: [delete], resources: [persistentvolumeclaims], namespaces: [a]}\n\
             - {resources: [pods], subresource: portforward}\n",
        )
        .unwrap();
        let master = user(MASTERS);
        assert!(!rules.allows(&master, &request("delete", "persistentvolumeclaims", "a")));
        assert!(rules.allows(&master, &request("delete", "persistentvolumeclaims", "b")));
        assert!(rules.allows(&master, &request("get", "persistentvolumeclaims", "a")));
        assert!(rules.allows(&master, &request("get", "pods", "a")));
        let mut forward = request("get", "pods", "a");
        forward.subresource = "portforward".into();
        assert!(!rules.allows(&master, &forward));
    }

    #[test]
    fn readers_read_and_strangers_only_discover() {
        let rules = Rules::default();
        assert!(rules.allows(&user(READERS), &request("watch", "pods", "")));
        assert!(!rules.allows(&user(READERS), &request("delete", "pods", "a")));
        let stranger = user("x");
        assert!(!rules.allows(&stranger, &request("get", "pods", "a")));
        assert!(rules.allows(&stranger, &request("create", "selfsubjectaccessreviews", "")));
        let path = |p: &str| Attributes { verb: "get".into(), path: Some(p.into()), ..Attributes::default() };
        assert!(rules.allows(&stranger, &path("/apis/apps/v1")));
        assert!(!rules.allows(&stranger, &path("/metrics")));
        assert!(!rules.allows(&stranger, &path("/apisx")));
    }
}
