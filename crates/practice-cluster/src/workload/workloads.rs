//! All workloads of a practice cluster: they start, become ready, take connections and end.

use super::component::Component;
use super::data_folder::keeps_data_on_claim;
use super::marks::{FILLED, MADE, mark, marked};
use super::postgres::Postgres;
use super::running::{Process, Running};
use super::seed::{Content, Databases};
use super::sql_refusal::SqlRefusal;
use super::sql_stream::Dialect;
use super::storage::{MemberOptions, Storage};
use super::warehouses::{Warehouse, file, warehouses};
use super::{seed, sql_gate, sql_stream};
use crate::files::{Folder, PASSABLE};
use crate::objects::{name, namespace};
use crate::scenarios::{PodName, Scenario};
use crate::store::Store;
use crate::sync::lock;
use crate::values::text_at;
use rustix::fs::Mode;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use storage_stand_in::{Identity, Role};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// Name of the folder with the segment states of accounts' servers.
const SEGMENTS: &str = "segments";

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
    /// The folder with the segment states that accounts' servers report: one file per namespace.
    segments: PathBuf,
    /// The last content of each file.
    written: Mutex<HashMap<String, String>>,
    running: Mutex<HashMap<(String, String), Arc<Running>>>,
    /// Pods whose databases were created before.
    filled: Mutex<HashSet<(String, String)>>,
    /// Incremented whenever a database may have gone down, to end connections to it.
    downs: watch::Sender<u64>,
    stopped: CancellationToken,
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

    /// Starts what a pod runs; `volume` is the folder of its first volume, if it has one. Returns when the process
    /// runs, which is before it is ready.
    ///
    /// # Errors
    /// PostgreSQL's or the system's words.
    pub(crate) async fn start(&self, pod: &Value, volume: Option<&Path>) -> Result<Arc<Running>, String> {
        let component = Component::of(pod);
        let id = (namespace(pod).to_owned(), name(pod).to_owned());
        let becomes_ready =
            !self.scenario.never_ready.contains(&PodName { namespace: id.0.clone(), pod: id.1.clone() });
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
            uid: text_at(pod, "/metadata/uid").to_owned(),
            component,
            process,
            content,
            becomes_ready,
            up: AtomicBool::new(false),
            ended: self.stopped.child_token(),
        });
        lock(&self.running).insert(id, running.clone());
        if component == Component::MetadataProxy {
            // What safekeepers hold is its log: with each start it writes in another term. An earlier one that ends
            // after this is known to be another.
            self.storage.compute_started(&running.namespace)?;
        }
        Ok(running)
    }

    /// Resolves when a workload is in service; never if the scenario keeps it unready.
    ///
    /// # Errors
    /// It ended, or its databases cannot be made: PostgreSQL's words.
    pub(crate) async fn ready(&self, running: &Running) -> Result<(), String> {
        if !running.becomes_ready {
            return std::future::pending().await;
        }
        let (Process::Postgres { server, data }, Some(databases)) = (&running.process, running.component.databases())
        else {
            return Ok(());
        };
        server.accepts().await?;
        self.write_segments(&running.namespace);
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
                // While the sandbox ends, the folder may be gone.
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
            let warehouses = self.write_segments(&running.namespace);
            let partly =
                warehouses.iter().any(|warehouse| warehouse.ready() < warehouse.nodes.len() || !warehouse.runs());
            down |= alone.is_err() || partly;
        }
        if down {
            self.downs.send_modify(|count| *count += 1);
        }
    }

    /// Updates the segment states that an account's server reports, and returns the account's warehouses. Without
    /// warehouses there is nothing to report.
    fn write_segments(&self, namespace: &str) -> Vec<Warehouse> {
        // The lock is held: what was written last is what is so last.
        let mut written = lock(&self.written);
        let warehouses = warehouses(&self.store, namespace);
        let text = file(&warehouses);
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
                    running.ended.run_until_cancelled(sql_stream::refuse(inner, SqlRefusal::segment())).await
                });
            }
            (Process::Storage(member), _, port) if port == member.role().http_port() => {
                let member = member.clone();
                tokio::spawn(async move {
                    let asked = running.clone();
                    running.ended.run_until_cancelled(member.serve(inner, move || asked.is_up())).await
                });
            }
            (Process::Storage(member), _, port) if member.has_https() && port == member.role().https_port() => {
                let member = member.clone();
                tokio::spawn(async move {
                    let asked = running.clone();
                    running.ended.run_until_cancelled(member.serve_https(inner, move || asked.is_up())).await
                });
            }
            _ => return Err(refused()),
        }
        Ok(client)
    }

    /// Opens a session as the superuser, which no client can be.
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
            self.write_segments(&running.namespace);
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
        let dialect = match running.component.databases() {
            Some(Databases::Account) => Dialect::Warehouses,
            Some(Databases::Metadata) | None => Dialect::PostgreSql,
        };
        let socket = server.socket();
        let served = sql_stream::serve(client, &socket, dialect, gate, cut);
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
        let options = MemberOptions { no_metrics, data_on_volume: self.scenario.data_on_volume };
        let identity = Identity { role, name: pod.pod };
        self.storage.start(&id.0, identity, volume, options).map(Process::Storage)
    }
}
