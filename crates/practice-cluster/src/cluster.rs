//! Starting and stopping a practice cluster.

use crate::api::faults::Faults;
use crate::api::{self, ApiState, Host, Rbac, RequestLog, Restarts, Rule, Rules, User};
use crate::certificates::Certificates;
use crate::controllers::ephemeral::Ephemeral;
use crate::controllers::events::Recorder;
use crate::controllers::images::Images;
use crate::controllers::kubelet::{Kubelet, Machine};
use crate::controllers::pod_garbage::PodGarbage;
use crate::controllers::protection::Protection;
use crate::controllers::quotas::Quotas;
use crate::controllers::scheduler::Scheduler;
use crate::controllers::service_accounts::ServiceAccounts;
use crate::controllers::stateful_set::StatefulSets;
use crate::controllers::taints::{Cordons, TaintEviction};
use crate::controllers::volumes::Volumes;
use crate::controllers::{self, Context, Pace, ReplacedPods, nodes};
use crate::error::SandboxError;
use crate::files::{Folder, PASSABLE};
use crate::processes::Spawner;
use crate::readiness;
use crate::scenarios::{self, Scenario};
use crate::state::StateFolder;
use crate::store::{Key, Store};
use crate::unprivileged::Unprivileged;
use crate::workload::installation::{Installation, PostgresChoice};
use crate::workload::postgres::Postgres;
use crate::workload::{ADMINISTRATOR, Component, INSTALL_POSTGRESQL, SQL_SKIPPED, Streams, Workloads};
use rustix::fs::Mode;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How to start a practice cluster.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the scenario; empty for the default one.
    pub scenario: String,
    /// A scenario of the caller's own, in place of a named one.
    pub custom: Option<Scenario>,
    /// Folder in which sandboxes keep their state, each in a folder of its own; `/tmp/kubectl-synxdb-<uid>` unless
    /// given. Its path must be short, for sockets.
    pub state_root: Option<PathBuf>,
    /// Which PostgreSQL to run.
    pub postgres: PostgresChoice,
    /// In place of the scenario's own: seconds from Running to Ready for a pod that replaces an earlier one.
    pub replaced_pod_ready_seconds: Option<f64>,
    /// Whether it also holds an account of another release, which labels its pods differently.
    pub another_release: bool,
    /// What the user may not do, beside what the scenario denies.
    pub deny: Vec<Rule>,
    /// Bearer tokens that the API accepts, and their users.
    pub tokens: HashMap<String, User>,
    /// Whether PostgreSQL can be made to offer TLS. Servers then listen on ports of the loopback interface, which every
    /// user of this machine reaches: a password is needed there, too.
    pub sql_over_tls: bool,
}

/// What PostgreSQL servers are started with.
struct Servers {
    /// None where the machine has no PostgreSQL.
    installation: Option<Installation>,
    user: Option<Unprivileged>,
    ports: bool,
}

