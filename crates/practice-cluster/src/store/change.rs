//! Changes of objects, as watches report them.

use crate::key::Key;
use serde_json::Value;
use std::sync::Arc;

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
    /// The object after the change, or its last state (with the deletion's resourceVersion).
    pub object: Arc<Value>,
    /// The object before the change: a selector that matched then and no longer does makes a
    /// watch report `DELETED`.
    pub before: Option<Arc<Value>>,
    /// resourceVersion of this change: one counter for the whole store, as in etcd.
    pub version: u64,
}
