//! A program as a process, above all the real binary: its output line by line, its exit code, and a limit for every wait.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use super::{machine, schemas};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Far more than anything here takes: what hangs fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The program under test.
pub const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-synxdb");

/// Returns a short settle time, unless the case sets one: otherwise each run would take five more seconds.
fn hurried(arguments: &[&str]) -> &'static [&'static str] {
    let verbs =
        ["failover", "undo", "status", "history", "verify", "forward", "rbac", "schema", "completion", "__complete"];
    let verb = arguments.iter().find(|word| verbs.contains(word));
    let settles = arguments.contains(&"--settle");
    if matches!(verb, Some(&"failover" | &"undo")) && !settles { &HURRIED } else { &[] }
}

const HURRIED: [&str; 2] = ["--settle", "0s"];

/// Returns the plugin with a home folder and PATH, and nothing else in its environment.
pub fn plugin(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PLUGIN);
    command.args(arguments).args(hurried(arguments)).env_clear().env("HOME", home).current_dir(home);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.envs(machine::state_root().map(|folder| (machine::STATE_VARIABLE, folder)));
    command
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command, as a user would type it.
    command: String,
    /// The plugin's arguments; none for another program.
    pub arguments: Vec<String>,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ran {
    /// Asserts the exit code; on failure, shows everything that was printed.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "exit code {:?}, expected {code}\n{}", self.code, self.shown());
        self
    }

    /// Asserts that the standard output contains all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(unwrapped(&self.out).contains(&unwrapped(word)), "stdout lacks {word:?}\n{}", self.shown());
        }
        self
    }

    /// Asserts that the standard error contains all of these.
    #[track_caller]
    pub fn warns(self, words: &[&str]) -> Self {
        for word in words {
            assert!(unwrapped(&self.err).contains(&unwrapped(word)), "stderr lacks {word:?}\n{}", self.shown());
        }
        self
    }

    /// Asserts that nothing was printed on the standard output.
    #[track_caller]
    pub fn silent(self) -> Self {
        assert!(self.out.is_empty(), "stdout is not empty\n{}", self.shown());
        self
    }

    /// Returns the error: what, why and the next command, in a few short lines without Rust's or JSON's own terms.
    #[track_caller]
    pub fn error(&self) -> &str {
        let at = self.err.find("error: ").unwrap_or_else(|| panic!("no error\n{}", self.shown()));
        assert!(self.err[..at].is_empty() || self.err[..at].ends_with('\n'), "{}", self.shown());
        let error = &self.err[at..];
        let is_next = |line: &&str| line.starts_with("next: ") || line.starts_with("hint: ");
        let lines = error.lines().filter(|line| !is_next(line)).count();
        assert!(lines <= 3, "more than three lines\n{}", self.shown());
        assert!(error.lines().any(|line| is_next(&line)), "nothing to do next\n{}", self.shown());
        for word in ["{\"", "Err(", "Some(", "\\\"", "ApiError", "hyper"] {
            assert!(!error.contains(word), "the error has {word:?}\n{}", self.shown());
        }
        error
    }

    /// Returns the JSON document that is the entire standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}", self.shown()))
    }

    /// Returns the JSON documents on the standard output, one per line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{}", self.shown()));
        self.out.lines().map(read).collect()
    }

    /// Returns the arguments of the `next:` command on the standard output.
    #[track_caller]
    pub fn resume(&self) -> Vec<String> {
        let mut lines = self.out.lines().filter_map(|line| line.strip_prefix("next: kubectl synxdb "));
        let next = lines.next_back().unwrap_or_else(|| panic!("no command to resume\n{}", self.shown()));
        next.split(' ').map(str::to_owned).collect()
    }

    pub fn shown(&self) -> String {
        format!(
            "$ {}\nexit code: {}\n----- stdout -----\n{}----- stderr -----\n{}",
            self.command,
            self.code.map_or_else(|| "none, a signal".to_owned(), |code| code.to_string()),
            self.out,
            self.err
        )
    }

    /// Returns the entire output, with values that differ between runs replaced.
    pub fn snapshot(&self) -> String {
        normal(&self.shown())
    }
}

/// Returns the words alone: long lines are wrapped, and columns are padded.
pub fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Replaces UIDs, times, ports and folders with words.
pub fn normal(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, word) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "UID"),
        (r"\(UID [0-9a-f]{8}…\)", "(UID SHORT)"),
        (r"kubectl_synxdb_[0-9a-f]{8}", "kubectl_synxdb_ID"),
        (r"synxdb undo [0-9a-f]{8}", "synxdb undo ID"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d\d:\d\d:\d\d UTC", "CLOCK"),
        (r" +\d+(\.\d)? (ms|s)\b", " TIME"),
        (r"(?m)  \d+m?\d*s$", "  AGE"),
        (r"(/tmp|/dev/shm)/[^ \n]*/", "FOLDER/"),
        (r"\(\d+ of \d+\)", "(N of N)"),
        (r"\d+ of \d+ (attempts|probes)", "N of N $1"),
        (r"(?m)^    last failure: .*(\n      .*)*", "    last failure: REASON"),
        (r"PostgreSQL \d[^(:]*\([^)]*\)|PostgreSQL \d[\w.]*", "PostgreSQL VERSION"),
    ] {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    text
}

