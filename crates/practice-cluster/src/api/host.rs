//! The API server as a process: it serves, and can be restarted on the same port.

use super::server::serve;
use super::state::ApiState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Pause before binding the port is retried.
const BIND_RETRY: Duration = Duration::from_millis(10);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Asks a [`Host`] to restart.
#[derive(Clone, Debug)]
pub(crate) struct Restarts(mpsc::UnboundedSender<(Duration, oneshot::Sender<()>)>);

/// An API server that can be restarted.
pub(crate) struct Host {
    listener: TcpListener,
    address: SocketAddr,
    tls: Arc<rustls::ServerConfig>,
    state: Arc<ApiState>,
    shutdown: CancellationToken,
    requests: mpsc::UnboundedReceiver<(Duration, oneshot::Sender<()>)>,
}

impl Restarts {
    /// Ends all connections, refuses new ones for that time, and returns when connections are taken again.
    pub(crate) async fn restart(&self, down_for: Duration) {
        let (done, served_again) = oneshot::channel();
        // Both fail only when the server has been shut down: then there is nothing to wait for.
        if self.0.send((down_for, done)).is_ok() {
            let _ = served_again.await;
        }
    }
}

impl Host {
    /// A server on that listener, with what [`serve`] needs.
    ///
    /// # Errors
    /// The listener has no address.
    pub(crate) fn new(
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        state: Arc<ApiState>,
        shutdown: CancellationToken,
    ) -> std::io::Result<(Host, Restarts)> {
        let address = listener.local_addr()?;
        let (sender, requests) = mpsc::unbounded_channel();
        Ok((Host { listener, address, tls, state, shutdown, requests }, Restarts(sender)))
    }

    /// Serves until the shutdown.
    pub(crate) async fn run(self) {
        let Host { mut listener, address, tls, state, shutdown, mut requests } = self;
        loop {
            let life = shutdown.child_token();
            let serving = serve(listener, tls.clone(), state.clone(), life.clone());
            tokio::pin!(serving);
            let (down_for, done) = tokio::select! {
                () = &mut serving => return,
                Some(request) = requests.recv() => request,
            };
            life.cancel();
            serving.await;
            let starting = async {
                let port = bind(address).await;
                tokio::time::sleep(down_for).await;
                port.listen(BACKLOG)
            };
            listener = match shutdown.run_until_cancelled(starting).await {
                Some(Ok(listener)) => listener,
                Some(Err(error)) => {
                    tracing::error!(%error, "cannot listen again");
                    return;
                }
                None => return,
            };
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
    }
}

/// Binds the port without listening: connections are refused, and no other process can take the port.
async fn bind(address: SocketAddr) -> TcpSocket {
    loop {
        let bound = TcpSocket::new_v4().and_then(|socket| {
            // The system remembers cut connections for a while.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        });
        match bound {
            Ok(socket) => return socket,
            Err(error) => tracing::debug!(%error, "the port is not free yet"),
        }
        tokio::time::sleep(BIND_RETRY).await;
    }
}
