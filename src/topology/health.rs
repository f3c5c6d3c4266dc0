//! Judges the health of SynxDB from a topology.

use super::layout::{LookalikeEvidence, Role, SpaceKind};
use super::model::{Claim, ClaimState, Component, Gap, Known, Member, Part, Space, Stranger, Topology, Unrecognized};
use super::suspension::Suspended;
use crate::duration;
use crate::suggestion::SuggestedCommand;
use serde::Serialize;

/// The health of everything that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All pods are Ready, and everything that should be known is.
    Healthy,
    /// At least one pod is not Ready, one claim is not Bound, or a namespace that was read is being deleted.
    Degraded,
    /// No problem was found, but something that should be known is not.
    Unknown,
    /// Everything that was read is suspended: scaled to 0.
    Suspended,
    /// No SynxDB component was found.
    Absent,
}

/// Why it is not healthy: one entry per member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Namespace of the member.
    pub namespace: String,
    /// Its name.
    pub member: String,
    /// Its role.
    pub role: Role,
    /// The problem.
    pub because: String,
    /// What may help.
    pub remedy: Remedy,
}

/// What may fix a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing that this plugin does.
    None,
    /// A failover of the member.
    Failover,
    /// The command that finishes an operation.
    Finish(SuggestedCommand),
}

/// The health with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The health.
    pub health: Health,
    /// Ready pods and all pods.
    pub members: (usize, usize),
    /// Ready safekeepers and all of them, per system namespace; `None` if there are none.
    pub safekeepers: Option<(usize, usize)>,
    /// The problems, the worst role first.
    pub troubles: Vec<Trouble>,
    /// Accounts and warehouses that are suspended: not a problem, and without pods that should be Ready.
    pub suspended: Vec<Suspended>,
    /// What is unknown.
    pub gaps: Vec<Gap>,
    /// What looks like SynxDB's but matches no rule of the layout: each is among the gaps, too.
    pub unrecognized: Vec<Unrecognized>,
    /// Namespaces that were read and are being deleted.
    pub terminating: Vec<String>,
    /// Namespaces that are being deleted and were skipped: not part of the judgement.
    pub passed_over: Vec<String>,
    /// Whether accounts are known by their namespaces' names alone: there may be others.
    pub by_names_alone: bool,
    /// Pods that have a member's name but are not SynxDB's: not part of the judgement either.
    pub strangers: Vec<String>,
}

/// Judges a topology.
pub(crate) fn judge(topology: &Topology) -> Report {
    let mut troubles: Vec<Trouble> = expected(topology).filter_map(trouble).collect();
    for space in &topology.spaces {
        troubles.extend(space.components.iter().filter_map(|component| idle(space, component)));
    }
    for trouble in &mut troubles {
        let member = topology.member(&trouble.namespace, &trouble.member);
        if let Some(why) = member.and_then(|member| topology.usurper(member)) {
            trouble.because = format!("the pod with its name is not SynxDB's: {why}");
        }
    }
    troubles.sort_by_key(|trouble| trouble.role);
    let count = |role: Option<Role>| {
        let of_role = || expected(topology).filter(move |member| role.is_none_or(|role| member.role == role));
        (of_role().filter(|member| member.ready()).count(), of_role().count())
    };
    let members = count(None);
    let safekeepers = Some(count(Some(Role::Safekeeper))).filter(|(_, all)| *all > 0);
    let silent = topology.members().filter_map(|member| silence(topology, member));
    let unrecognized: Vec<Unrecognized> = topology.unrecognized().cloned().collect();
    let gaps = topology.all_gaps().cloned().chain(silent).chain(unrecognized.iter().map(not_recognized));
    let gaps: Vec<Gap> = gaps.collect();
    let terminating: Vec<String> =
        topology.spaces.iter().filter(|space| space.terminating).map(|space| space.namespace.clone()).collect();
    let suspended: Vec<Suspended> = topology.spaces.iter().flat_map(Space::suspensions).collect();
    let health = if !troubles.is_empty() || !terminating.is_empty() {
        Health::Degraded
    } else if !gaps.is_empty() {
        Health::Unknown
    } else if members.1 == 0 {
        if suspended.is_empty() { Health::Absent } else { Health::Suspended }
    } else {
        Health::Healthy
    };
    let passed_over = topology.passed_over.clone();
    let strangers = topology.spaces.iter().flat_map(|space| {
        let posing = space.strangers.iter().filter_map(|stranger| Some((stranger, stranger.poses.as_ref()?)));
        posing.map(|(stranger, (role, why))| {
            let Stranger { name, .. } = stranger;
            format!("{}/{name} is named like a {role} but is not SynxDB's: {why}", space.namespace)
        })
    });
    let strangers = strangers.collect();
    let by_names_alone = topology.by_names_alone;
    Report {
        health,
        members,
        safekeepers,
        troubles,
        suspended,
        gaps,
        unrecognized,
        terminating,
        passed_over,
        by_names_alone,
        strangers,
    }
}

/// Returns the members that should be Ready: all but the suspended ones.
fn expected(topology: &Topology) -> impl Iterator<Item = &Member> {
    let components = topology
        .spaces
        .iter()
        .flat_map(|space| space.components.iter().filter(move |component| !space.suspends(component)));
    components.flat_map(|component| &component.members)
}

