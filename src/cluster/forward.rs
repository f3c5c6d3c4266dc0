//! A local port that leads to a pod, and to its successor after that. Each client has its own tunnel.
//!
//! A channel reports the current pod; a client that connects while there is none waits. If a client's tunnel breaks
//! before the pod has sent its first byte, the client is connected to the successor, and what it has sent so far is
//! sent again: PostgreSQL clients send no statement before the server has responded. Nothing is repeated after that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until, timeout};

use super::Cluster;
use super::failure::Failure;
use super::framing::{PortError, Reader, Socket, Writer};
use super::listener::{Accepted, Listener};
use super::snapshot::Cause;
use super::transport::pause;
use super::tunnel::{Open, Upgraded};
use crate::duration;

/// Time limits of waits.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For a client: until a pod responds.
    wait: Duration,
    /// For a pod that is Ready and refuses connections.
    refused: Duration,
    /// After a connection broke: until the pod's deletion is reported.
    news: Duration,
    /// After a client has sent everything: until the pod's next bytes, before the connection is closed. The protocol
    /// has no message for "end of input".
    silence: Duration,
}

const LIMITS: Limits = Limits {
    wait: Duration::from_secs(60),
    refused: Duration::from_secs(10),
    news: Duration::from_secs(2),
    silence: Duration::from_secs(1),
};

/// Connections to the API server that are opened before a client comes.
const SPARES: usize = 2;
/// Longest time to open a tunnel.
const OPENING: Duration = Duration::from_secs(10);
/// Most bytes of a client that are kept until the pod has responded.
const KEPT: usize = 64 * 1024;
/// Interval of keep-alives on a quiet client's connection.
const BEAT: Duration = Duration::from_secs(30);
/// Bytes read from a client at once, and at first.
const CHUNK: (usize, usize) = (64 * 1024, 4 * 1024);
/// PostgreSQL's CancelRequest: its length and its code.
const CANCEL: [u8; 8] = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e];

/// Where a forward leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Name of the pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
}

/// The protocol of the pod's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// PostgreSQL's protocol: what was sent before the first response can be sent again.
    Sql,
    /// Any other: only what certainly did not arrive is sent again.
    Other,
}

/// A client that could not be served, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved(pub String);

/// A port that leads to a pod. Dropping it disconnects its clients.
pub struct Forward {
    listener: Listener,
    route: Arc<Route<Pods>>,
    clients: JoinSet<()>,
    unserved: mpsc::UnboundedSender<Unserved>,
}

/// Opens tunnels to pods.
struct Pods {
    cluster: Cluster,
    namespace: String,
    port: u16,
}

/// What all clients share.
struct Route<W> {
    way: W,
    to: watch::Receiver<Option<Destination>>,
    port: u16,
    speaks: Speaks,
    limits: Limits,
}

/// A source of connections to pods.
trait Way: Send + Sync + 'static {
    type Socket: Socket + Send + 'static;

    fn open(&self, pod: &str) -> impl Future<Output = Result<Open<Self::Socket>, Failure>> + Send;
}

impl Way for Pods {
    type Socket = Upgraded;

    async fn open(&self, pod: &str) -> Result<Open<Upgraded>, Failure> {
        self.cluster.open(&self.namespace, pod, self.port, OPENING).await
    }
}

impl Cluster {
    /// Starts a forward from `listener` to `port` of the pods that `to` reports. Clients that cannot be served are
    /// reported to `unserved`.
    pub fn forward(
        &self,
        listener: Listener,
        (namespace, port): (&str, u16),
        speaks: Speaks,
        to: watch::Receiver<Option<Destination>>,
        unserved: mpsc::UnboundedSender<Unserved>,
    ) -> Forward {
        self.spares.keep(SPARES);
        let way = Pods { cluster: self.clone(), namespace: namespace.to_owned(), port };
        let route = Arc::new(Route { way, to, port, speaks, limits: LIMITS });
        Forward { listener, route, clients: JoinSet::new(), unserved }
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        self.cluster.spares.keep(0);
    }
}

