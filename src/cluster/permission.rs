//! What a user may do, in the terms of a SelfSubjectAccessReview. Data only.

use std::fmt;

/// One thing to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// `delete`.
    pub verb: &'static str,
    /// API group, `""` for the core group.
    pub group: &'static str,
    /// Lower-case plural.
    pub resource: &'static str,
    /// Such as `portforward`.
    pub subresource: Option<&'static str>,
    /// Namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// One object's name; `None` for all.
    pub name: Option<String>,
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Yes.
    Yes,
    /// No, with the server's reason where it gave one.
    No(String),
    /// The server could not be asked.
    Unknown(String),
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " (cluster-scoped)"),
        }
    }
}
