//! The practice cluster: for one command, or kept running.

use super::Context;
use crate::cli::{Machine, Output};
use crate::error::{Error, Exit, Result};
use crate::journal::Journal;
use crate::render::{sandbox_documents, structured};
use crate::suggestion::quoted;
use practice_cluster::{Options, Sandbox, SandboxError};
use std::path::PathBuf;

/// Environment variable that names the folder for the practice cluster's state.
const STATE_VARIABLE: &str = "KUBECTL_SYNXDB_SANDBOX_DIR";

/// Runs a command, on a temporary practice cluster if `--sandbox` was given.
pub(super) async fn around(context: &mut Context, command: impl AsyncFnOnce(&Context) -> Result<Exit>) -> Result<Exit> {
    if !context.global.sandbox {
        if context.global.scenario.is_some() {
            return Err(Error::usage("--scenario needs the practice cluster").hint("use --sandbox --scenario NAME"));
        }
        return command(context).await;
    }
    let sandbox = start(context).await?;
    context.global.kubeconfig = Some(sandbox.kubeconfig().to_owned());
    context.practice_passfile = Some(sandbox.passfile().to_owned());
    // Its journal is removed with it.
    context.journal = Journal::at(sandbox.folder().join("journal"));
    let ready = context.unless_interrupted(ready(&sandbox)).await;
    let ended = match ready {
        Ok(()) => command(context).await,
        Err(error) => Err(error),
    };
    sandbox.stop().await;
    ended
}

/// Keeps a practice cluster running until Ctrl-C or SIGTERM.
pub(super) async fn stay(context: &Context, output: &Output) -> Result<Exit> {
    let sandbox = start(context).await?;
    let screen = context.screen;
    screen.note(&format!(
        "Practice cluster, scenario {}. In another terminal:\n\n",
        screen.err.strong(&sandbox.scenario().name)
    ));
    let variables = [("KUBECONFIG", sandbox.kubeconfig()), ("PGPASSFILE", sandbox.passfile())];
    let lines: String =
        variables.map(|(name, path)| format!("export {name}={}\n", quoted(&path.to_string_lossy()))).concat();
    if output.is_for_people() {
        screen.result(&lines);
    } else {
        screen.note(&lines);
    }
    screen.note(
        "\nThen run kubectl synxdb status, or plain kubectl get pods -A. PGPASSFILE has the\npassword of its databases. \
         Press Ctrl-C to stop.\n",
    );
    let ready = context.unless_interrupted(ready(&sandbox)).await;
    if ready.is_ok() {
        if let Output::Machine(form) = output {
            let document =
                sandbox_documents::sandbox(&sandbox.scenario().name, sandbox.kubeconfig(), sandbox.passfile());
            screen.result(&match form {
                Machine::Json => structured::line(&document),
                form => structured::document(form, &document)?,
            });
        }
        screen.note(&format!("{}\n", screen.err.ok("Ready.")));
        context.interrupt.cancelled().await;
    }
    screen.note("\nStopping…\n");
    sandbox.stop().await;
    match ready {
        Err(error) if error.exit != Exit::Interrupted => Err(error),
        _ => Ok(Exit::Yes),
    }
}

/// Waits until every pod is Ready that can be in the scenario.
async fn ready(sandbox: &Sandbox) -> Result<()> {
    sandbox.ready().await.map_err(to_error)
}

async fn start(context: &Context) -> Result<Sandbox> {
    let folder = std::env::var_os(STATE_VARIABLE).filter(|folder| !folder.is_empty());
    let mut options = Options { state_root: folder.map(PathBuf::from), ..Options::default() };
    if let Some(scenario) = &context.global.scenario {
        options.scenario.clone_from(scenario);
    }
    let sandbox = Sandbox::start(options).await.map_err(to_error)?;
    for notice in sandbox.notices() {
        context.screen.note(&format!("{} {notice}\n", context.screen.err.warn("note:")));
    }
    Ok(sandbox)
}

fn to_error(error: SandboxError) -> Error {
    let failure = Error::failure(error.what()).because(error.why());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Lists the scenarios, one per line.
pub(super) fn list(output: &Output) -> Result<String> {
    let scenarios = practice_cluster::scenarios().map_err(to_error)?;
    if let Output::Machine(form) = output {
        return structured::document(form, &sandbox_documents::scenarios(&scenarios));
    }
    let width = scenarios.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    Ok(scenarios.iter().map(|(name, what)| format!("{name:<width$}  {what}\n")).collect())
}

/// Returns the name and description of each scenario.
pub(super) fn scenarios() -> Vec<(&'static str, String)> {
    practice_cluster::scenarios().unwrap_or_default()
}

/// Returns the StatefulSets of a scenario; `None` if it does not exist.
pub(super) fn stateful_sets(scenario: Option<&str>) -> Option<Vec<serde_json::Value>> {
    practice_cluster::stateful_sets(scenario).ok()
}
