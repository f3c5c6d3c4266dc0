//! Members, and the workloads and roles that mean several, as candidates for a target.

use super::{Candidate, short};
use crate::cli::Names;
use crate::render::age::age;
use crate::topology::target::without_mark;
use crate::topology::{Component, Member, Role, Topology};
use jiff::Timestamp;

/// A pod that may be offered by its name or by its path.
pub(super) struct Named<'n> {
    pub(super) namespace: &'n str,
    pub(super) name: &'n str,
    pub(super) about: String,
}

/// The members that `names` is about, under names that begin with `begun`; those that were typed already are left out.
/// Without a time nothing is said of their state: it is not known.
pub fn members(
    topology: &Topology,
    names: Names,
    begun: &str,
    already: &[String],
    now: Option<Timestamp>,
) -> Vec<Candidate> {
    let named = |member| named(member, now);
    let mut found = if names == Names::Database {
        let sql = components(topology).filter(|component| component.sql.is_some());
        let sql: Vec<Named<'_>> = sql.flat_map(|component| &component.members).map(named).collect();
        sql.iter().map(|one| Candidate::new(path(one), one.about.clone())).collect()
    } else {
        pods(&topology.members().map(named).collect::<Vec<_>>(), begun)
    };
    if names == Names::Door && components(topology).any(|component| component.role == Role::MetadataProxy) {
        found.push(Candidate::new("meta", "the metadata proxy"));
    }
    if names == Names::Targets {
        found.extend(groups(topology, begun));
    }
    found.retain(|one| one.value.starts_with(begun) && !already.contains(&one.value));
    found
}

/// Pods by their names, where these are unambiguous; by `NAMESPACE/POD` where they are not, where the beginning of one
/// was typed, or where no name begins like this.
pub(super) fn pods(all: &[Named<'_>], begun: &str) -> Vec<Candidate> {
    let full = |one: &Named<'_>| Candidate::new(path(one), one.about.clone());
    if let Some((namespace, _)) = begun.split_once('/') {
        return of_namespace(all, namespace);
    }
    let namesakes = |one: &Named<'_>| all.iter().filter(|other| other.name == one.name).count();
    if !begun.is_empty() && !all.iter().any(|one| one.name.starts_with(begun)) {
        return all.iter().map(full).collect();
    }
    let mut found: Vec<Candidate> = Vec::new();
    for one in all {
        match namesakes(one) {
            1 => found.push(Candidate::new(one.name, one.about.clone())),
            several => {
                found.push(full(one));
                // What begins with the pod's name must be answered by something that does, or the shell drops it.
                if !begun.is_empty() && !found.iter().any(|known| known.value == one.name) {
                    found.push(Candidate::new(one.name, format!("in {several} namespaces: say which, or be asked")));
                }
            }
        }
    }
    found
}

/// Pods of the one namespace that is called like this or begins so, and as it was typed: the commands read it the same.
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

/// Workloads and roles of several members, for the commands that take them. Roles only where one was begun.
fn groups(topology: &Topology, begun: &str) -> Vec<Candidate> {
    let mut found: Vec<(String, usize, Role)> = Vec::new();
    let mut add = |name: &str, component: &Component| match found.iter_mut().find(|(known, ..)| known == name) {
        Some((_, members, _)) => *members += component.members.len(),
        None => found.push((name.to_owned(), component.members.len(), component.role)),
    };
    for component in components(topology) {
        add(&component.name, component);
        if !begun.is_empty() && component.name != component.role.name() {
            add(component.role.name(), component);
        }
    }
    found.retain(|(_, members, _)| *members > 1);
    found.into_iter().map(|(name, members, role)| Candidate::new(name, format!("all {members}: {role}"))).collect()
}

fn components(topology: &Topology) -> impl Iterator<Item = &Component> {
    topology.spaces.iter().flat_map(|space| &space.components)
}

fn named(member: &Member, now: Option<Timestamp>) -> Named<'_> {
    let state = |now| match &member.pod {
        None => "no pod".to_owned(),
        Some(pod) => {
            let state = if member.ready() { "Ready" } else { &*pod.status };
            // A pod that runs and is not Ready is in trouble all the same.
            let state = if state == "Running" { "not Ready" } else { state };
            format!("{state}, {}", age(pod.created, now))
        }
    };
    let about = now.map_or_else(|| member.role.to_string(), |now| format!("{}, {}", member.role, state(now)));
    Named { namespace: &member.namespace, name: &member.name, about }
}

fn path(one: &Named<'_>) -> String {
    format!("{}/{}", one.namespace, one.name)
}

/// A pod in a description.
pub(super) fn shortened(namespace: &str, name: &str) -> String {
    format!("{}/{name}", short(namespace))
}
