//! Missing permissions, and what is unknown because it cannot be read.

use super::{CheckContext, PlanCheck, PlanCheckId, block, pass, warn};
use crate::cluster::permission::{Allowed, Permission};
use crate::plan::rights::goes_on_without;
use crate::suggestion::{SuggestedCommand, kubectl};
use crate::topology::Known;

pub(super) fn permissions(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let before = checks.len();
    // Verbs on one resource with the same loss are one line.
    let mut lacking: Vec<(Permission, &str)> = Vec::new();
    for (permission, allowed) in context.rights {
        match allowed {
            Allowed::Yes => {}
            Allowed::No(_) if let Some(less) = goes_on_without(permission) => {
                let of = |one: &Permission| Permission { verb: String::new(), ..one.clone() };
                match lacking.iter_mut().find(|(other, same)| *same == less && of(other) == of(permission)) {
                    Some((other, _)) => other.verb = format!("{}, {}", other.verb, permission.verb),
                    None => lacking.push((permission.clone(), less)),
                }
            }
            // Covered by the retention check and the lease check.
            Allowed::No(_) if matches!(permission.resource.as_str(), "persistentvolumes" | "leases") => {}
            Allowed::No(reason) => {
                let mut why = format!("missing permission: {permission}");
                if !reason.is_empty() {
                    why = format!("{why} ({reason})");
                }
                let portforward = permission.subresource.as_deref() == Some("portforward");
                // Servers before 1.35 need `get` only, later ones `create`.
                let other = |verb| {
                    context.rights.iter().any(|(p, a)| {
                        p.subresource.as_deref() == Some("portforward") && p.verb == verb && *a == Allowed::Yes
                    })
                };
                if portforward && (other("get") || other("create")) {
                    checks.push(warn(
                        PlanCheckId::Permission,
                        format!("{why}; servers from 1.35 on need it for verification"),
                    ));
                } else if portforward {
                    checks.push(block(PlanCheckId::Permission, why, "to skip verification, add --no-verify"));
                } else {
                    checks.push(block(PlanCheckId::Permission, why, can_i(permission)));
                }
            }
            Allowed::Unknown(reason) => {
                checks.push(warn(PlanCheckId::Permission, format!("unknown whether you may {permission}: {reason}")));
            }
        }
    }
    let lacking = lacking.into_iter().map(|(permission, less)| format!("missing permission: {permission}; {less}"));
    checks.extend(lacking.map(|reason| warn(PlanCheckId::Permission, reason)));
    if checks.len() == before && !context.rights.is_empty() {
        checks.push(pass(PlanCheckId::Permission, "permissions: all granted"));
    }
}

fn can_i(permission: &Permission) -> SuggestedCommand {
    let command = kubectl("auth can-i").word(&permission.verb).word(&permission.resource);
    command.optional("-n", permission.namespace.as_ref()).note("to check; request that permission")
}

/// Warns about what could not be read, and what is unknown as a result, in one line.
pub(super) fn unread(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    fn why<T>(part: &Known<T>) -> Option<&str> {
        match part {
            Known::Is(_) => None,
            Known::Unknown(why) => Some(why),
        }
    }
    let topology = context.topology;
    let new_disks = context.returning.is_empty() && context.going_claims().next().is_some();
    let disrupts = context.deletes_pod() && context.member.ready();
    let sources = [
        (context.deletes_pod(), why(&topology.nodes), "nodes", "a node can run the new pod"),
        (new_disks, why(&topology.classes), "storage classes", "the storage class of the new claims exists"),
        (disrupts, why(&context.member.budgets), "disruption budgets", "one forbids it"),
    ];
    let unread: Vec<_> = sources
        .into_iter()
        .filter(|(matters, ..)| *matters)
        .filter_map(|(_, why, what, question)| Some((why?, what, question)))
        .collect();
    if let Some((why, ..)) = unread.first() {
        let parts: Vec<&str> = unread.iter().map(|(_, what, _)| *what).collect();
        let questions: Vec<String> = unread.iter().map(|(.., question)| format!("whether {question}")).collect();
        checks.push(warn(
            PlanCheckId::Unread,
            format!("{} cannot be read ({why}): unknown {}", parts.join(", "), questions.join(", ")),
        ));
    }
}
