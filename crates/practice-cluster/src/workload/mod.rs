//! What runs in the practice cluster's pods: a real PostgreSQL server in a proxy's, a stand-in with state in a
//! safekeeper's or pageserver's, and in a warehouse node's a port that refuses clients as a segment does.
//!
//! The node's controller starts and stops a [`Running`] workload per pod; clients reach it through
//! [`Workloads::connect`], which is what a port-forward ends in.

pub(crate) mod dialect;
pub(crate) mod installation;
pub(crate) mod postgres;
pub(crate) mod probe;
pub(crate) mod seed;
pub(crate) mod sql_gate;
pub(crate) mod sql_stream;
mod storage;
pub(crate) mod warehouses;

use crate::api::{DuplexIo, PodStreams};
use crate::files::Folder;
use crate::objects::{array, name, namespace, text};
use crate::scenarios::{PodName, Scenario};
use crate::store::Store;
use futures::future::BoxFuture;
use postgres::{Postgres, Server};
use rustix::fs::Mode;
use seed::{Content, Databases};
use serde_json::Value;
use sql_gate::Refusal;
use sql_stream::Speaks;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use storage::{Knobs, Storage};
use storage_stand_in::{Identity, Role, StandIn};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use warehouses::{Warehouse, warehouses};

/// Mode of a folder through which the servers' user may pass, and which nobody else may write to.
pub(crate) const PASSABLE: Mode = Mode::from_bits_retain(0o711);

/// Label that says what a pod is.
pub(crate) const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The same of another release.
const COMPONENT_LABEL_THERE: &str = "enterprise.dbaas/component";
/// Annotation of a proxy's pod where there is no PostgreSQL on the machine.
pub(crate) const SQL_SKIPPED: &str = "kubectl-synxdb/sql-skipped";
/// What that annotation says.
pub(crate) const INSTALL_POSTGRESQL: &str = "PostgreSQL is not installed here: sudo apt-get install -y postgresql";

/// What is written beside a data folder, where no server may write: that it is whole, and that its databases have been
/// made. No pod's name has a plus sign.
const MADE: &str = "+made";
const FILLED: &str = "+filled";

/// Name of the folder of what accounts' servers say of their segments.
const SEGMENTS: &str = "segments";

/// What a pod is a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Component {
    /// The cluster's metadata proxy.
    MetadataProxy,
    /// An account's proxy.
    WarehouseProxy,
    /// A node of a warehouse.
    Warehouse,
    /// A safekeeper.
    Safekeeper,
    /// A pageserver.
    Pageserver,
    /// Not SynxDB's: it runs and does nothing.
    Other,
}

impl Component {
    /// What a pod, or a pod template, says it is.
    pub(crate) fn of(pod: &Value) -> Component {
        match pod["metadata"]["labels"][COMPONENT_LABEL].as_str().unwrap_or_default() {
            "metadata-proxy" => Self::MetadataProxy,
            "warehouse-proxy" => Self::WarehouseProxy,
            "warehouse" => Self::Warehouse,
            "safekeeper" => Self::Safekeeper,
            "pageserver" => Self::Pageserver,
            _ => match pod["metadata"]["labels"][COMPONENT_LABEL_THERE].as_str().unwrap_or_default() {
                // It is to its account what the proxy is.
                "coordinator" => Self::WarehouseProxy,
                "warehouse" => Self::Warehouse,
                _ => Self::Other,
            },
        }
    }

    /// The databases it serves by SQL.
    pub(crate) fn databases(self) -> Option<Databases> {
        match self {
            Self::MetadataProxy => Some(Databases::Metadata),
            Self::WarehouseProxy => Some(Databases::Account),
            _ => None,
        }
    }
}

