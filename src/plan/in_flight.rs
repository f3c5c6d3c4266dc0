//! Other operations in progress: the Leases of the target's namespace and of namespaces that depend on each other.

use crate::cluster::Standing;
use crate::cluster::snapshot::Read;

/// The Leases that were read: operations in progress.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// In the target's namespace.
    pub here: Read<Standing>,
    /// In namespaces that depend on it, or that it depends on.
    pub elsewhere: Vec<(String, Read<Standing>)>,
}

impl Default for InFlight {
    /// Returns the state before any Lease was read.
    fn default() -> Self {
        Self { here: Read::NotAsked, elsewhere: Vec::new() }
    }
}
