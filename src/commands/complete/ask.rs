//! The lookups of completion: in files, in the cluster and in its databases. Each may fail: `None` and an empty list are the
//! same to the user.

use super::super::context::options;
use super::super::namespaces::scope_in;
use super::super::surroundings::{Chosen, Surroundings, chosen};
use crate::cli::{Global, LoginArgs, Names};
use crate::cluster::snapshot::{NamespaceFacts, NamespaceObjects, Read, Snapshot};
use crate::cluster::{Cluster, Entries, Environment};
use crate::commands::sandbox;
use crate::completion::line::Typed;
use crate::completion::members::{Called, members};
use crate::completion::{Candidate, acts, names};
use crate::probe::{Login, Sql, SqlTarget, login};
use crate::topology::layout::SqlEndpoint;
use crate::topology::target::{TargetMatch, TargetName, match_target, without_mark};
use crate::topology::{Endpoint, Layout, Member, Role, Topology, build};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use std::time::Duration;

/// Maximum number of servers that are queried for their databases.
const MOST_SERVERS: usize = 4;

/// The topology for completion.
struct Installation {
    topology: Topology,
    /// Names of all namespaces, as far as known.
    existing: Vec<String>,
    /// The layout in force.
    layout: Layout,
}

/// A lookup.
pub(super) struct Question<'q> {
    /// The words typed before.
    pub(super) typed: &'q Typed,
    /// The kind of names.
    pub(super) names: Names,
    /// The prefix.
    pub(super) begun: &'q str,
    /// Time limit for the cluster.
    pub(super) deadline: Duration,
}