/// All workloads of a sandbox.
pub(crate) struct Workloads {
    store: Arc<Store>,
    scenario: Arc<Scenario>,
    /// None where the machine has no PostgreSQL.
    postgres: Option<Arc<Postgres>>,
    /// The administrator's in all databases.
    password: String,
    /// The shared object store's folder.
    objects: PathBuf,
    storage: Storage,
    /// The folder of what accounts' servers say of their segments: a file a namespace.
    segments: PathBuf,
    /// What was written there last.
    written: Mutex<HashMap<String, String>>,
    running: Mutex<HashMap<(String, String), Arc<Running>>>,
    /// Pods whose data was written once.
    filled: Mutex<HashSet<(String, String)>>,
    /// Counts up whenever a database may have gone down, to end connections to it.
    downs: watch::Sender<u64>,
    stopped: CancellationToken,
}

/// All workloads, as the API reaches them.
pub(crate) struct Streams(pub(crate) Arc<Workloads>);

impl PodStreams for Streams {
    fn connect(&self, namespace: &str, pod: &str, port: u16) -> BoxFuture<'static, Result<Box<dyn DuplexIo>, String>> {
        let stream = self.0.connect(namespace, pod, port);
        Box::pin(async { stream.map(|stream| Box::new(stream) as Box<dyn DuplexIo>) })
    }

    fn log(&self, namespace: &str, pod: &str, _container: Option<&str>) -> String {
        self.0.log(namespace, pod).into_iter().map(|line| line + "\n").collect()
    }
}

/// The workload of one pod.
pub(crate) struct Running {
    namespace: String,
    pod: String,
    uid: String,
    component: Component,
    process: Process,
    content: Content,
    /// Whether the scenario lets it come up.
    well: bool,
    /// Whether it does what it is for.
    up: AtomicBool,
    ended: CancellationToken,
}

enum Process {
    /// A server, and its data folder.
    Postgres {
        server: Server,
        data: PathBuf,
    },
    Storage(Arc<StandIn>),
    /// Nothing that can be talked to but, for a warehouse node, a port that refuses.
    Nothing,
}

impl Workloads {
    /// Workloads whose data lies in `folder`, and whose SQL answers according to the pods in `store`.
    pub(crate) fn new(
        store: Arc<Store>,
        scenario: Arc<Scenario>,
        postgres: Option<Arc<Postgres>>,
        password: String,
        folder: &Path,
        stopped: CancellationToken,
    ) -> std::io::Result<Workloads> {
        let objects = folder.join("objects");
        // Passable, as the sandbox's folder is; the data folders inside belong to the servers' user.
        for inner in ["objects", SEGMENTS] {
            Folder::open(folder)?.make_folder(Path::new(inner), PASSABLE, None)?;
        }
        let storage = Storage::new(store.clone(), objects.clone());
        Ok(Workloads {
            segments: folder.join(SEGMENTS),
            written: Mutex::default(),
            store,
            scenario,
            postgres,
            password,
            objects,
            storage,
            running: Mutex::default(),
            filled: Mutex::default(),
            downs: watch::Sender::new(0),
            stopped,
        })
    }

    /// Starts what a pod runs; `volume` is the folder of its first volume, where it has one. Returns when the process
    /// runs, which is before it is ready.
    ///
    /// # Errors
    /// PostgreSQL's or the system's words.
    pub(crate) async fn start(&self, pod: &Value, volume: Option<&Path>) -> Result<Arc<Running>, String> {
        let component = Component::of(pod);
        let id = (namespace(pod).to_owned(), name(pod).to_owned());
        let well = !self.scenario.never_ready.contains(&PodName { namespace: id.0.clone(), pod: id.1.clone() });
        let mut content = Content::Kept;
        let process = match component {
            Component::MetadataProxy | Component::WarehouseProxy => match &self.postgres {
                Some(postgres) => {
                    let data = self.data_folder(pod, &id, volume);
                    if !marked(&data, MADE)? {
                        postgres.create_cluster(&data).await.map_err(|error| error.to_string())?;
                        mark(&data, MADE)?;
                    }
                    // "filled" is kept when the databases are there: until then each start tries to fill them.
                    let first = !lock(&self.filled).contains(&id);
                    content = match (first, marked(&data, FILLED)?) {
                        (_, true) => Content::Kept,
                        (true, false) => Content::Filled,
                        (false, false) => Content::Lost,
                    };
                    let server = postgres.start(&data).await.map_err(|error| error.to_string())?;
                    Process::Postgres { server, data }
                }
                None => Process::Nothing,
            },
            Component::Safekeeper => self.storage(Role::Safekeeper, &id, volume)?,
            Component::Pageserver => self.storage(Role::Pageserver, &id, volume)?,
            Component::Warehouse | Component::Other => Process::Nothing,
        };
        let running = Arc::new(Running {
            namespace: id.0.clone(),
            pod: id.1.clone(),
            uid: text(pod, "/metadata/uid").to_owned(),
            component,
            process,
            content,
            well,
            up: AtomicBool::new(false),
            ended: self.stopped.child_token(),
        });
        lock(&self.running).insert(id, running.clone());
        if component == Component::MetadataProxy {
            // What safekeepers hold is its log: with each start it writes in another term. An earlier one that ends after
            // this is known to be another.
            self.storage.compute_started(&running.namespace)?;
        }
        Ok(running)
    }

