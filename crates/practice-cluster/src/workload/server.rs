//! A PostgreSQL server process: its state, its log and its end.

use super::server_socket::ServerSocket;
use crate::processes;
use crate::sync::lock;
use rustix::process::Signal;
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpSocket;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};

/// What the server logs when it accepts connections (`lc_messages` is C).
const ACCEPTING: &str = "database system is ready to accept connections";

/// Lines of a server's log that are kept for `kubectl logs` and error messages.
const LOG_LINES: usize = 200;

/// Ids of the running processes.
#[derive(Default)]
pub(super) struct Processes {
    pub(super) servers: HashSet<u32>,
    /// Processes that prepare data folders.
    pub(super) helpers: HashSet<u32>,
    /// Whether all were ended: no new process may start.
    pub(super) ended: bool,
}

/// What a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerState {
    /// Its process runs, it takes no connections yet.
    Starting,
    /// It takes connections.
    Accepting,
    /// Its process ended, with this exit code (128 + signal where a signal ended it).
    Exited(i32),
}

/// A server process.
pub(crate) struct Server {
    pub(super) socket_folder: PathBuf,
    /// The user that it runs as.
    pub(super) owner: u32,
    pub(super) port: u16,
    /// Whether it listens on that port.
    pub(super) listens: bool,
    pub(super) _held: Option<TcpSocket>,
    pub(super) state: watch::Sender<ServerState>,
    pub(super) signals: mpsc::UnboundedSender<Signal>,
    pub(super) log: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Where it takes connections.
    pub(crate) fn socket(&self) -> ServerSocket {
        ServerSocket {
            path: self.socket_folder.join(format!(".s.PGSQL.{}", self.port)),
            owner: self.owner,
            port: self.listens.then_some(self.port),
        }
    }

    /// Resolves when it accepts connections (`Ok`) or has ended without (`Err`, its last words).
    pub(crate) async fn accepts(&self) -> Result<(), String> {
        let mut state = self.state.subscribe();
        let reached = state.wait_for(|state| *state != ServerState::Starting).await;
        match reached.map(|state| *state) {
            Ok(ServerState::Accepting) => Ok(()),
            _ => Err(self.log().pop().unwrap_or_else(|| "it ended without a word".to_owned())),
        }
    }

    /// Resolves with the exit code when its process ended.
    pub(crate) async fn exited(&self) -> i32 {
        let mut state = self.state.subscribe();
        match state.wait_for(|state| matches!(state, ServerState::Exited(_))).await.map(|state| *state) {
            Ok(ServerState::Exited(code)) => code,
            _ => 137,
        }
    }

    /// Fast shutdown (connections are ended, a checkpoint is written); what is left of it after `grace` is ended by an
    /// immediate one. Resolves with the exit code.
    pub(crate) async fn stop(&self, grace: Duration) -> i32 {
        for (signal, limit) in [(Signal::INT, grace), (Signal::QUIT, Duration::from_secs(5))] {
            let _ = self.signals.send(signal);
            if let Ok(code) = tokio::time::timeout(limit, self.exited()).await {
                return code;
            }
        }
        let _ = self.signals.send(Signal::KILL);
        self.exited().await
    }

    /// The last lines it logged.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.log).iter().cloned().collect()
    }
}

pub(super) async fn read_log(
    stderr: impl tokio::io::AsyncBufRead + Unpin,
    log: Arc<Mutex<VecDeque<String>>>,
    state: watch::Sender<ServerState>,
) {
    let mut lines = stderr.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains(ACCEPTING) {
            state.send_if_modified(|state| {
                let starting = *state == ServerState::Starting;
                if starting {
                    *state = ServerState::Accepting;
                }
                starting
            });
        }
        let mut log = lock(&log);
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// Waits for the process and passes signals on to it: only who reaps it knows that its id is still its own.
pub(super) async fn attend(
    mut child: Child,
    mut signals: mpsc::UnboundedReceiver<Signal>,
    state: watch::Sender<ServerState>,
    running: Arc<Mutex<Processes>>,
    (lease, reader): (tokio::sync::OwnedMutexGuard<()>, tokio::task::JoinHandle<()>),
) {
    use std::os::unix::process::ExitStatusExt as _;
    let pid = child.id();
    {
        let mut running = lock(&running);
        running.servers.extend(pid);
        if let (true, Some(pid)) = (running.ended, pid) {
            processes::signal(pid, Signal::QUIT);
        }
    }
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            signal = signals.recv() => {
                // All handles are gone: nothing could stop it later, so it stops now.
                let signal = signal.unwrap_or(Signal::QUIT);
                if let Some(pid) = child.id() {
                    processes::signal(pid, signal);
                }
                if signals.is_closed() && signals.is_empty() {
                    break child.wait().await;
                }
            }
        }
    };
    if let Some(pid) = pid {
        lock(&running).servers.remove(&pid);
    }
    let code = status.map_or(137, |status| status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(137));
    // Its log ends when the last of its own children is gone too: one whose parent was killed may live a moment longer,
    // and keeps a successor from starting.
    let _ = tokio::time::timeout(Duration::from_secs(5), reader).await;
    drop(lease);
    state.send_replace(ServerState::Exited(code));
}
