//! A local port: on both of the machine's own addresses, or on one that was asked for.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

use crate::cli::Address;
use crate::error::{Error, Result};

/// How many ports after the preferred one are tried.
const FURTHER: u16 = 100;
/// How often a free port is asked for that must be free on both addresses.
const ATTEMPTS: usize = 16;

/// Which local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one and no other; 0 is any.
    Exactly(u16),
    /// This one, or the next that is free.
    From(u16),
}

/// A port that is listened on.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    port: u16,
}

impl Listener {
    /// Listens. Localhost is 127.0.0.1, and ::1 where the machine has it: a client that is told `localhost` may try
    /// either first, so that both must be free.
    ///
    /// # Errors
    /// The port is taken, or may not be listened on.
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
                Err(Error::failure(format!("local ports {first} to {last} are all taken"))
                    .hint("--port 0 takes any free one"))
            }
        }
    }

    /// The port, which was chosen where 0 was asked for.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        poll_fn(|cx| {
            for socket in &self.sockets {
                if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                    return Poll::Ready(accepted.map(|(stream, _)| stream));
                }
            }
            Poll::Pending
        })
        .await
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
                // Somebody else's there: `localhost` would lead to both.
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
        return Ok(Listener { sockets, port: bound });
    }
}

fn not_bound(address: Address, port: u16, error: &io::Error) -> Error {
    let host = address.host();
    match error.kind() {
        ErrorKind::AddrInUse => Error::failure(format!("local port {port} of {host} is taken"))
            .because("another program listens on it")
            .hint("--port 0 takes any free one"),
        ErrorKind::PermissionDenied => Error::failure(format!("not allowed to listen on local port {port}"))
            .because("ports below 1024 are for the system")
            .hint("--port 0 takes any free one"),
        ErrorKind::AddrNotAvailable => Error::failure(format!("{host} is not an address of this machine"))
            .hint("--address localhost, or one that: ip -brief address shows"),
        _ => Error::failure(format!("cannot listen on port {port} of {host}")).because(super::said(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[tokio::test]
    async fn a_taken_port_is_left_for_the_next_one_unless_it_was_asked_for() {
        let taken = Listener::bind(Address::Localhost, Wanted::Exactly(0)).await.unwrap();
        let port = taken.port();
        let error = Listener::bind(Address::Localhost, Wanted::Exactly(port)).await.unwrap_err();
        assert_eq!((error.exit, error.what), (Exit::Error, format!("local port {port} of localhost is taken")));
        let next = Listener::bind(Address::Localhost, Wanted::From(port)).await.unwrap();
        assert!(next.port() > port && next.port() <= port + FURTHER, "{} after {port}", next.port());
    }

    /// `localhost` must not lead to two servers.
    #[tokio::test]
    async fn a_port_that_is_taken_on_one_of_both_addresses_is_taken() {
        let Ok(other) = TcpListener::bind("[::1]:0").await else {
            // A machine without IPv6: one address is all there is.
            let bound = Listener::bind(Address::Localhost, Wanted::Exactly(0)).await.unwrap();
            assert_eq!(bound.sockets.len(), 1);
            return;
        };
        let port = other.local_addr().unwrap().port();
        assert!(Listener::bind(Address::Localhost, Wanted::Exactly(port)).await.is_err());
        let only = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(Listener::bind(only, Wanted::Exactly(port)).await.unwrap().port(), port);
    }

    #[tokio::test]
    async fn clients_come_by_either_address() {
        let listener = Listener::bind(Address::Localhost, Wanted::Exactly(0)).await.unwrap();
        for host in &["127.0.0.1", "::1"][..listener.sockets.len()] {
            let (client, accepted) = tokio::join!(TcpStream::connect((*host, listener.port())), listener.accept());
            assert_eq!(client.unwrap().local_addr().unwrap(), accepted.unwrap().peer_addr().unwrap());
        }
    }
}