    /// Resolves when a workload does what it is for; never for one that the scenario keeps from it.
    ///
    /// # Errors
    /// It ended, or its databases cannot be made: PostgreSQL's words.
    pub(crate) async fn ready(&self, running: &Running) -> Result<(), String> {
        if !running.well {
            return std::future::pending().await;
        }
        let (Process::Postgres { server, data }, Some(databases)) = (&running.process, running.component.databases())
        else {
            return Ok(());
        };
        server.accepts().await?;
        self.tell_of_segments(&running.namespace);
        let segments = self.segments.join(&running.namespace);
        seed::prepare(&server.socket(), &self.password, databases, running.content, &segments).await?;
        let id = (running.namespace.clone(), running.pod.clone());
        if running.content != Content::Kept {
            // For the data folder itself, and for the pod's name.
            mark(data, FILLED)?;
            lock(&self.filled).insert(id);
        }
        Ok(())
    }

    /// Ends a workload, within `grace` as far as possible. Resolves with the exit code.
    pub(crate) async fn stop(&self, running: &Running, grace: Duration) -> i32 {
        self.forget(running);
        match &running.process {
            Process::Postgres { server, .. } => server.stop(grace).await,
            Process::Storage(_) | Process::Nothing => 0,
        }
    }

    /// Resolves with the exit code when a workload ended by itself.
    pub(crate) async fn exited(&self, running: &Running) -> i32 {
        match &running.process {
            Process::Postgres { server, .. } => server.exited().await,
            Process::Storage(member) if let Some(code) = member.exits() => code,
            Process::Storage(_) | Process::Nothing => std::future::pending().await,
        }
    }

    /// Takes a workload off the network: its connections end and no new one reaches it.
    pub(crate) fn forget(&self, running: &Running) {
        running.ended.cancel();
        if let Process::Storage(member) = &running.process {
            member.end();
        }
        let mut all = lock(&self.running);
        let id = (running.namespace.clone(), running.pod.clone());
        if all.get(&id).is_some_and(|current| current.uid == running.uid) {
            all.remove(&id);
            if running.component == Component::MetadataProxy {
                // With the sandbox itself the folder may be gone.
                let _ = self.storage.compute_ended(&running.namespace);
            }
        }
    }

    /// Ends connections to databases that no longer answer. To be called whenever pods or StatefulSets changed.
    pub(crate) fn recheck(&self) {
        let proxies: Vec<Arc<Running>> = lock(&self.running).values().cloned().collect();
        let mut down = false;
        for running in proxies.iter().filter(|running| running.component.databases().is_some()) {
            let alone = sql_gate::check(&self.store, &running.namespace, &running.pod, running.component, None);
            // Some session may be in one that is down; each looks for itself.
            let warehouses = self.tell_of_segments(&running.namespace);
            let partly =
                warehouses.iter().any(|warehouse| warehouse.ready() < warehouse.nodes.len() || !warehouse.runs());
            down |= alone.is_err() || partly;
        }
        if down {
            self.downs.send_modify(|count| *count += 1);
        }
    }

