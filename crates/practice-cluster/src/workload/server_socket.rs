//! Where a PostgreSQL server takes connections.

use std::path::PathBuf;
use tokio::net::UnixStream;

/// Where a server takes connections.
#[derive(Clone, Debug)]
pub(crate) struct ServerSocket {
    /// Its Unix socket, in a folder that its user may write to.
    pub(crate) path: PathBuf,
    /// The user that it runs as.
    pub(crate) owner: u32,
    /// Its port on the loopback interface, if it has one.
    pub(crate) port: Option<u16>,
}

impl ServerSocket {
    /// Connects to the socket.
    ///
    /// # Errors
    /// The system's. Or another user answers: the socket's path was made to lead to another socket.
    pub(crate) async fn connect(&self) -> std::io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.path).await?;
        let answers = stream.peer_cred()?.uid();
        if answers != self.owner {
            return Err(std::io::Error::other(format!("user {answers} answers, not the server's")));
        }
        Ok(stream)
    }
}
