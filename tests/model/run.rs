//! A case, carried out: the practice cluster, the real binary, the faults, the kill, and the run after it.

use super::case::{Case, Kill, Other};
use super::world::{CLAIMS, History, Told, VOLUMES, is_ready, mounted, text};
use practice_cluster::api::faults::{Applied, Processed};
use practice_cluster::store::{DeleteOptions, Key, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Far more than a cluster takes to be ready, or the plugin to end by its own `--timeout`.
const LIMIT: Duration = Duration::from_secs(180);
/// `--timeout` in seconds, with faults and without.
const WITH_FAULTS: u64 = 20;
const WITHOUT: u64 = 90;
/// The same for a pod that never becomes Ready.
const IN_VAIN: u64 = 4;
/// Runs after the first one: what they have to finish is one failover.
const MORE_RUNS: usize = 2;

/// All that is known of a case when it is over.
pub(crate) struct Story {
    pub(crate) runs: Vec<Told>,
    pub(crate) history: History,
    pub(crate) applied: Vec<Applied>,
    /// Whether somebody else meddled with pods or claims.
    pub(crate) meddled: bool,
    /// Version of the store when the failover was over.
    pub(crate) end: u64,
    pub(crate) undo: Option<Undone>,
}

/// How a failover was undone.
pub(crate) struct Undone {
    pub(crate) runs: Vec<Told>,
    /// Claims, and the volumes that they are to have again.
    pub(crate) returns: Vec<(String, String)>,
    /// Volumes that were retained before it.
    pub(crate) volumes: Vec<String>,
    /// Version of the store when it was over.
    pub(crate) end: u64,
}

/// What a run is like.
struct Way<'c> {
    case: &'c Case,
    arguments: Vec<String>,
    kill: Option<Kill>,
    other: Option<(u64, Other)>,
}

/// Carries out a case.
///
/// # Errors
/// The cluster is not ready in time, or the plugin does not end: in words.
pub(crate) async fn carry_out(case: &Case) -> Result<Story, String> {
    let scenario = serde_json::from_value(case.scenario()).map_err(|error| error.to_string())?;
    let options = Options { custom: Some(scenario), postgres: PostgresChoice::None, ..Options::default() };
    let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
    let told = match timeout(LIMIT, ready(case, &sandbox)).await {
        Ok(()) => story(case, &sandbox).await,
        Err(_) => Err(format!("the practice cluster is not ready within {LIMIT:?}")),
    };
    sandbox.stop().await;
    told
}

/// All pods that can become Ready are: those that an ordered set keeps behind one that cannot are not waited for.
async fn ready(case: &Case, sandbox: &Sandbox) {
    let down = case.topology.down.filter(|_| !case.topology.parallel);
    let Some(down) = down else {
        let _ = sandbox.ready().await;
        return;
    };
    let store = sandbox.store();
    let wanted =
        1 + case.topology.accounts.iter().map(|nodes| 1 + usize::from(*nodes)).sum::<usize>() + usize::from(down);
    loop {
        let since = store.version();
        let pods = store.list("pods", None).0;
        let running = |pod: &&Arc<Value>| text(pod, "/metadata/name") == format!("safekeeper-{down}");
        let runs = pods.iter().find(running).is_some_and(|pod| text(pod, "/status/phase") == "Running");
        if runs && pods.iter().filter(|pod| is_ready(pod)).count() == wanted {
            return;
        }
        if let Ok(mut watcher) = store.watch(since) {
            watcher.next().await;
        }
    }
}

