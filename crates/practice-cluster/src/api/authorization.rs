//! Who sends a request, what the request is for, and who decides whether it may be done.

use serde_json::Value;
use std::collections::BTreeMap;

/// The group that may do everything (Kubernetes' own superuser group).
pub const MASTERS: &str = "system:masters";

/// The group that may read everything: the sandbox's own, for scenarios about permissions.
pub const READERS: &str = "system:sandbox:readers";

/// The group of all authenticated users.
pub(super) const AUTHENTICATED: &str = "system:authenticated";

/// An identity, as Kubernetes' `UserInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name: a certificate's common name.
    pub name: String,
    /// UID, if there is one.
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

impl Attributes {
    /// The resource with its subresource: `pods`, `pods/portforward`.
    pub(super) fn path_of_resource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }
}

/// What an authorizer decides: a no unless allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// The reason, if there is one.
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

    /// Returns the rules of roles that hold for a user in a namespace, if nothing else applies to that user.
    fn granted(&self, _user: &User, _namespace: &str) -> Option<Vec<Value>> {
        None
    }
}

/// Groups of all service accounts of a namespace.
pub(super) fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}
