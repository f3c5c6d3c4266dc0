//! Chooses the targets to query from a topology. Pure.

use crate::topology::layout::{SqlEndpoint, StatusEndpoint};
use crate::topology::{Component, Endpoint, Member, Role, Space, Suspended, Topology, Warehouse};
use std::collections::BTreeMap;

/// A target to query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VerifyTarget {
    /// A database server.
    Server {
        /// Namespace of its pod.
        namespace: String,
        /// Its pod.
        pod: String,
        /// Port, user, database that must exist.
        endpoint: SqlEndpoint,
        /// Whether the pod exists.
        exists: bool,
        /// The warehouse of its sessions; `None` if its account has none that is up.
        warehouse: Option<String>,
        /// The warehouses whose nodes are queried through it, by the component's name.
        answers_for: Vec<(String, Warehouse)>,
        /// Names of the account's warehouses that are suspended.
        suspended: Vec<String>,
    },
    /// The status endpoints of a component's pods.
    Pages {
        /// Namespace of the pods.
        namespace: String,
        /// Name of the component.
        component: String,
        /// Their role.
        role: Role,
        /// The pods, and whether each exists.
        pods: Vec<(String, bool)>,
        /// Port and path.
        endpoint: StatusEndpoint,
        /// Whether these are all expected pods, so that a quorum can be judged.
        whole: bool,
        /// The layout's remote storage setting.
        remote_storage: Option<bool>,
    },
    /// Nodes that are queried through another component: their state in Kubernetes.
    Nodes {
        /// Namespace of the pods.
        namespace: String,
        /// Name of the component.
        component: String,
        /// Ready pods, and expected pods.
        ready: (usize, usize),
        /// Those that are not Ready.
        waiting: Vec<String>,
    },
    /// A Ready member of a kind without a known verification.
    Unprovable {
        /// Its namespace.
        namespace: String,
        /// Its pod.
        pod: String,
        /// Why it is not queried.
        reason: String,
    },
    /// A suspended part: nothing of it is queried.
    Suspended(Suspended),
    /// A member that cannot be queried.
    Unasked {
        /// Its namespace.
        namespace: String,
        /// Its pod.
        pod: String,
        /// Why.
        reason: String,
    },
}

/// Returns the targets for the members that `wanted` selects, and the suspended parts that `named` selects by namespace
/// and StatefulSet; an endpoint of several members is queried once.
pub(crate) fn subjects(
    topology: &Topology,
    wanted: impl Fn(&Member) -> bool,
    named: impl Fn(&str, &str) -> bool,
) -> Vec<VerifyTarget> {
    let mut subjects = Vec::new();
    // The index of each queried server in the list.
    let mut servers: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (space, component) in topology.spaces.iter().flat_map(of_space) {
        if let Some(suspended) = suspension(space, component, &named) {
            subjects.push(VerifyTarget::Suspended(suspended));
        }
        if space.suspends(component) {
            continue;
        }
        let members: Vec<&Member> = component.members.iter().filter(|member| wanted(member)).collect();
        let Some(first) = members.first() else { continue };
        let namespace = first.namespace.clone();
        if component.answers_through.is_some() {
            let waiting: Vec<String> =
                members.iter().filter(|member| !member.ready()).map(|member| member.name.clone()).collect();
            subjects.push(VerifyTarget::Nodes {
                namespace: namespace.clone(),
                component: component.name.clone(),
                ready: (members.len() - waiting.len(), members.len()),
                waiting,
            });
        }
        let mut pods = Vec::new();
        let mut page = None;
        for member in &members {
            match topology.endpoint(member) {
                Endpoint::Sql { pod, endpoint, warehouse } => {
                    let at = *servers.entry((namespace.clone(), pod.clone())).or_insert_with(|| {
                        let exists = topology.member(&namespace, &pod).is_some_and(|member| member.pod.is_some());
                        let running = topology.running_warehouse(&namespace).map(|warehouse| warehouse.name);
                        subjects.push(VerifyTarget::Server {
                            namespace: namespace.clone(),
                            pod,
                            endpoint,
                            exists,
                            warehouse: running,
                            answers_for: Vec::new(),
                            suspended: space.suspensions().into_iter().filter_map(|one| one.warehouse).collect(),
                        });
                        subjects.len() - 1
                    });
                    let nodes = warehouse.filter(|warehouse| warehouse.proven);
                    if let (Some(nodes), Some(VerifyTarget::Server { answers_for, .. })) = (nodes, subjects.get_mut(at))
                        && answers_for.iter().all(|(_, known)| known.name != nodes.name)
                    {
                        answers_for.push((component.name.clone(), nodes));
                    }
                }
                Endpoint::Page { pod, endpoint } => {
                    pods.push((pod, member.pod.is_some()));
                    page = Some(endpoint);
                }
                Endpoint::Silent(reason) if component.is_never_asked() && member.ready() => {
                    subjects.push(VerifyTarget::Unprovable {
                        namespace: namespace.clone(),
                        pod: member.name.clone(),
                        reason,
                    });
                }
                Endpoint::Silent(reason) => {
                    subjects.push(VerifyTarget::Unasked {
                        namespace: namespace.clone(),
                        pod: member.name.clone(),
                        reason,
                    });
                }
            }
        }
        if let Some(endpoint) = page {
            subjects.push(VerifyTarget::Pages {
                namespace,
                component: component.name.clone(),
                role: component.role,
                whole: pods.len() == component.members.len(),
                pods,
                endpoint,
                remote_storage: component.remote_storage,
            });
        }
    }
    subjects
}