/// A running practice cluster. It ends with [`Sandbox::stop`] or its drop.
pub struct Sandbox {
    scenario: Arc<Scenario>,
    folder: Arc<StateFolder>,
    kubeconfig: PathBuf,
    /// The administrator's password in all databases, and a file for libpq that holds it.
    password: String,
    passfile: PathBuf,
    notices: Vec<String>,
    store: Arc<Store>,
    api: Arc<ApiState>,
    restarts: Restarts,
    workloads: Arc<Workloads>,
    postgres: Option<Arc<Postgres>>,
    /// Why no database cluster can be created, once that is known.
    broken: watch::Sender<Option<String>>,
    machines: mpsc::UnboundedSender<Machine>,
    /// Whether the controller manager is stopped.
    manager: watch::Sender<bool>,
    /// Which replaced pods become Ready.
    replaced_pods: watch::Sender<ReplacedPods>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    stopped: bool,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("scenario", &self.scenario.name)
            .field("folder", &self.folder.path())
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a practice cluster and returns when its API answers; its pods become ready afterwards (see
    /// [`Sandbox::ready`]). What killed sandboxes left behind is removed first. Runs in the caller's tokio runtime.
    ///
    /// # Errors
    /// An unknown scenario; an unusable state folder; no port or certificate.
    pub async fn start(options: Options) -> Result<Sandbox, SandboxError> {
        let name = if options.scenario.is_empty() { scenarios::DEFAULT } else { options.scenario.as_str() };
        let mut scenario = options.custom.map_or_else(|| scenarios::find(name), Ok)?;
        if let Some(seconds) = options.replaced_pod_ready_seconds {
            scenario.replaced_pod_ready_seconds = seconds;
        }
        scenario.deny.extend(options.deny);
        if options.another_release {
            scenario.add_another_release();
        }
        let tokens = options.tokens;
        let objects = scenario.objects()?;
        let user = Unprivileged::needed();
        let (folder, installation) = {
            let (root, user, choice) = (options.state_root, user.clone(), options.postgres);
            blocking(move || {
                let installation = Installation::find(&choice, user.as_ref());
                Ok((StateFolder::create(root.as_deref(), user.as_ref())?, installation))
            })
            .await?
        };
        let folder = Arc::new(folder);
        let servers = Servers { installation, user, ports: options.sql_over_tls };
        let started = Self::start_in(folder.clone(), scenario, objects, servers, tokens).await;
        if started.is_err() {
            let _ = blocking(move || {
                folder.remove();
                Ok(())
            })
            .await;
        }
        started
    }

    async fn start_in(
        folder: Arc<StateFolder>,
        scenario: Scenario,
        objects: Vec<(Key, Value)>,
        servers: Servers,
        tokens: HashMap<String, User>,
    ) -> Result<Sandbox, SandboxError> {
        let wrong = |error: std::io::Error| SandboxError::folder(folder.path(), &error);
        let certificates = Certificates::new()?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(SandboxError::Listen)?;
        let address = listener.local_addr().map_err(SandboxError::Listen)?;
        let own = Folder::open(folder.path()).map_err(wrong)?;
        // Only this user may read what holds a key or a password.
        let private = Mode::RUSR | Mode::WUSR;
        let kubeconfig = format!("{:#}\n", certificates.kubeconfig(address));
        own.write(Path::new("kubeconfig"), private, kubeconfig.as_bytes()).map_err(wrong)?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        let line = format!("*:*:*:{ADMINISTRATOR}:{password}\n");
        own.write(Path::new("pgpass"), private, line.as_bytes()).map_err(wrong)?;
        own.make_folder(Path::new("volumes"), PASSABLE, None).map_err(wrong)?;
        let volumes = folder.path().join("volumes");

        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let store = Store::new();
        let scenario = Arc::new(scenario);
        let postgres = match servers.installation {
            Some(installation) => {
                let spawner = Spawner::new(tokio::runtime::Handle::current()).map_err(wrong)?;
                Some(Arc::new(Postgres::new(installation, spawner, servers.user, folder.path(), servers.ports)?))
            }
            None => None,
        };
        let workloads = Workloads::new(
            store.clone(),
            scenario.clone(),
            postgres.clone(),
            password.clone(),
            folder.path(),
            shutdown.clone(),
        );
        let workloads = Arc::new(workloads.map_err(wrong)?);
        let manager = watch::Sender::new(false);
        let replaced_pods = watch::Sender::default();
        let context = Context {
            store: store.clone(),
            events: Arc::new(Recorder::new(store.clone())),
            images: Arc::new(Images::of(&objects)),
            scenario: scenario.clone(),
            pace: Pace::default(),
            volumes,
            raced: Arc::default(),
            manager_stopped: manager.subscribe(),
            replaced_pods: replaced_pods.subscribe(),
            shutdown: shutdown.clone(),
        };
        let rules = Rbac::new(Rules { deny: scenario.deny.clone() }, store.clone());
        let streams = Arc::new(Streams(workloads.clone()));
        let api = Arc::new(ApiState { tokens, ..ApiState::new(store.clone(), Arc::new(rules), streams) });
        let host = Host::new(listener, certificates.server_config(), api.clone(), shutdown.clone());
        let (host, restarts) = host.map_err(SandboxError::Listen)?;
        let (machines, news) = mpsc::unbounded_channel();
        let sandbox = Sandbox {
            scenario,
            folder: folder.clone(),
            kubeconfig: folder.path().join("kubeconfig"),
            password,
            passfile: folder.path().join("pgpass"),
            notices: if postgres.is_some() { Vec::new() } else { vec![INSTALL_POSTGRESQL.to_owned()] },
            store,
            api,
            restarts,
            workloads,
            postgres,
            broken: watch::Sender::new(None),
            machines,
            manager,
            replaced_pods,
            tasks,
            shutdown,
            stopped: false,
        };
        sandbox.populate(&context, objects);
        sandbox.tasks.spawn(host.run());
        sandbox.run_controllers(&context, news);
        Ok(sandbox)
    }

    /// Creates the scenario's objects.
    fn populate(&self, context: &Context, objects: Vec<(Key, Value)>) {
        api::bootstrap_roles(&self.store);
        for (key, mut object) in objects {
            if key.resource == "nodes" {
                nodes::register(context, &mut object);
            }
            let template = &object["spec"]["template"];
            if self.postgres.is_none() && Component::of(template).databases().is_some() {
                object["spec"]["template"]["metadata"]["annotations"][SQL_SKIPPED] = json!(INSTALL_POSTGRESQL);
            }
            // Manifests do not repeat objects.
            let _ = self.store.create(key, object, false);
        }
    }

    fn run_controllers(&self, context: &Context, news: mpsc::UnboundedReceiver<Machine>) {
        let tasks = &self.tasks;
        let kubelet = Kubelet::new(context.clone(), self.workloads.clone(), tasks.clone(), news);
        tasks.spawn(kubelet.run());
        tasks.spawn(controllers::run(StatefulSets::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(Scheduler::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(Volumes::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(Ephemeral::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(Protection::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(ServiceAccounts::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(Cordons::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(TaintEviction::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(PodGarbage::new(context.clone()), context.clone()));
        tasks.spawn(controllers::run(Quotas::new(context.clone()), context.clone()));
        if let Some(postgres) = self.postgres.clone() {
            // The slowest part of the start; the first user of the template waits for it.
            let broken = self.broken.clone();
            tasks.spawn(async move {
                // Not cut short by a stop, which ends what it runs and waits for that.
                if let Err(error) = postgres.template().await {
                    broken.send_replace(Some(error.why()));
                }
            });
        }
        if !self.scenario.lost_nodes.is_empty() {
            let (nodes, machines) = (self.scenario.lost_nodes.clone(), self.machines.clone());
            let all = readiness::wait_until_ready(self.store.clone(), self.scenario.never_ready.clone());
            let shutdown = self.shutdown.clone();
            tasks.spawn(async move {
                if shutdown.run_until_cancelled(all).await.is_some() {
                    for node in nodes {
                        // The kubelets end with the sandbox: then no receiver is left.
                        let _ = machines.send(Machine::Lost(node));
                    }
                }
            });
        }
    }

    /// The kubeconfig to use: a file only this user can read.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The password file for its databases, as libpq and the plugin read it: a file only this user can read.
    #[must_use]
    pub fn passfile(&self) -> &Path {
        &self.passfile
    }

    /// The password in that file: the administrator's in all databases, for tests.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A session of the superuser's at a proxy's server, in its database `postgres`, for tests: no client gets in as
    /// the superuser.
    ///
    /// # Errors
    /// The server's words, or why there is none.
    pub async fn superuser(&self, namespace: &str, pod: &str) -> Result<tokio_postgres::Client, String> {
        self.workloads.superuser(namespace, pod).await
    }

    /// The scenario it runs.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What its user should know, such as what to install for SQL to work.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The folder of its state: gone after it stopped.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its objects, for tests: to look at, to change behind the API's back, to compact.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Resolves when all pods that the scenario lets become Ready are, and the nodes that it loses are lost.
    ///
    /// # Errors
    /// PostgreSQL is there but cannot make a database cluster, so that its pods will never be Ready.
    pub async fn ready(&self) -> Result<(), SandboxError> {
        let mut broken = self.broken.subscribe();
        tokio::select! {
            () = readiness::wait_until_settled(&self.store, &self.scenario) => Ok(()),
            why = broken.wait_for(Option::is_some) => {
                let why = why.ok().and_then(|why| why.clone()).unwrap_or_default();
                Err(SandboxError::Postgres { what: "initdb failed".to_owned(), why })
            }
        }
    }

    /// The requests that its API received, for tests that count them.
    #[must_use]
    pub fn requests(&self) -> &RequestLog {
        &self.api.requests
    }

    /// The faults of requests to its API, for tests.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.api.faults
    }

    /// Opens a stream to a container's port, as a port-forward does.
    ///
    /// # Errors
    /// Nothing listens there: a kubelet's words.
    pub fn connect(&self, namespace: &str, pod: &str, port: u16) -> Result<tokio::io::DuplexStream, String> {
        self.workloads.connect(namespace, pod, port)
    }

    /// Ends all connections to the API server, watches and port-forwards among them, and refuses new ones for that
    /// time; then it serves again, as before. Returns when it does. The cluster's workloads keep running.
    pub async fn restart_api(&self, down_for: Duration) {
        self.restarts.restart(down_for).await;
    }

    /// Stops the controller manager, or resumes it: until then, StatefulSets, claims and volumes stay as they are. The
    /// API server, the scheduler and the kubelets keep running.
    pub fn stop_controller_manager(&self, stopped: bool) {
        self.manager.send_replace(stopped);
    }

    /// Decides which pods that replace an earlier one of their name become Ready. A test holds them for as long as it
    /// looks at a cluster that waits for one, rather than for a time that a busy machine outlasts.
    pub fn replaced_pods(&self, which: ReplacedPods) {
        self.replaced_pods.send_replace(which);
    }

    /// Makes a node stop answering, as a machine that lost its power.
    pub fn lose_node(&self, node: &str) {
        let _ = self.machines.send(Machine::Lost(node.to_owned()));
    }

    /// Ends a node's kubelet: it renews its Lease no more. What the node controller does about it most of a minute
    /// later is [`Sandbox::lose_node`].
    pub fn silence_node(&self, node: &str) {
        let _ = self.machines.send(Machine::Silent(node.to_owned()));
    }

    /// Makes a lost node answer again, as a machine that has its power back: its pods that are being deleted go, the
    /// others are started again.
    pub fn return_node(&self, node: &str) {
        let _ = self.machines.send(Machine::Returned(node.to_owned()));
    }

    /// Stops everything, ends its processes and removes its folder.
    pub async fn stop(mut self) {
        self.stopped = true;
        self.shutdown.cancel();
        if let Some(postgres) = &self.postgres {
            // Their data is not kept: no checkpoint is needed.
            postgres.end_all();
        }
        self.tasks.close();
        // Tasks end as soon as they notice; a runtime too busy for that does not keep the user waiting.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        let folder = self.folder.clone();
        let _ = blocking(move || {
            folder.remove();
            Ok(())
        })
        .await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        self.shutdown.cancel();
        if let Some(postgres) = &self.postgres {
            postgres.end_all();
        }
        // Waits for what still runs on it.
        self.folder.remove();
    }
}

/// Runs blocking work on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
