//! Which databases are probed while a pod is replaced, and what is expected of each: from the topology alone.

use crate::topology::layout::{Role, SpaceKind, SqlEndpoint};
use crate::topology::{Component, Member, Space, Topology};
use serde::Serialize;
use std::time::Duration;

/// Time between two probes of one database, start to start.
const EVERY: Duration = Duration::from_millis(200);
/// Minimum time between any two probes: each opens its own forward through the API server.
const ALL_TOGETHER: Duration = Duration::from_millis(20);

/// What the product's failover page leads one to expect of a database's availability while a component is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ExpectedAvailability {
    /// "The database remains accessible during this period": safekeeper and pageserver.
    NoInterruption,
    /// "Temporarily" or "briefly inaccessible": a proxy itself, and the account of a warehouse node.
    BriefInterruption,
    /// Nothing: measured, not judged.
    None,
}

/// A database that is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProbeTarget {
    /// Namespace of the pod to connect to.
    pub namespace: String,
    /// That pod.
    pub pod: String,
    /// Port, user and database.
    pub endpoint: SqlEndpoint,
    /// Warehouse of its sessions, if the server has warehouses: the replaced node's own, otherwise one that is up. Null if there
    /// is none.
    pub warehouse: Option<String>,
    /// What is expected of it.
    pub expected: ExpectedAvailability,
}

/// What depends on the target and is not probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotMeasured {
    /// Its namespace. Null if unknown.
    pub namespace: Option<String>,
    /// Its pod. Null if unknown.
    pub pod: Option<String>,
    /// The reason.
    #[serde(rename = "reason")]
    pub why: String,
}

/// The databases whose availability is measured during a failover.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// Those that are probed.
    pub databases: Vec<ProbeTarget>,
    /// Those that should be probed, and are not.
    pub not_measured: Vec<NotMeasured>,
}

impl Probes {
    /// Returns the time between two probes of one database, start to start.
    pub fn every(&self) -> Duration {
        let many = u32::try_from(self.databases.len()).unwrap_or(u32::MAX);
        EVERY.max(ALL_TOGETHER.saturating_mul(many))
    }

