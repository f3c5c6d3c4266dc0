//! The practice cluster's objects: what a Kubernetes API server keeps in etcd, and the rules that
//! hold for every kind alike.
//!
//! In: JSON objects and intentions (create, update, delete). Out: stored objects, each with a UID
//! and a resourceVersion, and an ordered history that watches are served from. No HTTP and no
//! SynxDB in here: the API and the controllers both work on this.

use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

/// One kind of object that the practice cluster serves.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// API group, `""` for the core group.
    pub group: &'static str,
    /// API version, such as `v1`.
    pub version: &'static str,
    /// Lower-case plural, as in URLs: `pods`.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// `po`.
    pub short_names: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

/// Where an object is kept: its kind, namespace (empty for cluster-scoped kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Lower-case plural of the kind.
    pub resource: &'static str,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Conditions a change is made under, as in Kubernetes' `Preconditions`.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    /// The object must have this UID.
    pub uid: Option<String>,
    /// The object must be at this resourceVersion.
    pub resource_version: Option<String>,
}

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
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Added,
    /// It was changed, a deletionTimestamp being set included.
    Modified,
    /// It is gone.
    Deleted,
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To which object.
    pub key: Key,
    /// The object after the change, or as it was when it went (with the deletion's resourceVersion).
    pub object: Arc<Value>,
    /// The object before the change: a selector that matched then and no longer does makes a
    /// watch report `DELETED`.
    pub before: Option<Arc<Value>>,
    /// resourceVersion of this change: one counter for the whole store, as in etcd.
    pub version: u64,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Conditions.
    pub preconditions: Preconditions,
    /// `gracePeriodSeconds`; `None` takes the pod's own (0 for every other kind).
    pub grace_seconds: Option<u64>,
    /// Answer as if, change nothing.
    pub dry_run: bool,
}

// Signatures that both the API and the controllers build on:
//
// impl Store {
//     pub fn new() -> Arc<Store>;
//     /// Adds an object: sets uid, creationTimestamp, resourceVersion, generation; honours generateName.
//     pub fn create(&self, key: Key, object: Value, dry_run: bool) -> Result<Arc<Value>, StoreError>;
//     pub fn get(&self, key: &Key) -> Option<Arc<Value>>;
//     /// Objects of a kind (namespace None = all), sorted by namespace and name, with the store's resourceVersion.
//     pub fn list(&self, resource: &'static str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64);
//     /// Read-modify-write under the lock: `change` edits a copy; no new version when nothing differs;
//     /// the object goes when it is being deleted, its last finalizer went and (pods) its grace is 0.
//     pub fn update(&self, key: &Key, preconditions: &Preconditions, dry_run: bool,
//                   change: impl FnOnce(&mut Value) -> Result<(), StoreError>) -> Result<Arc<Value>, StoreError>;
//     /// Pods: with grace > 0 sets deletionTimestamp (now + grace) and deletionGracePeriodSeconds, the node's
//     /// controller removes it later with grace 0. Others: gone at once, or deletionTimestamp set while finalizers remain.
//     /// Returns the object and whether it is gone.
//     pub fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<(Arc<Value>, bool), StoreError>;
//     /// All changes after `since`, then live; Expired where history no longer reaches back.
//     pub fn watch(&self, since: u64) -> Result<Watcher, StoreError>;   // Watcher::next(&mut self) -> Option<Change>
//     pub fn version(&self) -> u64;
//     /// Forgets the history, so that older watches expire (tests, scenarios).
//     pub fn compact(&self);
// }
