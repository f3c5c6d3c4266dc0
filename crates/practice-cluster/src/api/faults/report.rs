//! Reports for tests: changes that clients made, and faults that were applied.

use super::fault::Fault;
use tokio::sync::oneshot;

/// A change that a client made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Its number, counted from 1.
    pub number: u64,
    /// `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// Plural, with the subresource.
    pub resource: String,
    /// Namespace; empty for a cluster-scoped kind.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID of the object that was changed.
    pub uid: String,
    /// The impersonated user, if any: it distinguishes several clients of one kubeconfig.
    pub impersonated: Option<String>,
    /// Version of the store just before.
    pub since: u64,
    /// Version of the store just after; changes by others may be in it.
    pub version: u64,
}

/// The report of a [`Mutation`]. Its answer waits until this is dropped.
#[derive(Debug)]
pub struct Processed {
    /// The change.
    pub mutation: Mutation,
    pub(super) hold: oneshot::Sender<()>,
    pub(super) answered: oneshot::Receiver<()>,
}

impl Processed {
    /// Releases the answer, and resolves when the connection has taken it (or a fault has lost it).
    pub async fn answered(self) {
        drop(self.hold);
        // The sender is dropped with the answer.
        let _ = self.answered.await;
    }
}

/// A fault that was applied to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The request's verb.
    pub verb: String,
    /// Plural, with the subresource.
    pub resource: String,
    /// Name; empty for a collection.
    pub name: String,
    /// The fault.
    pub fault: Fault,
}
