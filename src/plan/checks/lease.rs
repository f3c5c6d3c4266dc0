//! Whether another failover is under way: in the same namespace it is refused, in those that depend on each other it is
//! told.

use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::cluster::lease::Next;
use crate::cluster::permission::Allowed;
use crate::cluster::snapshot::Read;
use crate::cluster::{LEASE, Standing};
use std::time::Duration;

pub(super) fn check(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let id = PlanCheckId::Lease;
    let denied = context.rights.iter().find_map(|(permission, allowed)| match allowed {
        Allowed::No(_) if permission.resource == "leases" => Some(permission),
        _ => None,
    });
    let own = match (&context.in_flight.here, denied) {
        (_, Some(permission)) => {
            let why = format!("you may not {permission}: another failover could not be kept away meanwhile");
            Some(overridable(context, id, why, Allow::ConcurrentFailover))
        }
        (Read::NotAsked, None) => None,
        (Read::Unknown(part), None) => {
            let why = format!("whether another failover is under way is not known, and asked again: {}", part.reason);
            Some(warn(id, why))
        }
        (Read::Known(standing), None) => Some(own(context, standing)),
    };
    let mut unknown = Vec::new();
    for (other, standing) in &context.in_flight.elsewhere {
        match standing {
            Read::Known(Standing::Held(tenure)) => {
                checks.push(warn(id, format!("another failover is under way in namespace {other}: {tenure}")))
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
            check.reason = format!("{}; of {named}{more} that is not known", check.reason);
        }
        check
    }));
}

/// What follows from the Lease of the target's own namespace.
fn own(context: &CheckContext<'_>, standing: &Standing) -> PlanCheck {
    let id = PlanCheckId::Lease;
    let namespace = &context.member.namespace;
    let none = format!("no other failover is under way in namespace {namespace}");
    match standing.next(context.id, Duration::ZERO) {
        Next::Take => match standing {
            Standing::Left(tenure) | Standing::Expired(tenure) => pass(id, format!("{none}; one was: {tenure}")),
            Standing::Free | Standing::Held(_) => pass(id, none),
        },
        Next::Wait(left, tenure) => {
            let which = if tenure.id.as_deref() == Some(context.id) { "an earlier run of this" } else { "another" };
            let seconds = left.as_secs();
            let unless = format!("it goes on unless the Lease {LEASE} is renewed within {seconds} s");
            warn(id, format!("{which} failover may be under way: {tenure}; {unless}"))
        }
        Next::Refused(tenure) => {
            let why = format!("another failover is under way in namespace {namespace}: {tenure}");
            overridable(context, id, why, Allow::ConcurrentFailover)
        }
    }
}
