//! A stream to a pod's port through the API server, without a local port.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Portforwarder};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::Cluster;
use super::failure::{Act, Failure};
use super::snapshot::Cause;
use crate::error::{Error, Result};

/// How long a tunnel may take to say goodbye after it was dropped.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection to a port of a pod. What the kubelet reports about it (nobody listens on that port, the pod went
/// away) comes as the read's error.
pub struct Tunnel {
    stream: DuplexStream,
    trouble: Option<BoxFuture<'static, Option<String>>>,
    forwarder: Option<Portforwarder>,
}

/// Why there is no tunnel.
#[derive(Clone, Debug)]
pub struct NoTunnel {
    /// What kind of failure.
    pub cause: Cause,
    /// For people.
    pub error: Error,
}

impl NoTunnel {
    /// Whether the API server said no for the pod (there is none, it does not run), rather than that the way there is
    /// broken.
    pub fn is_the_pods(&self) -> bool {
        matches!(self.cause, Cause::NotFound | Cause::Refused)
    }
}

impl Cluster {
    /// Opens a tunnel to `port` of a pod. That the pod listens there is known only once something is read.
    ///
    /// # Errors
    /// No such pod, not allowed (`create pods/portforward`), no answer within `deadline`.
    pub async fn tunnel(&self, namespace: &str, pod: &str, port: u16, deadline: Duration) -> Result<Tunnel> {
        self.try_tunnel(namespace, pod, port, deadline).await.map_err(|no| no.error)
    }

    /// The same, for one who needs to know at whose end it failed.
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
        let deadline = self.at_most(deadline);
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let opened = match tokio::time::timeout(deadline, api.portforward(pod, &[port])).await {
            Ok(opened) => opened.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::timed_out(deadline)),
        };
        let act = Act { verb: "create", resource: "pods/portforward", namespace: Some(namespace), name: Some(pod) };
        let mut forwarder =
            opened.map_err(|failure| NoTunnel { cause: failure.cause, error: self.error(act, &failure) })?;
        let trouble = forwarder.take_error(port).map(FutureExt::boxed);
        let Some(stream) = forwarder.take_stream(port) else {
            let error = Error::failure(format!("no stream to port {port} of pod {pod}"));
            return Err(NoTunnel { cause: Cause::Unreachable, error });
        };
        Ok(Tunnel { stream, trouble, forwarder: Some(forwarder) })
    }
}

impl Tunnel {
    /// What was reported about the port, once.
    fn reported(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        let report = match self.trouble.as_mut()?.poll_unpin(cx) {
            Poll::Pending => return None,
            Poll::Ready(report) => report,
        };
        self.trouble = None;
        report.map(|text| io::Error::new(io::ErrorKind::ConnectionRefused, short(&text)))
    }
}

/// The kubelet's message ends with what matters: `error forwarding port 5432 to pod …, uid : failed to … 5432:
/// connect: connection refused`.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.rfind("connection refused") {
        Some(_) => "connection refused: nothing listens on that port of the pod".to_owned(),
        None => line,
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.reported(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Tunnel {
    /// Lets the last bytes (PostgreSQL's Terminate) out, then makes sure that nothing is left running.
    fn drop(&mut self) {
        let Some(forwarder) = self.forwarder.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(FAREWELL).await;
                forwarder.abort();
            })),
            Err(_) => forwarder.abort(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Answer, Server};
    use crate::error::Exit;

    #[test]
    fn the_kubelets_message_is_shortened() {
        let long = "error forwarding port 5432 to pod 3f2a, uid : failed to execute portforward in network namespace \
                    \"/var/run/netns/cni-1\": failed to connect to localhost:5432 inside namespace \"3f2a\", IPv4: \
                    dial tcp4 127.0.0.1:5432: connect: connection refused IPv6 dial tcp6 [::1]:5432: connect: \
                    connection refused ";
        assert_eq!(short(long), "connection refused: nothing listens on that port of the pod");
        assert_eq!(short("pod not\nfound"), "pod not found");
    }

    #[tokio::test]
    async fn a_tunnel_that_is_refused_says_what_is_missing() {
        let server = Server::new(|asked| match asked.path.as_str() {
            "/api/v1/namespaces/a/pods/gone-0/portforward" => Answer::status(404, "pods \"gone-0\" not found"),
            "/api/v1/namespaces/a/pods/slow-0/portforward" => Answer::Never,
            _ => Answer::status(403, "pods \"p-0\" is forbidden"),
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
