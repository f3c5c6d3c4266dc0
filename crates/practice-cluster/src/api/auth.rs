//! Who asks, and whether they may: client certificates and bearer tokens, impersonation, and rules as data.

use super::status::ApiError;
use super::tokens::account_groups;
use super::x509;
use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The group that may do everything (Kubernetes' own superuser group).
pub const MASTERS: &str = "system:masters";

/// The group that may read everything: the sandbox's own, for scenarios about permissions.
pub const READERS: &str = "system:sandbox:readers";

/// The group of everyone who is known.
pub(super) const AUTHENTICATED: &str = "system:authenticated";

/// An identity, as Kubernetes' `UserInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name: a certificate's common name.
    pub name: String,
    /// UID, where there is one.
    pub uid: Option<String>,
    /// Groups: a certificate's organizations.
    pub groups: Vec<String>,
    /// Further attributes (from `Impersonate-Extra-…`).
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What is asked for, as Kubernetes' authorizer attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `impersonate`.
    pub verb: String,
    /// API group, empty for core.
    pub group: String,
    /// Plural name.
    pub resource: String,
    /// Empty: the object itself.
    pub subresource: String,
    /// Empty: cluster scope or all namespaces.
    pub namespace: String,
    /// Empty: no one object.
    pub name: String,
    /// Set for requests that are about no resource: the path.
    pub path: Option<String>,
}

/// What an authorizer decides: a no unless allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// Why, where there is something to say.
    pub reason: String,
}

/// Decides on requests; asked for real ones and for `SelfSubjectAccessReview`s alike.
pub trait Authorizer: Send + Sync {
    /// Whether `user` may do `request`, and why.
    fn decide(&self, user: &User, request: &Attributes) -> Decision;

    /// Whether `user` may do `request`.
    fn allows(&self, user: &User, request: &Attributes) -> bool {
        self.decide(user, request).allowed
    }

    /// The rules of roles that hold for a user in a namespace, where these are all that counts for him.
    fn granted(&self, _user: &User, _namespace: &str) -> Option<Vec<serde_json::Value>> {
        None
    }
}

/// Rules as data: [`MASTERS`] may do all but what is denied, [`READERS`] may read, all others nothing. Everyone may
/// read discovery and ask about themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What nobody may do.
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
    /// Whether nobody may do that.
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

/// Who sends a request: by bearer token, else by the connection's client certificate (DER, already verified by TLS).
///
/// # Errors
/// 401 for an unknown token or none at all; 403 and 400 for impersonation that is not allowed or not complete.
pub(super) fn authenticate(
    headers: &HeaderMap,
    certificate: Option<&User>,
    tokens: impl Fn(&str) -> Option<User>,
    authorizer: &dyn Authorizer,
) -> Result<User, ApiError> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let mut user = match (certificate, bearer) {
        (Some(user), _) => user.clone(),
        (None, Some(token)) => tokens(token.trim()).ok_or_else(ApiError::unauthorized)?,
        (None, None) => return Err(ApiError::unauthorized()),
    };
    join(&mut user, AUTHENTICATED);
    impersonate(headers, user, authorizer)
}

/// The identity in a client certificate: subject CN and O.
pub(super) fn certificate_user(der: &[u8]) -> Option<User> {
    let subject = x509::subject(der)?;
    Some(User { name: subject.common_name?, groups: subject.organizations, ..User::default() })
}

fn join(user: &mut User, group: &str) {
    if !user.groups.iter().any(|g| g == group) {
        user.groups.push(group.to_owned());
    }
}

fn impersonate(headers: &HeaderMap, user: User, authorizer: &dyn Authorizer) -> Result<User, ApiError> {
    let one = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let groups: Vec<String> =
        headers.get_all("impersonate-group").iter().filter_map(|v| v.to_str().ok()).map(str::to_owned).collect();
    let uid = one("impersonate-uid");
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            extra.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    let Some(name) = one("impersonate-user") else {
        return if groups.is_empty() && uid.is_none() && extra.is_empty() {
            Ok(user)
        } else {
            Err(ApiError::bad_request("requested impersonation without impersonating a user"))
        };
    };
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let mut asked = match account {
        Some((namespace, account)) => vec![("serviceaccounts", "", namespace.to_owned(), account.to_owned())],
        None => vec![("users", "", String::new(), name.clone())],
    };
    asked.extend(groups.iter().map(|group| ("groups", "", String::new(), group.clone())));
    asked.extend(uid.iter().map(|uid| ("uids", "authentication.k8s.io", String::new(), uid.clone())));
    for (resource, group, namespace, name) in asked {
        let request = Attributes {
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace,
            name,
            ..Attributes::default()
        };
        let decision = authorizer.decide(&user, &request);
        if !decision.allowed {
            return Err(ApiError::forbidden(&user, &request, &decision.reason));
        }
    }
    // A service account's groups are known.
    let groups = match account {
        Some((namespace, _)) if groups.is_empty() => account_groups(namespace),
        _ => groups,
    };
    let mut other = User { name, uid, groups, extra };
    join(&mut other, AUTHENTICATED);
    Ok(other)
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

    #[test]
    fn tokens_and_impersonation() {
        use std::collections::HashMap;
        let rules = Rules::default();
        let tokens = HashMap::from([
            ("m".to_owned(), User { name: "admin".into(), groups: vec![MASTERS.into()], ..User::default() }),
            ("r".to_owned(), User { name: "reader".into(), groups: vec![READERS.into()], ..User::default() }),
        ]);
        let ask = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            authenticate(&headers, None, |token| tokens.get(token).cloned(), &rules)
        };
        assert_eq!(ask(&[]).unwrap_err().code(), 401);
        assert_eq!(ask(&[("authorization", "Bearer wrong")]).unwrap_err().code(), 401);
        let admin = ask(&[("authorization", "Bearer m")]).unwrap();
        assert_eq!((admin.name.as_str(), admin.groups.len()), ("admin", 2));
        let other = ask(&[
            ("authorization", "Bearer m"),
            ("impersonate-user", "jane"),
            ("impersonate-uid", "7"),
            ("impersonate-group", READERS),
            ("impersonate-group", "dba"),
        ])
        .unwrap();
        assert_eq!(other.groups, [READERS, "dba", AUTHENTICATED]);
        assert_eq!(other.uid.as_deref(), Some("7"));
        let account = ask(&[("authorization", "Bearer m"), ("impersonate-user", "system:serviceaccount:n:s")]).unwrap();
        assert_eq!(account.groups, ["system:serviceaccounts", "system:serviceaccounts:n", AUTHENTICATED]);
        let refused = ask(&[("authorization", "Bearer r"), ("impersonate-user", "system:serviceaccount:n:s")]);
        assert_eq!(
            refused.unwrap_err().to_value()["message"],
            r#"serviceaccounts "s" is forbidden: User "reader" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "n""#
        );
        let refused = ask(&[("authorization", "Bearer r"), ("impersonate-user", "jane")]).unwrap_err();
        assert_eq!(
            refused.to_value()["message"],
            r#"users "jane" is forbidden: User "reader" cannot impersonate resource "users" in API group "" at the cluster scope"#
        );
        assert_eq!(ask(&[("authorization", "Bearer m"), ("impersonate-group", "x")]).unwrap_err().code(), 400);
    }
}
