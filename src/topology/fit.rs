//! Matches pods with the rules of the layout.

use super::layout::{LookalikeEvidence, RecognizedBy, Role};
use super::model::{Space, Topology};

/// A pod, or a workload without one, and its match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitting<'t> {
    /// Its namespace.
    pub namespace: &'t str,
    /// The pod, or the workload without one.
    pub name: &'t str,
    /// Its match.
    pub fit: Fit<'t>,
}

/// The match of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit<'t> {
    /// It is a member of this component.
    Member {
        /// What the component does.
        role: Role,
        /// What it was recognized by.
        by: RecognizedBy,
        /// Its warehouse, if it is a node of one.
        warehouse: Option<&'t str>,
    },
    /// It looks like SynxDB's, but matches no rule.
    Unrecognized(&'t LookalikeEvidence),
    /// It is named like this role but is not SynxDB's, for this reason.
    Poses(Role, &'t str),
    /// It does not belong to SynxDB.
    Unrelated,
}

/// Returns every pod of the namespaces that were read, and what looks like SynxDB's elsewhere: members first.
pub(crate) fn fittings(topology: &Topology) -> Vec<Fitting<'_>> {
    let mut all: Vec<Fitting<'_>> = topology.spaces.iter().flat_map(members).collect();
    for one in topology.unrecognized() {
        let names = if one.pods.is_empty() { std::slice::from_ref(&one.workload) } else { &one.pods };
        all.extend(names.iter().map(|name| Fitting {
            namespace: &one.namespace,
            name,
            fit: Fit::Unrecognized(&one.evidence),
        }));
    }
    let strangers = topology.spaces.iter().flat_map(|space| space.strangers.iter().map(move |one| (space, one)));
    for (space, stranger) in strangers {
        let known = |other: &Fitting<'_>| other.namespace == space.namespace && other.name == stranger.name;
        if !all.iter().any(known) {
            let fit = stranger.poses.as_ref().map_or(Fit::Unrelated, |(role, why)| Fit::Poses(*role, why));
            all.push(Fitting { namespace: &space.namespace, name: &stranger.name, fit });
        }
    }
    all
}

fn members(space: &Space) -> impl Iterator<Item = Fitting<'_>> {
    space.components.iter().flat_map(move |component| {
        let (role, by) = (component.role, component.recognized_by);
        let warehouse = component.warehouse.as_deref();
        let there = component.members.iter().filter(|member| member.pod.is_some());
        there.map(move |member| Fitting {
            namespace: &space.namespace,
            name: &member.name,
            fit: Fit::Member { role, by, warehouse },
        })
    })
}
