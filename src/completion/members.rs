//! Pods, and workloads and roles that match several, as candidates for a target.

use super::Candidate;
use crate::cli::Names;
use crate::duration::age;
use crate::topology::target::{shortened, without_mark};
use crate::topology::{Component, Layout, Member, Role, Topology};
use jiff::Timestamp;

/// A pod that is offered by its name or its path.
pub(super) struct Named<'n> {
    pub(super) namespace: &'n str,
    /// The namespace as it is offered: its full name or a unique prefix.
    pub(super) called: &'n str,
    pub(super) name: &'n str,
    pub(super) about: String,
}

/// How namespaces are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Called<'c> {
    /// By their full names.
    InFull,
    /// By a prefix that is unique among these.
    Shortened(&'c [String], &'c Layout),
}

impl Called<'_> {
    fn name(self, namespace: &str) -> &str {
        match self {
            Self::InFull => namespace,
            Self::Shortened(existing, layout) => shortened(namespace, existing, layout),
        }
    }
}

/// Returns the pods of the kind `names` with the prefix `begun`, without those that were typed already. Without a time their
/// state is unknown, and not shown.
pub(crate) fn members(
    topology: &Topology,
    names: Names,
    begun: &str,
    already: &[String],
    called: Called<'_>,
    now: Option<Timestamp>,
) -> Vec<Candidate> {
    // A flag's value is not matched by a prefix.
    let called = if names == Names::Database { Called::InFull } else { called };
    let named = |member| named(member, called, now);
    let mut found = if names == Names::Database {
        let sql = components(topology).filter(|component| component.sql.is_some());
        let sql: Vec<Named<'_>> = sql.flat_map(|component| &component.members).map(named).collect();
        sql.iter().map(|one| Candidate::new(path(one), one.about.clone())).collect()
    } else {
        pods(&topology.members().map(named).collect::<Vec<_>>(), begun)
    };
    if names == Names::Endpoint && components(topology).any(|component| component.role == Role::MetadataProxy) {
        found.push(Candidate::new("meta", "the metadata proxy"));
    }
    if names == Names::Targets {
        found.extend(groups(topology, begun));
    }
    found.retain(|one| one.value.starts_with(begun) && !already.contains(&one.value));
    found
}

/// Returns pods by their names if these are unique; by `NAMESPACE/POD` if they are not, if its prefix was typed, or if no name
/// has the prefix.
pub(super) fn pods(all: &[Named<'_>], begun: &str) -> Vec<Candidate> {
    let full = |one: &Named<'_>| Candidate::new(path(one), one.about.clone());
    if let Some((namespace, _)) = begun.split_once('/') {
        return of_namespace(all, namespace);
    }
    let namesakes = |one: &Named<'_>| all.iter().filter(|other| other.name == one.name).count();
    if !begun.is_empty() && !all.iter().any(|one| one.name.starts_with(begun)) {
        // The typed prefix is longer than the shortened namespace.
        let path_of = |one: &Named<'_>| match one.called.starts_with(begun) {
            true => full(one),
            false => Candidate::new(format!("{}/{}", one.namespace, one.name), one.about.clone()),
        };
        return all.iter().map(path_of).collect();
    }
    let mut found: Vec<Candidate> = Vec::new();
    for one in all {
        match namesakes(one) {
            1 => found.push(Candidate::new(one.name, one.about.clone())),
            several => {
                // The shell drops candidates without the typed prefix, so that the name itself is offered, too.
                if !begun.is_empty() && !found.iter().any(|known| known.value == one.name) {
                    found.push(Candidate::new(
                        one.name,
                        format!("in {several} namespaces: name one, or choose at the prompt"),
                    ));
                }
                found.push(full(one));
            }
        }
    }
    found
}

