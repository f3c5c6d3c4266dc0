//! A real PostgreSQL server for tests, on a Unix socket in its own folder, and on a loopback port if a test asks for
//! it: PostgreSQL has no TLS on Unix sockets.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpStream, UnixStream};

use super::connector::{Connector, SqlTarget};
use super::login::Login;
use super::session::Session;
use super::sql::Sql;
use super::statements::Access;
use super::trouble::ProbeError;

/// The search path of a user's session.
pub(crate) const AS_USUAL: &str = "SET search_path = \"$user\", public";

// The probe may not import the practice cluster; this file does not know it.
#[allow(clippy::duplicate_mod)]
#[path = "../../crates/practice-cluster/src/workload/dialect.rs"]
mod dialect;
#[path = "../../tests/support/machine.rs"]
mod machine;

/// A running server. Dropping the last reference stops it.
pub(crate) struct Postgres {
    child: Child,
    folder: TempDir,
    port: u16,
}

/// How a server listens on the loopback interface.
pub(crate) struct Listening<'l> {
    /// Certificate and key, in PEM, for a server with `ssl=on`.
    pub(crate) tls: Option<&'l Pair>,
    /// Lines of pg_hba.conf for connections to its port.
    pub(crate) hba: &'l str,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// A folder (without content) or a file of a data folder, by its path, every folder before what is in it.
type Entry = (PathBuf, Option<Vec<u8>>);

/// The data folder that each server begins with.
static TEMPLATE: OnceLock<Vec<Entry>> = OnceLock::new();

/// A new folder, in memory if this machine has one there: a server is a thousand files.
fn new_folder() -> TempDir {
    // Where the practice clusters of the tests are, too.
    let root = machine::state_root().and_then(|root| root.parent().map(Path::to_owned));
    root.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap()
}

fn read_all(folder: &Path, name: &Path, found: &mut Vec<Entry>) {
    found.push((name.to_owned(), None));
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            read_all(&path, &name, found);
        } else {
            found.push((name, Some(std::fs::read(path).unwrap())));
        }
    }
}

impl Postgres {
    /// The shared server, started if necessary.
    pub(crate) fn shared() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *running = Arc::downgrade(&started);
            started
        })
    }

    /// A separate server, for a test that reads all databases.
    pub(crate) fn start() -> Self {
        Self::start_with(None, false)
    }

    /// A hot standby: in recovery, and open for reading.
    pub(crate) fn standby() -> Self {
        Self::start_with(None, true)
    }

    /// A server that listens on a port, too; clients of its socket are all trusted.
    pub(crate) fn listening(listening: &Listening<'_>) -> Self {
        Self::start_with(Some(listening), false)
    }

    fn start_with(listening: Option<&Listening<'_>>, standby: bool) -> Self {
        let binaries = binaries();
        let folder = new_folder();
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
        // Created once: initdb takes ten times as long as writing the same files again.
        let template = TEMPLATE.get_or_init(|| {
            let made = command("initdb")
                .args(["--username=gpadmin", "--auth=trust", "--no-sync", "--encoding=UTF8", "--pgdata"])
                .arg(&data)
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let mut files = Vec::new();
            read_all(&data, Path::new("data"), &mut files);
            std::fs::remove_dir_all(&data).unwrap();
            files
        });
        for (path, content) in template {
            let path = folder.path().join(path);
            let mode = match content {
                None => {
                    std::fs::create_dir(&path).unwrap();
                    0o700
                }
                Some(content) => {
                    std::fs::write(&path, content).unwrap();
                    0o600
                }
            };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(&path, user.map(|user| user.0), user.map(|user| user.1)).unwrap();
        }
        if standby {
            std::fs::write(data.join("standby.signal"), "").unwrap();
        }
        // A standby may not have fewer than initdb's server had.
        let connections = if standby { 100 } else { 30 };
        let mut settings = format!("fsync = off\nmax_connections = {connections}\n");
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
        // Another program may take the port before this one listens on it.
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
            if log.by_ref().map_while(Result::ok).any(|line| line.contains("ready to accept ")) {
                // A test that does not read the log stops the server.
                std::thread::spawn(move || log.for_each(drop));
                return Self { child, folder, port };
            }
            child.wait().unwrap();
        }
        panic!("the server ended before it was ready");
    }

    /// Queries this server, in `database` first.
    pub(crate) fn sql(&self, database: &str) -> Sql<Socket> {
        self.sql_as("gpadmin", database)
    }

    pub(crate) fn sql_as(&self, user: &str, database: &str) -> Sql<Socket> {
        Sql::with(self.socket(), target(user, database))
    }

    pub(crate) fn socket(&self) -> Socket {
        Socket(self.folder.path().join(format!(".s.PGSQL.{}", self.port)))
    }

    /// Queries over its port, with this login; the pod is trusted.
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
        otherwise: Vec::new(),
        warehouse: None,
    }
}

