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
    /// Whether the scenario lets it become ready.
    pub(super) becomes_ready: bool,
    /// Whether it is in service.
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
    /// No process; a warehouse node has a port that refuses clients.
    Nothing,
}

impl Running {
    /// Whether it is in service.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Marks it as in service.
    pub(crate) fn set_up(&self) {
        self.up.store(true, Ordering::Relaxed);
    }
}
