//! Where a case runs: its own practice cluster, or the one real cluster that all cases share.

mod account;
mod disks;
mod faults;
mod objects;
mod policies;
mod sql;
mod storage;
mod tls;
mod user;
mod wait;

pub(crate) use account::{Account, AwaitIn};
pub(crate) use storage::is_not_relied_on;
pub(crate) use tls::{Authority, Pair, Secured};
pub(crate) use user::{Granted, Rule, User};
pub(crate) use wait::{named, stays_ready};

use wait::until;

use crate::support::{Ran, Running, machine, plugin};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, Pod};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{Api, ListParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Client, Resource};
use practice_cluster::{Options, Sandbox};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const SYSTEM: &str = "synxdb-system";
/// The account of the manifests.
pub(crate) const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

/// The account of another release, whose pods are identified by labels.
pub(crate) const FE_TEAM: &str = "hashdata-fe-team-07e5674f";

/// Names the kubeconfig of a real cluster.
const REAL: &str = "SYNXDB_E2E_KUBECONFIG";
/// The number of concurrent cases on a real cluster.
const AT_ONCE: usize = 2;

/// The cluster of one case. On a real one, everything that the case created is removed at the end.
pub(crate) struct World {
    kind: Kind,
    runtime: Option<Runtime>,
    client: Client,
    kubeconfig: PathBuf,
    home: TempDir,
    alone: bool,
    turn: Option<Turn>,
}

enum Kind {
    Practice(Option<Box<Sandbox>>),
    Real,
}

impl World {
    /// For a case that changes only what it created itself.
    pub(crate) fn shared() -> Self {
        Self::start(false)
    }

    /// For a case that changes the system namespace, the account of the manifests, nodes or the API server: no other
    /// case runs at the same time, and all of SynxDB is Ready before and after.
    pub(crate) fn alone() -> Self {
        Self::start(true)
    }

