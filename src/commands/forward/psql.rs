//! psql on a forward: it has the terminal, and Ctrl-C, until it ends.

use super::for_libpq;
use crate::cluster::programs;
use crate::commands::Context;
use crate::error::{Error, Exit, Result};
use crate::render::forward::At;
use crate::render::prompt::Lent;
use crate::topology::layout::SqlDoor;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long psql may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// psql while it runs.
pub(super) struct Psql {
    child: Child,
    /// Ctrl-C is psql's while this is set.
    keyboard: Arc<AtomicBool>,
    _terminal: Lent,
}

/// Finds psql.
///
/// # Errors
/// It is not on PATH.
pub(super) fn find() -> Result<PathBuf> {
    programs::find("psql").ok_or_else(|| {
        Error::failure("psql is not installed")
            .because("there is none on PATH")
            .hint("apt-get install postgresql-client")
            .hint("kubectl synxdb forward, without --psql, for any other client")
    })
}

impl Psql {
    /// Starts it on a local port, with the terminal.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(
        context: &Context,
        program: &PathBuf,
        at: &At,
        sql: &SqlDoor,
        arguments: &[OsString],
    ) -> Result<Self> {
        let keyboard = context.keyboard_lent.clone();
        keyboard.store(true, Ordering::SeqCst);
        let terminal = Lent::now();
        // A socket that psql cannot find was refused before.
        let (host, port) = match at {
            At::Port { port, .. } => ("127.0.0.1".to_owned(), *port),
            At::Socket(_) => for_libpq(at).unwrap_or_default(),
        };
        let port = port.to_string();
        let mut command = Command::new(program);
        if let Some(passfile) = &context.practice_passfile {
            command.env("PGPASSFILE", passfile).env_remove("PGPASSWORD");
        }
        let spawned = command
            .args(["-h", &host, "-p", &port, "-U", &sql.user, "-d", &sql.database])
            .args(arguments)
            // It would be taken before the host.
            .env_remove("PGHOSTADDR")
            .kill_on_drop(true)
            .spawn();
        let child = spawned.map_err(|error| {
            keyboard.store(false, Ordering::SeqCst);
            Error::failure(format!("cannot run {}", program.display())).because(error.to_string())
        })?;
        Ok(Self { child, keyboard, _terminal: terminal })
    }

    /// Waits until it has ended; its exit code is ours.
    ///
    /// # Errors
    /// How it ended cannot be known.
    pub(super) async fn ended(&mut self) -> Result<Exit> {
        let ended = self.child.wait().await;
        self.keyboard.store(false, Ordering::SeqCst);
        ended.map(exit).map_err(|error| Error::failure("psql is lost").because(error.to_string()))
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// As [`Psql::ended`].
    pub(super) async fn terminate(mut self) -> Result<Exit> {
        ask_to_end(&mut self.child);
        match tokio::time::timeout(PATIENCE, self.ended()).await {
            Ok(ended) => ended,
            // Killed when it is dropped.
            Err(_) => Ok(Exit::Interrupted),
        }
    }
}

/// SIGTERM; one that is gone already is just as well.
#[cfg(unix)]
fn ask_to_end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// There is no way to ask.
#[cfg(not(unix))]
fn ask_to_end(child: &mut Child) {
    let _ = child.start_kill();
}

/// As a shell has it: 128 and the signal's number where one ended it.
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