async fn story(case: &Case, sandbox: &Sandbox) -> Result<Story, String> {
    let store = sandbox.store();
    let (history, since) = History::of(store);
    let history = Arc::new(Mutex::new(history));
    let mut watcher = store.watch(since).map_err(|error| format!("{error:?}"))?;
    let recorder = tokio::spawn({
        let history = history.clone();
        async move {
            while let Some(change) = watcher.next().await {
                lock(&history).add(change);
            }
        }
    });
    let mut mutations = sandbox.faults().mutations();
    case.faults.iter().for_each(|befalls| sandbox.faults().add(befalls.rule()));
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;

    let arguments = case.arguments(if case.in_vain() { IN_VAIN } else { WITH_FAULTS });
    let way = Way { case, arguments, kill: case.kill.clone(), other: case.other };
    let mut runs = vec![run(sandbox, home.path(), way, &mut mutations).await?];
    sandbox.faults().clear();
    let arguments = case.arguments(if case.in_vain() { IN_VAIN } else { WITHOUT });
    to_its_end(case, sandbox, home.path(), &mut runs, arguments, &mut mutations).await?;
    let end = store.version();
    let undo = undone(case, sandbox, home.path(), &runs, &mut mutations).await?;
    let last = undo.as_ref().map_or(end, |undo| undo.end);
    // The recorder is a moment behind.
    while lock(&history).latest() < last {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    recorder.abort();
    let history = std::mem::replace(&mut *lock(&history), History::of(store).0);
    let meddled = matches!(case.other, Some((_, Other::DeletesPod | Other::DeletesClaims)));
    Ok(Story { runs, history, applied: sandbox.faults().applied(), meddled, end, undo })
}

/// Runs it again, with nothing in its way, until there is nothing left to do.
async fn to_its_end(
    case: &Case,
    sandbox: &Sandbox,
    home: &Path,
    runs: &mut Vec<Told>,
    arguments: Vec<String>,
    mutations: &mut UnboundedReceiver<Processed>,
) -> Result<(), String> {
    while !is_final(&runs[runs.len() - 1], runs.len() > 1) && runs.len() <= MORE_RUNS {
        let way = Way { case, arguments: arguments.clone(), kill: None, other: None };
        let next = run(sandbox, home, way, mutations).await?;
        runs.push(next);
    }
    Ok(())
}

/// Undoes a failover that kept all of its volumes, where the case says so.
async fn undone(
    case: &Case,
    sandbox: &Sandbox,
    home: &Path,
    runs: &[Told],
    mutations: &mut UnboundedReceiver<Processed>,
) -> Result<Option<Undone>, String> {
    let last = runs[runs.len() - 1].verdict();
    let plan = runs[runs.len() - 1].plan();
    let (Some(undo), Some(plan), true) = (&case.undo, plan, ["recovered", "data-missing"].contains(&last)) else {
        return Ok(None);
    };
    // What the failover's first run set aside.
    let first = runs.iter().filter_map(Told::plan).find(|one| one["id"] == plan["id"]).unwrap_or(plan);
    let steps = first["steps"].as_array().cloned().unwrap_or_default();
    let kept = steps.iter().filter(|step| step["action"] == "retain");
    let returns: Vec<_> =
        kept.map(|step| (text(step, "/claim").to_owned(), text(step, "/volume").to_owned())).collect();
    if returns.is_empty() || returns.len() != first["replacedClaims"].as_array().map_or(0, Vec::len) {
        return Ok(None);
    }
    let store = sandbox.store();
    // Those of claims that somebody deleted meanwhile are on their way out.
    let retained = |volume: &&Arc<Value>| text(volume, "/spec/persistentVolumeReclaimPolicy") == "Retain";
    let volumes = store.list(VOLUMES, None).0;
    let volumes = volumes.iter().filter(retained).map(|volume| text(volume, "/metadata/name").to_owned()).collect();
    undo.faults.iter().for_each(|befalls| sandbox.faults().add(befalls.rule()));
    let id = text(plan, "/id");
    let way = Way { case, arguments: case.undo_arguments(id, WITH_FAULTS), kill: undo.kill.clone(), other: None };
    let mut runs = vec![run(sandbox, home, way, mutations).await?];
    sandbox.faults().clear();
    to_its_end(case, sandbox, home, &mut runs, case.undo_arguments(id, WITHOUT), mutations).await?;
    Ok(Some(Undone { runs, returns, volumes, end: store.version() }))
}

/// Whether nothing is left to be done by running it again: it is finished, or a run that nothing disturbed was refused
/// or waited in vain.
fn is_final(run: &Told, undisturbed: bool) -> bool {
    let finished = ["recovered", "unproven", "data-missing"].contains(&run.verdict());
    let refused = run.code == Some(4) && run.result().is_none();
    run.code.is_some() && (finished || undisturbed && (refused || run.verdict() == "timed-out"))
}

/// Runs the plugin once, to its end or to when it is killed.
async fn run(
    sandbox: &Sandbox,
    home: &Path,
    way: Way<'_>,
    mutations: &mut UnboundedReceiver<Processed>,
) -> Result<Told, String> {
    let arguments = way.arguments;
    // Another build of it, where one is named.
    let program =
        std::env::var_os("SYNXDB_MODEL_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_kubectl-synxdb").into());
    let mut command = Command::new(program);
    command.args(&arguments).env_clear().env("HOME", home).current_dir(home).env("KUBECONFIG", sandbox.kubeconfig());
    command.env("PGPASSFILE", sandbox.passfile());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else { return Err("no pipes".into()) };
    let out = tokio::spawn(lines(BufReader::new(out), sandbox.store().clone()));
    let err = tokio::spawn(async move {
        let mut text = String::new();
        let _ = err.read_to_string(&mut text).await;
        text
    });
    let mut told = Told { arguments, ..Told::default() };
    let killed_after = async {
        match way.kill {
            Some(Kill::After(time)) => tokio::time::sleep(time).await,
            _ => std::future::pending().await,
        }
    };
    tokio::pin!(killed_after);
    let (mut count, limit) = (0, tokio::time::sleep(LIMIT));
    tokio::pin!(limit);
    let status = loop {
        tokio::select! {
            Some(word) = mutations.recv() => {
                told.mutations.push(word.mutation.clone());
                // Renewed by the clock: those are not counted.
                if word.mutation.resource == "leases" {
                    continue;
                }
                count += 1;
                if let Some((_, other)) = way.other.filter(|(n, _)| *n == count) {
                    meddle(way.case, sandbox, other).await;
                }
                match way.kill {
                    Some(Kill::AtMutation { n, answered }) if n == count => {
                        if answered {
                            word.answered().await;
                            let _ = child.start_kill();
                        } else {
                            let _ = child.start_kill();
                            let _ = child.wait().await;
                        }
                        told.killed = true;
                    }
                    _ => drop(word),
                }
            }
            status = child.wait() => break status.map_err(|error| error.to_string())?,
            () = &mut killed_after, if !told.killed => {
                let _ = child.start_kill();
                told.killed = true;
            }
            () = &mut limit => {
                return Err(format!("the plugin does not end within {LIMIT:?}\n{}", told.in_words()));
            }
        }
    };
    told.code = status.code();
    // What was under way when it ended.
    while let Ok(word) = mutations.try_recv() {
        told.mutations.push(word.mutation);
    }
    told.lines = out.await.map_err(|error| error.to_string())?;
    told.err = err.await.map_err(|error| error.to_string())?;
    // A line that was cut is a text.
    for (_, document) in told.lines.iter().filter(|(_, document)| document.is_object()) {
        super::support::schemas::wrong(document)?;
    }
    Ok(told)
}

/// The plugin's JSON lines, each with the store's version when it came.
async fn lines(mut out: BufReader<tokio::process::ChildStdout>, store: Arc<Store>) -> Vec<(u64, Value)> {
    let mut all = Vec::new();
    let mut line = String::new();
    while out.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let version = store.version();
        // The last one of a process that was killed may be cut; anything else is for the judge.
        all.push((version, serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line.clone()))));
        line.clear();
    }
    all
}

/// Somebody else does this now.
async fn meddle(case: &Case, sandbox: &Sandbox, other: Other) {
    let (store, command) = (sandbox.store(), &case.command);
    let pod = Key::new("pods", command.namespace.as_str(), command.pod.as_str());
    // Gone already: nothing to meddle with.
    match other {
        Other::DeletesPod => {
            let _ = store.delete(&pod, &DeleteOptions::default());
        }
        Other::DeletesClaims => {
            for claim in store.get(&pod).iter().flat_map(|pod| mounted(pod)) {
                let _ = store.delete(&Key::new(CLAIMS, command.namespace.as_str(), claim), &DeleteOptions::default());
            }
        }
        Other::RestartsApi(down_for) => sandbox.restart_api(down_for).await,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
