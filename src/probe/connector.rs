//! Where a session goes, and over which streams.

use super::login::Login;
use super::trouble::ProbeError;
use crate::cluster::{Cluster, Tunnel};
use crate::error::Exit;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A statement waits this long for somebody else's lock.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// A database server in a pod, and who asks it.
#[derive(Clone, Debug)]
pub struct SqlTarget {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The server's port in the pod.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// Its password, and how the connection is secured.
    pub login: Login,
    /// The database that is logged in to first.
    pub database: String,
    /// Databases to log in to if that one takes no session: what is asked of the server as a whole can be asked in any.
    pub otherwise: Vec<String>,
    /// The warehouse that its sessions are to be in, if the server knows warehouses; `None` for the one that a session is in
    /// anyhow.
    pub warehouse: Option<String>,
}

/// Something that leads to a server: a tunnel in production, a socket in tests.
pub trait Connector: Send + Sync + 'static {
    /// What it leads over.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// A new stream to the server, within `deadline`.
    fn connect(&self, deadline: Duration) -> impl Future<Output = Result<Self::Stream, ProbeError>> + Send;
}

/// Tunnels to a pod's port.
#[derive(Clone, Debug)]
pub struct Tunnels {
    cluster: Cluster,
    namespace: String,
    pod: String,
    port: u16,
}

impl Tunnels {
    /// To the server of `target`.
    pub fn to(cluster: &Cluster, target: &SqlTarget) -> Self {
        let SqlTarget { namespace, pod, port, .. } = target.clone();
        Self { cluster: cluster.clone(), namespace, pod, port }
    }
}

impl Connector for Tunnels {
    type Stream = Tunnel;

    async fn connect(&self, deadline: Duration) -> Result<Tunnel, ProbeError> {
        let opened = self.cluster.tunnel(&self.namespace, &self.pod, self.port, deadline).await;
        opened.map_err(|error| match error.exit {
            Exit::TimedOut => ProbeError::late(deadline),
            _ => ProbeError::unsure(error.to_string()),
        })
    }
}

/// How a session's settings reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settings {
    /// As startup options, with or without `row_security`, which kernels before PostgreSQL 9.5 do not know. On an MPP
    /// server `SET` is itself dispatched, and can hang.
    Options { row_security: bool },
    /// In each transaction by itself: a pooler refuses startup options, or drops them without a word.
    EachTransaction,
}
