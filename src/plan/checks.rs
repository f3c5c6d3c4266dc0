//! What is checked before anything is asked: each check passes, warns or blocks, with the numbers in its reason.

use super::{Before, Proof, Request, Step};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::topology::health::{majority, minds_its_order, wanted};
use crate::topology::layout::Role;
use crate::topology::{ClaimState, Component, Known, Member, Topology};
use serde::Serialize;

/// A check's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing against it.
    Pass,
    /// Something the user should know.
    Warn,
    /// It is refused.
    Block,
}

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckId {
    /// What the user may do.
    Permission,
    /// Who re-creates the pod and its claims.
    Controller,
    /// Whether the controller would re-create the pod now.
    Order,
    /// Safekeepers' majority.
    Quorum,
    /// Whether the old disks are kept.
    Retention,
    /// Whether other pods mount the claims.
    SharedClaim,
    /// Whether the claims are known.
    Claims,
    /// The node the pod is on.
    Node,
    /// The other members of the component.
    Siblings,
    /// What the component says before.
    Baseline,
    /// How it will be proven.
    Proof,
    /// What was done to the member before.
    Earlier,
    /// Whether the volumes that were set aside can come back.
    Return,
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Which check.
    pub id: CheckId,
    /// Its answer.
    pub verdict: Verdict,
    /// Why, with numbers.
    pub reason: String,
    /// For a block: what to do about it, or the one flag that overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether this would block and the user overrode it.
    pub overridden: bool,
}

/// What the checks look at.
pub(super) struct Subject<'s> {
    pub(super) topology: &'s Topology,
    pub(super) member: &'s Member,
    pub(super) component: Option<&'s Component>,
    pub(super) keep_claims: bool,
    pub(super) steps: &'s [Step],
    pub(super) request: &'s Request,
    pub(super) rights: &'s [(Permission, Allowed)],
    pub(super) before: &'s Before,
    pub(super) proof: &'s Proof,
}

/// Permissions that failing over this member takes.
pub fn needed(member: &Member, request: &Request) -> Vec<Permission> {
    let inside = |verb, resource| Permission::new(verb, resource).within(&member.namespace);
    let mut needed: Vec<Permission> = ["pods", "persistentvolumeclaims", "statefulsets.apps"]
        .into_iter()
        .flat_map(|resource| [inside("list", resource), inside("watch", resource)])
        .collect();
    needed.push(inside("delete", "pods"));
    if !request.keep_claims && !member.claims.is_empty() {
        needed.push(inside("delete", "persistentvolumeclaims"));
        needed.push(Permission::new("patch", "persistentvolumes"));
    }
    if request.verify {
        // From Kubernetes 1.35 a forward by WebSocket needs `create`, before it needed `get`.
        needed.push(inside("get", "pods/portforward"));
        needed.push(inside("create", "pods/portforward"));
    }
    needed
}

pub(super) fn run(subject: &Subject<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    permissions(subject, &mut checks);
    controller(subject, &mut checks);
    order(subject, &mut checks);
    claims(subject, &mut checks);
    quorum(subject, &mut checks);
    retention(subject, &mut checks);
    node(subject, &mut checks);
    siblings(subject, &mut checks);
    evidence(subject, &mut checks);
    checks
}

pub(super) fn pass(id: CheckId, reason: impl Into<String>) -> Check {
    Check { id, verdict: Verdict::Pass, reason: reason.into(), next: None, overridden: false }
}

pub(super) fn warn(id: CheckId, reason: impl Into<String>) -> Check {
    Check { verdict: Verdict::Warn, ..pass(id, reason) }
}

pub(super) fn block(id: CheckId, reason: impl Into<String>, next: impl Into<String>) -> Check {
    Check { verdict: Verdict::Block, next: Some(next.into()), ..pass(id, reason) }
}

/// A block that one named flag overrides: then it is a warning, and the risk is high.
fn overridable(subject: &Subject<'_>, id: CheckId, reason: impl Into<String>, allow: Allow) -> Check {
    if subject.request.allow.contains(&allow) {
        Check { overridden: true, ..warn(id, reason) }
    } else {
        block(id, reason, format!("--allow {} overrides this check", allow.flag()))
    }
}

