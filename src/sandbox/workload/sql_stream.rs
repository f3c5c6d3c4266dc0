//! One client connection to a proxy's PostgreSQL: the startup packet is read first, so that a refusal can be worded in
//! the protocol; then bytes are passed on until either side ends or the database goes down.

use super::sql_gate::Refusal;
use std::io;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::UnixStream;

/// Request codes of PostgreSQL's protocol that precede a startup packet.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// PostgreSQL's own limit for a startup packet.
const LONGEST_STARTUP: usize = 10_000;

/// A packet that opens a connection, whole.
struct Startup {
    code: u32,
    bytes: Vec<u8>,
}

/// Reads packets until one is not about encryption, which is declined (`N`): the stream is the sandbox's own.
async fn startup(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Startup> {
    loop {
        let length = client.read_u32().await?;
        let rest = (length as usize).checked_sub(4).filter(|rest| (4..=LONGEST_STARTUP).contains(rest));
        let rest = rest.ok_or_else(|| io::Error::other("invalid length of startup packet"))?;
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.resize(4 + rest, 0);
        client.read_exact(&mut bytes[4..]).await?;
        let code = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        if code != SSL_REQUEST && code != GSSENC_REQUEST {
            return Ok(Startup { code, bytes });
        }
        client.write_all(b"N").await?;
    }
}

/// Sends a refusal and closes. What the client sends meanwhile is read away.
async fn send(client: &mut (impl AsyncRead + AsyncWrite + Unpin), refusal: &Refusal) -> io::Result<()> {
    client.write_all(&refusal.encode()).await?;
    client.shutdown().await
}

/// Answers a connection with a refusal once its startup packet is there.
pub(crate) async fn refuse(mut client: impl AsyncRead + AsyncWrite + Unpin, refusal: Refusal) -> io::Result<()> {
    startup(&mut client).await?;
    send(&mut client, &refusal).await
}

/// Serves a connection: `gate` is asked once the startup packet is there, `cut` ends an open connection.
pub(crate) async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    socket: &Path,
    gate: impl Fn() -> Result<(), Refusal>,
    cut: impl Future<Output = ()>,
) -> io::Result<()> {
    let startup = startup(&mut client).await?;
    // A cancel request carries nothing to be refused with.
    if startup.code != CANCEL_REQUEST
        && let Err(refusal) = gate()
    {
        return send(&mut client, &refusal).await;
    }
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return send(&mut client, &Refusal::starting("the database system is shutting down")).await;
    };
    server.write_all(&startup.bytes).await?;
    tokio::select! {
        done = copy_bidirectional(&mut client, &mut server) => done.map(|_| ()),
        () = cut => Ok(()),
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
        let task = tokio::spawn(refuse(server, Refusal::segment()));
        for code in [GSSENC_REQUEST, SSL_REQUEST] {
            client.write_all(&packet(code, b"")).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'N');
        }
        client.write_all(&packet(196_608, b"user\0gpadmin\0\0")).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, Refusal::segment().encode());
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nonsense_is_not_read_on() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert!(refuse(server, Refusal::segment()).await.is_err());
    }

    #[tokio::test]
    async fn without_a_server_the_client_hears_why() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(&packet(196_608, b"user\0gpadmin\0\0")).await.unwrap();
        serve(server, Path::new("/nonexistent/socket"), || Ok(()), std::future::pending()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("57P03") && answer.contains("shutting down"), "{answer}");
    }
}
