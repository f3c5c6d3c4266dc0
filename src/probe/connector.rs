//! The target of a session, and the streams to it.

use super::login::Login;
use super::trouble::ProbeError;
use crate::cluster::{Cluster, Tunnel};
use crate::error::Exit;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a statement waits for another session's lock.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// A database server in a pod, and how to log in to it.
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
    /// The database for the first login.
    pub database: String,
    /// Databases to log in to if that one accepts no session: what concerns the server as a whole can be queried in
    /// any.
    pub otherwise: Vec<String>,
    /// The warehouse for its sessions, if the server knows warehouses; `None` for the default.
    pub warehouse: Option<String>,
}

/// Opens streams to a server: a tunnel in production, a socket in tests.
pub trait Connector: Send + Sync + 'static {
    /// The stream's type.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens a new stream to the server, within `deadline`.
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
    /// Returns tunnels to the server of `target`.
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
    /// server, `SET` is itself dispatched and can hang.
    Options { row_security: bool },
    /// In each transaction separately: a pooler rejects startup options, or drops them silently.
    EachTransaction,
}