fn permissions(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let before = checks.len();
    for (permission, allowed) in subject.rights {
        match allowed {
            Allowed::Yes => {}
            // Weighed by the retention check.
            Allowed::No(_) if permission.resource == "persistentvolumes" => {}
            Allowed::No(reason) => {
                let mut why = format!("you may not {permission}");
                if !reason.is_empty() {
                    why = format!("{why} ({reason})");
                }
                let portforward = permission.subresource.as_deref() == Some("portforward");
                // `get` alone was enough before 1.35, `create` is what later servers ask for.
                let other = |verb| {
                    subject.rights.iter().any(|(p, a)| {
                        p.subresource.as_deref() == Some("portforward") && p.verb == verb && *a == Allowed::Yes
                    })
                };
                if portforward && (other("get") || other("create")) {
                    checks
                        .push(warn(CheckId::Permission, format!("{why}; servers from 1.35 on need it for the proof")));
                } else if portforward {
                    checks.push(block(CheckId::Permission, why, "--no-verify goes on without proof"));
                } else {
                    checks.push(block(CheckId::Permission, why, can_i(permission)));
                }
            }
            Allowed::Unknown(reason) => {
                checks.push(warn(CheckId::Permission, format!("whether you may {permission} is not known: {reason}")));
            }
        }
    }
    if checks.len() == before && !subject.rights.is_empty() {
        checks.push(pass(CheckId::Permission, "you may do every step"));
    }
}

fn can_i(permission: &Permission) -> String {
    let namespace = permission.namespace.as_ref().map(|name| format!(" -n {name}")).unwrap_or_default();
    format!(
        "ask for that right; to see yours: kubectl auth can-i {} {}{namespace}",
        permission.verb, permission.resource
    )
}

fn controller(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let id = CheckId::Controller;
    let Some(pod) = &subject.member.pod else {
        checks.push(warn(id, "its pod does not exist; nothing but its claims can be replaced"));
        return;
    };
    match &pod.owner {
        Some(owner) if owner.kind == "StatefulSet" => {
            checks.push(pass(id, format!("StatefulSet {} re-creates the pod and its claims", owner.name)));
        }
        Some(owner) if subject.keep_claims => {
            checks.push(warn(id, format!("{} {} re-creates the pod, under another name", owner.kind, owner.name)))
        }
        Some(owner) => checks.push(block(
            id,
            format!(
                "{} {} owns the pod, not a StatefulSet: nothing would re-create its claims",
                owner.kind, owner.name
            ),
            "--keep-pvc replaces the pod and keeps its claims",
        )),
        None if subject.keep_claims => checks.push(overridable(
            subject,
            id,
            "no controller owns the pod: nothing would re-create it",
            Allow::UnmanagedPod,
        )),
        None => checks.push(block(
            id,
            "no StatefulSet owns the pod: nothing would re-create it or its claims",
            "--keep-pvc --allow unmanaged-pod deletes the pod alone, for somebody else to re-create",
        )),
    }
}

/// An ordered StatefulSet creates no pod while one of a lower ordinal is not Ready: what is deleted stays away.
fn order(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let Some((set, lower)) = subject.component.and_then(|component| component.keeps_away(subject.member)) else {
        return;
    };
    let why = minds_its_order(set, lower);
    checks.push(if subject.steps.iter().any(|step| matches!(step, Step::DeletePod { .. })) {
        block(
            CheckId::Order,
            format!("{why}: the pod would stay away until it is"),
            format!("kubectl synxdb failover {}", lower.path()),
        )
    } else {
        warn(CheckId::Order, format!("{why}: the pod will stay away until it is"))
    });
}

fn claims(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    if subject.keep_claims {
        return;
    }
    if subject.member.claims.is_empty() {
        checks.push(pass(CheckId::Claims, "the pod mounts no claim"));
    }
    for claim in &subject.member.claims {
        if let ClaimState::Unknown(reason) = &claim.state {
            let why = format!("claim {} cannot be read: {reason}", claim.name);
            checks.push(block(CheckId::Claims, why, "--keep-pvc replaces the pod and keeps its claims"));
        }
        if !claim.shared_with.is_empty() {
            checks.push(block(
                CheckId::SharedClaim,
                format!("claim {} is mounted by {} too", claim.name, claim.shared_with.join(", ")),
                "--keep-pvc replaces the pod and keeps its claims",
            ));
        }
    }
}