/// A running program. Killed when dropped.
pub struct Running {
    command: String,
    arguments: Vec<String>,
    pid: Pid,
    started: Instant,
    events: Receiver<Event>,
    out: Vec<u8>,
    err: Vec<u8>,
    ended: Option<ExitStatus>,
    open: u8,
    limit: Duration,
}

enum Event {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Closed,
    Ended(ExitStatus),
}

impl Drop for Running {
    /// Kills the process if it still runs, and validates machine-readable output against its schema.
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
        if !std::thread::panicking() {
            schemas::hold(&self.arguments, &text(&self.out));
        }
    }
}

impl Running {
    pub fn start(command: Command) -> Self {
        Self::start_within(LIMIT, command)
    }

    /// Starts it with a limit for each wait.
    pub fn start_within(limit: Duration, mut command: Command) -> Self {
        let started = Instant::now();
        let arguments = plugin_arguments(&command);
        let shown = match command.get_program() == PLUGIN {
            true => format!("kubectl synxdb {}", arguments.join(" ")),
            false => words(&command).join(" "),
        };
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child: Child = spawned.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let pid = Pid::from_child(&child);
        let (sender, events) = channel();
        fn forward(
            stream: impl Read + Send + 'static,
            as_event: fn(Vec<u8>) -> Event,
            sender: &std::sync::mpsc::Sender<Event>,
        ) {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                loop {
                    let mut line = Vec::new();
                    match stream.read_until(b'\n', &mut line) {
                        Ok(0) | Err(_) => break,
                        Ok(_) => {
                            let _ = sender.send(as_event(line));
                        }
                    }
                }
                let _ = sender.send(Event::Closed);
            });
        }
        forward(child.stdout.take().unwrap(), Event::Out, &sender);
        forward(child.stderr.take().unwrap(), Event::Err, &sender);
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                let _ = sender.send(Event::Ended(status));
            }
        });
        let (out, err) = (Vec::new(), Vec::new());
        Self { command: shown, arguments, pid, started, events, out, err, ended: None, open: 2, limit }
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits for the next event, until `deadline`, and returns the line if it is one.
    fn next(&mut self, what: &str, deadline: Instant) -> Option<String> {
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Out(line)) => {
                self.out.extend(&line);
                Some(text(&line))
            }
            Ok(Event::Err(line)) => {
                self.err.extend(&line);
                Some(text(&line))
            }
            Ok(Event::Closed) => {
                self.open -= 1;
                None
            }
            Ok(Event::Ended(status)) => {
                self.ended = Some(status);
                None
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.signal(Signal::KILL);
                panic!("{what}: not within {:?}\n{}", self.limit, self.so_far().shown());
            }
        }
    }

    /// Waits for a line, unless the program ends without it.
    fn line(&mut self, what: &str, deadline: Instant) -> String {
        loop {
            assert!(self.open > 0 || self.ended.is_none(), "it ended without {what}\n{}", self.so_far().shown());
            if let Some(line) = self.next(what, deadline) {
                return line.trim_end_matches('\n').to_owned();
            }
        }
    }

    fn so_far(&self) -> Ran {
        Ran {
            command: self.command.clone(),
            arguments: self.arguments.clone(),
            code: self.ended.and_then(|status| status.code()),
            signal: self.ended.and_then(|status| status.signal()),
            out: text(&self.out),
            err: text(&self.err),
            took: self.started.elapsed(),
        }
    }

    /// Waits for the next line of standard output or error that contains a text.
    pub fn line_with(&mut self, text: &str) -> String {
        self.line_that(&format!("a line with {text:?}"), |line| line.contains(text))
    }

    /// Waits for the next matching line of standard output or error.
    pub fn line_that(&mut self, wanted: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + self.limit;
        loop {
            let line = self.line(wanted, deadline);
            if is_wanted(&line) {
                return line;
            }
        }
    }

    /// Waits until the standard error contains this.
    pub fn until_warns(&mut self, word: &str) {
        let deadline = Instant::now() + self.limit;
        while !text(&self.err).contains(word) {
            self.line(&format!("{word:?}"), deadline);
        }
    }

    /// Waits for words that come so often on the standard error.
    pub fn until_warns_times(&mut self, word: &str, times: usize) {
        let deadline = Instant::now() + self.limit;
        while text(&self.err).matches(word).count() < times {
            self.line(&format!("{word:?} {times} times"), deadline);
        }
    }

    /// Waits for the first line of the standard output.
    pub fn first_line(&mut self) -> String {
        let deadline = Instant::now() + self.limit;
        while self.out.is_empty() {
            self.line("a line on stdout", deadline);
        }
        text(&self.out).lines().next().unwrap().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            match kill_process(self.pid, signal) {
                // It has ended by itself, which is not known here yet.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => panic!("signal {signal:?}: {error}"),
            }
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let deadline = Instant::now() + self.limit;
        while self.open > 0 || self.ended.is_none() {
            self.next("its end", deadline);
        }
        self.so_far()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the words of a command.
fn words(command: &Command) -> Vec<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Returns the arguments of the plugin, run by itself or by kubectl, without those that [`plugin`] adds.
fn plugin_arguments(command: &Command) -> Vec<String> {
    let mut words = words(command);
    let plugin = words.iter().position(|word| word == PLUGIN || word == "synxdb");
    let mut arguments = plugin.map(|at| words.split_off(at + 1)).unwrap_or_default();
    if arguments.ends_with(&HURRIED.map(str::to_owned)) {
        arguments.truncate(arguments.len() - HURRIED.len());
    }
    arguments
}
