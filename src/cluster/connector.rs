//! Opens connections to the API server: directly or through a proxy, plain or with TLS, all of it within one deadline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tower::{BoxError, Service};

use super::proxy::{Kind, Proxy};
use super::request_errors::ProxyFailed;

/// Longest head of a proxy's response, in bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// What opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: TlsConnector,
    /// Replaces the host's name in TLS.
    server_name: Option<ServerName<'static>>,
    proxy: Option<Arc<Proxy>>,
    timeout: Option<Duration>,
}

impl Connector {
    /// `timeout`: for all of a connection; none is no limit.
    pub(super) fn new(
        tls: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        proxy: Option<Proxy>,
        timeout: Option<Duration>,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // With Nagle's algorithm, a request that follows another closely waits for the acknowledgement of the first, which
        // a real API server's machine delays by some 40 ms (measured: `status` 66 ms with it, 28 ms without).
        tcp.set_nodelay(true);
        Self { tcp, tls: tls.into(), server_name, proxy: proxy.map(Arc::new), timeout }
    }

    async fn open(mut self, uri: Uri) -> Result<Stream, BoxError> {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let (stream, proxied): (Box<dyn Bytes>, bool) = match self.proxy.clone() {
            None => (Box::new(self.tcp.call(uri.clone()).await?.into_inner()), false),
            Some(proxy) => self.through(&proxy, &host, port, secure).await?,
        };
        let stream = if secure { self.secured(stream, &host).await? } else { stream };
        Ok(Stream { io: TokioIo::new(stream), proxied })
    }

    /// As in Go, a proxy is verified like the server.
    async fn secured(&self, stream: Box<dyn Bytes>, host: &str) -> Result<Box<dyn Bytes>, BoxError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.trim_end_matches('.').to_owned())?,
        };
        Ok(Box::new(self.tls.connect(name, stream).await?))
    }

    /// Returns a connection to the proxy that leads to the server, and whether the proxy still reads each request.
    async fn through(
        &mut self,
        proxy: &Proxy,
        host: &str,
        port: u16,
        secure: bool,
    ) -> Result<(Box<dyn Bytes>, bool), BoxError> {
        let failed = |error: BoxError| ProxyFailed { proxy: proxy.shown(), source: error };
        let tcp = self.tcp.call(proxy.address.clone()).await.map_err(|error| failed(error.into()))?;
        let mut stream: Box<dyn Bytes> = Box::new(tcp.into_inner());
        if proxy.kind == Kind::Https {
            let name = proxy.address.host().unwrap_or_default().trim_matches(['[', ']']);
            stream = self.secured(stream, name).await.map_err(failed)?;
        }
        let led = match proxy.kind {
            Kind::Socks => socks(&mut stream, proxy, host, port).await,
            Kind::Http | Kind::Https if secure => tunnel(&mut stream, proxy, host, port).await,
            Kind::Http | Kind::Https => return Ok((stream, true)),
        };
        led.map_err(failed)?;
        Ok((stream, false))
    }
}

/// Asks an HTTP proxy for a connection.
async fn tunnel(stream: &mut Box<dyn Bytes>, proxy: &Proxy, host: &str, port: u16) -> Result<(), BoxError> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(login) = proxy.login.as_ref().and_then(|login| login.basic()) {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    // Byte by byte: what follows the head belongs to the server.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if head.len() > LONGEST_HEAD {
            return Err("its answer is not HTTP".into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.")?.split_once(' '));
    match status.map(|(_, status)| status.trim()) {
        Some(status) if status.starts_with("200") => Ok(()),
        Some(status) => Err(format!("it answered {status}").into()),
        None => Err("its answer is not HTTP".into()),
    }
}

/// Asks a SOCKS 5 proxy for a connection (RFC 1928), with a login if there is one (RFC 1929). The proxy resolves the name.
async fn socks(stream: &mut Box<dyn Bytes>, proxy: &Proxy, host: &str, port: u16) -> Result<(), BoxError> {
    const NONE: u8 = 0;
    const PASSWORD: u8 = 2;
    let greeting: &[u8] = if proxy.login.is_some() { &[5, 2, NONE, PASSWORD] } else { &[5, 1, NONE] };
    stream.write_all(greeting).await?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    match (answer, &proxy.login) {
        ([5, NONE], _) => {}
        ([5, PASSWORD], Some(login)) => {
            let mut request = vec![1];
            for word in [&login.user, &login.password] {
                request.push(u8::try_from(word.len()).map_err(|_| "its login is too long")?);
                request.extend_from_slice(word.as_bytes());
            }
            stream.write_all(&request).await?;
            stream.read_exact(&mut answer).await?;
            if answer[1] != 0 {
                return Err("it rejected its user and password".into());
            }
        }
        ([5, _], None) => return Err("it wants a user and password (socks5://USER:PASSWORD@HOST)".into()),
        ([5, _], Some(_)) => return Err("it accepts no user and password".into()),
        _ => return Err("its answer is not SOCKS 5".into()),
    }
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(std::net::IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            request.extend_from_slice(&[3, u8::try_from(host.len()).map_err(|_| "the host's name is too long")?]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let reason = match head[1] {
        0 => None,
        1 => Some("general failure"),
        2 => Some("not allowed by its rules"),
        3 => Some("network unreachable"),
        4 => Some("host unreachable"),
        5 => Some("connection refused"),
        6 => Some("timed out"),
        _ => Some("refused"),
    };
    if let Some(reason) = reason {
        return Err(format!("it cannot reach {host}:{port}: {reason}").into());
    }
    let length = match head[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let ready = self.clone();
        let this = std::mem::replace(self, ready);
        let timeout = this.timeout;
        Box::pin(async move {
            match timeout {
                None => this.open(uri).await,
                Some(limit) => match tokio::time::timeout(limit, this.open(uri)).await {
                    Ok(opened) => opened,
                    Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
                },
            }
        })
    }
}

/// Anything that bytes are read from and written to.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection.
pub(super) struct Stream {
    io: TokioIo<Box<dyn Bytes>>,
    /// Whether a proxy reads the requests: they are then for a whole address.
    proxied: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
