//! What this user may do, asked of the API server itself (SelfSubjectAccessReview), all at the same time.

use std::fmt;

/// Something one may be allowed to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `delete`, `patch`, `create`, `watch`, …
    pub verb: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural: `pods`.
    pub resource: String,
    /// Such as `portforward`.
    pub subresource: Option<String>,
    /// `None`: cluster-scoped, or in all namespaces.
    pub namespace: Option<String>,
    /// One object, or any.
    pub name: Option<String>,
}

impl Permission {
    /// To `verb` any `resource` of the core group, as in `Permission::new("delete", "pods").within("ns")`. A
    /// subresource is written as in RBAC: `pods/portforward`; another group as kubectl does: `statefulsets.apps`.
    pub fn new(verb: &str, resource: &str) -> Self {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (resource, None),
        };
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource,
            namespace: None,
            name: None,
        }
    }

    /// In this namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// On this object.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }
}

/// `delete persistentvolumeclaims in namespace a`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(subresource) = &self.subresource {
            write!(f, "/{subresource}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// The API server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It may be done.
    Yes,
    /// It may not; the server's reason, possibly empty.
    No(String),
    /// The server did not say, for this reason.
    Unknown(String),
}

