//! Two users on one machine: root, who runs practice clusters, and another one, who attacks them. It takes root to be
//! two users; without root, one line reports that nothing was tried.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::process::{Machine, Ran, Running, Signal, run};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A user without an account, and without permissions.
const STRANGER: u32 = 54_321;
const PROXY: &str = "cloudberry-proxy-0";
const SYSTEM: &str = "synxdb-system";

/// Whether this can be tried here; if not, reports it past the capture of test output.
fn root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: it takes root to be two users");
    }
    root
}

/// Root's own practice cluster.
struct Practice {
    machine: Machine,
    sandbox: Option<Running>,
    folder: PathBuf,
}

impl Practice {
    fn start() -> Self {
        let machine = Machine::new();
        let mut sandbox = Running::start(machine.plugin("sandbox"));
        let line = sandbox.line_with("export KUBECONFIG=");
        let kubeconfig = PathBuf::from(line.strip_prefix("export KUBECONFIG=").unwrap());
        sandbox.line_with("Ready.");
        Self { machine, sandbox: Some(sandbox), folder: kubeconfig.parent().unwrap().to_owned() }
    }

    /// Returns the plugin as root runs it, with the environment that `sandbox` prints.
    fn plugin(&self, arguments: &str) -> Command {
        let mut command = self.machine.plugin(arguments);
        command.env("KUBECONFIG", self.folder.join("kubeconfig")).env("PGPASSFILE", self.folder.join("pgpass"));
        command
    }

    /// Starts a forward to the metadata proxy, and returns its port.
    fn forward(&self) -> (Running, u16) {
        let mut forward = Running::start(self.plugin("forward meta --port 0 -o json"));
        let told: serde_json::Value = serde_json::from_str(&forward.line_with("remotePort")).unwrap();
        (forward, told["port"].as_u64().unwrap().try_into().unwrap())
    }

    fn password(&self) -> String {
        let text = fs::read_to_string(self.folder.join("pgpass")).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    /// Returns the servers' processes: user and command line.
    fn servers(&self) -> Vec<(u32, Vec<String>)> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let of = |pid: u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words: Vec<String> = String::from_utf8_lossy(&line).split('\0').map(str::to_owned).collect();
            let uid = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
            let ours = words.first()?.ends_with("/postgres") && words.iter().any(|word| word == "-D");
            (ours && words.iter().any(|word| word.contains(self.folder.to_str().unwrap()))).then_some((uid, words))
        };
        pids.filter_map(of).collect()
    }

    fn stop(mut self) -> Ran {
        let sandbox = self.sandbox.take().unwrap();
        sandbox.signal(Signal::INT);
        sandbox.end()
    }
}

/// Returns a program that runs as another user, without root's environment.
fn as_user(uid: u32, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/").uid(uid).gid(uid);
    command
}

/// Runs psql as another user, and returns the result.
fn psql(uid: u32, (host, port): (&str, u16), role: &str, password: Option<&str>, sql: &str) -> Ran {
    let mut command = as_user(uid, "psql");
    command.args([
        "-X",
        "-A",
        "-t",
        "-w",
        "-h",
        host,
        "-p",
        &port.to_string(),
        "-U",
        role,
        "-d",
        "postgres",
        "-c",
        sql,
    ]);
    command.env("PGCONNECT_TIMEOUT", "10").envs(password.map(|password| ("PGPASSWORD", password)));
    run(command)
}

