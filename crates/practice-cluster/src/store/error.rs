//! Why a change was not made.

use crate::admission::Refusal;

/// Why a change was not made; the API words these as a real server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// 404.
    NotFound,
    /// 409 AlreadyExists.
    AlreadyExists,
    /// 409 Conflict: a precondition on the UID failed: (wanted, found).
    UidMismatch(String, String),
    /// 409 Conflict: the object was changed since the resourceVersion given: (wanted, found).
    Stale(String, String),
    /// 410: the history before this resourceVersion is no longer kept.
    Expired,
    /// 422: what was wrong, one entry a field.
    Invalid(Vec<(String, String)>),
    /// A plugin is against it.
    Refused(Refusal),
}
