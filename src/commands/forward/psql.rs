//! psql on a forward: it owns the terminal, and Ctrl-C, until it ends.

use super::arguments::Arguments;
use super::conninfo::{Parts, Place, Way, parts, through};
use super::libpq::for_libpq;
use crate::cli::LoginArgs;
use crate::cluster::programs;
use crate::commands::Context;
use crate::error::{Error, Exit, Result};
use crate::probe::Login;
use crate::probe::login::Environment;
use crate::render::forward::At;
use crate::render::prompt::Lent;
use crate::suggestion::plugin;
use crate::topology::layout::SqlEndpoint;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Time limit for psql to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);

/// The environment variable with psql's password.
const PGPASSWORD: &str = "PGPASSWORD";

/// A running psql.
pub(super) struct Psql {
    child: Child,
    /// While set, Ctrl-C goes to psql.
    keyboard: Arc<AtomicBool>,
    _terminal: Lent,
}

/// Finds psql.
///
/// # Errors
/// It is not on PATH.
fn find() -> Result<PathBuf> {
    programs::find("psql").ok_or_else(|| {
        Error::failure("psql is not installed")
            .because("it is not on PATH")
            .hint("apt-get install postgresql-client")
            .hint(plugin("forward").note("without --psql, for another client"))
    })
}

/// psql and its arguments, read before anything is opened.
pub(super) struct Run {
    program: PathBuf,
    arguments: Arguments,
}

/// The forward, and its destination.
pub(super) struct Leads<'l> {
    /// The local port or socket.
    pub(super) at: &'l At,
    /// The address of the local port.
    pub(super) address: IpAddr,
    /// Namespace and name of the pod.
    pub(super) pod: (&'l str, &'l str),
    /// Whether the pod may be sent a password.
    pub(super) trusted: bool,
    /// The pod's port, and the default user and database.
    pub(super) sql: &'l SqlEndpoint,
}

impl Run {
    /// Finds psql, and reads its arguments.
    ///
    /// # Errors
    /// It is not on PATH; its arguments name a port.
    pub(super) fn of(arguments: &[OsString]) -> Result<Self> {
        let arguments = Arguments::read(arguments);
        if arguments.port {
            return Err(Error::usage("psql's port argument is not supported: the forward sets the port")
                .hint("to choose the local port, put --port PORT before --"));
        }
        Ok(Self { program: find()?, arguments })
    }

    /// Returns the command that connects through the forward: `hostaddr` says where to connect, and the host name is only used
    /// for password files and certificates.
    fn command(&self, leads: &Leads<'_>) -> Command {
        let Leads { at, address, sql, .. } = leads;
        // A socket that psql cannot find was rejected before.
        let (folder, port) = for_libpq(at).unwrap_or_default();
        let (place, host) = match at {
            At::Port { .. } => (Place::Address(*address), "localhost"),
            At::Socket(_) => (Place::Folder(&folder), folder.as_str()),
        };
        let way = Way { place, port, database: &sql.database };
        let layouts = OsStr::new(&sql.user);
        let mut command = Command::new(&self.program);
        command.args(["-h", host, "-p", &port.to_string(), "-U"]);
        command.arg(self.arguments.user.as_deref().unwrap_or(layouts));
        // It would take precedence over the host.
        command.env_remove("PGHOSTADDR");
        match self.arguments.database.as_deref().map(|database| (database, database.to_str())) {
            // A name that is not UTF-8 cannot be part of a connection string.
            Some((bytes, None)) => {
                command.arg("-d").arg(bytes);
                if let Place::Address(address) = place {
                    command.env("PGHOSTADDR", address.to_string());
                }
            }
            Some((_, text)) => {
                command.arg("-d").arg(through(way, text));
            }
            None => {
                command.arg("-d").arg(through(way, None));
            }
        }
        command.args(&self.arguments.others);
        if let Some(password) = self.password(leads) {
            command.env(PGPASSWORD, password);
        }
        command
    }

    /// Returns the password file's password for the pod, unless the environment or a connection string has one: psql itself would
    /// look up the local port.
    fn password(&self, leads: &Leads<'_>) -> Option<OsString> {
        if !leads.trusted || std::env::var_os(PGPASSWORD).is_some_and(|password| !password.is_empty()) {
            return None;
        }
        let text = |text: &Option<OsString>| text.as_deref().map(OsStr::to_str).map(|text| text.map(str::to_owned));
        let given = match text(&self.arguments.database) {
            None => Parts::default(),
            Some(text) => parts(&text?),
        };
        if given.password {
            return None;
        }
        let user = match (given.user, text(&self.arguments.user)) {
            (Some(user), _) => user,
            (None, Some(user)) => user?,
            (None, None) => leads.sql.user.clone(),
        };
        let database = given.database.unwrap_or_else(|| leads.sql.database.clone());
        // psql reports errors in files and settings.
        let login = Login::resolve(&LoginArgs::default(), &Environment::of_process()).ok()?.login;
        login.password_text(leads.pod, leads.sql.port, &database, &user)
    }
}

impl Psql {
    /// Starts it on a forward, with the terminal.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(context: &Context, run: &Run, leads: &Leads<'_>) -> Result<Self> {
        let keyboard = context.keyboard_lent.clone();
        keyboard.store(true, Ordering::SeqCst);
        let terminal = Lent::now();
        let mut command = run.command(leads);
        if let Some(passfile) = &context.practice_passfile {
            command.env("PGPASSFILE", passfile).env_remove(PGPASSWORD);
        }
        let spawned = command.kill_on_drop(true).spawn();
        let child = spawned.map_err(|error| {
            keyboard.store(false, Ordering::SeqCst);
            Error::failure(format!("cannot run {}", run.program.display())).because_of(error)
        })?;
        Ok(Self { child, keyboard, _terminal: terminal })
    }

    /// Waits until it has ended, and returns its exit code.
    ///
    /// # Errors
    /// The exit status cannot be read.
    pub(super) async fn ended(&mut self) -> Result<Exit> {
        let ended = self.child.wait().await;
        self.keyboard.store(false, Ordering::SeqCst);
        ended.map(exit).map_err(|error| Error::failure("cannot wait for psql").because_of(error))
    }

    /// Terminates it.
    ///
    /// # Errors
    /// As [`Psql::ended`].
    pub(super) async fn terminate(mut self) -> Result<Exit> {
        terminate_child(&mut self.child);
        match tokio::time::timeout(PATIENCE, self.ended()).await {
            Ok(ended) => ended,
            // Killed when it is dropped.
            Err(_) => Ok(Exit::Interrupted),
        }
    }
}

/// Sends SIGTERM; a child that is gone already does not matter.
#[cfg(unix)]
fn terminate_child(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Kills the child: there is no SIGTERM.
#[cfg(not(unix))]
fn terminate_child(child: &mut Child) {
    let _ = child.start_kill();
}

/// Returns the exit code as a shell does: 128 plus the number of the signal that ended it.
#[cfg(unix)]
fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Exit::Program(u8::try_from(code).unwrap_or(1))
}

#[cfg(not(unix))]
fn exit(status: ExitStatus) -> Exit {
    Exit::Program(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
