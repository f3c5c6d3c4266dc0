//! The real binary, run on a practice cluster that this process holds: what it printed and how it ended on one side, the
//! cluster's own objects on the other.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use kubectl_synxdb::sandbox::store::{Change, Key, Preconditions, Store};
use kubectl_synxdb::sandbox::{Options, PostgresChoice, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub const SYSTEM: &str = "synxdb-system";
pub const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
pub const CLAIMS: &str = "persistentvolumeclaims";
pub const VOLUMES: &str = "persistentvolumes";
/// Where the plugin writes its record, on volumes.
pub const RECORD: &str = "kubectl-synxdb/failover";

/// Far more than anything here takes: what hangs fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A practice cluster, all its pods ready, and a home folder for those who use it.
pub struct Cluster {
    sandbox: Option<Sandbox>,
    runtime: Option<Runtime>,
    home: TempDir,
}

/// Without PostgreSQL: everything but SQL is the same, and it starts at once.
pub fn bare(scenario: &str) -> Options {
    Options { scenario: scenario.to_owned(), postgres: PostgresChoice::None, ..Options::default() }
}

/// With the machine's own PostgreSQL.
pub fn full(scenario: &str) -> Options {
    Options { scenario: scenario.to_owned(), ..Options::default() }
}

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl Cluster {
    pub fn start(options: Options) -> Self {
        let with_sql = options.postgres != PostgresChoice::None;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(async {
            let sandbox = Sandbox::start(options).await.unwrap_or_else(|error| panic!("{error}"));
            match tokio::time::timeout(LIMIT, sandbox.ready()).await {
                Ok(ready) => ready.unwrap_or_else(|error| panic!("{error}")),
                Err(_) => panic!("the practice cluster is not ready within {LIMIT:?}"),
            }
            sandbox
        });
        if with_sql {
            assert!(sandbox.notices().is_empty(), "this test needs PostgreSQL: {}", sandbox.notices().join("; "));
        }
        Self { sandbox: Some(sandbox), runtime: Some(runtime), home: tempfile::tempdir().unwrap() }
    }

    /// A healthy one without PostgreSQL, for tests that change nothing; the last one to hold it stops it.
    pub fn read_only() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start(bare("healthy")));
            *shared = Arc::downgrade(&started);
            started
        })
    }

    pub fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }

    pub fn store(&self) -> &Arc<Store> {
        self.sandbox().store()
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(work)
    }

    /// The plugin with this cluster's kubeconfig, and nothing of the developer's own settings.
    pub fn plugin(&self, arguments: &[&str]) -> Command {
        let mut command = plugin(self.home.path(), arguments);
        command.env("KUBECONFIG", self.sandbox().kubeconfig());
        command
    }

    /// Runs the plugin to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Running::start(self.plugin(arguments)).end()
    }

    /// Runs the plugin with other settings than [`Cluster::plugin`]'s.
    pub fn run_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self.plugin(arguments);
        change(&mut command);
        Running::start(command).end()
    }

    /// The kubeconfig, to be changed and written elsewhere.
    pub fn kubeconfig(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.sandbox().kubeconfig()).unwrap()).unwrap()
    }

    /// A file in the home folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn get(&self, resource: &'static str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store().get(&Key::new(resource, namespace, name))
    }

    pub fn pod_uid(&self, namespace: &str, name: &str) -> String {
        let pod = self.get("pods", namespace, name).unwrap_or_else(|| panic!("there is no pod {namespace}/{name}"));
        uid(&pod).to_owned()
    }

    /// Name and UID of a pod's claims.
    pub fn claims_of(&self, namespace: &str, pod: &str) -> BTreeMap<String, String> {
        let pod = self.get("pods", namespace, pod).unwrap();
        let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let names = volumes.iter().filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
        names
            .map(|name| {
                let claim = self.get(CLAIMS, namespace, name).unwrap_or_else(|| panic!("there is no claim {name}"));
                (name.to_owned(), uid(&claim).to_owned())
            })
            .collect()
    }

    /// The volume that a claim is bound to.
    pub fn volume_of(&self, namespace: &str, claim: &str) -> String {
        let claim = self.get(CLAIMS, namespace, claim).unwrap();
        claim["spec"]["volumeName"].as_str().unwrap().to_owned()
    }

    /// The record that the plugin wrote on a volume.
    pub fn record_on(&self, volume: &str) -> Value {
        let volume = self.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
        let text = volume["metadata"]["annotations"][RECORD].as_str().unwrap_or_else(|| panic!("no record: {volume}"));
        serde_json::from_str(text).unwrap()
    }

    /// Kind, path and resourceVersion of all pods, claims and volumes: equal when nothing was changed.
    pub fn versions(&self) -> Vec<String> {
        let mut all = Vec::new();
        for resource in ["pods", CLAIMS, VOLUMES] {
            for object in self.store().list(resource, None).0 {
                let metadata = &object["metadata"];
                all.push(format!(
                    "{resource} {}/{} {}",
                    metadata["namespace"].as_str().unwrap_or_default(),
                    metadata["name"].as_str().unwrap(),
                    metadata["resourceVersion"].as_str().unwrap()
                ));
            }
        }
        all
    }

    /// Requests that changed, or tried to change, an object; questions about permissions are none.
    pub fn writes(&self) -> Vec<String> {
        let entries = self.sandbox().requests().entries();
        let writes = entries
            .iter()
            .filter(|(method, path)| method != "GET" && !path.contains("reviews") && !path.contains("/portforward"));
        writes.map(|(method, path)| format!("{method} {path}")).collect()
    }

    pub fn update(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        let change = |object: &mut Value| {
            change(object);
            Ok(())
        };
        self.store().update(key, &Preconditions::default(), false, change).unwrap();
    }

    /// Waits for a change of the store since `since` that is the one meant.
    pub fn wait_for_change(&self, since: u64, what: &str, meant: impl Fn(&Change) -> bool) -> Change {
        let mut watcher = self.store().watch(since).unwrap();
        self.block_on(async {
            let found = tokio::time::timeout(LIMIT, async {
                loop {
                    let change = watcher.next().await.expect("the store's history is long enough");
                    if meant(&change) {
                        return change;
                    }
                }
            });
            found.await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
        })
    }

    /// Waits until something holds of the store.
    pub fn until(&self, what: &str, holds: impl Fn(&Store) -> bool) {
        self.block_on(async {
            let found = tokio::time::timeout(LIMIT, async {
                loop {
                    let since = self.store().version();
                    if holds(self.store()) {
                        return;
                    }
                    self.store().watch(since).unwrap().next().await.unwrap();
                }
            });
            found.await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"));
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let (Some(sandbox), Some(runtime)) = (self.sandbox.take(), self.runtime.take()) {
            runtime.block_on(sandbox.stop());
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// The plugin with a home folder and PATH, and nothing else in its environment.
pub fn plugin(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-synxdb"));
    command.args(arguments).env_clear().env("HOME", home).current_dir(home);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ran {
    pub arguments: Vec<String>,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ran {
    /// The exit code is this one; otherwise everything that was printed is shown.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "exit code {:?}, expected {code}\n{}", self.code, self.shown());
        self
    }

    /// The standard output has all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(unwrapped(&self.out).contains(&unwrapped(word)), "stdout lacks {word:?}\n{}", self.shown());
        }
        self
    }

    /// The standard error has all of these.
    #[track_caller]
    pub fn warns(self, words: &[&str]) -> Self {
        for word in words {
            assert!(unwrapped(&self.err).contains(&unwrapped(word)), "stderr lacks {word:?}\n{}", self.shown());
        }
        self
    }

    /// Nothing was printed on the standard output.
    #[track_caller]
    pub fn silent(self) -> Self {
        assert!(self.out.is_empty(), "stdout is not empty\n{}", self.shown());
        self
    }

    /// The error: what, why and what to do next, in a few short lines without Rust's or JSON's own words.
    #[track_caller]
    pub fn error(&self) -> &str {
        let at = self.err.find("error: ").unwrap_or_else(|| panic!("no error\n{}", self.shown()));
        assert!(self.err[..at].is_empty() || self.err[..at].ends_with('\n'), "{}", self.shown());
        let error = &self.err[at..];
        let lines = error.lines().filter(|line| !line.starts_with("next: ")).count();
        assert!(lines <= 3, "more than three lines\n{}", self.shown());
        assert!(error.contains("next: "), "no next command\n{}", self.shown());
        for word in ["{\"", "Err(", "Some(", "\\\"", "ApiError", "hyper"] {
            assert!(!error.contains(word), "the error has {word:?}\n{}", self.shown());
        }
        error
    }

    /// The JSON document that is the whole of the standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}", self.shown()))
    }

    /// The JSON documents on the standard output, one a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{}", self.shown()));
        self.out.lines().map(read).collect()
    }

    /// The arguments of the command that `next:` names on the standard output.
    #[track_caller]
    pub fn resume(&self) -> Vec<String> {
        let mut lines = self.out.lines().filter_map(|line| line.strip_prefix("next: kubectl synxdb "));
        let next = lines.next_back().unwrap_or_else(|| panic!("no command to resume\n{}", self.shown()));
        next.split(' ').map(str::to_owned).collect()
    }

    pub fn shown(&self) -> String {
        format!(
            "$ kubectl synxdb {}\nexit code: {}\n----- stdout -----\n{}----- stderr -----\n{}",
            self.arguments.join(" "),
            self.code.map_or_else(|| "none, a signal".to_owned(), |code| code.to_string()),
            self.out,
            self.err
        )
    }

    /// Everything, with what is different in each run named rather than shown.
    pub fn snapshot(&self) -> String {
        normal(&self.shown())
    }
}

/// The words alone: lines are wrapped where they are too long, and columns are padded.
pub fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// UIDs, times, ports and folders replaced by words.
pub fn normal(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, word) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "UID"),
        (r"\(UID [0-9a-f]{8}…\)", "(UID SHORT)"),
        (r"kubectl_synxdb_[0-9a-f]{8}", "kubectl_synxdb_ID"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r" +\d+(\.\d)? (ms|s)\b", " TIME"),
        (r"(?m)  \d+m?\d*s$", "  AGE"),
        (r"/tmp/[^ \n]*/", "FOLDER/"),
        (r"PostgreSQL \d[^(:]*\([^)]*\)|PostgreSQL \d[\w.]*", "PostgreSQL VERSION"),
    ] {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    text
}

