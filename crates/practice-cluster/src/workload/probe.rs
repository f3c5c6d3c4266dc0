//! What a probe finds: whether a port is listened on, what a page answers, how a command ends.

use super::component::Component;
use super::running::{Process, Running};
use storage_stand_in::PageRequest;

/// Why a page that does not answer fails its probe, in the kubelet's words.
const SILENT: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Whether a connection to the port can be opened.
    Tcp(u16),
    /// What a page answers.
    Http {
        /// Port.
        port: u16,
        /// Path, with its `/`.
        path: String,
    },
    /// How a command ends in the container.
    Exec(Vec<String>),
    /// It cannot be asked: why.
    Impossible(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It passed.
    Passed,
    /// It failed: in the kubelet's words.
    Failed(String),
    /// It could not be asked, which counts as nothing.
    Errored(String),
}

impl Running {
    /// Asks a probe's question now.
    pub(crate) fn answer(&self, check: &Check, pod_ip: &str) -> Answer {
        let refused = |port: u16| format!("dial tcp {pod_ip}:{port}: connect: connection refused");
        match check {
            Check::Tcp(port) if self.listens(*port) => Answer::Passed,
            Check::Tcp(port) => Answer::Failed(refused(*port)),
            Check::Http { port, path } => match (&self.process, self.listens(*port)) {
                (Process::Storage(member), true) if *port == member.role().http_port() => {
                    match member.respond(&PageRequest::without_token(path, self.is_up())).status() {
                        Some(200..400) => Answer::Passed,
                        Some(code) => Answer::Failed(format!("HTTP probe failed with statuscode: {code}")),
                        None => Answer::Failed(format!("Get \"http://{pod_ip}:{port}{path}\": {SILENT}")),
                    }
                }
                (_, listens) => {
                    let why = if listens { "EOF".to_owned() } else { refused(*port) };
                    Answer::Failed(format!("Get \"http://{pod_ip}:{port}{path}\": {why}"))
                }
            },
            Check::Exec(command) => self.run(command),
            Check::Impossible(why) => Answer::Errored(why.clone()),
        }
    }

    /// Whether something in the pod listens on a port.
    fn listens(&self, port: u16) -> bool {
        match (&self.process, self.component) {
            (Process::Storage(member), _) => [member.role().http_port(), member.role().wal_port()].contains(&port),
            // Without PostgreSQL on this machine a proxy's pod is as ready as it can be.
            (_, Component::MetadataProxy | Component::WarehouseProxy | Component::Warehouse) => {
                port == 5432 && self.is_up()
            }
            _ => false,
        }
    }

    /// There is no container to run a command in: those that are known end as they would.
    fn run(&self, command: &[String]) -> Answer {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let program = words.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
        match (program, words.as_slice()) {
            ("sh" | "bash", [_, .., script]) if words.len() > 2 => {
                let inner: Vec<String> = script.split_whitespace().map(str::to_owned).collect();
                self.run(&inner)
            }
            ("pg_isready" | "psql", _) if !self.listens(5432) => {
                Answer::Failed("127.0.0.1:5432 - rejecting connections".to_owned())
            }
            ("exit", [_, code, ..]) if *code != "0" => Answer::Failed(String::new()),
            ("false", _) => Answer::Failed(String::new()),
            _ => Answer::Passed,
        }
    }
}
