//! What libpq calls a place that is listened on.

use crate::render::forward::At;
use std::path::Path;

/// The port in the name of a socket that libpq can find.
pub(super) fn port_of_socket(socket: &Path) -> Option<u16> {
    socket.file_name()?.to_str()?.strip_prefix(".s.PGSQL.")?.parse().ok()
}

/// What libpq calls host and port, where it can find it.
pub(super) fn for_libpq(at: &At) -> Option<(String, u16)> {
    match at {
        At::Port { host, port } => Some((host.clone(), *port)),
        At::Socket(socket) => Some((socket.parent()?.to_str()?.to_owned(), port_of_socket(socket)?)),
    }
}
