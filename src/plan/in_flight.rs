//! Other operations in progress: the Leases of the target's namespace and of namespaces that depend on each other.

use crate::cluster::LeaseState;
use crate::cluster::snapshot::Read;

/// The Leases that were read: operations in progress.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// In the target's namespace.
    pub here: Read<LeaseState>,
    /// In namespaces that depend on it, or that it depends on.
    pub elsewhere: Vec<(String, Read<LeaseState>)>,
}

impl Default for InFlight {
    /// Returns the state before any Lease was read.
    fn default() -> Self {
        Self { here: Read::NotAsked, elsewhere: Vec::new() }
    }
}