    /// Returns the namespaces of the probed databases, each once.
    pub fn namespaces(&self) -> Vec<String> {
        let mut names: Vec<String> = self.databases.iter().map(|target| target.namespace.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Stops probing in a namespace, for this reason.
    pub fn leave_out(&mut self, namespace: &str, why: &str) {
        let (out, kept) = self.databases.drain(..).partition(|target| target.namespace == namespace);
        self.databases = kept;
        let out: Vec<ProbeTarget> = out;
        self.not_measured.extend(out.into_iter().map(|target| NotMeasured {
            namespace: Some(target.namespace),
            pod: Some(target.pod),
            why: why.to_owned(),
        }));
    }

    fn add(
        &mut self,
        topology: &Topology,
        (component, member): (&Component, &Member),
        failed_over: &Member,
        expected: ExpectedAvailability,
    ) {
        let Some(endpoint) = component.sql.clone() else { return };
        let (namespace, pod) = (member.namespace.clone(), member.name.clone());
        match why_not(member, failed_over) {
            Some(why) => {
                self.not_measured.push(NotMeasured { namespace: Some(namespace), pod: Some(pod), why });
            }
            None => {
                let warehouse = warehouse(topology, member, failed_over);
                self.databases.push(ProbeTarget { namespace, pod, endpoint, warehouse, expected });
            }
        }
    }
}

/// Returns whether databases of other namespaces depend on this pod.
pub(crate) fn reaches_further(member: &Member) -> bool {
    match member.role {
        Role::MetadataProxy
        | Role::Safekeeper
        | Role::Pageserver
        | Role::FoundationDb
        | Role::StorageController
        | Role::StorageBroker => true,
        Role::Coordinator | Role::WarehouseProxy | Role::WarehouseNode | Role::Console => false,
    }
}

/// Returns the databases that depend on a pod: for a safekeeper or the pageserver, the metadata's and every account's; for the
/// metadata proxy, the same; for a coordinator or warehouse proxy, its own; for a warehouse node, those of the component that
/// answers for it; for other system components, all, with nothing expected.
pub(crate) fn depending(topology: &Topology, member: &Member) -> Probes {
    let mut probes = Probes::default();
    for space in &topology.spaces {
        for component in &space.components {
            for endpoint in &component.members {
                if let Some(expected) = expected(topology, member, space, component, endpoint) {
                    probes.add(topology, (component, endpoint), member, expected);
                }
            }
        }
    }
    probes
}

/// Returns a database that the user named, with what is usually expected of it.
///
/// # Errors
/// The reason why it cannot be probed: it is not a SynxDB component, or does not accept SQL.
pub(crate) fn named(topology: &Topology, member: &Member, namespace: &str, pod: &str) -> Result<Probes, String> {
    let Some(endpoint) = topology.member(namespace, pod) else {
        return Err(format!("{namespace}/{pod} is not a SynxDB component according to the layout"));
    };
    let found = topology.space(namespace).zip(topology.component_of(endpoint));
    let Some((space, component)) = found.filter(|(_, component)| component.sql.is_some()) else {
        return Err(format!("{namespace}/{pod} does not accept SQL: it is a {}", endpoint.role));
    };
    let mut probes = Probes::default();
    let expected = expected(topology, member, space, component, endpoint).unwrap_or(ExpectedAvailability::None);
    probes.add(topology, (component, endpoint), member, expected);
    Ok(probes)
}

/// Returns the warehouse to probe a database in: that of the replaced node, if the database is its account's.
fn warehouse(topology: &Topology, endpoint: &Member, failed_over: &Member) -> Option<String> {
    let own = topology.component_of(failed_over).filter(|_| failed_over.namespace == endpoint.namespace);
    let own = own.and_then(|component| topology.warehouse(component, &failed_over.namespace, true));
    own.or_else(|| topology.running_warehouse(&endpoint.namespace)).map(|warehouse| warehouse.name)
}

/// Returns what is expected of an endpoint while `member` is replaced; `None` if it does not depend on it.
fn expected(
    topology: &Topology,
    member: &Member,
    space: &Space,
    component: &Component,
    endpoint: &Member,
) -> Option<ExpectedAvailability> {
    let itself = endpoint.namespace == member.namespace && endpoint.name == member.name;
    let same_space = space.namespace == member.namespace;
    match member.role {
        Role::Safekeeper | Role::Pageserver => Some(ExpectedAvailability::NoInterruption),
        Role::MetadataProxy if itself => Some(ExpectedAvailability::BriefInterruption),
        Role::MetadataProxy => (space.kind == SpaceKind::Account).then_some(ExpectedAvailability::None),
        Role::FoundationDb | Role::StorageController | Role::StorageBroker => Some(ExpectedAvailability::None),
        Role::Coordinator | Role::WarehouseProxy => itself.then_some(ExpectedAvailability::BriefInterruption),
        Role::Console => None,
        Role::WarehouseNode => {
            let answers = topology.component_of(member).and_then(|component| component.answers_through);
            (same_space && answers == Some(component.role)).then_some(ExpectedAvailability::BriefInterruption)
        }
    }
}

fn why_not(endpoint: &Member, failed_over: &Member) -> Option<String> {
    let pod = endpoint.pod.as_ref()?;
    let itself = endpoint.namespace == failed_over.namespace && endpoint.name == failed_over.name;
    let own_name = pod.owner.as_ref().is_none_or(|owner| owner.is_stateful_set());
    if let Some(reason) = &pod.sql_skipped {
        return Some(format!("it is annotated to skip SQL: {reason}"));
    }
    if itself && !own_name {
        return Some("the pod that replaces it has another name".into());
    }
    // Another actor deletes it.
    (!itself && pod.terminating.is_some()).then(|| "it is being deleted".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACCOUNT, snapshot};
    use crate::topology::{Layout, build};

    const CLOUD007: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

    const SYSTEM: &str = "
namespace: synxdb-system
sets:
- {name: cloudberry-proxy, replicas: 1}
- {name: safekeeper, replicas: 1}
- {name: pageserver, replicas: 1}
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}
- {name: safekeeper-0, set: safekeeper, ready: true}
- {name: pageserver-0, set: pageserver, ready: true}
";
    const OTHER: &str = "
namespace: other-513d75d5-3033-4649-b913-07f6115ec41b
sets:
- {name: cloudberry-proxy, replicas: 2}
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}
- {name: cloudberry-proxy-1, set: cloudberry-proxy, ready: true, terminating: true}
";

    fn world(system: &str) -> Topology {
        build(&snapshot(&[system, ACCOUNT, OTHER]), &Layout::shipped().unwrap())
    }

    fn asked(probes: &Probes) -> Vec<(String, ExpectedAvailability)> {
        let short = |target: &ProbeTarget| {
            let account = target.namespace.split('-').next().unwrap_or_default();
            (format!("{account}/{}", target.pod), target.expected)
        };
        probes.databases.iter().map(short).collect()
    }

    /// Each namespace is read once, whatever is probed in it, and one that may not be read is left out with its reason.
    #[test]
    fn namespaces_are_named_once_and_left_out_completely() {
        let topology = world(&SYSTEM.replace("replicas: 1}", "replicas: 2}").replace(
            "- {name: safekeeper-0",
            "- {name: cloudberry-proxy-1, set: cloudberry-proxy, ready: true}\n- {name: safekeeper-0",
        ));
        let mut probes = depending(&topology, topology.member("synxdb-system", "safekeeper-0").unwrap());
        let other = "other-513d75d5-3033-4649-b913-07f6115ec41b";
        assert_eq!(asked(&probes).len(), 4);
        assert_eq!(probes.namespaces(), [CLOUD007, other, "synxdb-system"]);
        let before = probes.not_measured.len();
        probes.leave_out("synxdb-system", "pods is forbidden");
        assert_eq!(probes.namespaces(), [CLOUD007, other]);
        let out: Vec<_> = probes.not_measured[before..].iter().map(|not| (not.pod.as_deref(), &*not.why)).collect();
        assert_eq!(
            out,
            [(Some("cloudberry-proxy-0"), "pods is forbidden"), (Some("cloudberry-proxy-1"), "pods is forbidden")]
        );
        assert_eq!(Probes::default().namespaces(), Vec::<String>::new());
    }

