//! What every command gets: its output streams, its flags, and a connection to the cluster.

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

/// Time limit for each request of a command that needs current data.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// What every command gets.
pub struct Context {
    /// The output streams.
    pub screen: Screen,
    /// Flags of all commands.
    pub global: Global,
    /// The layout that this machine provides.
    pub(super) chosen: Chosen,
    /// What was learned about the cluster when it was connected to.
    pub(super) surroundings: OnceLock<Surroundings>,
    /// Cancelled when the user wants to stop.
    pub interrupt: CancellationToken,
    /// Records that no volume can carry.
    pub journal: Journal,
    /// Password file of the command's practice cluster, which replaces all passwords of the user.
    pub practice_passfile: Option<PathBuf>,
    /// Whether Ctrl-C is meant for a program that uses the terminal, and not for this one.
    pub keyboard_lent: Arc<AtomicBool>,
}

impl Context {
    /// Connects with kubectl's flags and precedence, and reads the layout and the namespaces.
    pub(super) async fn cluster(&self) -> Result<Cluster> {
        self.cluster_with_timeout(DEADLINE).await
    }

    /// Connects in the same way, with a time limit for each request.
    pub(super) async fn cluster_with_timeout(&self, deadline: Duration) -> Result<Cluster> {
        let cluster = Cluster::connect(&options(&self.global)?, &Environment::of_process()).await?;
        let asked = Surroundings::read(self.chosen.clone(), &cluster, deadline);
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

    /// Returns the layout, as far as it is known by now.
    pub(super) fn layout(&self) -> &Layout {
        self.surroundings.get().map_or(&self.chosen.layout, |found| &found.layout)
    }

    /// Also prints an error as a document if the output is JSON.
    pub(super) fn also_in_json(&self, output: &Output, result: Result<Exit>) -> Result<Exit> {
        if let (Err(error), true) = (&result, output.is_json()) {
            self.screen.result(&structured::line(&structured::error(error)));
        }
        result
    }

    /// Returns where the record of an operation is kept if no volume can carry it.
    pub(super) fn journal_of(&self, id: &str) -> String {
        self.journal.path(id).map_or_else(|| "nowhere: HOME is not set".to_owned(), |path| path.display().to_string())
    }

    /// Runs `work` until the user interrupts it.
    pub(super) async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.interrupt.cancelled() => Err(Error::new(Exit::Interrupted, "interrupted; nothing was changed")),
            done = work => done,
        }
    }
}

/// Returns the connection options from the flags.
pub(super) fn options(global: &Global) -> Result<ConnectOptions> {
    let flags = global.clone();
    if flags.ignored.match_server_version {
        return Err(Error::usage("--match-server-version cannot be fulfilled")
            .because("the plugin is not part of a Kubernetes release, so no server has its version"));
    }
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
        as_extra: flags.as_user_extra,
        request_timeout: flags.request_timeout.as_deref().map(parse_request_timeout).transpose()?,
        tls_server_name: flags.tls_server_name,
        proxy_url: flags.proxy_url,
        disable_compression: flags.disable_compression,
        kuberc: flags.kuberc,
        insecure_skip_tls_verify: flags.insecure_skip_tls_verify,
        certificate_authority: flags.certificate_authority,
        client_certificate: flags.client_certificate,
        client_key: flags.client_key,
        cache_dir: flags.cache_dir,
    })
}
