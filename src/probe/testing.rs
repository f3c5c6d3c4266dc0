//! A real PostgreSQL server for tests, on a Unix socket in a folder of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;

use super::login::Login;
use super::session::{Connector, SqlTarget, Trouble};
use super::sql::Sql;

/// A running server. The last one to hold it stops it.
pub(super) struct Postgres {
    child: Child,
    folder: TempDir,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The one that runs, or a new one.
    pub(super) fn shared() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *running = Arc::downgrade(&started);
            started
        })
    }

    /// One of its own, for a test that looks at all databases.
    pub(super) fn start() -> Self {
        let binaries = binaries();
        let folder = tempfile::tempdir().unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let command = |program: &str| {
            let mut command = Command::new(binaries.join(program));
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command.current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null());
            command
        };
        let data = folder.path().join("data");
        let made = command("initdb")
            .args(["--username=gpadmin", "--auth=trust", "--no-sync", "--encoding=UTF8", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut child = command("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=30"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = log.by_ref().map_while(Result::ok).any(|line| line.contains("ready to accept connections"));
        assert!(ready, "the server ended before it was ready");
        // Whoever does not read the log stops the server.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, folder }
    }

    /// Asks this server, in `database` first.
    pub(super) fn sql(&self, database: &str) -> Sql<Socket> {
        self.sql_as("gpadmin", database)
    }

    pub(super) fn sql_as(&self, user: &str, database: &str) -> Sql<Socket> {
        Sql::with(Socket(self.folder.path().join(".s.PGSQL.5432")), target(user, database))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT is PostgreSQL's immediate shutdown: nothing here needs to last.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

pub(super) fn target(user: &str, database: &str) -> SqlTarget {
    SqlTarget {
        namespace: "a".to_owned(),
        pod: "p-0".to_owned(),
        port: 5432,
        user: user.to_owned(),
        login: Login::default(),
        database: database.to_owned(),
    }
}

/// Leads to a Unix socket.
pub(super) struct Socket(pub(super) PathBuf);

impl Connector for Socket {
    type Stream = UnixStream;

    async fn connect(&self, _: Duration) -> Result<UnixStream, Trouble> {
        UnixStream::connect(&self.0).await.map_err(|error| Trouble::unsure(error.to_string()))
    }
}

/// Where initdb and postgres are: beside each other on PATH, or where Debian and Red Hat put them.
fn binaries() -> PathBuf {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut folders: Vec<PathBuf> = on_path;
    for parent in ["/usr/lib/postgresql", "/usr"] {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    let has = |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    folders.into_iter().find(|folder| has(folder)).expect("these tests need PostgreSQL: apt-get install postgresql")
}

/// PostgreSQL does not run as root.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}
