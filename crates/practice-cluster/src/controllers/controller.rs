//! What a controller is.

use crate::store::Key;
use serde_json::Value;
use std::time::Duration;

/// When to look at an object again, though nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requeue {
    /// When something changes.
    Never,
    /// After that time at the latest.
    After(Duration),
}

/// One controller.
pub(crate) trait Controller: Send + 'static {
    /// Kinds to look through at the start.
    fn kinds(&self) -> &'static [&'static str];
    /// Objects that a change of `object` (which is, or was, at `key`) concerns.
    fn concerned(&self, key: &Key, object: &Value) -> Vec<Key>;
    /// Looks at an object, which may be gone, and does what is next.
    fn reconcile(&mut self, key: &Key) -> Requeue;
    /// Whether the controller manager runs it, so that it stops with that.
    fn in_manager(&self) -> bool {
        true
    }
}
