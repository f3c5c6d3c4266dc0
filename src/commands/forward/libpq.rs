//! How libpq names a local endpoint.

use crate::render::forward::At;
use std::path::Path;

/// Returns the port in the name of a socket; `None` if libpq cannot find it.
pub(super) fn port_of_socket(socket: &Path) -> Option<u16> {
    socket.file_name()?.to_str()?.strip_prefix(".s.PGSQL.")?.parse().ok()
}

/// Returns host and port for libpq; `None` if it cannot find the endpoint.
pub(super) fn for_libpq(at: &At) -> Option<(String, u16)> {
    match at {
        At::Port { host, port } => Some((host.clone(), *port)),
        At::Socket(socket) => Some((socket.parent()?.to_str()?.to_owned(), port_of_socket(socket)?)),
    }
}
