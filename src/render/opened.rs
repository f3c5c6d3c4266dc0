//! An open port forward, for output.

use crate::topology::Member;
use crate::topology::forward_target::ForwardState;
use std::fmt;
use std::path::PathBuf;

/// An open port forward.
#[derive(Clone, Debug)]
pub struct Opened<'f> {
    /// The requested pod.
    pub member: &'f Member,
    /// Its current destination.
    pub standing: &'f ForwardState,
    /// The local end that a client connects to.
    pub at: &'f At,
    /// The pod's port.
    pub remote_port: u16,
    /// The line to paste, if there is one.
    pub line: Option<&'f str>,
    /// Whether that line runs psql.
    pub sql: bool,
}

/// The local end of a port forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// A port of an address: `localhost`.
    Port {
        /// The address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Socket(PathBuf),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Port { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}