impl Question<'_> {
    /// Returns the candidates.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let typed = &Typed { global: at_home(&self.typed.global), ..self.typed.clone() };
        let question = Question { typed, ..*self };
        match self.names {
            Names::Context | Names::Cluster | Names::User => question.of_kubeconfig(),
            _ => question.bounded().unwrap_or_default(),
        }
    }

    fn of_kubeconfig(&self) -> Vec<Candidate> {
        let entries = options(&self.typed.global).and_then(|options| Entries::read(&options, &environment()));
        entries.map(|entries| names::entries(&entries, self.names)).unwrap_or_default()
    }

    fn bounded(&self) -> Option<Vec<Candidate>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let answer = runtime.block_on(async { tokio::time::timeout(self.deadline, self.of_cluster()).await });
        // Do not wait for a host name that is still being resolved.
        runtime.shutdown_background();
        answer.ok().flatten()
    }

    async fn of_cluster(&self) -> Option<Vec<Candidate>> {
        let Self { typed, names, begun, deadline } = *self;
        let chosen = chosen(&typed.global, |name| std::env::var_os(name)).ok()?;
        let layout = &chosen.layout;
        let cluster = &Cluster::connect(&options(&typed.global).ok()?, &environment()).await.ok()?;
        let now = Timestamp::now();
        Some(match names {
            Names::Namespace => {
                let around = Surroundings::read(chosen, cluster, deadline).await.ok()?;
                names::namespaces(&known(around.namespaces(cluster, deadline).await)?, &around.layout)
            }
            Names::Undoable => acts::undoable(&build(&cluster.volumes(deadline).await, layout), begun, now),
            Names::Kept => acts::kept(&build(&cluster.volumes(deadline).await, layout), now),
            Names::Catalog => names::databases(&self.databases(cluster, chosen).await?),
            _ => {
                let namespace = namespace(typed, Some(begun));
                let Installation { topology, existing, layout } =
                    self.installation(namespace.as_deref(), cluster, chosen).await?;
                members(&topology, names, begun, &typed.targets, Called::Shortened(&existing, &layout), Some(now))
            }
        })
    }

    /// Reads only the pods of the relevant namespaces: of one that was named in full, at once; otherwise of the existing ones, the
    /// system's concurrently with the list of namespaces.
    async fn installation(&self, namespace: Option<&str>, cluster: &Cluster, chosen: Chosen) -> Option<Installation> {
        let (all, deadline) = (self.typed.all_namespaces, self.deadline);
        let of_context = cluster.namespace().filter(|name| *name != "default" && !all);
        let full_name = namespace.or(of_context).map(without_mark);
        let full_name = full_name.filter(|name| chosen.layout.space_kind(name).is_some()).map(str::to_owned);
        let system = [chosen.layout.system_namespace.clone()];
        let surroundings = Surroundings::read(chosen, cluster, deadline);
        let (snapshot, existing, layout) = match full_name {
            Some(name) => {
                let only = [name.clone()];
                let (around, snapshot) = futures::join!(surroundings, cluster.pods(&only, deadline));
                (snapshot, vec![name], around.ok()?.layout)
            }
            None => {
                let scoped = async {
                    let around = surroundings.await.ok()?;
                    let scope = scope_in(&around, cluster, namespace, all, deadline).await.ok()?;
                    Some((scope, around.layout))
                };
                let (scoped, mut snapshot) = futures::join!(scoped, cluster.pods(&system, deadline));
                let (scope, layout) = scoped?;
                let (systems, others): (Vec<String>, Vec<String>) =
                    scope.namespaces.into_iter().partition(|name| *name == system[0]);
                if systems.is_empty() {
                    snapshot.namespaces.clear();
                }
                snapshot.namespaces.extend(cluster.pods(&others, deadline).await.namespaces);
                (snapshot, known(scope.names).unwrap_or_default(), layout)
            }
        };
        Some(Installation { topology: build(&snapshot, &layout), existing, layout })
    }

    /// Reads the databases of the servers that the targets match, or else of the accounts' coordinators and proxies, each with its
    /// server's pod. Without a password; a server that does not respond is left out.
    async fn databases(&self, cluster: &Cluster, chosen: Chosen) -> Option<Vec<(String, String)>> {
        let (typed, deadline) = (self.typed, self.deadline);
        let targets: Vec<TargetName> = typed.targets.iter().map(|target| TargetName::parse(target)).collect();
        let namespace = namespace(typed, typed.targets.first().map(String::as_str).filter(|_| targets.len() == 1));
        let Installation { topology, .. } = self.installation(namespace.as_deref(), cluster, chosen).await?;
        let meant: Vec<&Member> = if targets.is_empty() {
            let of_account = |member: &&Member| matches!(member.role, Role::Coordinator | Role::WarehouseProxy);
            topology.members().filter(of_account).collect()
        } else {
            targets.iter().flat_map(|target| found(match_target(&topology, None, &target.name))).collect()
        };
        // TAB is not consent: no password is looked up, and no Secret is read. A role and TLS settings are not secret.
        let args = LoginArgs { password_secret: None, ..typed.login.clone() };
        let login = Login::resolve(&args, &no_credentials()).ok()?.login;
        let mut servers: Vec<(&str, String, SqlEndpoint)> = Vec::new();
        for member in meant {
            if let Endpoint::Sql { pod, endpoint, .. } = topology.endpoint(member)
                && !servers.iter().any(|(namespace, known, _)| (*namespace, known) == (&*member.namespace, &pod))
            {
                servers.push((&member.namespace, pod, endpoint));
            }
        }
        let asked = servers.into_iter().take(MOST_SERVERS).map(async |(namespace, pod, endpoint)| {
            let (_, otherwise) = endpoint.logins();
            let login = login.clone();
            let target = SqlTarget {
                namespace: namespace.to_owned(),
                pod: pod.clone(),
                port: endpoint.port,
                user: login.user().map_or(endpoint.user, str::to_owned),
                login,
                database: endpoint.database,
                otherwise,
                // Database names are in the catalog.
                warehouse: None,
            };
            let names = Sql::over(cluster, target).databases(deadline).await.ok()?;
            Some(names.into_iter().map(|name| (pod.clone(), name)).collect::<Vec<_>>())
        });
        Some(join_all(asked).await.into_iter().flatten().flatten().collect())
    }
}