fn of_space(space: &Space) -> impl Iterator<Item = (&Space, &Component)> {
    space.components.iter().map(move |component| (space, component))
}

/// Returns the suspension that stops a component: a warehouse by itself, an account once, with its first component.
fn suspension(space: &Space, component: &Component, named: impl Fn(&str, &str) -> bool) -> Option<Suspended> {
    let first = |suspended: &Suspended| {
        let wanted = suspended.sets.iter().find(|set| named(&space.namespace, set));
        wanted.is_some_and(|set| *set == component.name)
    };
    space.suspensions().into_iter().find(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};

    const CLOUD007: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

    fn world() -> Topology {
        let account = "namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a
sets: [{name: cloudberry-proxy, replicas: 1, templates: []}, {name: wh9527, replicas: 2, templates: []}]
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}
- {name: wh9527-0, set: wh9527, ready: true}
- {name: wh9527-1, set: wh9527, ready: false}";
        let system = "namespace: synxdb-system
sets: [{name: safekeeper, replicas: 3, templates: []}]
pods:
- {name: safekeeper-0, set: safekeeper, ready: true}
- {name: safekeeper-2, set: safekeeper, ready: true}";
        build(&snapshot(&[account, system]), &Layout::shipped().unwrap())
    }

    fn text_of(subjects: &[VerifyTarget]) -> Vec<String> {
        subjects
            .iter()
            .map(|subject| match subject {
                VerifyTarget::Server { pod, endpoint, exists, warehouse, answers_for, suspended, .. } => {
                    let nodes: Vec<String> =
                        answers_for.iter().map(|(name, of)| format!("{name}={}:{}", of.name, of.nodes)).collect();
                    let warehouse = warehouse.as_deref().unwrap_or("-");
                    format!(
                        "server {pod} {} {exists} in {warehouse} for {nodes:?} not {suspended:?}",
                        endpoint.database
                    )
                }
                VerifyTarget::Suspended(suspended) => format!("suspended {}", suspended.what()),
                VerifyTarget::Pages { pods, whole, .. } => format!("pages {pods:?} {whole}"),
                VerifyTarget::Nodes { component, ready, waiting, .. } => {
                    format!("nodes {component} {ready:?} {waiting:?}")
                }
                VerifyTarget::Unprovable { pod, reason, .. } => format!("unprovable {pod} {reason}"),
                VerifyTarget::Unasked { pod, reason, .. } => format!("unasked {pod} {reason}"),
            })
            .collect()
    }

    /// A component without a port in the layout is skipped while it is Ready, and unknown while it is not.
    #[test]
    fn what_nothing_is_known_to_prove_of_is_told_apart() {
        let system = |ready: bool| {
            let yaml = format!(
                "namespace: synxdb-system
sets: [{{name: storage-broker, replicas: 1, templates: []}}]
pods: [{{name: storage-broker-0, set: storage-broker, ready: {ready}}}]"
            );
            let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
            text_of(&subjects(&topology, |_| true, |_, _| true))
        };
        let why = "storage-broker-0 the layout defines no port for it";
        assert_eq!(system(true), [format!("unprovable {why}")]);
        assert_eq!(system(false), [format!("unasked {why}")]);
    }

    fn all(topology: &Topology) -> Vec<String> {
        text_of(&subjects(topology, |_| true, |_, _| true))
    }

    fn about(topology: &Topology, pod: &str) -> Vec<String> {
        text_of(&subjects(topology, |member| member.name == pod, |_, _| false))
    }

    #[test]
    fn everybody_is_asked_once() {
        let expected = [
            "pages [(\"safekeeper-0\", true), (\"safekeeper-1\", false), (\"safekeeper-2\", true)] true",
            "server cloudberry-proxy-0 postgres true in - for [\"wh9527=wh9527:2\"] not []",
            "nodes wh9527 (1, 2) [\"wh9527-1\"]",
        ];
        assert_eq!(all(&world()), expected);
    }

    #[test]
    fn a_node_is_asked_about_at_its_proxy_and_a_part_makes_no_majority() {
        let expected =
            ["nodes wh9527 (1, 1) []", "server cloudberry-proxy-0 postgres true in - for [\"wh9527=wh9527:2\"] not []"];
        assert_eq!(about(&world(), "wh9527-0"), expected);
        let expected = ["pages [(\"safekeeper-2\", true)] false"];
        assert_eq!(about(&world(), "safekeeper-2"), expected);
    }

    /// Each warehouse separately; queries about the account as a whole run in one that is up.
    #[test]
    fn each_warehouse_is_asked_about_and_a_suspended_one_is_not() {
        let account = |proxy: u32, [first, second, third]: [u32; 3], pods: &str| {
            let sets = format!(
                "sets: [{{name: cloudberry-proxy, replicas: {proxy}}}, {{name: wh1, replicas: {first}}}, {{name: wh2, \
                 replicas: {second}}}, {{name: wh3, replicas: {third}}}]"
            );
            let document = format!("namespace: {CLOUD007}\n{sets}\npods: [{pods}]");
            build(&snapshot(&[&document]), &Layout::shipped().unwrap())
        };
        let up = "{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}, {name: wh1-0, set: wh1, ready: false}, \
                  {name: wh2-0, set: wh2, ready: true}";
        let expected = [
            "server cloudberry-proxy-0 postgres true in wh2 for [\"wh1=wh1:1\", \"wh2=wh2:1\"] not [\"wh3\"]",
            "nodes wh1 (0, 1) [\"wh1-0\"]",
            "nodes wh2 (1, 1) []",
            &format!("suspended warehouse wh3 of account {CLOUD007}"),
        ];
        let world = account(1, [1, 1, 0], up);
        assert_eq!(all(&world), expected);
        let expected = [
            "nodes wh1 (0, 1) [\"wh1-0\"]",
            "server cloudberry-proxy-0 postgres true in wh2 for [\"wh1=wh1:1\"] not [\"wh3\"]",
        ];
        assert_eq!(about(&world, "wh1-0"), expected);
        assert_eq!(all(&account(0, [0, 0, 0], "")), [format!("suspended account {CLOUD007}")]);
    }
}
