//! The practice cluster's objects: what a Kubernetes API server keeps in etcd, and the rules that
//! hold for every kind alike.
//!
//! In: JSON objects and requests (create, update, delete). Out: stored objects, each with a UID
//! and a resourceVersion, and an ordered history that watches are served from. No HTTP and no
//! SynxDB in here: the API and the controllers both work on this.

mod change;
mod error;
mod history;
mod metadata;
mod object_store;
mod preconditions;
mod watcher;

pub use crate::admission::Refusal;
pub use crate::key::Key;
pub use change::{Change, ChangeKind};
pub use error::StoreError;
pub(crate) use metadata::{generated_name, seconds};
pub use object_store::Store;
pub use preconditions::{DeleteOptions, Preconditions};
pub use watcher::Watcher;

#[cfg(test)]
mod tests;
