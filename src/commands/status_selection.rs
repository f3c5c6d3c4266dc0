//! Which pods a status shows.

use super::Context;
use super::namespaces::of_context;
use crate::cli::StatusArgs;
use crate::cluster::Cluster;
use crate::cluster::snapshot::{Read, Snapshot};
use crate::error::{Error, Result};
use crate::suggestion::plugin;
use crate::topology::health::not_looked_into;
use crate::topology::target::{NamespaceMatch, TargetMatch, TargetName, match_namespace, match_target};
use crate::topology::{Component, Suspended, Topology};
use std::time::Duration;

/// Time limit for each request: a dead node or a missing permission must not delay or hide the rest.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// Returns whether the status covers all of SynxDB.
pub(super) fn is_everywhere(context: &Context, cluster: &Cluster, args: &StatusArgs) -> bool {
    let narrowed = context.global.namespace.is_some() || of_context(cluster, args.all_namespaces).is_some();
    !narrowed && args.targets.is_empty()
}

/// Ignores unreadable volumes: they are only read for records of unfinished operations.
pub(super) fn only_what_is_read(snapshot: &mut Snapshot) {
    if let Read::Unknown(_) = snapshot.volumes {
        snapshot.volumes = Read::NotAsked;
    }
}

/// Reduces the topology to the pods and StatefulSets of these paths; `None` keeps all.
pub(super) fn only(mut topology: Topology, wanted: Option<&[String]>) -> Topology {
    let Some(wanted) = wanted else { return topology };
    for space in &mut topology.spaces {
        let namespace = &space.namespace;
        for component in &mut space.components {
            component.members.retain(|member| wanted.contains(&member.path()));
        }
        let named = |component: &Component| wanted.contains(&format!("{namespace}/{}", component.name));
        space.components.retain(|component| !component.members.is_empty() || named(component));
    }
    topology.spaces.retain(|space| !space.components.is_empty());
    topology.spaces.iter_mut().for_each(|space| space.unrecognized.clear());
    topology.unrecognized_elsewhere.clear();
    topology.by_names_alone = false;
    topology
}

/// Returns the paths of the pods that the targets match, each of which may match several, and of suspended StatefulSets;
/// `None` without targets.
pub(super) fn wanted(topology: &Topology, context: &Context, targets: &[String]) -> Result<Option<Vec<String>>> {
    if targets.is_empty() {
        return Ok(None);
    }
    let mut wanted = Vec::new();
    for typed in targets {
        let target = TargetName::parse(typed);
        let existing: Vec<String> = topology.spaces.iter().map(|space| space.namespace.clone()).collect();
        let namespace = match &target.namespace {
            None => None,
            Some(name) => match match_namespace(name, &existing, context.layout()) {
                NamespaceMatch::One(name) => Some(name),
                _ => return Err(Error::failure(format!("SynxDB namespace {name:?} not found"))),
            },
        };
        match match_target(topology, namespace.as_deref(), &target.name) {
            TargetMatch::One(member) => wanted.push(member.path()),
            TargetMatch::Many(members) => wanted.extend(members.iter().map(|member| member.path())),
            TargetMatch::Suspended(suspended) => wanted.extend(suspended.iter().flat_map(paths)),
            TargetMatch::Stranger(..) | TargetMatch::None(_) => return Err(no_member(typed, topology)),
        }
    }
    Ok(Some(wanted))
}

/// Returns the paths of suspended StatefulSets, which have no pods.
fn paths(suspended: &Suspended) -> impl Iterator<Item = String> {
    suspended.sets.iter().map(move |set| format!("{}/{set}", suspended.namespace))
}

fn no_member(typed: &str, topology: &Topology) -> Error {
    let names: Vec<&str> = topology.members().map(|member| member.name.as_str()).collect();
    let near = crate::topology::target::nearest(typed, &names);
    let error = Error::failure(format!("SynxDB pod {typed:?} not found"));
    let error = if near.is_empty() { error } else { error.because(format!("did you mean: {}", near.join(", "))) };
    let error = topology.passed_over.iter().fold(error, |error, name| error.because(not_looked_into(name)));
    error.hint(plugin("status").note("to list all of them"))
}
