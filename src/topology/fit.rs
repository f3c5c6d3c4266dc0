//! Which pod fits which rule of the layout, and which fits none.

use super::layout::{LookalikeEvidence, RecognizedBy, Role};
use super::model::{Space, Topology};

/// A pod, or a workload without one, and what the layout says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitting<'t> {
    /// Its namespace.
    pub namespace: &'t str,
    /// The pod; of a workload without one, the workload.
    pub name: &'t str,
    /// What the layout says of it.
    pub fit: Fit<'t>,
}

/// What a layout says of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit<'t> {
    /// It is a member of this component.
    Member {
        /// What the component does.
        role: Role,
        /// By what it was recognized.
        by: RecognizedBy,
        /// Its warehouse, if it is a node of one.
        warehouse: Option<&'t str>,
    },
    /// It looks like SynxDB's, and fits no rule.
    Unrecognized(&'t LookalikeEvidence),
    /// It passes itself off as this, and is not, for this reason.
    Poses(Role, &'t str),
    /// It is none of SynxDB's.
    Unrelated,
}

/// Returns every pod of the namespaces that were looked into, and what looks like SynxDB's elsewhere: members first.
pub fn fittings(topology: &Topology) -> Vec<Fitting<'_>> {
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
