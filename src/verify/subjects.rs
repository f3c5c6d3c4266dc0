//! Whom to ask, from a topology. Pure.

use crate::topology::layout::{PageDoor, SqlDoor};
use crate::topology::{Door, Member, Role, Topology};
use std::collections::BTreeSet;

/// Somebody to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A database server.
    Server {
        /// Namespace of its pod.
        namespace: String,
        /// Its pod.
        pod: String,
        /// Port, user, database that must be there.
        door: SqlDoor,
        /// Whether there is such a pod.
        exists: bool,
    },
    /// The status pages of a component's members.
    Pages {
        /// Namespace of the pods.
        namespace: String,
        /// Name of the component.
        component: String,
        /// What they are.
        role: Role,
        /// The pods, and whether each is there.
        pods: Vec<(String, bool)>,
        /// Port and path.
        door: PageDoor,
        /// Whether these are all members there should be, so that a majority can be told.
        whole: bool,
        /// What the layout says of its remote storage.
        remote_storage: Option<bool>,
    },
    /// Nodes that another component answers for: what Kubernetes says of them.
    Nodes {
        /// Namespace of the pods.
        namespace: String,
        /// Name of the component.
        component: String,
        /// Ready pods, and pods that there should be.
        ready: (usize, usize),
        /// Those that are not Ready.
        waiting: Vec<String>,
    },
    /// A Ready member of a kind that nothing is known to prove of.
    Unprovable {
        /// Its namespace.
        namespace: String,
        /// Its pod.
        pod: String,
        /// Why it is not asked.
        reason: String,
    },
    /// A member that cannot be asked.
    Unasked {
        /// Its namespace.
        namespace: String,
        /// Its pod.
        pod: String,
        /// Why.
        reason: String,
    },
}

/// Those to ask about the members that `wanted` lets through; who answers for several is asked once.
pub fn subjects(topology: &Topology, wanted: impl Fn(&Member) -> bool) -> Vec<Subject> {
    let mut subjects = Vec::new();
    let mut servers = BTreeSet::new();
    for component in topology.spaces.iter().flat_map(|space| &space.components) {
        let members: Vec<&Member> = component.members.iter().filter(|member| wanted(member)).collect();
        let Some(first) = members.first() else { continue };
        let namespace = first.namespace.clone();
        if component.answers_through.is_some() {
            let waiting: Vec<String> =
                members.iter().filter(|member| !member.ready()).map(|member| member.name.clone()).collect();
            subjects.push(Subject::Nodes {
                namespace: namespace.clone(),
                component: component.name.clone(),
                ready: (members.len() - waiting.len(), members.len()),
                waiting,
            });
        }
        let mut pods = Vec::new();
        let mut page = None;
        for member in &members {
            match topology.door(member) {
                Door::Sql { pod, door } => {
                    if servers.insert((namespace.clone(), pod.clone())) {
                        let exists = topology.member(&namespace, &pod).is_some_and(|member| member.pod.is_some());
                        subjects.push(Subject::Server { namespace: namespace.clone(), pod, door, exists });
                    }
                }
                Door::Page { pod, door } => {
                    pods.push((pod, member.pod.is_some()));
                    page = Some(door);
                }
                Door::Silent(reason) if component.is_never_asked() && member.ready() => {
                    subjects.push(Subject::Unprovable {
                        namespace: namespace.clone(),
                        pod: member.name.clone(),
                        reason,
                    });
                }
                Door::Silent(reason) => {
                    subjects.push(Subject::Unasked { namespace: namespace.clone(), pod: member.name.clone(), reason });
                }
            }
        }
        if let Some(door) = page {
            subjects.push(Subject::Pages {
                namespace,
                component: component.name.clone(),
                role: component.role,
                whole: pods.len() == component.members.len(),
                pods,
                door,
                remote_storage: component.remote_storage,
            });
        }
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};

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

    fn said(subjects: &[Subject]) -> Vec<String> {
        subjects
            .iter()
            .map(|subject| match subject {
                Subject::Server { pod, door, exists, .. } => format!("server {pod} {} {exists}", door.database),
                Subject::Pages { pods, whole, .. } => format!("pages {pods:?} {whole}"),
                Subject::Nodes { component, ready, waiting, .. } => format!("nodes {component} {ready:?} {waiting:?}"),
                Subject::Unprovable { pod, reason, .. } => format!("unprovable {pod} {reason}"),
                Subject::Unasked { pod, reason, .. } => format!("unasked {pod} {reason}"),
            })
            .collect()
    }

    /// What the layout gives no port is skipped while it is Ready, and unknown while it is not.
    #[test]
    fn what_nothing_is_known_to_prove_of_is_told_apart() {
        let system = |ready: bool| {
            let yaml = format!(
                "namespace: synxdb-system
sets: [{{name: storage-broker, replicas: 1, templates: []}}]
pods: [{{name: storage-broker-0, set: storage-broker, ready: {ready}}}]"
            );
            let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
            said(&subjects(&topology, |_| true))
        };
        let why = "storage-broker-0 the layout names no port on which it answers";
        assert_eq!(system(true), [format!("unprovable {why}")]);
        assert_eq!(system(false), [format!("unasked {why}")]);
    }

    #[test]
    fn everybody_is_asked_once() {
        let expected = [
            "pages [(\"safekeeper-0\", true), (\"safekeeper-1\", false), (\"safekeeper-2\", true)] true",
            "server cloudberry-proxy-0 postgres true",
            "nodes wh9527 (1, 2) [\"wh9527-1\"]",
        ];
        assert_eq!(said(&subjects(&world(), |_| true)), expected);
    }

    #[test]
    fn a_node_is_asked_about_at_its_proxy_and_a_part_makes_no_majority() {
        let expected = ["nodes wh9527 (1, 1) []", "server cloudberry-proxy-0 postgres true"];
        assert_eq!(said(&subjects(&world(), |member| member.name == "wh9527-0")), expected);
        let expected = ["pages [(\"safekeeper-2\", true)] false"];
        assert_eq!(said(&subjects(&world(), |member| member.name == "safekeeper-2")), expected);
    }
}