/// Returns the environment of a login without secrets.
fn no_credentials() -> login::Environment {
    let login::Environment { sslmode, sslrootcert, default_sslrootcert, .. } = login::Environment::of_process();
    login::Environment { sslmode, sslrootcert, default_sslrootcert, ..login::Environment::default() }
}

fn known<T>(read: Read<T>) -> Option<T> {
    match read {
        Read::Known(value) => Some(value),
        Read::Unknown(_) | Read::NotAsked => None,
    }
}

/// Returns the namespace of a target, or else of the flag.
fn namespace(typed: &Typed, target: Option<&str>) -> Option<String> {
    target.and_then(|target| TargetName::parse(target).namespace).or_else(|| typed.global.namespace.clone())
}

fn found<'t>(target: TargetMatch<'t>) -> Vec<&'t Member> {
    match target {
        TargetMatch::One(member) => vec![member],
        TargetMatch::Many(members) => members,
        TargetMatch::Suspended(_) | TargetMatch::Stranger(..) | TargetMatch::None(_) => Vec::new(),
    }
}

/// Returns the process' environment without prompts: not on standard input, and for credential plugins not on the terminal
/// either. If this process cannot leave the terminal, no plugin is run.
fn environment() -> Environment {
    let no_plugins = !leave_terminal();
    Environment { stdin_is_terminal: false, plugins_are_silent: true, no_plugins, ..Environment::of_process() }
}

#[cfg(unix)]
fn leave_terminal() -> bool {
    rustix::process::setsid().is_ok()
}

#[cfg(not(unix))]
fn leave_terminal() -> bool {
    false
}

/// Expands `~/` in paths: words are completed before the shell does that.
fn at_home(global: &Global) -> Global {
    let mut global = global.clone();
    let Some(home) = std::env::home_dir() else { return global };
    let paths = [
        &mut global.kubeconfig,
        &mut global.layout,
        &mut global.certificate_authority,
        &mut global.client_certificate,
        &mut global.client_key,
    ];
    for path in paths.into_iter().flatten() {
        if let Ok(rest) = path.strip_prefix("~") {
            *path = home.join(rest);
        }
    }
    global
}

/// Returns candidates for a practice cluster of the chosen scenario, from its manifests. Nothing is started.
pub(super) fn practice(typed: &Typed, names: Names, begun: &str) -> Option<Vec<Candidate>> {
    let layout = chosen(&at_home(&typed.global), |name| std::env::var_os(name)).ok()?.layout;
    let sets = sandbox::stateful_sets(typed.global.scenario.as_deref())?;
    let mut namespaces: Vec<NamespaceObjects> = Vec::new();
    for set in sets {
        let set: StatefulSet = serde_json::from_value(set).ok()?;
        let name = set.metadata.namespace.clone()?;
        let place = namespaces.iter().position(|known| known.namespace == name).unwrap_or_else(|| {
            let nothing_runs = Read::Known(Vec::new());
            namespaces.push(NamespaceObjects { pods: nothing_runs, ..NamespaceObjects::unread(&name) });
            namespaces.len() - 1
        });
        let sets = std::mem::take(&mut namespaces[place].stateful_sets);
        namespaces[place].stateful_sets = Read::Known(known(sets).into_iter().flatten().chain([set]).collect());
    }
    let existing: Vec<String> = namespaces.iter().map(|objects| objects.namespace.clone()).collect();
    if names == Names::Namespace {
        let facts = |objects: &NamespaceObjects| NamespaceFacts { name: objects.namespace.clone(), terminating: false };
        return Some(names::namespaces(&namespaces.iter().map(facts).collect::<Vec<_>>(), &layout));
    }
    if let Some(wanted) = namespace(typed, Some(begun)) {
        namespaces.retain(|objects| objects.namespace.starts_with(without_mark(&wanted)));
    }
    let topology = build(&Snapshot { namespaces, ..Snapshot::default() }, &layout);
    Some(members(&topology, names, begun, &typed.targets, Called::Shortened(&existing, &layout), None))
}
