//! A local port: on both loopback addresses of the machine, or on one that was requested. Or a Unix socket, to which
//! only its owner can connect.

use crate::suggestion::plugin;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::cli::Address;
use crate::error::{Error, Result};

/// How many ports after the preferred one are tried.
const FURTHER: u16 = 100;
/// Attempts to find a port that is free on both addresses.
const ATTEMPTS: usize = 16;

/// The requested local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one and no other; 0 means any.
    Exactly(u16),
    /// This one, or the next that is free.
    From(u16),
}

/// A port or socket that is being listened on.
#[derive(Debug)]
pub struct Listener(Sockets);

#[derive(Debug)]
enum Sockets {
    Tcp {
        sockets: Vec<TcpListener>,
        port: u16,
    },
    #[cfg(unix)]
    Unix {
        socket: UnixListener,
        /// The socket's file, removed with the listener.
        _file: SocketFile,
    },
}

/// A client that connected.
pub(super) enum Accepted {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The file of a socket: removed with the listener, unless another file has taken its place.
#[cfg(unix)]
#[derive(Debug)]
struct SocketFile {
    path: std::path::PathBuf,
    /// Device and inode.
    file: (u64, u64),
}

#[cfg(unix)]
impl SocketFile {
    fn id(path: &Path) -> io::Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()))
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::id(&self.path).is_ok_and(|file| file == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Listens on a port. Localhost is 127.0.0.1, and ::1 if the machine has it: a client of `localhost` may try either
    /// first, so both must be free.
    ///
    /// # Errors
    /// The port is in use, or listening is not allowed.
    pub async fn bind(address: Address, wanted: Wanted) -> Result<Self> {
        match wanted {
            Wanted::Exactly(port) => {
                let bound = on_all(address, port).await;
                bound.map_err(|error| not_bound(address, port, &error))
            }
            Wanted::From(first) => {
                let last = first.saturating_add(FURTHER);
                for port in first..=last {
                    match on_all(address, port).await {
                        Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                        bound => return bound.map_err(|error| not_bound(address, port, &error)),
                    }
                }
                Err(Error::failure(format!("local ports {first} to {last} are all in use"))
                    .hint("--port 0 takes any free one"))
            }
        }
    }

    /// Listens on a new Unix socket of mode 0600: only its owner (and root) can connect to it.
    ///
    /// # Errors
    /// The path already exists, or no socket can be created there.
    #[cfg(unix)]
    pub fn bind_socket(path: &Path) -> Result<Self> {
        // Other files that are created in this moment are private, too.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let bound = bound.and_then(|bound| Ok((bound, SocketFile::id(path)?)));
        let (listener, file) = bound.map_err(|error| no_socket(path, &error))?;
        Ok(Self(Sockets::Unix { socket: listener, _file: SocketFile { path: path.to_owned(), file } }))
    }

    /// Fails: this system does not support Unix sockets.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(unix))]
    pub fn bind_socket(path: &Path) -> Result<Self> {
        Err(no_socket(path, &ErrorKind::Unsupported.into()))
    }

    /// Returns the port, which was chosen if 0 was requested; `None` for a socket.
    pub fn port(&self) -> Option<u16> {
        match &self.0 {
            Sockets::Tcp { port, .. } => Some(*port),
            #[cfg(unix)]
            Sockets::Unix { .. } => None,
        }
    }

    /// Waits for the next client.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Sockets::Tcp { sockets, .. } => {
                poll_fn(|cx| {
                    for socket in sockets {
                        if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                            return Poll::Ready(accepted.map(|(stream, _)| Accepted::Tcp(stream)));
                        }
                    }
                    Poll::Pending
                })
                .await
            }
            #[cfg(unix)]
            Sockets::Unix { socket, .. } => socket.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

fn no_socket(path: &Path, error: &io::Error) -> Error {
    let failed = Error::failure(format!("cannot listen on the socket {}", path.display()));
    match error.kind() {
        ErrorKind::AddrInUse => failed
            .because("the path already exists")
            .hint(format!("to remove it: rm {}", crate::suggestion::quoted(&path.to_string_lossy()))),
        ErrorKind::Unsupported => {
            failed.because("this system does not support Unix sockets").hint(plugin("forward --port 0"))
        }
        _ => failed.because(super::error_text(error)).hint("--socket FILE, a new file in a folder of yours"),
    }
}