/// Every user of the machine can reach a forwarded port and the servers' own: without the password, none gets a
/// session, and the sandbox's files do not reveal it.
#[test]
fn another_user_gets_no_session_on_a_practice_cluster() {
    if !root("another_user_gets_no_session_on_a_practice_cluster") {
        return;
    }
    let practice = Practice::start();
    let (forward, port) = practice.forward();
    let servers = practice.servers();
    assert!(servers.len() >= 2, "PostgreSQL does not run (apt-get install postgresql): {servers:?}");
    for role in ["gpadmin", "postgres", "practice_cluster_superuser", "root"] {
        for password in [None, Some("gpadmin")] {
            let said = psql(STRANGER, ("127.0.0.1", port), role, password, "select 'let in'");
            assert_ne!(said.code, Some(0), "{role}: {}", said.out);
            assert!(!said.out.contains("let in"), "{role}: {}", said.out);
        }
    }
    // Nor around the forward: no server has a port, and no socket is accessible to another user.
    for (_, words) in &servers {
        assert!(words.iter().any(|word| word == "listen_addresses="), "{words:?}");
        let at = words.iter().position(|word| word == "-k").unwrap();
        let said = psql(STRANGER, (&words[at + 1], 5432), "gpadmin", None, "select 'let in'");
        assert!(said.err.contains("Permission denied"), "{}", said.err);
    }
    for file in ["kubeconfig", "pgpass"] {
        let mut read = as_user(STRANGER, "cat");
        let read = run({
            read.arg(practice.folder.join(file));
            read
        });
        assert_ne!(read.code, Some(0), "{file}: {}", read.out);
    }
    // Root's output names it.
    let mine = psql(0, ("127.0.0.1", port), "gpadmin", Some(&practice.password()), "select 'let in'");
    assert_eq!(mine.out.trim(), "let in", "{}", mine.err);
    forward.signal(Signal::INT);
    forward.end();
    assert_eq!(practice.stop().code, Some(0));
}

/// Even with the password and all privileges that the product's page needs, gpadmin cannot reach the machine.
#[test]
fn the_practice_clusters_administrator_can_run_no_programs_and_read_no_files() {
    if !root("the_practice_clusters_administrator_can_run_no_programs_and_read_no_files") {
        return;
    }
    let practice = Practice::start();
    let (forward, port) = practice.forward();
    let password = practice.password();
    let asks = |sql: &str| psql(STRANGER, ("127.0.0.1", port), "gpadmin", Some(&password), sql);
    for sql in [
        "create database mine",
        "create schema kubectl_synxdb_x",
        "create table kubectl_synxdb_x.canary (n int)",
        "drop schema kubectl_synxdb_x cascade",
        "drop database mine",
    ] {
        let said = asks(sql);
        assert_eq!(said.code, Some(0), "{sql}: {}", said.err);
    }
    let target = practice.machine.home().join("ran");
    let target = target.display();
    for sql in [
        format!("copy (select 1) to program 'touch {target}'"),
        format!("create table t (x text); copy t from program 'touch {target}; echo x'"),
        format!("copy (select 1) to '{target}'"),
        "create table p (x text); copy p from '/etc/passwd'".to_owned(),
        "select pg_read_file('/etc/passwd')".to_owned(),
        "select pg_ls_dir('/')".to_owned(),
        "select lo_import('/etc/passwd')".to_owned(),
        format!("select lo_export(lo_creat(-1), '{target}')"),
        "alter system set archive_command = 'true'".to_owned(),
        "load '/lib/x86_64-linux-gnu/libc.so.6'".to_owned(),
        "create function f() returns int as '/lib/x86_64-linux-gnu/libc.so.6', 'getpid' language c".to_owned(),
        "create extension file_fdw".to_owned(),
        "create extension dblink".to_owned(),
        "create extension adminpack".to_owned(),
        "grant pg_execute_server_program to gpadmin".to_owned(),
        "grant pg_write_server_files to gpadmin".to_owned(),
        "alter role gpadmin superuser".to_owned(),
        "create role other superuser".to_owned(),
        "create role other".to_owned(),
        "set role practice_cluster_superuser".to_owned(),
        "set session authorization practice_cluster_superuser".to_owned(),
        "alter role practice_cluster_superuser password 'x'".to_owned(),
        format!("create tablespace s location '{target}'"),
    ] {
        let said = asks(&sql);
        assert_ne!(said.code, Some(0), "{sql}: {}", said.out);
        let refused = ["permission denied", "must be", "must have", "not allowed", "not available", "not permitted"];
        assert!(refused.iter().any(|words| said.err.contains(words)), "{sql}: {}", said.err);
    }
    assert!(!Path::new(&target.to_string()).exists());
    forward.signal(Signal::INT);
    forward.end();
    practice.stop();
}

