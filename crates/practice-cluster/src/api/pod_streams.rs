//! The pods' workloads, as the API sees them.

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection to a pod's port.
pub trait DuplexIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> DuplexIo for T {}

/// The pods' workloads, as `portforward` and `log` see them.
pub trait PodStreams: Send + Sync + 'static {
    /// Opens a connection to a pod's port. The client gets the error on the port's error channel.
    fn connect(&self, namespace: &str, pod: &str, port: u16) -> BoxFuture<'static, Result<Box<dyn DuplexIo>, String>>;

    /// What a container (`None`: the pod's only or first one) has logged.
    fn log(&self, _namespace: &str, _pod: &str, _container: Option<&str>) -> String {
        String::new()
    }
}