/// Returns the problem of a component that is scaled to 0 while its namespace needs it.
fn idle(space: &Space, component: &Component) -> Option<Trouble> {
    // Whether an account that could not be read completely is suspended is unknown.
    let known = space.kind == SpaceKind::System || space.gaps.is_empty();
    let needed = match component.role {
        Role::MetadataProxy | Role::Safekeeper | Role::Pageserver | Role::Coordinator | Role::WarehouseProxy => true,
        // A warehouse can be suspended alone, and an optional component may be stopped.
        Role::WarehouseNode | Role::FoundationDb | Role::StorageController | Role::StorageBroker | Role::Console => {
            false
        }
    };
    let needed = needed && !space.suspended();
    (component.scaled_to_zero() && known && needed).then(|| Trouble {
        namespace: space.namespace.clone(),
        member: component.name.clone(),
        role: component.role,
        because: "its StatefulSet is scaled to 0".to_owned(),
        remedy: Remedy::None,
    })
}

/// Returns what is unknown if something looks like SynxDB's but matches no rule.
pub(crate) fn not_recognized(unrecognized: &Unrecognized) -> Gap {
    let Unrecognized { namespace, workload, pods, evidence } = unrecognized;
    let what = match pods.as_slice() {
        [] => format!("workload {workload}"),
        [pod] => format!("pod {pod}"),
        [pod, others @ ..] => format!("pod {pod} and {} more of {workload}", others.len()),
    };
    Gap {
        part: Part::Other(format!("{what} in namespace {namespace}")),
        why: match evidence {
            LookalikeEvidence::Label { key, value } => {
                format!("label {key}={value}, which no rule of the layout matches")
            }
            LookalikeEvidence::Name(_) => {
                "named like a SynxDB component, but no rule of the layout matches it".to_owned()
            }
            LookalikeEvidence::Namespace => {
                "the namespace is named like a SynxDB namespace, but no rule of the layout matches anything in it"
                    .to_owned()
            }
        },
        transient: false,
    }
}

/// Shown if the user may not list all pods.
pub(crate) const BY_NAMES_ALONE: &str =
    "missing permission: list pods and StatefulSets in all namespaces; accounts are found by namespace name only";

/// Returns that a namespace is being deleted.
pub(crate) fn being_deleted(namespace: &str) -> String {
    format!("namespace {namespace} is being deleted")
}

/// Returns that a namespace was skipped because it is terminating.
pub(crate) fn not_looked_into(namespace: &str) -> String {
    format!("namespace {namespace} is skipped (terminating)")
}

/// Returns that a member's state may be outdated: it is Ready according to its node, which has not reported for a
/// while.
fn silence(topology: &Topology, member: &Member) -> Option<Gap> {
    let node = member.pod.as_ref().filter(|_| member.ready())?.node.as_ref()?;
    let seconds = topology.silent_nodes.get(node)?;
    Some(Gap {
        part: Part::Other(format!("readiness of {}", member.name)),
        why: format!("its node {node} has not reported for {}", duration::format_seconds(*seconds)),
        transient: true,
    })
}

/// Returns the problem of a member, if it has one.
pub(crate) fn trouble(member: &Member) -> Option<Trouble> {
    let (because, remedy) = match &member.pod {
        None => ("its pod does not exist".to_owned(), Remedy::None),
        Some(pod) if pod.terminating.is_some() => ("its pod is being deleted".to_owned(), Remedy::None),
        Some(pod) if !pod.ready => (
            pod.trouble.clone().unwrap_or_else(|| format!("its pod is {} and not Ready", pod.status)),
            Remedy::Failover,
        ),
        Some(_) => {
            // A claim that could not be read is unknown, and no problem.
            let known = |claim: &&Claim| claim.uid.is_some() || claim.state == ClaimState::Missing;
            let claim = member.claims.iter().filter(known).find(|claim| !claim.bound())?;
            match claim.state {
                ClaimState::Missing => (format!("its claim {} does not exist", claim.name), Remedy::None),
                _ => (format!("its claim {} is {}", claim.name, claim.status()), Remedy::None),
            }
        }
    };
    Some(Trouble {
        namespace: member.namespace.clone(),
        member: member.name.clone(),
        role: member.role,
        because,
        remedy,
    })
}

/// Returns how many safekeepers are a quorum: WAL is durable once more than half have flushed it (Neon's
/// docs/walservice.md).
pub(crate) fn majority(of: usize) -> usize {
    of / 2 + 1
}

/// Returns why a pod is not created: see [`keeps_away`](super::model::Component::keeps_away).
pub(crate) fn minds_its_order(set: &str, lower: &Member) -> String {
    format!("StatefulSet {set} creates its pods in order, and {} is not Ready", lower.name)
}

/// Returns how many pods a component should have: its StatefulSet's replicas, or the pods that were seen if that is
/// unknown.
pub(crate) fn wanted(component: &super::model::Component) -> usize {
    match &component.workload {
        Known::Is(Some(workload)) => usize::try_from(workload.replicas).unwrap_or(0).max(component.members.len()),
        _ => component.members.len(),
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