/// Leads to a Unix socket.
pub(crate) struct Socket(pub(crate) PathBuf);

impl Connector for Socket {
    type Stream = UnixStream;

    async fn connect(&self, _: Duration) -> Result<UnixStream, ProbeError> {
        UnixStream::connect(&self.0).await.map_err(|error| ProbeError::unsure(error.to_string()))
    }
}

/// Leads to a port of the loopback interface.
pub(crate) struct Port(u16);

impl Connector for Port {
    type Stream = TcpStream;

    async fn connect(&self, _: Duration) -> Result<TcpStream, ProbeError> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.0)).await;
        stream.map_err(|error| ProbeError::unsure(error.to_string()))
    }
}

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An authority that signs certificates.
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

    /// Returns a server's certificate for these names, changed as the test wants it.
    pub(crate) fn signed(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// Returns a certificate that no authority signed.
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

/// Finds initdb and postgres: beside each other on PATH, or where Debian and Red Hat put them.
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
    folders
        .into_iter()
        .find(|folder| has(folder))
        .unwrap_or_else(|| panic!("{}", machine::missing("PostgreSQL", "postgresql")))
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
    let mut session = session(sql, database).await;
    session.run_text(statements).await.unwrap();
    session.close().await;
}

/// A session for a user's own statements.
pub(super) async fn session<C: Connector>(sql: &Sql<C>, database: &str) -> Session {
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    sql.line.open(database, Access::Write, until).await.unwrap()
}

