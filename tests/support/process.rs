//! Programs in a user's environment, without the developer's own settings.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use super::machine;
use std::process::{Command, Stdio};

pub(crate) use super::run::{LIMIT, PLUGIN, Ran, Running};
pub(crate) use rustix::process::Signal;

/// A user's machine: an empty home folder, and PATH as the developer's only setting.
pub(crate) struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Returns a command in that user's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        command.envs(machine::state_root().map(|folder| (machine::STATE_VARIABLE, folder)));
        command
    }

    /// Returns the plugin with arguments, written as in a shell without quotes.
    pub(crate) fn plugin(&self, arguments: &str) -> Command {
        let mut command = self.command(PLUGIN);
        command.args(arguments.split_whitespace());
        command
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Ran {
    Running::start(command).end()
}

/// Sends a signal to one process.
pub(crate) fn signal(process: u32, signal: Signal) {
    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}