/// The servers' user plants links and pipes wherever possible; root then restarts servers and stops the sandbox. This
/// changes nothing that belongs to root, and it stops.
#[test]
fn root_follows_nothing_that_the_servers_user_plants() {
    if !root("root_follows_nothing_that_the_servers_user_plants") {
        return;
    }
    let practice = Practice::start();
    let servers = practice.servers();
    let uid = servers.first().expect("PostgreSQL runs (apt-get install postgresql)").0;
    assert_ne!(uid, 0);
    let victims = tempfile::tempdir().unwrap();
    let victims = victims.path();
    fs::set_permissions(victims, fs::Permissions::from_mode(0o755)).unwrap();
    let (file, folder) = (victims.join("file"), victims.join("folder"));
    fs::write(&file, "root's own").unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("inside"), "root's own").unwrap();

    // Everywhere below the sandbox: possible folder names of the next server, markers of a data folder, pipes that
    // block on open, and links in place of everything that can be moved.
    let script = format!(
        "cd '{}' || exit 1
        for d in . run objects volumes $(find run objects volumes -type d 2>/dev/null); do
            for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 pgdata tenants; do ln -s '{}' \"$d/$n\"; done
            for n in kubectl-synxdb-filled filled pgdata+filled pgdata+made lock; do ln -s '{}' \"$d/$n\"; done
            rm -f \"$d/postmaster.pid\" && mkfifo \"$d/postmaster.pid\"
        done 2>/dev/null
        true",
        practice.folder.display(),
        folder.display(),
        file.display(),
    );
    let mut planted = as_user(uid, "sh");
    planted.args(["-c", &script]);
    assert_eq!(run(planted).code, Some(0));

    for namespace in [SYSTEM, "cloud007"] {
        let ran = run(practice.plugin(&format!("failover {namespace}/{PROXY} --yes --no-probe --timeout 40s")));
        assert!(ran.out.contains("Recovered"), "{namespace}: {}{}", ran.out, ran.err);
    }
    let folder_of_it = practice.folder.clone();
    assert_eq!(practice.stop().code, Some(0));
    assert!(!folder_of_it.exists(), "it is left");

    for path in [&file, &folder, &folder.join("inside")] {
        let about = fs::symlink_metadata(path).unwrap();
        assert_eq!((about.uid(), about.gid()), (0, 0), "{} was given away", path.display());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "root's own");
    assert_eq!(fs::read_to_string(folder.join("inside")).unwrap(), "root's own");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

/// Root starts servers only in folders that only root can write to.
#[test]
fn no_folder_above_the_servers_belongs_to_their_user() {
    if !root("no_folder_above_the_servers_belongs_to_their_user") {
        return;
    }
    let practice = Practice::start();
    for part in ["", "run", "objects", "volumes"] {
        let about = fs::symlink_metadata(practice.folder.join(part)).unwrap();
        assert_eq!((about.uid(), about.mode() & 0o022), (0, 0), "{part:?}");
    }
    for volume in fs::read_dir(practice.folder.join("volumes")).unwrap() {
        let about = volume.unwrap().metadata().unwrap();
        assert_eq!((about.uid(), about.mode() & 0o022), (0, 0));
    }
    practice.stop();
}

/// A user has one default folder: tests use it one at a time.
static REHEARSING: Mutex<()> = Mutex::new(());

/// Copies it in another process: a program that this process has open for writing, or that a forked child of another
/// test has, could not be run (ETXTBSY).
fn copy_of_the_plugin(to: &std::path::Path) {
    let copied = std::process::Command::new("cp").arg(crate::support::process::PLUGIN).arg(to).status().unwrap();
    assert!(copied.success());
}

