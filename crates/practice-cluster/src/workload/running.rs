//! The workload of one pod.

use super::component::Component;
use super::seed::Content;
use super::server::Server;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use storage_stand_in::StandIn;
use tokio_util::sync::CancellationToken;

/// The workload of one pod.
pub(crate) struct Running {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) component: Component,
    pub(super) process: Process,
    pub(super) content: Content,
    /// Whether the scenario lets it come up.
    pub(super) becomes_ready: bool,
    /// Whether it does what it is for.
    pub(super) up: AtomicBool,
    pub(super) ended: CancellationToken,
}

pub(super) enum Process {
    /// A server, and its data folder.
    Postgres {
        server: Server,
        data: PathBuf,
    },
    Storage(Arc<StandIn>),
    /// Nothing that can be talked to but, for a warehouse node, a port that refuses.
    Nothing,
}

impl Running {
    /// Whether it does what it is for.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// It does now.
    pub(crate) fn set_up(&self) {
        self.up.store(true, Ordering::Relaxed);
    }
}
