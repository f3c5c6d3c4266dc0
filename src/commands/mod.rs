//! A file a verb: read, plan, confirm, run, render. The only modules that see all the others.

mod baseline;
mod carry_out;
mod complete;
mod completion;
mod confirm;
mod failover;
mod findings;
mod forward;
mod history;
mod layout;
mod lease;
mod live;
mod login;
mod prepared;
mod rbac;
mod reachability;
mod recorded;
mod resume;
#[cfg(feature = "sandbox")]
mod sandbox;
#[cfg(not(feature = "sandbox"))]
#[path = "no_sandbox.rs"]
mod sandbox;
mod schema;
mod scope;
mod sight;
mod status;
mod surroundings;
mod target;
mod tries;
mod undo;
mod verify;

use crate::cli::{Cli, Command, Global, Output, Token};
use crate::cluster::{Cluster, ConnectOptions, Environment, parse_request_timeout};
use crate::completion::scripts;
use crate::error::{Error, Exit, Result};
use crate::journal::Journal;
use crate::render::{Screen, harmless, layout as layout_text, machine};
use crate::topology::Layout;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use surroundings::{Chosen, Surroundings, chosen};
use tokio_util::sync::CancellationToken;

pub use complete::complete;

/// What every command is given.
pub struct Context {
    /// Where output goes.
    pub screen: Screen,
    /// Flags of all commands.
    pub global: Global,
    /// What this machine says that SynxDB calls things.
    chosen: Chosen,
    /// What was learned of the cluster, once it was connected to.
    surroundings: OnceLock<Surroundings>,
    /// Set when the user wants to stop.
    pub interrupt: CancellationToken,
    /// Where records are kept that no volume can carry.
    pub journal: Journal,
    /// The password file of the practice cluster that the command runs on, which counts in place of every password of
    /// the user's own.
    pub practice_passfile: Option<PathBuf>,
    /// Whether Ctrl-C is for a program that has the terminal, and not for this one.
    pub keyboard_lent: Arc<AtomicBool>,
}

/// Runs a command to its end.
///
/// # Errors
/// Whatever kept it from answering, with its exit code.
pub fn run(cli: Cli, screen: Screen) -> Result<Exit> {
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
            // A question that a signal ended may still wait for its key: nobody waits for it.
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
            sandbox::around(&mut context, async |context| history::run(context, &args).await).await
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

impl Context {
    /// Connects with kubectl's own flags and precedence, and learns what there is around.
    async fn cluster(&self) -> Result<Cluster> {
        self.cluster_within(scope::DEADLINE).await
    }

    /// The same, where each question may take so long.
    async fn cluster_within(&self, deadline: Duration) -> Result<Cluster> {
        let cluster = Cluster::connect(&options(&self.global)?, &Environment::of_process()).await?;
        let asked = Surroundings::look(self.chosen.clone(), &cluster, deadline);
        let found = self.unless_interrupted(asked).await?;
        if self.global.verbosity > 0 {
            let why = found.clusters_own_unread.as_ref();
            let from = layout_text::from(found.chosen.source(), why.map(String::as_str));
            self.screen.note(&format!("{}\n", harmless(&from)));
        }
        // A command connects once.
        let _ = self.surroundings.set(found);
        Ok(cluster)
    }

    /// What SynxDB calls things, as far as it is known by now.
    fn layout(&self) -> &Layout {
        self.surroundings.get().map_or(&self.chosen.layout, |found| &found.layout)
    }

    /// Tells an error as a document, too, where the output is one a line.
    fn also_in_json(&self, output: &Output, told: Result<Exit>) -> Result<Exit> {
        if let (Err(error), true) = (&told, output.is_json()) {
            self.screen.result(&machine::line(&machine::error(error)));
        }
        told
    }

    /// Where the record of this act is kept if no volume can carry it, in words.
    fn journal_of(&self, id: &str) -> String {
        self.journal.path(id).map_or_else(|| "nowhere: HOME is not set".to_owned(), |path| path.display().to_string())
    }

    async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.interrupt.cancelled() => Err(Error::new(Exit::Interrupted, "interrupted; nothing was changed")),
            done = work => done,
        }
    }
}

/// How to connect, from the flags.
fn options(global: &Global) -> Result<ConnectOptions> {
    let flags = global.clone();
    Ok(ConnectOptions {
        kubeconfig: flags.kubeconfig,
        context: flags.context,
        cluster: flags.cluster,
        user: flags.user,
        namespace: flags.namespace,
        server: flags.server,
        token: flags.token.map(Token::into_inner),
        as_user: flags.as_user,
        as_uid: flags.as_uid,
        as_groups: flags.as_group,
        request_timeout: flags.request_timeout.as_deref().map(parse_request_timeout).transpose()?,
        tls_server_name: flags.tls_server_name,
        insecure_skip_tls_verify: flags.insecure_skip_tls_verify,
        certificate_authority: flags.certificate_authority,
        client_certificate: flags.client_certificate,
        client_key: flags.client_key,
        cache_dir: flags.cache_dir,
    })
}

/// A token that Ctrl-C and SIGTERM set; Ctrl-C only while the keyboard is not lent.
fn interruption(lent: Arc<AtomicBool>) -> CancellationToken {
    let token = CancellationToken::new();
    let set = token.clone();
    tokio::spawn(async move {
        signalled(&lent).await;
        set.cancel();
    });
    token
}

#[cfg(unix)]
async fn signalled(lent: &AtomicBool) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        () = ctrl_c(lent) => {}
        _ = term.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signalled(lent: &AtomicBool) {
    ctrl_c(lent).await;
}

async fn ctrl_c(lent: &AtomicBool) {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        if !lent.load(Ordering::SeqCst) {
            return;
        }
    }
}

fn version(output: &Output) -> Result<String> {
    Ok(match output {
        Output::Machine(form) => machine::document(form, &machine::version())?,
        _ => concat!("kubectl-synxdb ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
    })
}
