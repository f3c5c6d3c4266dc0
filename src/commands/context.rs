//! What every command is given: where its output goes, what it was told, and a connection to the cluster.

use super::surroundings::{Chosen, Surroundings};
use crate::cli::{Global, Output, Token};
use crate::cluster::{Cluster, ConnectOptions, Environment, parse_request_timeout};
use crate::error::{Error, Exit, Result};
use crate::journal::Journal;
use crate::render::{Screen, layout as layout_text, sanitize_line, structured};
use crate::topology::Layout;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What each request may take of a command that needs to know what is there now.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// What every command is given.
pub struct Context {
    /// Where output goes.
    pub screen: Screen,
    /// Flags of all commands.
    pub global: Global,
    /// What this machine says that SynxDB calls things.
    pub(super) chosen: Chosen,
    /// What was learned of the cluster, once it was connected to.
    pub(super) surroundings: OnceLock<Surroundings>,
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

impl Context {
    /// Connects with kubectl's own flags and precedence, and learns what there is around.
    pub(super) async fn cluster(&self) -> Result<Cluster> {
        self.cluster_within(DEADLINE).await
    }

    /// The same, where each question may take so long.
    pub(super) async fn cluster_within(&self, deadline: Duration) -> Result<Cluster> {
        let cluster = Cluster::connect(&options(&self.global)?, &Environment::of_process()).await?;
        let asked = Surroundings::look(self.chosen.clone(), &cluster, deadline);
        let found = self.unless_interrupted(asked).await?;
        if self.global.verbosity > 0 {
            let why = found.clusters_own_unread.as_ref();
            let from = layout_text::from(found.chosen.source(), why.map(String::as_str));
            self.screen.note(&format!("{}\n", sanitize_line(&from)));
        }
        // A command connects once.
        let _ = self.surroundings.set(found);
        Ok(cluster)
    }

    /// What SynxDB calls things, as far as it is known by now.
    pub(super) fn layout(&self) -> &Layout {
        self.surroundings.get().map_or(&self.chosen.layout, |found| &found.layout)
    }

    /// Tells an error as a document, too, where the output is one a line.
    pub(super) fn also_in_json(&self, output: &Output, told: Result<Exit>) -> Result<Exit> {
        if let (Err(error), true) = (&told, output.is_json()) {
            self.screen.result(&structured::line(&structured::error(error)));
        }
        told
    }

    /// Where the record of this act is kept if no volume can carry it, in words.
    pub(super) fn journal_of(&self, id: &str) -> String {
        self.journal.path(id).map_or_else(|| "nowhere: HOME is not set".to_owned(), |path| path.display().to_string())
    }

    pub(super) async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.interrupt.cancelled() => Err(Error::new(Exit::Interrupted, "interrupted; nothing was changed")),
            done = work => done,
        }
    }
}

/// How to connect, from the flags.
pub(super) fn options(global: &Global) -> Result<ConnectOptions> {
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