    /// Has the server of an account say of its segments what is so now; the account's warehouses. A namespace without any
    /// has nothing to say.
    fn tell_of_segments(&self, namespace: &str) -> Vec<Warehouse> {
        // The lock is held: what was written last is what is so last.
        let mut written = lock(&self.written);
        let warehouses = warehouses(&self.store, namespace);
        let text = warehouses::file(&warehouses);
        if written.get(namespace) != Some(&text) {
            let readable = Mode::from_raw_mode(0o644);
            let folder = Folder::open(&self.segments);
            match folder.and_then(|folder| folder.replace(Path::new(namespace), readable, text.as_bytes())) {
                Ok(()) => {
                    written.insert(namespace.to_owned(), text);
                }
                Err(error) => tracing::warn!(%error, namespace, "the segments' file cannot be written"),
            }
        }
        warehouses
    }

    /// Opens a stream to a container's port.
    ///
    /// # Errors
    /// Nothing listens there: worded as a kubelet words it.
    pub(crate) fn connect(self: &Arc<Self>, namespace: &str, pod: &str, port: u16) -> Result<DuplexStream, String> {
        let running = lock(&self.running).get(&(namespace.to_owned(), pod.to_owned())).cloned();
        let refused = || {
            format!(
                "failed to connect to localhost:{port} inside namespace of pod {pod}, IPv4: dial tcp4 127.0.0.1:{port}: \
                 connect: connection refused IPv6: dial tcp6 [::1]:{port}: connect: connection refused"
            )
        };
        let running = running.ok_or_else(refused)?;
        let (client, inner) = tokio::io::duplex(64 * 1024);
        match (&running.process, running.component, port) {
            (Process::Postgres { .. }, _, 5432) => {
                let all = self.clone();
                tokio::spawn(async move { all.serve_sql(&running, inner).await });
            }
            (Process::Nothing, Component::Warehouse, 5432) if running.is_up() => {
                tokio::spawn(async move {
                    running.ended.run_until_cancelled(sql_stream::refuse(inner, Refusal::segment())).await
                });
            }
            (Process::Storage(member), _, port) if port == member.role().http_port() => {
                let member = member.clone();
                tokio::spawn(async move {
                    let asked = running.clone();
                    running.ended.run_until_cancelled(member.serve(inner, move || asked.is_up())).await
                });
            }
            _ => return Err(refused()),
        }
        Ok(client)
    }

    /// A session of the superuser's, whom no client gets in as.
    ///
    /// # Errors
    /// There is no server, or its words.
    pub(crate) async fn superuser(&self, namespace: &str, pod: &str) -> Result<Client, String> {
        let running = lock(&self.running).get(&(namespace.to_owned(), pod.to_owned())).cloned();
        match running.as_ref().map(|running| &running.process) {
            Some(Process::Postgres { server, .. }) => seed::connect(&server.socket(), "postgres").await,
            _ => Err(format!("no PostgreSQL runs in {namespace}/{pod}")),
        }
    }

    async fn serve_sql(&self, running: &Running, client: DuplexStream) {
        let Process::Postgres { server, .. } = &running.process else { return };
        let gate = |chosen: Option<&str>| {
            self.tell_of_segments(&running.namespace);
            sql_gate::check(&self.store, &running.namespace, &running.pod, running.component, chosen)
        };
        let mut downs = self.downs.subscribe();
        let cut = async |chosen: Option<String>| {
            while downs.changed().await.is_ok() {
                if gate(chosen.as_deref()).is_err() {
                    return;
                }
            }
        };
        let speaks = match running.component.databases() {
            Some(Databases::Account) => Speaks::Warehouses,
            Some(Databases::Metadata) | None => Speaks::PostgreSql,
        };
        let socket = server.socket();
        let served = sql_stream::serve(client, &socket, speaks, gate, cut);
        // How a connection ended is its client's affair.
        let _ = running.ended.run_until_cancelled(served).await;
    }

