//! One run of the plugin, to its end or to its kill, with everything that goes wrong in between.

use super::case::{Case, Kill, Other, Trouble};
use super::world::{CLAIMS, Meddled, Told, is_owned, mounted, uid};
use practice_cluster::Sandbox;
use practice_cluster::api::faults::Processed;
use practice_cluster::store::{DeleteOptions, Key, Store};
use serde_json::Value;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};

/// Far more than a cluster takes to be ready, or the plugin to end by its own `--timeout`.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);
/// `--timeout` of the second operator, in seconds.
const OF_SECOND: u64 = 20;

/// The setting of a case.
pub(crate) struct Stage<'s> {
    pub(crate) case: &'s Case,
    pub(crate) sandbox: &'s Sandbox,
    /// Home folders of the first and the second operator.
    pub(crate) homes: [&'s Path; 2],
    pub(crate) mutations: UnboundedReceiver<Processed>,
    pub(crate) meddled: Meddled,
}

/// A running plugin.
struct Running {
    child: Child,
    out: JoinHandle<Vec<(u64, Value)>>,
    err: JoinHandle<String>,
    told: Told,
    status: Option<ExitStatus>,
}

impl Running {
    fn runs(&self) -> bool {
        self.status.is_none()
    }

    /// Returns its output, once it has ended.
    async fn told(self) -> Result<Told, String> {
        let mut told = self.told;
        told.code = self.status.and_then(|status| status.code());
        told.lines = self.out.await.map_err(|error| error.to_string())?;
        told.err = self.err.await.map_err(|error| error.to_string())?;
        // A truncated line is plain text.
        for (_, document) in told.lines.iter().filter(|(_, document)| document.is_object()) {
            super::support::schemas::wrong(document)?;
        }
        Ok(told)
    }
}

