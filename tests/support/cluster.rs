//! A practice cluster in this process, and its objects.

use super::run::{LIMIT, Ran, Running, plugin};
use super::{machine, schemas};
use practice_cluster::store::{Change, Key, Preconditions, Store};
use practice_cluster::{Options, PostgresChoice, ReplacedPods, Sandbox};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub const SYSTEM: &str = "synxdb-system";
pub const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
pub const CLAIMS: &str = "persistentvolumeclaims";
pub const VOLUMES: &str = "persistentvolumes";
/// The prefix of the annotations in which the plugin writes its records, on volumes.
pub const RECORD: &str = "kubectl-synxdb/record-";

/// A practice cluster with all pods ready, and a home folder for its users.
pub struct Cluster {
    sandbox: Option<Sandbox>,
    runtime: Option<Runtime>,
    home: TempDir,
}

/// Returns options without PostgreSQL: everything but SQL works the same, and it starts at once.
pub fn bare(scenario: &str) -> Options {
    Options { postgres: PostgresChoice::None, ..full(scenario) }
}

/// Returns options with the machine's own PostgreSQL.
pub fn full(scenario: &str) -> Options {
    Options { scenario: scenario.to_owned(), state_root: machine::state_root(), ..Options::default() }
}

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl Cluster {
    pub fn start(options: Options) -> Self {
        let with_sql = options.postgres != PostgresChoice::None;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(async {
            let sandbox = Sandbox::start(options).await.unwrap_or_else(|error| panic!("{error}"));
            match tokio::time::timeout(LIMIT, sandbox.ready()).await {
                Ok(ready) => ready.unwrap_or_else(|error| panic!("{error}")),
                Err(_) => panic!("the practice cluster is not ready within {LIMIT:?}"),
            }
            sandbox
        });
        if with_sql {
            machine::needs_postgresql(sandbox.notices());
        }
        Self { sandbox: Some(sandbox), runtime: Some(runtime), home: tempfile::tempdir().unwrap() }
    }

    /// Returns a shared, healthy one without PostgreSQL, for tests that change nothing; its last user stops it.
    pub fn read_only() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start(bare("healthy")));
            *shared = Arc::downgrade(&started);
            started
        })
    }

    pub fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }

    pub fn store(&self) -> &Arc<Store> {
        self.sandbox().store()
    }

    /// Sets which replacement pods become Ready: a test holds them until it has seen what it looks for.
    pub fn replaced_pods(&self, which: ReplacedPods) {
        self.sandbox().replaced_pods(which);
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(work)
    }

    /// Returns the plugin with this cluster's kubeconfig and passwords, without the developer's own settings.
    pub fn plugin(&self, arguments: &[&str]) -> Command {
        let mut command = plugin(self.home.path(), arguments);
        command.env("KUBECONFIG", self.sandbox().kubeconfig()).env("PGPASSFILE", self.sandbox().passfile());
        command
    }

    /// Runs the plugin to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Running::start(self.plugin(arguments)).end()
    }

    /// Runs the plugin with changes to the settings of [`Cluster::plugin`].
    pub fn run_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self.plugin(arguments);
        change(&mut command);
        Running::start(command).end()
    }

    /// Returns the kubeconfig, to be changed and written elsewhere.
    pub fn kubeconfig(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.sandbox().kubeconfig()).unwrap()).unwrap()
    }

    /// Writes a file in the home folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn get(&self, resource: &'static str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store().get(&Key::new(resource, namespace, name))
    }

    pub fn pod_uid(&self, namespace: &str, name: &str) -> String {
        let pod = self.get("pods", namespace, name).unwrap_or_else(|| panic!("there is no pod {namespace}/{name}"));
        uid(&pod).to_owned()
    }

    /// Returns name and UID of a pod's claims.
    pub fn claims_of(&self, namespace: &str, pod: &str) -> BTreeMap<String, String> {
        let pod = self.get("pods", namespace, pod).unwrap();
        let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let names = volumes.iter().filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
        names
            .map(|name| {
                let claim = self.get(CLAIMS, namespace, name).unwrap_or_else(|| panic!("there is no claim {name}"));
                (name.to_owned(), uid(&claim).to_owned())
            })
            .collect()
    }

    /// Returns the volume that a claim is bound to.
    pub fn volume_of(&self, namespace: &str, claim: &str) -> String {
        let claim = self.get(CLAIMS, namespace, claim).unwrap();
        claim["spec"]["volumeName"].as_str().unwrap().to_owned()
    }

    /// Returns the newest record of the plugin on a volume.
    pub fn record_on(&self, volume: &str) -> Value {
        self.records_on(volume).pop().unwrap_or_else(|| panic!("no record: {volume}"))
    }

    /// Returns the plugin's records on a volume, the oldest first.
    pub fn records_on(&self, volume: &str) -> Vec<Value> {
        let volume = self.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
        let annotations = volume["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let records = annotations.iter().filter_map(|(key, text)| {
            let record: Value = serde_json::from_str(text.as_str()?).ok()?;
            (key.strip_prefix(RECORD)? == record["id"].as_str()?).then_some(record)
        });
        let mut records: Vec<Value> = records.collect();
        for record in &records {
            schemas::wrong_as("Record", record).unwrap_or_else(|why| panic!("a record on a volume: {why}"));
        }
        records.sort_by_key(|record| record["started"].as_str().map(str::to_owned));
        records
    }

    /// Returns the first column of a query's rows, through a pod.
    pub fn query(&self, (namespace, pod): (&str, &str), database: &str, sql: &str) -> Vec<String> {
        self.block_on(async {
            let asked = tokio::time::timeout(LIMIT, async {
                let stream = self.sandbox().connect(namespace, pod, 5432).unwrap();
                let mut config = tokio_postgres::Config::new();
                config.user("gpadmin").password(self.sandbox().password()).dbname(database);
                let (client, connection) = config.connect_raw(stream, tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                let rows = client.query(sql, &[]).await.unwrap();
                drop(client);
                let _ = connection.await;
                rows.iter().map(|row| row.get(0)).collect()
            });
            asked.await.expect("the database answers")
        })
    }

    /// Returns kind, path and resourceVersion of all pods, claims and volumes: equal if nothing was changed.
    pub fn versions(&self) -> Vec<String> {
        let mut all = Vec::new();
        for resource in ["pods", CLAIMS, VOLUMES] {
            for object in self.store().list(resource, None).0 {
                let metadata = &object["metadata"];
                all.push(format!(
                    "{resource} {}/{} {}",
                    metadata["namespace"].as_str().unwrap_or_default(),
                    metadata["name"].as_str().unwrap(),
                    metadata["resourceVersion"].as_str().unwrap()
                ));
            }
        }
        all
    }

    /// Returns requests that changed, or tried to change, an object, without dry runs and access reviews.
    pub fn writes(&self) -> Vec<String> {
        self.asked(false)
    }

    /// Returns dry runs.
    pub fn rehearsals(&self) -> Vec<String> {
        self.asked(true)
    }

    fn asked(&self, rehearsed: bool) -> Vec<String> {
        let entries = self.sandbox().requests().entries();
        let writes = entries
            .iter()
            .filter(|(method, path)| method != "GET" && !path.contains("reviews") && !path.contains("/portforward"))
            .filter(|(_, path)| path.contains("dryRun=") == rehearsed);
        writes.map(|(method, path)| format!("{method} {path}")).collect()
    }

    pub fn update(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        let change = |object: &mut Value| {
            change(object);
            Ok(())
        };
        self.store().update(key, &Preconditions::default(), false, change).unwrap();
    }

    /// Waits for a matching change of the store after `since`.
    pub fn wait_for_change(&self, since: u64, what: &str, meant: impl Fn(&Change) -> bool) -> Change {
        let mut watcher = self.store().watch(since).unwrap();
        self.block_on(async {
            let found = tokio::time::timeout(LIMIT, async {
                loop {
                    let change = watcher.next().await.expect("the store's history is long enough");
                    if meant(&change) {
                        return change;
                    }
                }
            });
            found.await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
        })
    }

    /// Waits until a condition on the store holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Store) -> bool) {
        self.block_on(async {
            let found = tokio::time::timeout(LIMIT, async {
                loop {
                    let since = self.store().version();
                    if holds(self.store()) {
                        return;
                    }
                    self.store().watch(since).unwrap().next().await.unwrap();
                }
            });
            found.await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"));
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let (Some(sandbox), Some(runtime)) = (self.sandbox.take(), self.runtime.take()) {
            runtime.block_on(sandbox.stop());
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}
