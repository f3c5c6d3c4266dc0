//! A real PostgreSQL server for tests, on a Unix socket in a folder of its own, and where a test asks for it on a port
//! of the loopback interface: PostgreSQL has no TLS on Unix sockets.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};

use super::login::Login;
use super::session::{Connector, SqlTarget, Trouble};
use super::sql::Sql;

/// A running server. The last one to hold it stops it.
pub(crate) struct Postgres {
    child: Child,
    folder: TempDir,
    port: u16,
}

/// What a server listens with on the loopback interface.
pub(crate) struct Listening<'l> {
    /// Certificate and key, in PEM, for a server with `ssl=on`.
    pub(crate) tls: Option<&'l Pair>,
    /// Lines of pg_hba.conf for connections to its port.
    pub(crate) hba: &'l str,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The one that runs, or a new one.
    pub(crate) fn shared() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *running = Arc::downgrade(&started);
            started
        })
    }

    /// One of its own, for a test that looks at all databases.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that listens on a port, too; clients of its socket are all trusted.
    pub(crate) fn listening(listening: &Listening<'_>) -> Self {
        Self::start_with(Some(listening))
    }

    fn start_with(listening: Option<&Listening<'_>>) -> Self {
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
        let mut settings = String::from("fsync = off\nmax_connections = 30\n");
        if let Some(Listening { tls, hba }) = listening {
            let file = |name: &str, text: &str| {
                let path = data.join(name);
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
                std::os::unix::fs::chown(&path, user.map(|user| user.0), user.map(|user| user.1)).unwrap();
            };
            file("pg_hba.conf", &format!("local all all trust\n{hba}\n"));
            if let Some(pair) = tls {
                file("server.crt", &pair.certificate);
                file("server.key", &pair.key);
                settings.push_str("ssl = on\n");
            }
        }
        std::fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
        // Between finding a free port and listening there somebody else may take it.
        for _ in 0..5 {
            let port = match listening {
                Some(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port(),
                None => 5432,
            };
            let address = if listening.is_some() { "127.0.0.1" } else { "" };
            let mut child = command("postgres")
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(folder.path())
                .args(["-p", &port.to_string(), "-c", &format!("listen_addresses={address}")])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
            if log.by_ref().map_while(Result::ok).any(|line| line.contains("ready to accept connections")) {
                // Whoever does not read the log stops the server.
                std::thread::spawn(move || log.for_each(drop));
                return Self { child, folder, port };
            }
            child.wait().unwrap();
        }
        panic!("the server ended before it was ready");
    }

    /// Asks this server, in `database` first.
    pub(crate) fn sql(&self, database: &str) -> Sql<Socket> {
        self.sql_as("gpadmin", database)
    }

    pub(crate) fn sql_as(&self, user: &str, database: &str) -> Sql<Socket> {
        Sql::with(self.socket(), target(user, database))
    }

    fn socket(&self) -> Socket {
        Socket(self.folder.path().join(format!(".s.PGSQL.{}", self.port)))
    }

    /// Asks over its port, with this login; it is who it seems to be.
    pub(crate) fn sql_with(&self, user: &str, database: &str, login: Login) -> Sql<Port> {
        let login = login.trusting([(("a".to_owned(), "p-0".to_owned()), Ok(()))]);
        Sql::with(Port(self.port), SqlTarget { login, ..target(user, database) })
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

pub(crate) fn target(user: &str, database: &str) -> SqlTarget {
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
pub(crate) struct Socket(pub(crate) PathBuf);

impl Connector for Socket {
    type Stream = UnixStream;

    async fn connect(&self, _: Duration) -> Result<UnixStream, Trouble> {
        UnixStream::connect(&self.0).await.map_err(|error| Trouble::unsure(error.to_string()))
    }
}

/// Leads to a port of the loopback interface.
pub(crate) struct Port(u16);

impl Connector for Port {
    type Stream = TcpStream;

    async fn connect(&self, _: Duration) -> Result<TcpStream, Trouble> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.0)).await;
        stream.map_err(|error| Trouble::unsure(error.to_string()))
    }
}

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Who signs certificates.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A server's certificate for these names, changed as the test wants it.
    pub(crate) fn signed(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// One that no authority signed.
pub(crate) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
    let mut params = params(names);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a server");
    params
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

/// Runs statements in a database.
pub(crate) async fn run<C: Connector>(sql: &Sql<C>, database: &str, statements: &str) {
    let mut session = sql.line.open(database, tokio::time::Instant::now() + Duration::from_secs(20)).await.unwrap();
    session.run(statements).await.unwrap();
    session.close().await;
}

/// A database that looks like an MPP server's with two primary segments, and a mirror of the second: tables and
/// functions of the same names and types. `gp_dist_random` is the body of that function; `segment` says on which
/// segment a row of a new table with a column `id` lies.
pub(crate) async fn mpp(postgres: &Postgres, name: &str, gp_dist_random: &str, segment: &str) -> Sql<Socket> {
    run(&postgres.sql("postgres"), "postgres", &format!("CREATE DATABASE {name}")).await;
    let sql = postgres.sql(name);
    // A sign of `format`'s own.
    let segment = segment.replace('%', "%%");
    let look = format!(
        "SET allow_system_table_mods = on;
         CREATE TABLE pg_catalog.gp_segment_configuration (dbid int2, content int2, role \"char\",
             preferred_role \"char\", mode \"char\", status \"char\", port int4, hostname text, address text);
         INSERT INTO pg_catalog.gp_segment_configuration VALUES (1, -1, 'p', 'p', 'n', 'u', 5432, 'c', 'c'),
             (2, 0, 'p', 'p', 'n', 'u', 6000, 's0', 's0'), (3, 1, 'p', 'p', 's', 'u', 6000, 's1', 's1'),
             (4, 1, 'm', 'm', 's', 'u', 7000, 's0', 's0');
         CREATE SEQUENCE tries;
         CREATE FUNCTION gp_dist_random(text) RETURNS TABLE (gp_segment_id int) LANGUAGE plpgsql AS $$ BEGIN
         {gp_dist_random} END $$;
         CREATE FUNCTION distribute() RETURNS event_trigger LANGUAGE plpgsql AS $f$ DECLARE made record; BEGIN
             FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '%.canary' LOOP
                 EXECUTE format('ALTER TABLE %s ADD COLUMN gp_segment_id int GENERATED ALWAYS AS ({segment}) STORED',
                     made.object_identity);
             END LOOP;
         END $f$;
         CREATE EVENT TRIGGER distribute ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
             EXECUTE FUNCTION distribute();"
    );
    run(&sql, name, &look).await;
    sql
}