impl Stage<'_> {
    /// Runs the plugin once, and returns its output, followed by that of a second operator's run if there was one.
    ///
    /// # Errors
    /// It does not end, or its output does not match its schema.
    pub(crate) async fn run(&mut self, arguments: Vec<String>, trouble: &Trouble) -> Result<Vec<Told>, String> {
        let mut own = self.start(arguments, false)?;
        own.told.refused = trouble.refused;
        let mut second: Option<Running> = None;
        let killed_after = async {
            match trouble.kill {
                Some(Kill::After(time)) => sleep(time).await,
                _ => std::future::pending().await,
            }
        };
        tokio::pin!(killed_after);
        let mut manager: Option<Pin<Box<Sleep>>> = None;
        let (mut count, limit) = (0, sleep(LIMIT));
        tokio::pin!(limit);
        while own.runs() || second.as_ref().is_some_and(Running::runs) {
            tokio::select! {
                Some(word) = self.mutations.recv() => {
                    let did = word.mutation.clone();
                    let (is_own, is_lease) = (did.impersonated.is_none(), did.resource == "leases");
                    match &mut second {
                        Some(second) if !is_own => second.told.mutations.push(did),
                        _ => own.told.mutations.push(did),
                    }
                    // Renewals of Leases depend on the clock, and are not counted.
                    if !is_own || is_lease || !own.runs() {
                        continue;
                    }
                    count += 1;
                    for (_, other) in trouble.others.iter().filter(|(n, _)| *n == count) {
                        match *other {
                            Other::DeletesPod | Other::DeletesClaims => self.meddle(*other),
                            Other::RestartsApi(down_for) => self.sandbox.restart_api(down_for).await,
                            Other::StopsManager(time) => {
                                self.sandbox.stop_controller_manager(true);
                                manager = Some(Box::pin(sleep(time)));
                            }
                            Other::Runs(what) if second.is_none() => {
                                let mut running = self.start(self.case.second(what, OF_SECOND), true)?;
                                running.told.refused = trouble.refused;
                                second = Some(running);
                            }
                            Other::Runs(_) => {}
                        }
                    }
                    match trouble.kill {
                        Some(Kill::AtMutation { n, answered }) if n == count => {
                            if answered {
                                word.answered().await;
                                let _ = own.child.start_kill();
                            } else {
                                let _ = own.child.start_kill();
                                let _ = own.child.wait().await;
                            }
                            own.told.killed = true;
                        }
                        _ => drop(word),
                    }
                }
                status = own.child.wait(), if own.runs() => {
                    own.status = Some(status.map_err(|error| error.to_string())?);
                }
                status = ended(&mut second) => {
                    let status = status.map_err(|error| error.to_string())?;
                    second.iter_mut().for_each(|second| second.status = Some(status));
                }
                () = &mut killed_after, if own.runs() && !own.told.killed => {
                    let _ = own.child.start_kill();
                    own.told.killed = true;
                }
                () = back(&mut manager) => {
                    self.sandbox.stop_controller_manager(false);
                    manager = None;
                }
                () = &mut limit => {
                    let arguments = own.told.arguments.join(" ");
                    return Err(format!("the plugin does not end within {LIMIT:?}: {arguments}"));
                }
            }
        }
        self.sandbox.stop_controller_manager(false);
        // Requests in flight when it ended.
        while let Ok(word) = self.mutations.try_recv() {
            own.told.mutations.push(word.mutation);
        }
        let mut told = vec![own.told().await?];
        if let Some(second) = second {
            told.push(second.told().await?);
        }
        Ok(told)
    }

    fn start(&self, arguments: Vec<String>, second: bool) -> Result<Running, String> {
        // Another build, if one is named.
        let program =
            std::env::var_os("SYNXDB_MODEL_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_kubectl-synxdb").into());
        let home = self.homes[usize::from(second)];
        let mut command = Command::new(program);
        command.args(&arguments).env_clear().env("HOME", home).current_dir(home);
        command.env("KUBECONFIG", self.sandbox.kubeconfig()).env("PGPASSFILE", self.sandbox.passfile());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let began = self.sandbox.store().version();
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("no pipes".into());
        };
        let out = tokio::spawn(lines(BufReader::new(out), self.sandbox.store().clone()));
        let err = tokio::spawn(async move {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text).await;
            text
        });
        let told = Told { arguments, began, second, ..Told::default() };
        Ok(Running { child, out, err, told, status: None })
    }

    /// Deletes something by hand, as another user.
    fn meddle(&mut self, other: Other) {
        let (store, command) = (self.sandbox.store(), &self.case.command);
        let namespace = command.namespace.as_str();
        // Already gone: nothing to delete.
        let Some(pod) = store.get(&Key::new("pods", namespace, command.pod.as_str())) else { return };
        if matches!(other, Other::DeletesPod) {
            self.meddled.pods.insert(uid(&pod).to_owned());
            let claims = store.list(CLAIMS, Some(namespace)).0;
            let own = claims.iter().filter(|claim| is_owned(claim, uid(&pod))).map(|claim| uid(claim).to_owned());
            self.meddled.claims.extend(own);
            let _ = store.delete(&Key::new("pods", namespace, command.pod.as_str()), &DeleteOptions::default());
            return;
        }
        for key in mounted(&pod).into_iter().map(|claim| Key::new(CLAIMS, namespace, claim)) {
            if let Ok((claim, _)) = store.delete(&key, &DeleteOptions::default()) {
                self.meddled.claims.insert(uid(&claim).to_owned());
            }
        }
    }
}

/// Resolves when a second operator's run has ended; never without one.
async fn ended(second: &mut Option<Running>) -> std::io::Result<ExitStatus> {
    match second.as_mut().filter(|second| second.runs()) {
        Some(second) => second.child.wait().await,
        None => std::future::pending().await,
    }
}

/// Resolves when the controller manager is back; never if it is not stopped.
async fn back(manager: &mut Option<Pin<Box<Sleep>>>) {
    match manager {
        Some(manager) => manager.await,
        None => std::future::pending().await,
    }
}

/// Reads the plugin's JSON lines, each with the store's version at that time.
async fn lines(mut out: BufReader<tokio::process::ChildStdout>, store: Arc<Store>) -> Vec<(u64, Value)> {
    let mut all = Vec::new();
    let mut line = String::new();
    while out.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let version = store.version();
        // The last line of a killed process may be truncated; the judge handles anything else.
        all.push((version, serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line.clone()))));
        line.clear();
    }
    all
}
