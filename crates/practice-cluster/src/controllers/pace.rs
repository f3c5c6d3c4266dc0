//! How long things take.

use std::time::Duration;

/// How long things take that take time in a real cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Making a volume.
    pub(crate) provision: Duration,
    /// Removing one.
    pub(crate) reclaim: Duration,
    /// From a pod being scheduled to its containers being started: attach, mount, network.
    pub(crate) set_up: Duration,
    /// Ending a container that has no process of its own to wait for.
    pub(crate) tear_down: Duration,
    /// Before a protection finalizer is removed: the controller asks the API server once more who uses the claim.
    pub(crate) protection: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        let ms = Duration::from_millis;
        Pace { provision: ms(120), reclaim: ms(120), set_up: ms(200), tear_down: ms(120), protection: ms(100) }
    }
}
