//! One file per command: read, plan, confirm, run, render. The only modules that may import all the others.

mod availability;
mod baseline;
mod carry_out;
mod complete;
mod completion;
mod confirm;
mod context;
mod failover;
mod findings;
mod forward;
mod history;
mod interruption;
mod layout;
mod lease;
mod login;
mod namespaces;
mod prepared;
mod rbac;
mod recorded;
mod release;
mod resume;
#[cfg(feature = "sandbox")]
mod sandbox;
#[cfg(not(feature = "sandbox"))]
#[path = "no_sandbox.rs"]
mod sandbox;
mod schema;
mod sight;
mod status;
mod status_selection;
mod status_watch;
mod surroundings;
mod target;
mod tries;
mod undo;
mod verify;

use crate::cli::{Cli, Command, Output};
use crate::completion::scripts;
use crate::error::{Error, Exit, Result};
use crate::journal::Journal;
use crate::render::{Screen, structured};
use crate::suggestion::carry;
use interruption::interruption;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use surroundings::chosen;

pub use complete::complete;
pub use context::Context;

/// Runs a command.
///
/// # Errors
/// The command failed; the error has the exit code.
pub fn run(cli: Cli, screen: Screen) -> Result<Exit> {
    let cli = Cli { global: cli.global.without_empty(), ..cli };
    carry(cli.given_flags());
    match &cli.command {
        // These need no runtime, no kubeconfig and no request.
        Command::Version { output } => screen.result(&version(output)?),
        Command::Completion(args) if let Some(shell) = args.command.shell() => screen.result(scripts::script(shell)),
        Command::Rbac(args) if !args.reads_namespaces() => screen.result(&rbac::rbac(args)?),
        Command::Schema(args) => screen.result(&schema::schema(args)?),
        Command::Sandbox(args) if args.list => screen.result(&sandbox::list(&args.output)?),
        _ => {
            let runtime = runtime()?;
            let ended = runtime.block_on(connected(cli, screen));
            // An interrupted prompt may still wait for input: do not wait for it.
            runtime.shutdown_background();
            return ended;
        }
    }
    Ok(Exit::Yes)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::failure("cannot start").because_of(error))
}

async fn connected(cli: Cli, screen: Screen) -> Result<Exit> {
    let keyboard_lent = Arc::new(AtomicBool::new(false));
    let interrupt = interruption(keyboard_lent.clone());
    let chosen = chosen(&cli.global, |name| std::env::var_os(name))?;
    let journal = Journal::of_user(|name| std::env::var_os(name));
    let global = cli.global;
    let mut context = Context {
        screen,
        chosen,
        surroundings: OnceLock::new(),
        global,
        interrupt,
        journal,
        practice_passfile: None,
        keyboard_lent,
    };
    match cli.command {
        Command::Sandbox(args) => sandbox::stay(&context, &args.output).await,
        Command::Status(args) => {
            sandbox::around(&mut context, async |context| status::status(context, &args).await).await
        }
        Command::Failover(args) => {
            sandbox::around(&mut context, async |context| failover::failover(context, &args).await).await
        }
        Command::Undo(args) => sandbox::around(&mut context, async |context| undo::undo(context, &args).await).await,
        Command::History(args) => {
            sandbox::around(&mut context, async |context| history::history(context, &args).await).await
        }
        Command::Release(args) => {
            sandbox::around(&mut context, async |context| release::release(context, &args).await).await
        }
        Command::Forward(args) => {
            sandbox::around(&mut context, async |context| forward::forward(context, &args).await).await
        }
        Command::Verify(args) => {
            sandbox::around(&mut context, async |context| {
                context.unless_interrupted(verify::verify(context, &args)).await
            })
            .await
        }
        Command::Completion(args) => completion::run(&context, &args.command).await,
        Command::Rbac(args) => {
            sandbox::around(&mut context, async |context| {
                let asked = rbac::in_namespaces_of_synxdb(context, &args);
                context.screen.result(&context.unless_interrupted(asked).await?);
                Ok(Exit::Yes)
            })
            .await
        }
        Command::Layout(args) => sandbox::around(&mut context, async |context| layout::run(context, &args).await).await,
        Command::Version { .. } | Command::Schema(_) => Ok(Exit::Yes),
    }
}

fn version(output: &Output) -> Result<String> {
    Ok(match output {
        Output::Machine(form) => structured::document(form, &structured::version())?,
        _ => concat!("kubectl-synxdb ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
    })
}
