//! A file a verb: read, plan, confirm, run, render. The only modules that see all the others.

mod act;
mod baseline;
mod complete;
mod completion;
mod confirm;
mod failover;
mod forward;
mod history;
mod lease;
mod live;
mod login;
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
mod status;
mod target;
mod tries;
mod undo;
mod verify;

use crate::cli::{Cli, Command, Global, Output, Token};
use crate::cluster::{Cluster, ConnectOptions, Environment, files, parse_request_timeout};
use crate::completion::scripts;
use crate::error::{Error, Exit, Result};
use crate::journal::Journal;
use crate::render::{Screen, machine};
use crate::topology::Layout;
use crate::topology::layout::DEFAULT_LAYOUT;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

pub use complete::complete;

/// What every command is given.
pub struct Context {
    /// Where output goes.
    pub screen: Screen,
    /// Flags of all commands.
    pub global: Global,
    /// What SynxDB calls things.
    pub layout: Layout,
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
        Command::Layout => screen.result(&layout_text(&cli.global)?),
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
        .map_err(|error| Error::failure("cannot start").because(error.to_string()))
}

async fn connected(cli: Cli, screen: Screen) -> Result<Exit> {
    let keyboard_lent = Arc::new(AtomicBool::new(false));
    let interrupt = interruption(keyboard_lent.clone());
    let layout = layout(&cli.global)?;
    let journal = Journal::of_user(|name| std::env::var_os(name));
    let global = cli.global;
    let mut context = Context { screen, layout, global, interrupt, journal, practice_passfile: None, keyboard_lent };
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
        Command::Layout | Command::Version { .. } | Command::Schema(_) => Ok(Exit::Yes),
    }
}

impl Context {
    /// Connects with kubectl's own flags and precedence; makes no request.
    async fn cluster(&self) -> Result<Cluster> {
        Cluster::connect(&options(&self.global)?, &Environment::of_process()).await
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

/// The layout in force.
fn layout(global: &Global) -> Result<Layout> {
    Layout::parse(&read_layout(global)?)
}

/// The text of the layout in force, once it is known to be one.
fn layout_text(global: &Global) -> Result<String> {
    let text = read_layout(global)?;
    Layout::parse(&text)?;
    Ok(text)
}

/// `--layout`, $KUBECTL_SYNXDB_LAYOUT, or the shipped one.
fn read_layout(global: &Global) -> Result<String> {
    let named = std::env::var_os("KUBECTL_SYNXDB_LAYOUT").map(PathBuf::from);
    let unset = if named.is_some() { "env -u KUBECTL_SYNXDB_LAYOUT " } else { "" };
    let Some(path) = global.layout.clone().or(named) else { return Ok(DEFAULT_LAYOUT.to_owned()) };
    files::text(&path, files::LARGEST).map_err(|error| {
        Error::usage(format!("the layout {} cannot be read", path.display()))
            .because(error.to_string())
            .hint(format!("{unset}kubectl synxdb layout prints one to start from"))
    })
}

fn version(output: &Output) -> Result<String> {
    Ok(match output {
        Output::Machine(form) => machine::document(form, &machine::version())?,
        _ => concat!("kubectl-synxdb ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
    })
}