impl Forward {
    /// Serves clients forever.
    pub async fn serve(&mut self) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = self.clients.join_next() => continue,
            };
            let Ok(stream) = accepted else {
                // For example, out of file descriptors: current clients will free some.
                sleep(pause(0)).await;
                continue;
            };
            let (route, unserved) = (self.route.clone(), self.unserved.clone());
            self.clients.spawn(async move {
                let carried = match stream {
                    Accepted::Tcp(stream) => {
                        // Best effort: without it small responses are late, not lost.
                        let _ = stream.set_nodelay(true);
                        let (mut reader, mut writer) = stream.into_split();
                        route.carry(&mut reader, &mut writer).await
                    }
                    #[cfg(unix)]
                    Accepted::Unix(stream) => {
                        let (mut reader, mut writer) = stream.into_split();
                        route.carry(&mut reader, &mut writer).await
                    }
                };
                if let Err(why) = carried {
                    // The receiver is gone: the forward is ending.
                    let _ = unserved.send(Unserved(why));
                }
            });
        }
    }

    /// Waits until all clients have disconnected, at most `limit`; accepts no new ones.
    pub async fn drain(&mut self, limit: Duration) {
        let all = async { while self.clients.join_next().await.is_some() {} };
        // Disconnects the remaining ones.
        let _ = timeout(limit, all).await;
    }
}

/// What a client sent before the pod responded.
#[derive(Default)]
struct Head {
    bytes: BytesMut,
    /// Whether it was sent and is no longer kept, so that it cannot be sent again.
    spilt: bool,
    /// Whether the client has sent everything.
    whole: bool,
}

impl Head {
    /// Reads what the client sends, until no more is kept; ends when the client has sent everything.
    async fn fill(&mut self, client: &mut (impl AsyncRead + Unpin)) {
        while self.bytes.len() < KEPT {
            match client.read_buf(&mut self.bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => {
                    self.whole = true;
                    return;
                }
            }
        }
        std::future::pending().await
    }

    /// Reads while a tunnel is opened: a client that has sent something and disconnected may have meant it to arrive.
    async fn fill_or_leave(&mut self, client: &mut (impl AsyncRead + Unpin)) {
        if !self.whole {
            self.fill(client).await;
        }
        if !self.bytes.is_empty() {
            std::future::pending().await
        }
    }

    fn cancels(&self) -> bool {
        self.bytes.starts_with(&CANCEL)
    }
}

/// The result of an attempt to get a response.
enum Attempt {
    /// The pod responded, or more was sent than is kept: the client stays with this pod.
    Through,
    /// The client has disconnected.
    Left,
    /// No response, and why.
    Failed(Fate, String),
}

/// What happened to the client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No tunnel was opened.
    Unopened,
    /// The pod refused the connection.
    Refused,
    /// They may have arrived.
    Broken,
}

impl<W: Way> Route<W> {
    /// Serves one client to its end.
    async fn carry(
        &self,
        client: &mut (impl AsyncRead + Unpin + Send),
        answers: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), String> {
        let Some(mut tunnel) = self.reach(client).await? else { return Ok(()) };
        let Ok((reader, writer)) = tunnel.halves() else { return Ok(()) };
        // However it ends, the client notices it and knows best what was lost.
        exchange(client, answers, reader, writer, self.limits.silence).await;
        Ok(())
    }

    /// Returns a tunnel through which the pod has responded; `None` if the client has disconnected.
    async fn reach(&self, client: &mut (impl AsyncRead + Unpin + Send)) -> Result<Option<Open<W::Socket>>, String> {
        let mut to = self.to.clone();
        let deadline = duration::after(Instant::now(), self.limits.wait);
        let mut head = Head::default();
        let mut refusing: Option<(Destination, Instant)> = None;
        let mut latest = "no pod is Ready".to_owned();
        for attempt in 0.. {
            let there = tokio::select! {
                biased;
                there = standing(&mut to) => there,
                () = head.fill(client) => return Ok(None),
                () = sleep_until(deadline) => {
                    return Err(format!("{latest} (a client waited {})", duration::format(self.limits.wait)));
                }
            };
            let opened = tokio::select! {
                opened = self.way.open(&there.pod) => opened,
                () = head.fill_or_leave(client) => return Ok(None),
            };
            let (why, fate) = match opened {
                Err(failure) if matches!(failure.cause, Cause::Forbidden | Cause::Unauthorized) => {
                    return Err(failure.reason);
                }
                Err(failure) => (failure.reason, Fate::Unopened),
                Ok(mut tunnel) => match self.greet(client, &mut tunnel, &mut head).await {
                    Attempt::Through => return Ok(Some(tunnel)),
                    Attempt::Left => return Ok(None),
                    Attempt::Failed(fate, why) => (why, fate),
                },
            };
            // A cancellation is never answered, and belongs to a session of this very pod.
            if fate == Fate::Broken && (head.spilt || head.cancels() || self.speaks == Speaks::Other) {
                return Ok(None);
            }
            let why = format!("pod {}, port {}: {why}", there.pod, self.port);
            if fate == Fate::Broken {
                // The pod may be terminating without it being known yet; a pod that stays closed the connection on
                // purpose.
                let news = timeout(self.limits.news, to.wait_for(|now| now.as_ref() != Some(&there))).await;
                if !matches!(news, Ok(Ok(_))) {
                    return Ok(None);
                }
            } else {
                if fate == Fate::Refused {
                    let since = match &refusing {
                        Some((pod, since)) if *pod == there => *since,
                        _ => Instant::now(),
                    };
                    if since.elapsed() >= self.limits.refused || head.cancels() {
                        return Err(why);
                    }
                    refusing = Some((there, since));
                }
                if Instant::now() >= deadline {
                    return Err(why);
                }
                tokio::select! {
                    () = sleep(pause(attempt)) => {}
                    _ = to.changed() => {}
                    () = head.fill(client) => return Ok(None),
                }
            }
            latest = why;
        }
        Ok(None)
    }