/// WAL is durable once a majority of safekeepers has flushed it, and one that lost its disk must fetch it again: with
/// another one lagging, both together can be a majority without committed WAL (Neon's docs/walservice.md).
fn quorum(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let Some(component) = subject.component.filter(|component| component.role == Role::Safekeeper) else { return };
    let total = wanted(component);
    let others: Vec<&Member> = component.members.iter().filter(|other| other.name != subject.member.name).collect();
    let left = others.iter().filter(|other| other.ready()).count();
    let needed = majority(total);
    let down: Vec<&str> = others.iter().filter(|other| !other.ready()).map(|other| other.name.as_str()).collect();
    let numbers = format!("{left} of {total} safekeepers would be left, and a majority is {needed}");
    // Restarting one that is down already, with its disk, costs the majority nothing.
    let costs = subject.member.ready() || !subject.keep_claims;
    let check = if costs && left < needed {
        let why = if down.is_empty() { numbers } else { format!("{} not Ready: {numbers}", are(&down)) };
        overridable(subject, CheckId::Quorum, why, Allow::QuorumLoss)
    } else if !down.is_empty() && !subject.keep_claims {
        let why = format!(
            "{} not Ready ({left} of {} others are): one that lost its disk and one that lags could be a majority without \
             committed WAL",
            are(&down),
            others.len()
        );
        overridable(subject, CheckId::Quorum, why, Allow::QuorumLoss)
    } else {
        pass(CheckId::Quorum, format!("{left} of {total} safekeepers stay Ready; a majority is {needed}"))
    };
    checks.push(check);
}

fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn retention(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let deleted: Vec<&str> = subject
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::DeleteClaim { claim, .. } => Some(claim.as_str()),
            _ => None,
        })
        .collect();
    if deleted.is_empty() {
        return;
    }
    let denied = subject
        .rights
        .iter()
        .any(|(permission, allowed)| permission.resource == "persistentvolumes" && matches!(allowed, Allowed::No(_)));
    let mut kept = Vec::new();
    for claim in subject.member.claims.iter().filter(|claim| deleted.contains(&claim.name.as_str())) {
        let lost = match &claim.volume {
            Known::Is(Some(_)) if denied => Some("you may not patch persistentvolumes".to_owned()),
            Known::Is(Some(volume)) => {
                kept.push(volume.name.as_str());
                None
            }
            // Not bound: there is no volume that could be lost.
            Known::Is(None) if claim.volume_name.is_none() => None,
            Known::Is(None) => Some("its volume does not exist".to_owned()),
            Known::Unknown(reason) => Some(format!("volumes cannot be read: {reason}")),
        };
        if let Some(why) = lost {
            let why = format!("the old volume of claim {} cannot be retained: {why}", claim.name);
            checks.push(overridable(subject, CheckId::Retention, why, Allow::UnretainedVolume));
        }
    }
    if !kept.is_empty() {
        let volumes = if kept.len() == 1 { "volume" } else { "volumes" };
        checks.push(pass(CheckId::Retention, format!("the old {volumes} {} will be retained", kept.join(", "))));
    }
}

fn node(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let Some(node) = subject.member.pod.as_ref().and_then(|pod| pod.node.as_ref()) else { return };
    if subject.topology.lost_nodes.contains(node) {
        checks.push(warn(
            CheckId::Node,
            format!(
                "node {node} is not Ready: the pod will stay Terminating until the node is back, or is declared \
                 out of service or deleted after the machine is verified off; nothing is force-deleted"
            ),
        ));
    }
}

fn siblings(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    if subject.member.role == Role::Safekeeper {
        return;
    }
    // What answers for the target needs all of these: its component, and the door it answers through.
    let door = subject
        .component
        .and_then(|component| component.answers_through)
        .and_then(|role| subject.topology.space(&subject.member.namespace).and_then(|space| space.component(role)));
    let down: Vec<&str> = subject
        .component
        .into_iter()
        .chain(door)
        .flat_map(|component| &component.members)
        .filter(|other| other.name != subject.member.name && !other.ready())
        .map(|other| other.name.as_str())
        .collect();
    if !down.is_empty() {
        checks
            .push(warn(CheckId::Siblings, format!("{} not Ready either: SQL may stay away until all are", are(&down))));
    }
}

fn evidence(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    match (subject.proof, subject.before) {
        (Proof::Skipped { reason }, _) => {
            checks.push(warn(CheckId::Proof, format!("whether it is back will not be proven: {reason}")));
        }
        (_, Before::Answered { summary }) => checks.push(pass(CheckId::Baseline, format!("before: {summary}"))),
        (_, Before::Silent { reason }) => checks.push(warn(
            CheckId::Baseline,
            format!("no baseline, it does not answer now ({reason}); afterwards it must"),
        )),
        (_, Before::LoginRefused { reason }) => checks.push(warn(
            CheckId::Baseline,
            format!(
                "it answers, and refuses the login ({reason}): no baseline is taken, and nothing will be proven with \
                 this login; mend it first"
            ),
        )),
        (_, Before::NotAsked) => {}
    }
}