async fn on_all(address: Address, port: u16) -> io::Result<Listener> {
    let first = match address {
        Address::Ip(ip) => ip,
        Address::Localhost => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let mut attempt = 0;
    loop {
        let socket = TcpListener::bind(SocketAddr::new(first, port)).await?;
        let bound = socket.local_addr()?.port();
        let mut sockets = vec![socket];
        if address == Address::Localhost {
            match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), bound)).await {
                Ok(socket) => sockets.push(socket),
                // The other address is in use by another program: `localhost` would lead to both.
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    attempt += 1;
                    if port != 0 || attempt == ATTEMPTS {
                        return Err(error);
                    }
                    continue;
                }
                // A machine without IPv6.
                Err(_) => {}
            }
        }
        return Ok(Listener(Sockets::Tcp { sockets, port: bound }));
    }
}

fn not_bound(address: Address, port: u16, error: &io::Error) -> Error {
    let host = address.host();
    match error.kind() {
        ErrorKind::AddrInUse => Error::failure(format!("local port {port} of {host} is in use"))
            .because("another program is listening on it")
            .hint("--port 0 takes any free one"),
        ErrorKind::PermissionDenied => Error::failure(format!("not allowed to listen on local port {port}"))
            .because("ports below 1024 are privileged")
            .hint("--port 0 takes any free one"),
        ErrorKind::AddrNotAvailable => Error::failure(format!("{host} is not an address of this machine"))
            .hint("--address localhost, or one that: ip -brief address shows"),
        _ => Error::failure(format!("cannot listen on port {port} of {host}")).because(super::error_text(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[tokio::test]
    async fn a_taken_port_is_left_for_the_next_one_unless_it_was_asked_for() {
        let taken = Listener::bind(Address::Localhost, Wanted::Exactly(0)).await.unwrap();
        let port = taken.port().unwrap();
        let error = Listener::bind(Address::Localhost, Wanted::Exactly(port)).await.unwrap_err();
        assert_eq!((error.exit, error.what), (Exit::Error, format!("local port {port} of localhost is in use")));
        let next = Listener::bind(Address::Localhost, Wanted::From(port)).await.unwrap();
        let next = next.port().unwrap();
        assert!(next > port && next <= port + FURTHER, "{next} after {port}");
    }

    /// `localhost` must not lead to two servers.
    #[tokio::test]
    async fn a_port_that_is_taken_on_one_of_both_addresses_is_taken() {
        let Ok(other) = TcpListener::bind("[::1]:0").await else {
            // A machine without IPv6 has only one address.
            let bound = Listener::bind(Address::Localhost, Wanted::Exactly(0)).await.unwrap();
            assert_eq!(addresses(&bound), 1);
            return;
        };
        let port = other.local_addr().unwrap().port();
        assert!(Listener::bind(Address::Localhost, Wanted::Exactly(port)).await.is_err());
        let only = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(Listener::bind(only, Wanted::Exactly(port)).await.unwrap().port(), Some(port));
    }

    #[tokio::test]
    async fn clients_come_by_either_address() {
        let listener = Listener::bind(Address::Localhost, Wanted::Exactly(0)).await.unwrap();
        let port = listener.port().unwrap();
        for host in &["127.0.0.1", "::1"][..addresses(&listener)] {
            let (client, accepted) = tokio::join!(TcpStream::connect((*host, port)), listener.accept());
            let Ok(Accepted::Tcp(accepted)) = accepted else { panic!("no client came") };
            assert_eq!(client.unwrap().local_addr().unwrap(), accepted.peer_addr().unwrap());
        }
    }

    fn addresses(listener: &Listener) -> usize {
        match &listener.0 {
            Sockets::Tcp { sockets, .. } => sockets.len(),
            #[cfg(unix)]
            Sockets::Unix { .. } => 0,
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_replaces_nothing() {
        use std::os::unix::fs::{MetadataExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".s.PGSQL.5432");
        let listener = Listener::bind_socket(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let (client, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
        assert!(client.is_ok() && accepted.is_ok());
        // Not even its own socket.
        let error = Listener::bind_socket(&path).unwrap_err();
        assert_eq!(error.why, ["the path already exists"]);
        drop(listener);
        assert!(!path.exists());
        for (name, what) in [("file", "x"), ("link", "")] {
            let taken = folder.path().join(name);
            if name == "link" {
                symlink("/nonexistent", &taken).unwrap()
            } else {
                std::fs::write(&taken, what).unwrap()
            }
            Listener::bind_socket(&taken).unwrap_err();
            assert!(std::fs::symlink_metadata(&taken).is_ok());
        }
        // A file that has taken its place belongs to another program.
        let listener = Listener::bind_socket(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        drop(listener);
        assert!(path.exists());
    }
}
