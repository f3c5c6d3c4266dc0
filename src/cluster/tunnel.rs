//! A stream to a pod's port through the API server, without a local port.
//!
//! kube's own `Portforwarder` copies each byte through a pipe of 1 MiB and three tasks, 4 KiB at a time; here the
//! frames of the WebSocket are read and written in place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Request;
use kube::core::Resource as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Cluster;
use super::failure::{Failure, Operation};
use super::framing::{Reader, Socket, Writer, halves};
use super::snapshot::Cause;
use crate::error::{Error, Result};

/// Longest time for the closing handshake of a dropped tunnel.
const FAREWELL: Duration = Duration::from_secs(2);

/// Bytes read from the connection at once: a TLS record. The buffer is cleared before each read, so a larger one costs
/// time.
const READ: usize = 16 * 1024;

/// Largest message that is accepted; a kubelet sends 32 KiB at most.
const LARGEST_MESSAGE: usize = 16 << 20;

/// The connection to the API server.
pub(super) type Upgraded = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// A connection to a port of a pod. Errors that the kubelet reports about it (nothing listens on that port, the pod is
/// gone) become the read's error, [`io::ErrorKind::ConnectionRefused`]. Closing it closes both ways.
pub struct Tunnel(Open<Upgraded>);

/// A tunnel over any WebSocket. Sends the last bytes when it is dropped.
pub(super) struct Open<S: Socket + Send + 'static>(Option<(Reader<S>, Writer<S>)>);

/// Why there is no tunnel.
#[derive(Clone, Debug)]
pub struct NoTunnel {
    /// The kind of failure.
    pub cause: Cause,
    /// The reason for people.
    pub error: Error,
}

impl NoTunnel {
    /// Whether the API server refused it because of the pod (it does not exist, it does not run), and not because the
    /// connection failed.
    pub fn is_the_pods(&self) -> bool {
        matches!(self.cause, Cause::NotFound | Cause::Refused)
    }
}

impl Cluster {
    /// Opens a tunnel to `port` of a pod. Whether the pod listens there is known only once something is read.
    ///
    /// # Errors
    /// No such pod, not allowed (`create pods/portforward`), no response within `deadline`.
    pub async fn tunnel(&self, namespace: &str, pod: &str, port: u16, deadline: Duration) -> Result<Tunnel> {
        self.try_tunnel(namespace, pod, port, deadline).await.map_err(|no| no.error)
    }

    /// Opens a tunnel for a caller that needs to know on which side it failed.
    ///
    /// # Errors
    /// As for [`Cluster::tunnel`].
    pub async fn try_tunnel(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        deadline: Duration,
    ) -> Result<Tunnel, NoTunnel> {
        let opened = self.open(namespace, pod, port, deadline).await;
        let act =
            Operation { verb: "create", resource: "pods/portforward", namespace: Some(namespace), name: Some(pod) };
        opened.map(Tunnel).map_err(|failure| NoTunnel { cause: failure.cause, error: self.error(act, &failure) })
    }

    /// Opens a tunnel and returns the original failure. If the connection was at fault, it is not one that was opened
    /// earlier that fails the next time.
    pub(super) async fn open(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        deadline: Duration,
    ) -> Result<Open<Upgraded>, Failure> {
        let opened = self.open_once(namespace, pod, port, deadline).await;
        match &opened {
            Err(failure) if failure.cause == Cause::TimedOut => {
                self.spares.discard();
                opened
            }
            Err(failure) if matches!(failure.cause, Cause::Unreachable | Cause::Unauthorized) => {
                // Without spares it was a fresh connection.
                if self.spares.discard() { self.open_once(namespace, pod, port, deadline).await } else { opened }
            }
            _ => opened,
        }
    }

    async fn open_once(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        deadline: Duration,
    ) -> Result<Open<Upgraded>, Failure> {
        let deadline = self.limit(deadline);
        let pods = Pod::url_path(&(), Some(namespace));
        let request = Request::new(pods).portforward(pod, &[port]).map_err(kube::Error::BuildRequest);
        let request = request.map_err(Failure::of)?;
        let connection = match tokio::time::timeout(deadline, self.client().connect(request)).await {
            Ok(opened) => opened.map_err(Failure::of)?,
            Err(_) => return Err(Failure::timed_out(deadline)),
        };
        // Nothing was read yet: its settings can be changed.
        let io = connection.into_stream().into_inner();
        Ok(Open::over(WebSocketStream::from_raw_socket(io, Role::Client, Some(settings())).await, port))
    }
}

/// Sends each message at once; the next one waits until it was sent.
pub(super) fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE))
}

impl<S: Socket + Send + 'static> Open<S> {
    pub(super) fn over(socket: S, port: u16) -> Self {
        Self(Some(halves(socket, port)))
    }

    /// Returns both halves, to be used at the same time. Never `None` before it is dropped.
    pub(super) fn halves(&mut self) -> io::Result<(&mut Reader<S>, &mut Writer<S>)> {
        match &mut self.0 {
            Some((reader, writer)) => Ok((reader, writer)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.halves()?.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.0.halves()?.1).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.halves()?.1).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.halves()?.1).poll_shutdown(cx)
    }
}

impl<S: Socket + Send + 'static> Drop for Open<S> {
    /// Sends the last bytes (PostgreSQL's Terminate), and reads until the other side has closed, too: closing a
    /// connection with unread data resets it, and what was sent is lost. Nothing keeps running afterwards.
    fn drop(&mut self) {
        let Some((mut reader, mut writer)) = self.0.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let goodbye = async {
                if writer.shutdown().await.is_ok() {
                    let mut rest = [0; 1024];
                    while let Ok(1..) = reader.read(&mut rest).await {}
                }
            };
            // No caller needs the result.
            let _ = tokio::time::timeout(FAREWELL, goodbye).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Reply, Server};
    use crate::error::Exit;

    /// A message is kept until it is complete.
    #[test]
    fn a_message_is_bounded() {
        let settings = settings();
        assert_eq!((settings.max_message_size, settings.max_frame_size), (Some(16 << 20), Some(16 << 20)));
    }

    #[tokio::test]
    async fn a_tunnel_that_is_refused_says_what_is_missing() {
        let server = Server::new(|asked| match asked.path.as_str() {
            "/api/v1/namespaces/a/pods/gone-0/portforward" => Reply::status(404, "pods \"gone-0\" not found"),
            "/api/v1/namespaces/a/pods/slow-0/portforward" => Reply::Never,
            _ => Reply::status(403, "pods \"p-0\" is forbidden"),
        });
        let cluster = server.cluster();
        let error = |pod: &'static str| {
            let cluster = cluster.clone();
            async move { cluster.tunnel("a", pod, 5432, Duration::from_millis(50)).await.err().unwrap() }
        };
        let gone = error("gone-0").await;
        assert_eq!(gone.to_string(), "cannot create pods/portforward gone-0 in namespace a: pods \"gone-0\" not found");
        let forbidden = error("p-0").await;
        assert_eq!(forbidden.exit, Exit::Refused);
        assert_eq!(forbidden.what, "not allowed to create pods/portforward p-0 in namespace a");
        assert_eq!(error("slow-0").await.exit, Exit::Error);
        let asked = &server.requests()[0];
        assert_eq!(asked.query.trim_matches('&'), "ports=5432");
        assert_eq!(asked.headers["upgrade"], "websocket");
    }
}