/// The plugin while it runs.
pub struct Running {
    arguments: Vec<String>,
    pid: Pid,
    started: Instant,
    events: Receiver<Event>,
    out: Vec<u8>,
    err: Vec<u8>,
    ended: Option<ExitStatus>,
    open: u8,
}

enum Event {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Closed,
    Ended(ExitStatus),
}

impl Drop for Running {
    /// Nothing outlives a test that failed.
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let started = Instant::now();
        let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut child: Child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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
        Self { arguments, pid, started, events, out: Vec::new(), err: Vec::new(), ended: None, open: 2 }
    }

    fn next(&mut self, what: &str) {
        match self.events.recv_timeout(LIMIT.saturating_sub(self.started.elapsed())) {
            Ok(Event::Out(line)) => self.out.extend(line),
            Ok(Event::Err(line)) => self.err.extend(line),
            Ok(Event::Closed) => self.open -= 1,
            Ok(Event::Ended(status)) => self.ended = Some(status),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.signal(Signal::KILL);
                panic!("{what}: not within {LIMIT:?}\n{}", self.so_far().shown());
            }
        }
    }

    fn so_far(&self) -> Ran {
        Ran {
            arguments: self.arguments.clone(),
            code: self.ended.and_then(|status| status.code()),
            out: String::from_utf8_lossy(&self.out).into_owned(),
            err: String::from_utf8_lossy(&self.err).into_owned(),
            took: self.started.elapsed(),
        }
    }

    /// Waits until the standard error has this.
    pub fn until_warns(&mut self, word: &str) {
        while !String::from_utf8_lossy(&self.err).contains(word) {
            assert!(self.open > 0 || self.ended.is_none(), "it ended without {word:?}\n{}", self.so_far().shown());
            self.next(word);
        }
    }

    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            kill_process(self.pid, signal).unwrap();
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        while self.open > 0 || self.ended.is_none() {
            self.next("its end");
        }
        self.so_far()
    }
}