    fn start(alone: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let real = std::env::var_os(REAL).filter(|path| !path.is_empty());
        let (kind, kubeconfig, turn) = match real {
            Some(path) => {
                let path = std::path::absolute(PathBuf::from(path)).unwrap();
                (Kind::Real, path, Some(Turn::take(if alone { AT_ONCE } else { 1 })))
            }
            None => {
                let options = Options {
                    sql_over_tls: true,
                    another_release: true,
                    state_root: machine::state_root(),
                    ..Options::default()
                };
                let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
                machine::needs_postgresql(sandbox.notices());
                let path = sandbox.kubeconfig().to_owned();
                (Kind::Practice(Some(Box::new(sandbox))), path, None)
            }
        };
        let client = runtime.block_on(client(&kubeconfig));
        let home = tempfile::tempdir().unwrap();
        let world = Self { kind, runtime: Some(runtime), client, kubeconfig, home, alone, turn };
        if alone && world.is_real() {
            world.no_other_accounts();
            world.no_storage_settings();
        }
        if alone || !world.is_real() {
            world.all_ready("before the case");
        }
        world
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self.kind, Kind::Real)
    }

    /// Returns the administrator's password in unmodified databases: a real cluster's require none.
    pub(crate) fn password(&self) -> Option<&str> {
        match &self.kind {
            Kind::Practice(sandbox) => sandbox.as_deref().map(Sandbox::password),
            Kind::Real => None,
        }
    }

    /// Returns the file with that password, for libpq.
    pub(crate) fn passfile(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Practice(sandbox) => sandbox.as_deref().map(Sandbox::passfile),
            Kind::Real => None,
        }
    }

    /// Runs statements as the superuser of a proxy's unmodified server, in database `postgres`.
    pub(crate) fn as_superuser(&self, proxy: (&str, &str), sql: &str) {
        let client = self.superuser(proxy, None);
        let done = self.in_time(sql::first_column(&client, sql)).unwrap_or_else(|| panic!("no answer: {sql}"));
        done.unwrap_or_else(|why| panic!("{proxy:?}: {sql}: {why}"));
    }

    /// Returns a session of the superuser of a proxy's server, in database `postgres`: on a real cluster that is
    /// gpadmin, who has this password by now.
    pub(crate) fn superuser(&self, (namespace, pod): (&str, &str), password: Option<&str>) -> tokio_postgres::Client {
        let session = async {
            match &self.kind {
                Kind::Practice(sandbox) => sandbox.as_ref().unwrap().superuser(namespace, pod).await,
                Kind::Real => {
                    let session = self.session((namespace, pod), ("gpadmin", password), "postgres").await;
                    session.map(|(client, _)| client)
                }
            }
        };
        let session = self.in_time(session).unwrap_or_else(|| panic!("{namespace}/{pod} does not answer"));
        session.unwrap_or_else(|why| panic!("{namespace}/{pod}: {why}"))
    }

    /// Far more than anything takes: what hangs fails.
    pub(crate) fn limit(&self) -> Duration {
        if self.is_real() { Duration::from_secs(240) } else { crate::support::LIMIT }
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(work)
    }

    /// Returns the result of the work, if it ends in time.
    pub(crate) fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.block_on(async { tokio::time::timeout(self.limit(), work).await.ok() })
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Returns a client that sends each request once, whatever the answer.
    pub(crate) fn plain_client(&self, kubeconfig: &Path) -> Client {
        self.block_on(async {
            let mut config = config(kubeconfig).await;
            config.default_retry = false;
            Client::try_from(config).unwrap()
        })
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns a folder that is removed with the world.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client(), namespace)
    }

    pub(crate) fn cluster_wide<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope>,
    {
        Api::all(self.client())
    }

    /// Returns the object, if it exists.
    pub(crate) fn get<K>(&self, api: &Api<K>, name: &str) -> Option<K>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        self.block_on(api.get_opt(name)).unwrap()
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Pod {
        let pod = self.get(&self.within(namespace), name);
        pod.unwrap_or_else(|| panic!("there is no pod {namespace}/{name}"))
    }

    /// Creates an object of any kind that the cluster serves.
    pub(crate) fn create(&self, object: &Value) {
        self.block_on(objects::create(&self.client, object));
    }

    /// Watches the selected objects by name until the condition holds.
    #[track_caller]
    pub(crate) fn until<K>(
        &self,
        api: &Api<K>,
        which: watcher::Config,
        what: &str,
        holds: impl Fn(&BTreeMap<String, K>) -> bool,
    ) -> BTreeMap<String, K>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + serde::Serialize + Debug + Send + 'static,
    {
        match self.block_on(until(api, which, self.limit(), holds)) {
            Ok(objects) => objects,
            Err(seen) => panic!("{what}: not within {:?}\n{seen}", self.limit()),
        }
    }

    /// Returns the plugin with this cluster's kubeconfig and passwords, without the developer's own settings.
    pub(crate) fn plugin(&self, arguments: &[&str]) -> Command {
        let mut command = plugin(self.home(), arguments);
        command.env("KUBECONFIG", &self.kubeconfig);
        command.envs(self.passfile().map(|passfile| ("PGPASSFILE", passfile)));
        command
    }

    /// Runs the plugin to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.start_command(self.plugin(arguments)).end()
    }

    /// Starts a program.
    pub(crate) fn start_command(&self, command: Command) -> Running {
        Running::start_within(self.limit(), command)
    }

    /// Waits until the accounts of earlier cases are gone, which those cases did not wait for.
    fn no_other_accounts(&self) {
        let what = "no account of an earlier case is left";
        self.until(&self.cluster_wide::<Namespace>(), watcher::Config::default(), what, |namespaces| {
            !namespaces.keys().any(|name| name.starts_with(account::PREFIX))
        });
    }

    /// Waits until all pods of SynxDB's own namespaces are Ready.
    fn all_ready(&self, when: &str) {
        for namespace in [SYSTEM, ACCOUNT, FE_TEAM] {
            let sets = self.block_on(self.within::<StatefulSet>(namespace).list(&ListParams::default())).unwrap();
            assert!(!sets.items.is_empty(), "{when}: there is no StatefulSet in {namespace}");
            self.members_ready(namespace, &sets.items, when);
        }
    }

    fn members_ready(&self, namespace: &str, sets: &[StatefulSet], when: &str) {
        let wanted: Vec<String> = sets
            .iter()
            .flat_map(|set| {
                let name = set.metadata.name.clone().unwrap();
                (0..set.spec.replicas.unwrap_or(1)).map(move |ordinal| format!("{name}-{ordinal}"))
            })
            .collect();
        let what = format!("{when}: all pods in {namespace} are Ready");
        self.until(&self.within::<Pod>(namespace), watcher::Config::default(), &what, |pods| {
            wanted.iter().all(|name| pods.get(name).is_some_and(wait::stays_ready))
        });
    }

    /// Reclaims the volumes that the plugin retained for claims of a namespace, including their data.
    fn reclaim(&self, namespace: &str, released_only: bool) {
        let volumes = self.cluster_wide::<PersistentVolume>();
        self.block_on(async {
            let Ok(all) = volumes.list(&ListParams::default()).await else { return };
            for volume in all.items {
                let of_it = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()?.namespace.clone());
                let released = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Released");
                if of_it.as_deref() == Some(namespace) && (released || !released_only) {
                    let patch = serde_json::json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
                    let name = volume.metadata.name.unwrap_or_default();
                    // It may be gone already.
                    let _ = volumes.patch(&name, &Default::default(), &kube::api::Patch::Merge(patch)).await;
                }
            }
        });
    }
}

async fn config(kubeconfig: &Path) -> Config {
    let read = Kubeconfig::read_from(kubeconfig).unwrap_or_else(|error| panic!("{}: {error}", kubeconfig.display()));
    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap()
}

async fn client(kubeconfig: &Path) -> Client {
    Client::try_from(config(kubeconfig).await).unwrap()
}

impl Drop for World {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Practice(sandbox) => {
                if let (Some(sandbox), Some(runtime)) = (sandbox.take(), self.runtime.as_ref()) {
                    runtime.block_on(sandbox.stop());
                }
            }
            // A failed case has reported its reason already.
            Kind::Real if self.alone && !std::thread::panicking() => {
                self.all_ready("after the case");
                self.reclaim(SYSTEM, true);
                self.reclaim(ACCOUNT, true);
                self.reclaim(FE_TEAM, true);
            }
            Kind::Real => {}
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        drop(self.turn.take());
    }
}

/// A share of the real cluster's capacity, released when dropped.
struct Turn(usize);

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Turn {
    fn take(wanted: usize) -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |taken: &mut usize| *taken + wanted > AT_ONCE;
        *GIVEN_BACK.wait_while(taken, free).unwrap_or_else(PoisonError::into_inner) += wanted;
        Self(wanted)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}