    #[test]
    fn the_databases_that_depend_on_each_component() {
        use ExpectedAvailability::{BriefInterruption, NoInterruption, None};
        let system = |expected| ("synxdb/cloudberry-proxy-0".to_owned(), expected);
        let account = |expected| ("cloud007/cloudberry-proxy-0".to_owned(), expected);
        let other = |expected| ("other/cloudberry-proxy-0".to_owned(), expected);
        let topology = world(SYSTEM);
        for (namespace, pod, expected) in [
            (
                "synxdb-system",
                "safekeeper-0",
                vec![system(NoInterruption), account(NoInterruption), other(NoInterruption)],
            ),
            (
                "synxdb-system",
                "pageserver-0",
                vec![system(NoInterruption), account(NoInterruption), other(NoInterruption)],
            ),
            ("synxdb-system", "cloudberry-proxy-0", vec![system(BriefInterruption), account(None), other(None)]),
            (CLOUD007, "cloudberry-proxy-0", vec![account(BriefInterruption)]),
            (CLOUD007, "wh9527-1", vec![account(BriefInterruption)]),
        ] {
            let member = topology.member(namespace, pod).unwrap();
            let probes = depending(&topology, member);
            assert_eq!(asked(&probes), expected, "{pod}");
            let going: Vec<_> = probes.not_measured.iter().map(|not| (not.pod.as_deref(), &*not.why)).collect();
            let there = namespace == "synxdb-system";
            let being_deleted = (Some("cloudberry-proxy-1"), "it is being deleted");
            assert_eq!(going, if there { vec![being_deleted] } else { vec![] }, "{pod}");
            assert_eq!(reaches_further(member), there);
        }
        let database = &depending(&topology, topology.member("synxdb-system", "pageserver-0").unwrap()).databases[0];
        assert_eq!(
            (database.endpoint.port, &*database.endpoint.user, &*database.endpoint.database),
            (5432, "gpadmin", "cloudmeta")
        );
    }

    #[test]
    fn a_pod_that_skips_sql_is_left_out() {
        let skips = SYSTEM.replace(
            "{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}",
            "{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, sqlSkipped: no server}",
        );
        let topology = world(&skips);
        let probes = depending(&topology, topology.member("synxdb-system", "cloudberry-proxy-0").unwrap());
        assert_eq!(probes.not_measured[0].why, "it is annotated to skip SQL: no server");
        assert_eq!(probes.databases.len(), 2);
        // Its successor has another name, and could not be asked under this one.
        let renamed = SYSTEM.replace("name: cloudberry-proxy-0, set:", "name: cloudberry-proxy-7d9f-x, replicaSet:");
        let renamed = renamed.replace("replicaSet: cloudberry-proxy,", "replicaSet: cloudberry-proxy-7d9f,");
        let renamed = renamed.replace("- {name: cloudberry-proxy, replicas: 1}\n", "");
        let topology = world(&renamed);
        let probes = depending(&topology, topology.member("synxdb-system", "cloudberry-proxy-7d9f-x").unwrap());
        assert_eq!(probes.not_measured[0].why, "the pod that replaces it has another name");
        let probes = depending(&topology, topology.member("synxdb-system", "safekeeper-0").unwrap());
        assert_eq!(probes.databases[0].pod, "cloudberry-proxy-7d9f-x");
    }

    #[test]
    fn a_named_database_has_its_usual_promise() {
        let topology = world(SYSTEM);
        let safekeeper = topology.member("synxdb-system", "safekeeper-0").unwrap();
        let node = topology.member(CLOUD007, "wh9527-0").unwrap();
        let named = |member, namespace, pod| named(&topology, member, namespace, pod);
        let expected = |member| named(member, "synxdb-system", "cloudberry-proxy-0").unwrap().databases[0].expected;
        assert_eq!(
            (expected(safekeeper), expected(node)),
            (ExpectedAvailability::NoInterruption, ExpectedAvailability::None)
        );
        let error = named(node, CLOUD007, "wh9527-0").unwrap_err();
        assert!(error.ends_with("does not accept SQL: it is a warehouse node"), "{error}");
        let error = named(node, CLOUD007, "no-such-0").unwrap_err();
        assert!(error.contains("is not a SynxDB component"), "{error}");
    }

    #[test]
    fn many_databases_are_probed_less_often() {
        let topology = world(SYSTEM);
        let mut probes = depending(&topology, topology.member("synxdb-system", "safekeeper-0").unwrap());
        assert_eq!(probes.every(), Duration::from_millis(200));
        let one = probes.databases[0].clone();
        probes.databases = vec![one; 100];
        assert_eq!(probes.every(), Duration::from_secs(2));
        probes.leave_out("synxdb-system", "no");
        assert!(probes.databases.is_empty() && probes.not_measured.len() == 101, "{probes:?}");
    }
}