/// Returns the pods of the only namespace with this name or prefix, written as typed: the commands match it in the same way.
fn of_namespace(all: &[Named<'_>], typed: &str) -> Vec<Candidate> {
    let as_typed = |one: &Named<'_>| Candidate::new(format!("{typed}/{}", one.name), one.about.clone());
    if matches!(typed, "pod" | "pods" | "po") {
        return all.iter().map(as_typed).collect();
    }
    let name = without_mark(typed);
    let exact = all.iter().any(|one| one.namespace == name);
    let ours = all.iter().filter(|one| if exact { one.namespace == name } else { one.namespace.starts_with(name) });
    let ours: Vec<&Named<'_>> = ours.collect();
    match ours.first() {
        Some(first) if ours.iter().all(|one| one.namespace == first.namespace) => {
            ours.into_iter().map(as_typed).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns workloads and roles of several pods, for commands that accept them. Roles only with a prefix.
fn groups(topology: &Topology, begun: &str) -> Vec<Candidate> {
    let mut found: Vec<(String, usize, Vec<&str>)> = Vec::new();
    let mut add = |name: &str, component: &Component| {
        let place = found.iter().position(|(known, ..)| known == name).unwrap_or_else(|| {
            found.push((name.to_owned(), 0, Vec::new()));
            found.len() - 1
        });
        let (_, members, roles) = &mut found[place];
        *members += component.members.len();
        if !roles.contains(&component.role.words()) {
            roles.push(component.role.words());
        }
    };
    for component in components(topology) {
        add(&component.name, component);
        if !begun.is_empty() && component.name != component.role.name() {
            add(component.role.name(), component);
        }
    }
    found.retain(|(_, members, _)| *members > 1);
    let about = |members: usize, roles: &[&str]| format!("all {members}: {}", roles.join(", "));
    found.into_iter().map(|(name, members, roles)| Candidate::new(name, about(members, &roles))).collect()
}

fn components(topology: &Topology) -> impl Iterator<Item = &Component> {
    topology.spaces.iter().flat_map(|space| &space.components)
}

fn named<'m>(member: &'m Member, called: Called<'_>, now: Option<Timestamp>) -> Named<'m> {
    let state = |now| match &member.pod {
        None => "no pod".to_owned(),
        Some(pod) => {
            let state = if member.ready() { "Ready" } else { &*pod.status };
            // A pod that is Running and not Ready has a problem.
            let state = if state == "Running" { "not Ready" } else { state };
            format!("{state}, {}", age(pod.created, now))
        }
    };
    let about = now.map_or_else(|| member.role.to_string(), |now| format!("{}, {}", member.role, state(now)));
    Named { namespace: &member.namespace, called: called.name(&member.namespace), name: &member.name, about }
}

fn path(one: &Named<'_>) -> String {
    format!("{}/{}", one.called, one.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACCOUNT, now, snapshot};
    use crate::topology::{Layout, build};

    const SYSTEM: &str = "
namespace: synxdb-system
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}
- {name: safekeeper-0, set: safekeeper, ready: true}
- {name: safekeeper-1, set: safekeeper, ready: true}
- {name: safekeeper-2, set: safekeeper, ready: true}
- {name: pageserver-0, set: pageserver, ready: true}
";
    const NS: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

    fn world(spaces: &[&str]) -> Topology {
        build(&snapshot(spaces), &Layout::shipped().unwrap())
    }

    fn offered(topology: &Topology, names: Names, begun: &str, already: &[&str]) -> Vec<String> {
        let already: Vec<String> = already.iter().map(ToString::to_string).collect();
        let existing: Vec<String> = ["synxdb-system", NS, "cloudy"].map(str::to_owned).into();
        let layout = Layout::shipped().unwrap();
        let found = members(topology, names, begun, &already, Called::Shortened(&existing, &layout), Some(now()));
        found.into_iter().map(|one| one.value.replace(NS, "NS")).collect()
    }

    #[test]
    fn a_unique_name_is_offered_and_otherwise_a_path() {
        let both = world(&[SYSTEM, ACCOUNT]);
        let meta = "synxdb-system/cloudberry-proxy-0";
        for (names, begun, expected) in [
            (
                Names::Pod,
                "",
                &[
                    meta,
                    "safekeeper-0",
                    "safekeeper-1",
                    "safekeeper-2",
                    "pageserver-0",
                    "cloud007/cloudberry-proxy-0",
                    "wh9527-0",
                    "wh9527-1",
                ][..],
            ),
            (Names::Pod, "wh", &["wh9527-0", "wh9527-1"]),
            (Names::Pod, "wh9527-1", &["wh9527-1"]),
            (Names::Pod, "x", &[]),
            // A name of several pods is offered itself, and those paths with its prefix.
            (Names::Pod, "cloudberry", &["cloudberry-proxy-0"]),
            (Names::Pod, "cloud", &["cloudberry-proxy-0", "cloud007/cloudberry-proxy-0"]),
            // A prefix of a namespace.
            (Names::Pod, "cloud0", &["cloud007/cloudberry-proxy-0", "cloud007/wh9527-0", "cloud007/wh9527-1"]),
            (Names::Pod, "cloud007-5", &["NS/cloudberry-proxy-0", "NS/wh9527-0", "NS/wh9527-1"]),
            (Names::Pod, "cloud007/w", &["cloud007/wh9527-0", "cloud007/wh9527-1"]),
            (Names::Pod, "synxdb-system/cl", &[meta]),
            (Names::Pod, "pod/wh9527-0", &["pod/wh9527-0"]),
            (Names::Pod, "/", &[]),
            (Names::Pod, "elsewhere/", &[]),
            (Names::Past, "wh9527-0", &["wh9527-0"]),
            // Targets of commands that accept several.
            (Names::Targets, "wh", &["wh9527-0", "wh9527-1", "wh9527"]),
            (Names::Targets, "warehouse", &["warehouse-node"]),
            (Names::Targets, "cloudberry", &["cloudberry-proxy-0", "cloudberry-proxy"]),
            (Names::Targets, "safe", &["safekeeper-0", "safekeeper-1", "safekeeper-2", "safekeeper"]),
            (Names::Endpoint, "me", &["meta"]),
            (Names::Database, "", &[meta, "NS/cloudberry-proxy-0"]),
            (Names::Database, "s", &[meta]),
        ] {
            assert_eq!(offered(&both, names, begun, &[]), expected, "{names:?} {begun:?}");
        }
        assert_eq!(offered(&both, Names::Targets, "wh", &["wh9527-0", "wh9527"]), ["wh9527-1"]);
        // In one namespace nothing is ambiguous.
        let account = world(&[ACCOUNT]);
        assert_eq!(offered(&account, Names::Pod, "c", &[]), ["cloudberry-proxy-0"]);
        assert_eq!(offered(&account, Names::Endpoint, "m", &[]), [] as [&str; 0]);
    }

    #[test]
    fn a_description_has_the_role_and_the_state() {
        let topology = world(&["
namespace: synxdb-system
sets: [{name: safekeeper, replicas: 4}]
pods:
- {name: safekeeper-0, set: safekeeper, ready: true, age: 10800}
- {name: safekeeper-1, set: safekeeper, age: 300}
- {name: safekeeper-2, set: safekeeper, phase: Pending, age: 5}
"]);
        let about = |now| -> Vec<String> {
            members(&topology, Names::Pod, "", &[], Called::InFull, now).into_iter().map(|one| one.about).collect()
        };
        assert_eq!(
            about(Some(now())),
            ["safekeeper, Ready, 3h", "safekeeper, not Ready, 5m", "safekeeper, Pending, 5s", "safekeeper, no pod"]
        );
        assert_eq!(about(None), ["safekeeper"; 4]);
        let both = world(&[SYSTEM, ACCOUNT]);
        let found = members(&both, Names::Targets, "cloudberry-proxy-0", &[], Called::InFull, Some(now()));
        assert_eq!(found[0].about, "in 2 namespaces: name one, or choose at the prompt");
        let found = members(&both, Names::Targets, "wh9527", &[], Called::InFull, Some(now()));
        assert_eq!(found.last().unwrap().about, "all 2: warehouse node");
    }
}
