//! Who sends a request: client certificates, bearer tokens and impersonation.

use super::authorization::{AUTHENTICATED, Attributes, Authorizer, User, account_groups};
use super::status::ApiError;
use super::{permission, x509};
use axum::http::{HeaderMap, header};
use std::collections::BTreeMap;

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
        permission::check(authorizer, &user, &request)?;
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
    use crate::api::authorization::{MASTERS, READERS};
    use crate::api::rules::Rules;

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