    /// Sends what the client has sent, and what it still sends, until the pod responds.
    async fn greet(
        &self,
        client: &mut (impl AsyncRead + Unpin + Send),
        tunnel: &mut Open<W::Socket>,
        head: &mut Head,
    ) -> Attempt {
        let Ok((reader, writer)) = tunnel.halves() else { return Attempt::Left };
        let mut sent = 0;
        loop {
            // If it cannot be sent, the reading side reports the reason.
            if sent < head.bytes.len() && writer.write_all(&head.bytes[sent..]).await.is_ok() {
                let _ = writer.flush().await;
            }
            sent = head.bytes.len();
            if head.whole || sent >= KEPT {
                head.spilt = true;
                return Attempt::Through;
            }
            tokio::select! {
                biased;
                answer = reader.fill_buf() => return match answer {
                    Ok([]) => Attempt::Failed(Fate::Broken, "the connection was closed".to_owned()),
                    Ok(_) => Attempt::Through,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        let certain = PortError::find_in(&error) == Some(&PortError::NothingListens);
                        let refused = certain || self.speaks == Speaks::Sql;
                        Attempt::Failed(if refused { Fate::Refused } else { Fate::Broken }, super::error_text(&error))
                    }
                    Err(error) => Attempt::Failed(Fate::Broken, super::error_text(&error)),
                },
                read = client.read_buf(&mut head.bytes) => match read {
                    Ok(1..) => {}
                    // The client has sent everything, and may still wait for the response.
                    Ok(0) => return Attempt::Through,
                    Err(_) => return Attempt::Left,
                },
            }
        }
    }
}

/// Waits until there is a pod.
async fn standing(to: &mut watch::Receiver<Option<Destination>>) -> Destination {
    loop {
        if let Some(there) = to.borrow_and_update().clone() {
            return there;
        }
        if to.changed().await.is_err() {
            // The sender is gone: the forward is ending.
            std::future::pending::<()>().await;
        }
    }
}

/// Copies bytes both ways until the pod's side ends, or the client's side has ended and the pod is silent.
async fn exchange<S: Socket>(
    client: &mut (impl AsyncRead + Unpin),
    answers: &mut (impl AsyncWrite + Unpin),
    reader: &mut Reader<S>,
    writer: &mut Writer<S>,
    silence: Duration,
) {
    let carried = AtomicU64::new(0);
    let mut down = std::pin::pin!(download(reader, answers, &carried));
    tokio::select! {
        _ = &mut down => return,
        sent = upload(client, writer) => if sent.is_err() { return },
    }
    loop {
        let before = carried.load(Ordering::Relaxed);
        if timeout(silence, &mut down).await.is_ok() || carried.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Copies from the pod to the client; reads no more than the client accepts.
async fn download(
    reader: &mut (impl AsyncBufRead + Unpin),
    answers: &mut (impl AsyncWrite + Unpin),
    carried: &AtomicU64,
) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf().await?;
        let count = bytes.len();
        if count == 0 {
            return answers.shutdown().await;
        }
        answers.write_all(bytes).await?;
        carried.fetch_add(count as u64, Ordering::Relaxed);
        reader.consume(count);
    }
}

/// Copies from the client to the pod, until the client has sent everything.
async fn upload<S: Socket>(client: &mut (impl AsyncRead + Unpin), writer: &mut Writer<S>) -> io::Result<()> {
    let (largest, first) = CHUNK;
    let mut buffer = vec![0; first];
    let mut beat = tokio::time::interval_at(duration::after(Instant::now(), BEAT), BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let count = tokio::select! {
            biased;
            count = client.read(&mut buffer) => count?,
            _ = beat.tick() => {
                writer.ping().await?;
                continue;
            }
        };
        if count == 0 {
            return Ok(());
        }
        writer.write_all(&buffer[..count]).await?;
        writer.flush().await?;
        // Few clients send much; only those need the larger buffer.
        if count == buffer.len() && count < largest {
            buffer.resize((2 * count).min(largest), 0);
        }
    }
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
