//! Which members a status is about.

use super::Context;
use super::namespaces::of_context;
use crate::cli::StatusArgs;
use crate::cluster::Cluster;
use crate::cluster::snapshot::{Read, Snapshot};
use crate::error::{Error, Result};
use crate::topology::health::not_looked_into;
use crate::topology::target::{NamespaceMatch, TargetMatch, TargetName, match_namespace, match_target};
use crate::topology::{Component, Suspended, Topology};
use std::time::Duration;

/// What each source may take: a dead node or a refused permission must not hang or hide the rest.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// Whether it is about all of SynxDB, and nothing of it may be passed over.
pub(super) fn is_everywhere(context: &Context, cluster: &Cluster, args: &StatusArgs) -> bool {
    let narrowed = context.global.namespace.is_some() || of_context(cluster, args.all_namespaces).is_some();
    !narrowed && args.targets.is_empty()
}

/// Volumes are read for what is on record on them: who may not read them is shown all else as it is.
pub(super) fn only_what_is_read(snapshot: &mut Snapshot) {
    if let Read::Unknown(_) = snapshot.volumes {
        snapshot.volumes = Read::NotAsked;
    }
}

/// Only the members and StatefulSets of these paths, where some are wanted.
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

/// Paths of the members that the targets mean, each of which may mean several, and of the StatefulSets that are suspended;
/// `None` where there are no targets.
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
                _ => return Err(Error::failure(format!("there is no SynxDB namespace {name:?}"))),
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

/// What is suspended has no members: it is named by its StatefulSets.
fn paths(suspended: &Suspended) -> impl Iterator<Item = String> {
    suspended.sets.iter().map(move |set| format!("{}/{set}", suspended.namespace))
}

fn no_member(typed: &str, topology: &Topology) -> Error {
    let names: Vec<&str> = topology.members().map(|member| member.name.as_str()).collect();
    let near = crate::topology::target::nearest(typed, &names);
    let error = Error::failure(format!("there is no SynxDB member {typed:?}"));
    let error = if near.is_empty() { error } else { error.because(format!("near it: {}", near.join(", "))) };
    let error = topology.passed_over.iter().fold(error, |error, name| error.because(not_looked_into(name)));
    error.hint("kubectl synxdb status shows all of them")
}