/// The same for an ordinary user with a single command. The output names the password's file, which only that user can
/// read.
#[test]
fn another_user_gets_no_session_on_an_ordinary_users_practice_cluster() {
    if !root("another_user_gets_no_session_on_an_ordinary_users_practice_cluster") {
        return;
    }
    // A user with an account: PostgreSQL requires one.
    let rehearses = 65_534;
    let _alone = REHEARSING.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = Machine::new();
    fs::set_permissions(machine.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = machine.home().join("plugin");
    copy_of_the_plugin(&program);
    let mut command = as_user(rehearses, program.to_str().unwrap());
    command.args(["--sandbox", "forward", "meta", "--port", "0"]).env("HOME", machine.home());
    let mut forward = Running::start(command);
    let line = forward.line_with("psql -h localhost -p ");
    let words: Vec<&str> = line.split(' ').collect();
    let passfile = words[0].strip_prefix("PGPASSFILE=").unwrap_or_else(|| panic!("{line}"));
    let port: u16 = words[words.iter().position(|word| *word == "-p").unwrap() + 1].parse().unwrap();
    let said = psql(STRANGER, ("127.0.0.1", port), "gpadmin", None, "copy (select 1) to program 'id'");
    assert!(said.err.contains("no password supplied"), "{}", said.err);
    let about = fs::metadata(passfile).unwrap();
    assert_eq!((about.uid(), about.mode() & 0o777), (rehearses, 0o600));
    let password = fs::read_to_string(passfile).unwrap().trim_end().rsplit(':').next().unwrap().to_owned();
    let mine = psql(rehearses, ("127.0.0.1", port), "gpadmin", Some(&password), "select 'let in'");
    assert_eq!(mine.out.trim(), "let in", "{}", mine.err);
    // The line as printed.
    let mut pasted = as_user(rehearses, "sh");
    pasted.args(["-c", &format!("{line} -X -A -t -w -c \"select 'let in'\"")]);
    let pasted = run(pasted);
    assert_eq!(pasted.out.trim(), "let in", "{}", pasted.err);
    forward.signal(Signal::INT);
    forward.end();
}

/// A port is open to every user of the machine, and the output says so; a socket belongs to its owner.
#[test]
fn a_forwards_socket_belongs_to_its_owner_alone() {
    if !root("a_forwards_socket_belongs_to_its_owner_alone") {
        return;
    }
    let practice = Practice::start();
    let password = practice.password();
    let shared = tempfile::tempdir().unwrap();
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (host, socket) = (shared.path().to_str().unwrap(), shared.path().join(".s.PGSQL.5432"));
    let mut forward = Running::start(practice.plugin(&format!("forward meta --socket {}", socket.display())));
    let line = forward.line_with("psql -h ");
    assert!(line.starts_with(&format!("psql -h {host} -p 5432 -U gpadmin")), "{line}");
    let ask = |uid| psql(uid, (host, 5432), "gpadmin", Some(&password), "select 'let in'");
    let theirs = ask(STRANGER);
    assert!(theirs.err.contains("Permission denied"), "{}", theirs.err);
    let mine = ask(0);
    assert_eq!(mine.out.trim(), "let in", "{}", mine.err);
    // It replaces no other.
    let second = run(practice.plugin(&format!("forward meta --socket {}", socket.display())));
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("the path already exists"), "{}", second.err);
    forward.signal(Signal::INT);
    let ended = forward.end();
    assert!(!ended.err.contains("every user of this machine"), "{}", ended.err);
    assert!(!socket.exists());

    let (forward, _) = practice.forward();
    forward.signal(Signal::INT);
    let ended = forward.end();
    assert_eq!(ended.err.matches("every user of this machine").count(), 1, "{}", ended.err);
    practice.stop();
}

/// A folder of that name that another user created first blocks no user, and is left alone.
#[test]
fn a_folder_that_another_user_created_first_does_not_block() {
    if !root("a_folder_that_another_user_created_first_does_not_block") {
        return;
    }
    // `nobody`: PostgreSQL requires a user with an account.
    let rehearses = 65_534;
    let _alone = REHEARSING.lock().unwrap_or_else(PoisonError::into_inner);
    let usual = PathBuf::from(format!("/tmp/kubectl-synxdb-{rehearses}"));
    fs::create_dir(&usual).unwrap();
    chown(&usual, Some(STRANGER), Some(STRANGER)).unwrap();
    let machine = Machine::new();
    fs::set_permissions(machine.home(), fs::Permissions::from_mode(0o755)).unwrap();
    // PATH may contain root's own folders, where PostgreSQL would not be found; that is not tested here.
    let program = machine.home().join("plugin");
    copy_of_the_plugin(&program);
    let mut command = as_user(rehearses, program.to_str().unwrap());
    command.args(["--sandbox", "status", "-o", "json"]).env("HOME", machine.home());
    let ran = run(command);
    fs::remove_dir(&usual).unwrap();
    assert!(
        ran.out.contains("\"kind\": \"Status\"") || ran.out.contains("\"kind\":\"Status\""),
        "{}{}",
        ran.out,
        ran.err
    );
    let left = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with(&format!("kubectl-synxdb-{rehearses}"))).collect();
    assert_eq!(left, Vec::<String>::new());
}
