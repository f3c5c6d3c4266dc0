//! One client connection to a proxy's PostgreSQL: the startup packet is read first, so that a refusal can be worded in
//! the protocol; then bytes are passed on until either side ends or the database goes down.
//!
//! TLS is the server's own (`ssl = on`): where it agrees to it, everything that follows is passed on unread. A refusal
//! cannot be worded then, and is a closed connection.

use super::dialect;
use super::logins::SUPERUSER;
use super::server_socket::ServerSocket;
use super::sql_refusal::SqlRefusal;
use std::io;
use std::net::Ipv4Addr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

/// Request codes of PostgreSQL's protocol that precede a startup packet.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// PostgreSQL's own limit for a startup packet.
const LONGEST_STARTUP: usize = 10_000;

/// A complete packet that opens a connection.
struct Startup {
    code: u32,
    bytes: Vec<u8>,
}

/// How a client begins.
enum Opening {
    /// In the clear.
    Startup(Startup),
    /// With TLS, to which the server has agreed on this connection; the client does not know yet.
    Tls(TcpStream),
}

/// Reads packets until one is not about encryption, or a server on this port agrees to it; otherwise it is declined
/// (`N`).
async fn opening(client: &mut (impl AsyncRead + AsyncWrite + Unpin), port: Option<u16>) -> io::Result<Opening> {
    loop {
        let length = client.read_u32().await?;
        let rest = (length as usize).checked_sub(4).filter(|rest| (4..=LONGEST_STARTUP).contains(rest));
        let rest = rest.ok_or_else(|| io::Error::other("invalid length of startup packet"))?;
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.resize(4 + rest, 0);
        client.read_exact(&mut bytes[4..]).await?;
        let code = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        match (code, port) {
            (SSL_REQUEST, Some(port)) => {
                if let Ok(Some(server)) = agreed(port, &bytes).await {
                    return Ok(Opening::Tls(server));
                }
            }
            (SSL_REQUEST | GSSENC_REQUEST, _) => {}
            _ => return Ok(Opening::Startup(Startup { code, bytes })),
        }
        client.write_all(b"N").await?;
    }
}

/// Opens a connection on which the server accepts a request for TLS.
async fn agreed(port: u16, request: &[u8]) -> io::Result<Option<TcpStream>> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    server.set_nodelay(true)?;
    server.write_all(request).await?;
    Ok((server.read_u8().await? == b'S').then_some(server))
}

/// Sends a refusal and closes.
async fn send(client: &mut (impl AsyncRead + AsyncWrite + Unpin), refusal: &SqlRefusal) -> io::Result<()> {
    client.write_all(&refusal.encode()).await?;
    client.shutdown().await
}

/// Answers a connection with a refusal once its startup packet is there.
pub(crate) async fn refuse(mut client: impl AsyncRead + AsyncWrite + Unpin, refusal: SqlRefusal) -> io::Result<()> {
    opening(&mut client, None).await?;
    send(&mut client, &refusal).await
}

impl Startup {
    /// Whether a client may send this. Who connects to the server's socket is always the sandbox, so that the server
    /// would take any client for its superuser; and only the third version of the protocol is read here.
    fn admissible(&self) -> Result<(), SqlRefusal> {
        let not_allowed =
            |message: &str| Err(SqlRefusal { code: "28000", message: message.to_owned(), detail: String::new() });
        if self.bytes.windows(SUPERUSER.len()).any(|part| part == SUPERUSER.as_bytes()) {
            return not_allowed("this role is the practice cluster's own");
        }
        if self.code >> 16 != 3 {
            return not_allowed("unsupported frontend protocol");
        }
        Ok(())
    }
}

/// The SQL dialect of a server's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PostgreSQL's own dialect.
    PostgreSql,
    /// The dialect of SynxDB's kernel, whose sessions choose a warehouse.
    Warehouses,
}

