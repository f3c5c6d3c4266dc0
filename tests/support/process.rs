//! The real binary, and other programs, as processes: a cleared environment, output line by line, and a deadline for
//! every wait.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use super::{machine, schemas};
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

pub(crate) use rustix::process::Signal;

/// Far more than anything here takes: what hangs fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The program under test.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-synxdb");

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

/// The output of a process that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `-N` after signal N.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process whose output is read while it runs. Killed when dropped.
pub(crate) struct Running {
    what: String,
    /// The plugin's arguments; none for another program.
    arguments: Vec<String>,
    child: Child,
    lines: Receiver<(bool, String)>,
    out: String,
    err: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let what = format!("{command:?}");
        let what = what.split_once(PLUGIN).map_or(what.clone(), |(_, arguments)| format!("plugin{arguments}"));
        let arguments = plugin_arguments(&command);
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (send, lines) = channel();
        follow(child.stdout.take().unwrap(), true, send.clone());
        follow(child.stderr.take().unwrap(), false, send);
        Self { what, arguments, child, lines, out: String::new(), err: String::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line of standard output or error that contains a text.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        self.line_that(&format!("a line with {text:?}"), |line| line.contains(text))
    }

    /// Waits for the next matching line of standard output or error.
    pub(crate) fn line_that(&mut self, wanted: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            match self.next(end) {
                Ok(line) if is_wanted(&line) => return line,
                Ok(_) => {}
                Err(why) => {
                    panic!("{}: no {wanted} ({why:?})\nstdout:\n{}\nstderr:\n{}", self.what, self.out, self.err)
                }
            }
        }
    }

    fn next(&mut self, end: Instant) -> Result<String, RecvTimeoutError> {
        let (of_out, line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()))?;
        let told = if of_out { &mut self.out } else { &mut self.err };
        told.push_str(&line);
        Ok(line.trim_end_matches('\n').to_owned())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self::signal(self.child.id(), signal);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        use std::os::unix::process::ExitStatusExt as _;
        let end = Instant::now() + LIMIT;
        loop {
            match self.next(end) {
                Ok(_) => {}
                // Both streams are closed.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{}: did not end\nstdout:\n{}\nstderr:\n{}", self.what, self.out, self.err)
                }
            }
        }
        let status = self.child.wait().unwrap();
        let code = status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap();
        Ended { code, out: self.out.clone(), err: self.err.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            schemas::hold(&self.arguments, &self.out);
        }
    }
}

/// Returns the arguments of the plugin, run by itself or by kubectl.
fn plugin_arguments(command: &Command) -> Vec<String> {
    let mut arguments: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    if command.get_program() == PLUGIN {
        return arguments;
    }
    let at = arguments.iter().position(|word| word == "synxdb");
    at.map(|at| arguments.split_off(at + 1)).unwrap_or_default()
}

fn follow(stream: impl Read + Send + 'static, of_out: bool, to: Sender<(bool, String)>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if to.send((of_out, String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Ended {
    Running::start(command).end()
}

/// Sends a signal to one process.
pub(crate) fn signal(process: u32, signal: Signal) {
    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}
