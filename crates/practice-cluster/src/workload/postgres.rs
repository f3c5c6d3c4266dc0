//! A real PostgreSQL server in a pod: making database clusters, running and stopping them.
//!
//! Servers listen on a Unix socket in a folder of their own; only if the sandbox is asked for TLS, which PostgreSQL has
//! on no Unix socket, on a port of the loopback interface, too. Every role needs a password, except for the superuser
//! of the sandbox itself, who is known by the process that connects to the socket. When the sandbox was started by
//! root, servers run as an unprivileged user, and root writes nothing where that user may. Nothing is synced to disk:
//! what a sandbox holds outlives its servers, not the machine.

use super::installation::Installation;
use crate::error::SandboxError;
use crate::files::Folder;
use crate::processes::{self, Spawner};
use crate::sync::lock;
use crate::unprivileged::{Unprivileged, run_as};
use rustix::fs::Mode;
use rustix::process::Signal;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::BufReader;
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, mpsc, watch};

use super::logins::{SUPERUSER, hba, ident};
use super::server::{Processes, Server, ServerState, attend, read_log};

/// Who may log in, and how: one file for all servers of a sandbox, which they can read but not write.
const HBA: &str = "pg_hba.conf";

const IDENT: &str = "pg_ident.conf";

/// The port that a socket is named after if there is no port.
const NO_PORT: u16 = 5432;

/// Runs PostgreSQL servers for one sandbox.
pub(crate) struct Postgres {
    installation: Installation,
    spawner: Spawner,
    user: Option<Unprivileged>,
    /// The sandbox's folder.
    folder: PathBuf,
    /// Whether servers listen on a port, for TLS.
    ports: bool,
    template: OnceCell<PathBuf>,
    servers: AtomicU32,
    /// What runs, for an end without a runtime.
    running: Arc<Mutex<Processes>>,
    /// One server at a time on a data folder: a successor waits until its predecessor is gone.
    leases: Mutex<BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

impl Postgres {
    /// Servers will be started by `spawner`, as `user` if given, with their sockets under `folder`, and with ports of
    /// the loopback interface if `ports` is set.
    pub(crate) fn new(
        installation: Installation,
        spawner: Spawner,
        user: Option<Unprivileged>,
        folder: &Path,
        ports: bool,
    ) -> Result<Postgres, SandboxError> {
        let wrong = |error: std::io::Error| SandboxError::folder(folder, &error);
        let own = Folder::open(folder).map_err(wrong)?;
        // Passable for the servers, and written to by the sandbox alone.
        own.make_folder(Path::new("run"), Mode::from_raw_mode(0o711), None).map_err(wrong)?;
        let readable = Mode::from_raw_mode(0o644);
        own.write(Path::new(HBA), readable, hba().as_bytes()).map_err(wrong)?;
        own.write(Path::new(IDENT), readable, ident(user.is_some()).as_bytes()).map_err(wrong)?;
        Ok(Postgres {
            installation,
            spawner,
            user,
            folder: folder.to_owned(),
            ports,
            template: OnceCell::new(),
            servers: AtomicU32::new(0),
            running: Arc::default(),
            leases: Mutex::default(),
        })
    }

    /// Makes a folder that belongs to the user who runs the servers, in one that belongs to the sandbox.
    fn make_folder(&self, path: &Path) -> std::io::Result<()> {
        let (parent, name) = Folder::of(path)?;
        parent.make_folder(name, Mode::RWXU, self.user.as_ref())
    }

    /// The user that servers run as: no other user may serve their sockets.
    fn uid(&self) -> u32 {
        self.user.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid)
    }

