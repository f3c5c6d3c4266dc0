//! What tests hear of: changes that clients made, and faults that befell requests.

use super::fault::Fault;
use tokio::sync::oneshot;

/// A change that a client made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Which one, counted from 1.
    pub number: u64,
    /// `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// Plural, with the subresource.
    pub resource: String,
    /// Namespace; empty where the kind has none.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID of the object that was changed.
    pub uid: String,
    /// Whom the client impersonated, where it did: several clients of one kubeconfig are told apart by it.
    pub impersonated: Option<String>,
    /// Version of the store just before.
    pub since: u64,
    /// Version of the store when it was done; changes of others may be in it.
    pub version: u64,
}

/// Word of a [`Mutation`]. Its answer waits until this is let go of.
#[derive(Debug)]
pub struct Processed {
    /// What was done.
    pub mutation: Mutation,
    pub(super) hold: oneshot::Sender<()>,
    pub(super) answered: oneshot::Receiver<()>,
}

impl Processed {
    /// Lets the answer go, and resolves when it has been handed to the connection (or was lost on purpose).
    pub async fn answered(self) {
        drop(self.hold);
        // The other end goes with the answer.
        let _ = self.answered.await;
    }
}

/// A fault that befell a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The request's verb.
    pub verb: String,
    /// Plural, with the subresource.
    pub resource: String,
    /// Name; empty for a collection.
    pub name: String,
    /// What befell it.
    pub fault: Fault,
}
