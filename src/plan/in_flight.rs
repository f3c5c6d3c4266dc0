//! Who else is at work: the Leases of the target's own namespace and of those that depend on each other.

use crate::cluster::LeaseState;
use crate::cluster::snapshot::Read;

/// The Leases that were read: who is at work.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// In the target's own namespace.
    pub here: Read<LeaseState>,
    /// In the namespaces that depend on it, or that it depends on.
    pub elsewhere: Vec<(String, Read<LeaseState>)>,
}

impl Default for InFlight {
    /// Nothing was asked.
    fn default() -> Self {
        Self { here: Read::NotAsked, elsewhere: Vec::new() }
    }
}