/// Serves a connection to a server's socket, or its port for TLS: `gate` is asked once the startup packet is there,
/// with the warehouse that it chooses; what `cut` makes of that ends an open connection. Within TLS no warehouse can be
/// chosen.
pub(crate) async fn serve<Cut: Future<Output = ()>>(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    socket: &ServerSocket,
    dialect: Dialect,
    gate: impl Fn(Option<&str>) -> Result<(), SqlRefusal>,
    cut: impl FnOnce(Option<String>) -> Cut,
) -> io::Result<()> {
    let startup = match opening(&mut client, socket.port).await? {
        Opening::Startup(startup) => startup,
        Opening::Tls(mut server) => {
            if gate(None).is_err() {
                return Ok(());
            }
            client.write_all(b"S").await?;
            return tokio::select! {
                done = copy_bidirectional(&mut client, &mut server) => done.map(|_| ()),
                () = cut(None) => Ok(()),
            };
        }
    };
    // A cancel request carries nothing to be refused with, and no words.
    let cancels = startup.code == CANCEL_REQUEST;
    let translates = dialect == Dialect::Warehouses && !cancels;
    let (warehouse, bytes) = if translates { dialect::startup(&startup.bytes) } else { (None, startup.bytes.clone()) };
    if !cancels && let Err(refusal) = startup.admissible().and_then(|()| gate(warehouse.as_deref())) {
        return send(&mut client, &refusal).await;
    }
    let Ok(mut server) = socket.connect().await else {
        return send(&mut client, &SqlRefusal::starting("the database system is shutting down")).await;
    };
    server.write_all(&bytes).await?;
    let passed = async {
        if translates {
            dialect::pass(client, server).await
        } else {
            copy_bidirectional(&mut client, &mut server).await.map(|_| ())
        }
    };
    tokio::select! {
        done = passed => done,
        () = cut(warehouse) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + rest.len()).unwrap();
        [&length.to_be_bytes()[..], &code.to_be_bytes(), rest].concat()
    }

    #[tokio::test]
    async fn encryption_is_declined_and_the_refusal_follows_the_startup_packet() {
        let (mut client, server) = tokio::io::duplex(1024);
        let task = tokio::spawn(refuse(server, SqlRefusal::segment()));
        for code in [GSSENC_REQUEST, SSL_REQUEST] {
            client.write_all(&packet(code, b"")).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'N');
        }
        client.write_all(&packet(196_608, b"user\0gpadmin\0\0")).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, SqlRefusal::segment().encode());
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nonsense_is_not_read_on() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert!(refuse(server, SqlRefusal::segment()).await.is_err());
    }

    /// Where no server is; its port may be another's.
    fn nowhere(port: Option<u16>) -> ServerSocket {
        ServerSocket { path: "/nonexistent/socket".into(), owner: rustix::process::geteuid().as_raw(), port }
    }

    /// In every form of the packet, and whatever a server would read from it.
    #[tokio::test]
    async fn no_client_gets_in_as_the_superuser() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let socket = ServerSocket { path, ..nowhere(None) };
        let named = format!("user\0{SUPERUSER}\0\0");
        let twice = format!("user\0gpadmin\0user\0{SUPERUSER}\0\0");
        let second = format!("{}{SUPERUSER}\0", "d".repeat(64));
        for (code, rest) in [(196_608, &named), (196_608, &twice), (196_610, &named), (131_072, &second)] {
            let (mut client, server) = tokio::io::duplex(1024);
            let packet = packet(code, rest.as_bytes());
            client.write_all(&packet).await.unwrap();
            serve(server, &socket, Dialect::Warehouses, |_| Ok(()), |_| std::future::pending()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("28000"), "{code} {rest:?}: {answer:?}");
        }
        let came = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
        assert!(came.is_err(), "nothing of it reached the server");
    }

    /// The socket lies where the servers' user may put another.
    #[tokio::test]
    async fn a_socket_that_another_user_serves_is_not_talked_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let own = nowhere(None).owner;
        for (owner, taken) in [(own, true), (own + 1, false)] {
            let connected = ServerSocket { path: path.clone(), owner, port: None }.connect().await;
            assert_eq!(connected.is_ok(), taken, "{connected:?}");
        }
        drop(listener);
    }

    #[tokio::test]
    async fn without_a_server_the_client_hears_why() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(&packet(196_608, b"user\0gpadmin\0\0")).await.unwrap();
        serve(server, &nowhere(None), Dialect::PostgreSql, |_| Ok(()), |_| std::future::pending()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("57P03") && answer.contains("shutting down"), "{answer}");
    }

    /// A server that answers a request for TLS with this byte, and then repeats what it hears.
    async fn server(answer: u8) -> u16 {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 8];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked[..], packet(SSL_REQUEST, b"")[..]);
            stream.write_all(&[answer]).await.unwrap();
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
        port
    }

    #[tokio::test]
    async fn tls_is_the_servers_own() {
        for (answer, refusal) in [(b'S', None), (b'N', None), (b'S', Some(SqlRefusal::segment()))] {
            let (mut client, theirs) = tokio::io::duplex(1024);
            let port = server(answer).await;
            let gate = refusal.clone();
            let task = tokio::spawn(async move {
                let gate = |_: Option<&str>| gate.clone().map_or(Ok(()), Err);
                serve(theirs, &nowhere(Some(port)), Dialect::Warehouses, gate, |_| std::future::pending()).await
            });
            client.write_all(&packet(SSL_REQUEST, b"")).await.unwrap();
            match (answer, refusal) {
                (_, Some(_)) => assert!(client.read_u8().await.is_err(), "closed without an answer"),
                (b'S', None) => {
                    assert_eq!(client.read_u8().await.unwrap(), b'S');
                    client.write_all(b"\x16a handshake").await.unwrap();
                    let mut heard = [0; 12];
                    client.read_exact(&mut heard).await.unwrap();
                    assert_eq!(&heard, b"\x16a handshake");
                }
                _ => {
                    assert_eq!(client.read_u8().await.unwrap(), b'N');
                    client.write_all(&packet(196_608, b"user\0gpadmin\0\0")).await.unwrap();
                    let mut answer = String::new();
                    client.read_to_string(&mut answer).await.unwrap();
                    assert!(answer.contains("57P03"), "in the clear it goes on to the socket: {answer}");
                }
            }
            drop(client);
            let _ = task.await.unwrap();
        }
    }
}
