//! Whether another failover is in progress: in the same namespace it blocks, in a namespace that depends on this one it warns.

use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::cluster::lease::Next;
use crate::cluster::permission::Allowed;
use crate::cluster::snapshot::Read;
use crate::cluster::{LEASE, LeaseState};
use crate::duration;
use std::time::Duration;

pub(super) fn check(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let id = PlanCheckId::Lease;
    let denied = context.rights.iter().find_map(|(permission, allowed)| match allowed {
        Allowed::No(_) if permission.resource == "leases" => Some(permission),
        _ => None,
    });
    let own = match (&context.in_flight.here, denied) {
        (_, Some(permission)) => {
            let why = format!("missing permission: {permission}; no lock against concurrent failovers");
            Some(overridable(context, id, why, Allow::ConcurrentFailover))
        }
        (Read::NotAsked, None) => None,
        (Read::Unknown(part), None) => {
            let why = format!(
                "unknown whether another failover is in progress (checked again before the first change): {}",
                part.reason
            );
            Some(warn(id, why))
        }
        (Read::Known(standing), None) => Some(own(context, standing)),
    };
    let mut unknown = Vec::new();
    for (other, standing) in &context.in_flight.elsewhere {
        match standing {
            Read::Known(LeaseState::Held(tenure)) => {
                checks.push(warn(id, format!("another failover is in progress in namespace {other}: {tenure}")))
            }
            Read::Unknown(_) => unknown.push(other.as_str()),
            Read::Known(_) | Read::NotAsked => {}
        }
    }
    checks.extend(own.map(|mut check| {
        if check.next.is_none() && !unknown.is_empty() {
            let more = unknown.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = unknown[..unknown.len().min(3)].join(", ");
            check.reason = format!("{}; unknown for {named}{more}", check.reason);
        }
        check
    }));
}

/// Returns the check of the Lease in the target's namespace.
fn own(context: &CheckContext<'_>, standing: &LeaseState) -> PlanCheck {
    let id = PlanCheckId::Lease;
    let namespace = &context.member.namespace;
    let none = format!("no other failover in progress in namespace {namespace}");
    match standing.next(context.id, Duration::ZERO) {
        Next::Take => match standing {
            LeaseState::Left(tenure) | LeaseState::Expired(tenure) => {
                pass(id, format!("{none}; the last was {tenure}"))
            }
            LeaseState::Free | LeaseState::Held(_) => pass(id, none),
        },
        Next::Wait(left, tenure) => {
            let which = if tenure.id.as_deref() == Some(context.id) { "an earlier run of this" } else { "another" };
            let left = duration::format(Duration::from_secs(left.as_secs()));
            let unless = format!("this one continues unless Lease {LEASE} is renewed within {left}");
            warn(id, format!("{which} failover may be in progress: {tenure}; {unless}"))
        }
        Next::Refused(tenure) => {
            let why = format!("another failover is in progress in namespace {namespace}: {tenure}");
            overridable(context, id, why, Allow::ConcurrentFailover)
        }
    }
}