/// Creates a database that looks like an MPP server's with two primary segments, and a mirror of the second: tables and
/// functions of the same names and types. `answering` is the body of a function that returns the segments which respond
/// to a dispatched query, and may call `public.try()` for the number of the query; `segment` tells on which segment a
/// row of a new table with a column `id` is.
pub(crate) async fn mpp(postgres: &Postgres, name: &str, answering: &str, segment: &str) -> Sql<Socket> {
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
         CREATE FUNCTION public.try() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE number bigint; BEGIN
             -- A file each: nothing else can be written in a transaction that only reads.
             number := 1 + (SELECT count(*) FROM pg_ls_dir('.') AS f WHERE f LIKE 'try-' || current_database() || '-%');
             EXECUTE format('COPY (SELECT 1) TO %L',
                 current_setting('data_directory') || '/try-' || current_database() || '-' || number);
             RETURN number;
         END $$;
         CREATE FUNCTION public.answering() RETURNS TABLE (segment int) LANGUAGE plpgsql AS $$ BEGIN
         {answering} END $$;
         CREATE FUNCTION pg_catalog.gp_dist_random(text)
             RETURNS TABLE (gp_segment_id int, oid oid, relkind \"char\", relpersistence \"char\")
             LANGUAGE sql AS $$ SELECT a.segment, c.oid, c.relkind, c.relpersistence
                 FROM public.answering() AS a, pg_catalog.pg_class AS c $$;
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

/// Makes such a database list its segments by warehouse as SynxDB's kernel does, in public as in
/// cloudberrydb/cloudberrydb (src/include/catalog/gp_warehouse.h, gp_segment_configuration.h): the first belongs to
/// `wh-1`, the second to `wh-2`.
pub(crate) const LISTS_WAREHOUSES: &str = "
    SET allow_system_table_mods = on;
    CREATE TABLE pg_catalog.gp_warehouse (oid oid, warehouse_size int4, warehouse_name text, status text);
    INSERT INTO pg_catalog.gp_warehouse VALUES (20001, 1, 'wh-1', 'running'), (20002, 1, 'wh-2', 'running'),
        (20003, 1, 'wh-3', 'suspended');
    ALTER TABLE pg_catalog.gp_segment_configuration ADD COLUMN warehouseid oid DEFAULT 0;
    UPDATE pg_catalog.gp_segment_configuration SET warehouseid = 20001 + content WHERE content >= 0";

/// Leads to a PostgreSQL that knows the setting `warehouse`, with `wh-1` to `wh-3` as its only values.
pub(crate) struct Elastic {
    socket: Socket,
    /// Whether the startup option is dropped silently, as a pooler may do.
    drops: bool,
    /// The warehouse that each session selected.
    pub(crate) chosen: Arc<Mutex<Vec<Option<String>>>>,
}

impl Elastic {
    pub(crate) fn before(postgres: &Postgres) -> Self {
        Self { socket: postgres.socket(), drops: false, chosen: Arc::default() }
    }

    pub(crate) fn dropping(postgres: &Postgres) -> Self {
        Self { drops: true, ..Self::before(postgres) }
    }
}

impl Connector for Elastic {
    type Stream = DuplexStream;

    async fn connect(&self, deadline: Duration) -> Result<DuplexStream, ProbeError> {
        let mut server = self.socket.connect(deadline).await?;
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let (chosen, drops) = (Arc::clone(&self.chosen), self.drops);
        tokio::spawn(async move {
            let packet = loop {
                let length = theirs.read_u32().await?;
                let mut packet = length.to_be_bytes().to_vec();
                packet.resize(length as usize, 0);
                theirs.read_exact(&mut packet[4..]).await?;
                // A request for TLS, and nothing more.
                if packet.len() > 8 {
                    break packet;
                }
                theirs.write_all(b"N").await?;
            };
            let (warehouse, packet) = dialect::startup(&packet);
            let known = warehouse.as_ref().is_none_or(|name| ["wh-1", "wh-2", "wh-3"].contains(&name.as_str()));
            chosen.lock().unwrap_or_else(PoisonError::into_inner).push(warehouse);
            if !known {
                let fields = b"SFATAL\0C22023\0Minvalid value for parameter \"warehouse\": \"nowhere\"\0\0";
                let length = u32::try_from(fields.len() + 4).unwrap_or_default().to_be_bytes();
                theirs.write_all(&[&b"E"[..], &length, fields].concat()).await?;
                return theirs.shutdown().await;
            }
            let choice = b"-c synxdb.warehouse=wh-1";
            let at = packet.windows(choice.len()).position(|part| part == choice).filter(|_| drops);
            let mut packet = packet;
            if let Some(at) = at {
                packet[at..at + choice.len()].fill(b' ');
            }
            server.write_all(&packet).await?;
            dialect::pass(theirs, server).await
        });
        Ok(ours)
    }
}

/// How PgBouncer lends the server's sessions.
#[derive(Clone, Copy)]
pub(crate) enum Pooling {
    Session,
    Transaction,
}

/// A real PgBouncer in front of a server, on a Unix socket.
pub(crate) struct Bouncer {
    child: Child,
    folder: TempDir,
}

impl Bouncer {
    /// `ignored` are the startup parameters that it drops silently, separated by commas; it rejects all others that it
    /// does not know.
    pub(crate) fn before(postgres: &Postgres, pooling: Pooling, ignored: &str) -> Self {
        Self::start(postgres, pooling, ignored, "")
    }

    /// With an extra line of `[databases]`, to the same server.
    pub(crate) fn leading(postgres: &Postgres, database: &str, pooling: Pooling) -> Self {
        Self::start(postgres, pooling, "", database)
    }

    fn start(postgres: &Postgres, pooling: Pooling, ignored: &str, database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = unprivileged();
        let pool_mode = match pooling {
            Pooling::Session => "session",
            Pooling::Transaction => "transaction",
        };
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::os::unix::fs::chown(&path, user.map(|user| user.0), user.map(|user| user.1)).unwrap();
            path
        };
        let users = file("users.txt", "\"gpadmin\" \"\"\n\"auditor\" \"\"\n\"tenant\" \"\"\n");
        let folder_path = folder.path().display();
        let server = format!("host={} port={}", postgres.folder.path().display(), postgres.port);
        let own = if database.is_empty() { String::new() } else { format!("{database} {server}\n") };
        let settings = file(
            "bouncer.ini",
            &format!(
                "[databases]\n{own}* = {server}\n[pgbouncer]\nlisten_port = 5432\nlisten_addr =\n\
                 unix_socket_dir = {folder_path}\nauth_type = trust\nauth_file = {}\npool_mode = {pool_mode}\n\
                 ignore_startup_parameters = {ignored}\n",
                users.display()
            ),
        );
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|path| Path::new(path).exists());
        let program = program.expect("this test needs PgBouncer: apt-get install pgbouncer (scripts/setup --tests)");
        let mut command = Command::new(program);
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        let mut child = command.arg(settings).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = log.by_ref().map_while(Result::ok).any(|line| line.contains("process up"));
        assert!(ready, "PgBouncer ended before it was ready");
        std::thread::spawn(move || log.for_each(drop));
        Self { child, folder }
    }

    /// Queries the server through it.
    pub(crate) fn sql(&self, database: &str) -> Sql<Socket> {
        self.sql_as("gpadmin", database)
    }

    pub(crate) fn sql_as(&self, user: &str, database: &str) -> Sql<Socket> {
        Sql::with(Socket(self.folder.path().join(".s.PGSQL.5432")), target(user, database))
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}