    /// What a pod's container logged lately.
    pub(crate) fn log(&self, namespace: &str, pod: &str) -> Vec<String> {
        let running = lock(&self.running).get(&(namespace.to_owned(), pod.to_owned())).cloned();
        match running.as_ref().map(|running| &running.process) {
            Some(Process::Postgres { server, .. }) => server.log(),
            _ => Vec::new(),
        }
    }

    /// Where a proxy's database files lie.
    fn data_folder(&self, pod: &Value, id: &(String, String), volume: Option<&Path>) -> PathBuf {
        match volume {
            Some(volume) if self.scenario.data_on_volume || keeps_data_on_claim(pod) => volume.join("pgdata"),
            _ => self.objects.join(format!("{}.{}", id.0, id.1)),
        }
    }

    /// Starts a safekeeper or pageserver.
    fn storage(&self, role: Role, id: &(String, String), volume: Option<&Path>) -> Result<Process, String> {
        let pod = PodName { namespace: id.0.clone(), pod: id.1.clone() };
        let no_metrics = self.scenario.no_metrics.contains(&pod);
        let knobs = Knobs { no_metrics, data_on_volume: self.scenario.data_on_volume };
        let identity = Identity { role, name: pod.pod };
        self.storage.start(&id.0, identity, volume, knobs).map(Process::Storage)
    }
}

impl Running {
    /// Whether it does what it is for.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// It does now.
    pub(crate) fn set_up(&self) {
        self.up.store(true, Ordering::Relaxed);
    }
}

/// Whether this is written beside a data folder.
fn marked(data: &Path, mark: &str) -> Result<bool, String> {
    let (folder, name) = Folder::of(data).map_err(|error| error.to_string())?;
    folder.has(&beside(name, mark)).map_err(|error| error.to_string())
}

/// Writes this beside a data folder. There already, it stays.
fn mark(data: &Path, mark: &str) -> Result<(), String> {
    let (folder, name) = Folder::of(data).map_err(|error| error.to_string())?;
    match folder.write(&beside(name, mark), Mode::RUSR | Mode::WUSR, b"") {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn beside(name: &Path, mark: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(mark);
    PathBuf::from(name)
}

/// Whether the folder that a pod's first container names by PGDATA is on a claim, rather than in the object store.
fn keeps_data_on_claim(pod: &Value) -> bool {
    let container = &pod["spec"]["containers"][0];
    let variable = array(container, "/env").iter().find(|variable| variable["name"] == "PGDATA");
    let Some(data) = variable.and_then(|variable| variable["value"].as_str()) else { return false };
    let mounts = array(container, "/volumeMounts").iter();
    // The innermost mount is the one that a path lies on.
    let mount = mounts
        .filter(|mount| mount["mountPath"].as_str().is_some_and(|path| Path::new(data).starts_with(path)))
        .max_by_key(|mount| mount["mountPath"].as_str().map(str::len));
    let claims = array(pod, "/spec/volumes").iter().filter(|volume| volume["persistentVolumeClaim"].is_object());
    mount.is_some_and(|mount| claims.into_iter().any(|volume| volume["name"] == mount["name"]))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_proxys_files_lie_where_pgdata_says() {
        let pod = |data: &str| {
            json!({"spec": {
                "containers": [{
                    "env": [{"name": "PGDATA", "value": data}],
                    "volumeMounts": [
                        {"name": "disk", "mountPath": "/data"},
                        {"name": "objects", "mountPath": "/objects"},
                        {"name": "inner", "mountPath": "/data/inner"},
                    ],
                }],
                "volumes": [
                    {"name": "disk", "persistentVolumeClaim": {"claimName": "disk-a-0"}},
                    {"name": "objects", "hostPath": {"path": "/x"}},
                    {"name": "inner", "emptyDir": {}},
                ],
            }})
        };
        assert!(keeps_data_on_claim(&pod("/data/pgdata")));
        for elsewhere in ["/objects/a/b", "/database", "/data/inner/pgdata", "/elsewhere"] {
            assert!(!keeps_data_on_claim(&pod(elsewhere)), "{elsewhere}");
        }
        assert!(!keeps_data_on_claim(&json!({"spec": {"containers": [{}]}})));
    }
}