    /// A command of the system or of the installation that runs as the servers' user, in C locale.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // Where the server may go: its own working folder may be closed to it.
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run_as(&mut command, self.user.as_ref());
        command
    }

    async fn run(&self, what: &str, command: Command) -> Result<(), SandboxError> {
        let wrong = |why: String| SandboxError::Postgres { what: what.to_owned(), why };
        let child = self.spawn(command).await.map_err(wrong)?;
        let pid = child.id();
        {
            let mut running = lock(&self.running);
            running.helpers.extend(pid);
            if let (true, Some(pid)) = (running.ended, pid) {
                processes::signal(pid, Signal::KILL);
            }
        }
        let output = child.wait_with_output().await;
        if let Some(pid) = pid {
            lock(&self.running).helpers.remove(&pid);
        }
        let output = output.map_err(|error| wrong(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(wrong(said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned()))
    }

    /// Starts a process, unless all was ended.
    async fn spawn(&self, command: Command) -> Result<Child, String> {
        if lock(&self.running).ended {
            return Err("the sandbox is being stopped".to_owned());
        }
        self.spawner.spawn(command).await.map_err(|error| error.to_string())
    }

    /// The database cluster that all others are copied from: `initdb` takes half a second, a copy a tenth.
    pub(crate) async fn template(&self) -> Result<&Path, SandboxError> {
        let path = self.template.get_or_try_init(|| async {
            let path = self.folder.join("template");
            self.make_folder(&path).map_err(|error| SandboxError::folder(&path, &error))?;
            let mut command = self.command(self.installation.bin.join("initdb"));
            command.arg("-D").arg(&path).args(["-U", SUPERUSER, "--no-sync", "-E", "UTF8"]);
            command.args(["--auth-local=trust", "--auth-host=reject", "--locale=C", "--wal-segsize=1"]);
            self.run("initdb failed", command).await?;
            Ok(path)
        });
        path.await.map(PathBuf::as_path)
    }

    /// Makes a new database cluster in a folder (which is created), as `initdb` would. What an earlier attempt left of
    /// it goes first.
    pub(crate) async fn create_cluster(&self, data: &Path) -> Result<(), SandboxError> {
        let template = self.template().await?;
        let wrong = |error: std::io::Error| SandboxError::folder(data, &error);
        match tokio::fs::remove_dir_all(data).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error)),
            _ => {}
        }
        self.make_folder(data).map_err(wrong)?;
        let mut command = self.command("cp");
        command.arg("-Rp").arg(template.join(".")).arg(data);
        self.run("a database cluster cannot be made", command).await
    }

    /// Starts a server on a data folder. Waits first until an earlier one on it is gone.
    pub(crate) async fn start(&self, data: &Path) -> Result<Server, SandboxError> {
        let wrong = |why: String| SandboxError::Postgres { what: "postgres cannot be started".to_owned(), why };
        let lease = {
            let mut leases = lock(&self.leases);
            leases.entry(data.to_owned()).or_default().clone()
        };
        let lease = lease.lock_owned().await;
        let number = self.servers.fetch_add(1, Ordering::Relaxed);
        let socket_folder = self.folder.join("run").join(number.to_string());
        self.make_folder(&socket_folder).map_err(|error| SandboxError::folder(&socket_folder, &error))?;
        let mut command = self.command(self.installation.bin.join("postgres"));
        let (held, port) =
            if self.ports { free_port().map_err(|error| wrong(error.to_string()))? } else { (None, NO_PORT) };
        command.arg("-c").arg(if self.ports { "listen_addresses=127.0.0.1" } else { "listen_addresses=" });
        for (setting, file) in [("hba_file", HBA), ("ident_file", IDENT)] {
            command.arg("-c").arg(format!("{setting}={}", self.folder.join(file).display()));
        }
        command.arg("-D").arg(data).arg("-k").arg(&socket_folder).stdout(Stdio::null());
        command.arg("-p").arg(port.to_string());
        for setting in [
            // What is the default from version 14 on.
            "password_encryption=scram-sha-256",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=100",
            "max_wal_senders=0",
            "shared_buffers=8MB",
            "max_wal_size=64MB",
            "min_wal_size=4MB",
            "jit=off",
            "logging_collector=off",
            "log_destination=stderr",
            "unix_socket_permissions=0700",
            // For the superuser alone, whom no client gets in as: an account's catalog has segments.
            "allow_system_table_mods=on",
            "synxdb.warehouse=",
        ] {
            command.arg("-c").arg(setting);
        }
        let mut child = self.spawn(command).await.map_err(wrong)?;
        let stderr = child.stderr.take().ok_or_else(|| wrong("its log cannot be read".to_owned()))?;
        let (state, _) = watch::channel(ServerState::Starting);
        let (signals, inbox) = mpsc::unbounded_channel();
        let log: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let reader = tokio::spawn(read_log(BufReader::new(stderr), log.clone(), state.clone()));
        tokio::spawn(attend(child, inbox, state.clone(), self.running.clone(), (lease, reader)));
        let owner = self.uid();
        let listens = self.ports;
        Ok(Server { socket_folder, owner, port, listens, _held: held, state, signals, log })
    }

    /// Ends everything immediately, without a runtime; data folders that are still in use afterwards are the caller's
    /// to look after.
    pub(crate) fn end_all(&self) {
        let mut running = lock(&self.running);
        running.ended = true;
        for pid in &running.servers {
            processes::signal(*pid, Signal::QUIT);
        }
        // `initdb` would take its time to heed anything else.
        for pid in &running.helpers {
            processes::signal(*pid, Signal::KILL);
        }
    }
}

/// A free port of the loopback interface. Linux lets a server listen on a port that another socket holds without
/// listening, if both set SO_REUSEADDR: no other process can take it.
fn free_port() -> std::io::Result<(Option<TcpSocket>, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let port = socket.local_addr()?.port();
    Ok((cfg!(target_os = "linux").then_some(socket), port))
}
