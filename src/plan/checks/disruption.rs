//! Whether deleting the pod disrupts others: disruption budgets, which a deletion bypasses, foreign finalizers, and pods that
//! are terminating or new.

use super::quorum::{arrived_later, last_record};
use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::duration::{age_of, format_seconds};
use crate::text::{counted, noun};
use crate::topology::{Budget, Claim, Known};
use jiff::Timestamp;

/// Age in seconds below which a pod may be another operation's replacement.
const JUST_NOW: i64 = 60;

/// Checks whether the pod is terminating already, or was just created.
pub(super) fn pod(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Some(pod) = &context.member.pod else { return };
    let id = PlanCheckId::Pod;
    if let Some(due) = pod.terminating {
        // The deletion timestamp is when the grace period ends.
        let grace = pod.grace_seconds.unwrap_or(0);
        let over = context.now.as_second().saturating_sub(due.as_second());
        let (since, grace) = (format_seconds(over.saturating_add(grace)), format_seconds(grace));
        let why = if over > 0 {
            format!(
                "the pod has been Terminating for {since}, {} longer than its grace period of {grace}",
                format_seconds(over)
            )
        } else {
            format!("the pod has been Terminating for {since} of its grace period of {grace}")
        };
        return checks.push(warn(id, why));
    }
    let Some(age) = pod.created.map(|created| context.seconds_since(created)).filter(|age| *age < JUST_NOW) else {
        return;
    };
    let Some(component) = context.component.filter(|_| context.deletes_pod()) else { return };
    let new = |claim: &Claim| {
        let age = claim.created.map(|created| context.seconds_since(created));
        age.is_some_and(|age| age < JUST_NOW) && arrived_later(component, context.member, claim.created)
    };
    let claims = &context.member.claims;
    let replaced = arrived_later(component, context.member, pod.created) && claims.iter().all(new);
    // What this program did is on record, and judged by another check.
    let ours = last_record(context, context.member).is_some_and(|record| {
        let finished = record.finished.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        finished.is_none_or(|finished| pod.created.is_some_and(|created| finished >= created))
    });
    if replaced && !ours {
        let what = if claims.is_empty() { "the pod was" } else { "the pod and its claims were" };
        checks.push(warn(id, format!("{what} created {} ago: it may have been replaced a moment ago", age_of(age))));
    }
}

/// Checks disruption budgets: they limit evictions only, and a deletion bypasses them.
pub(super) fn budgets(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Known::Is(budgets) = &context.member.budgets else { return };
    // A pod that is not Ready is not among the healthy ones that a budget counts.
    if !context.deletes_pod() || !context.member.ready() {
        return;
    }
    for budget in budgets {
        let Budget { name, healthy, wanted, expected, .. } = budget;
        let numbers = format!("({healthy} of {expected} healthy, {wanted} wanted)");
        checks.push(match budget.allowed {
            Some(allowed) if allowed > 0 => {
                let allowed = counted(usize::try_from(allowed).unwrap_or(0), "disruption");
                pass(PlanCheckId::Budget, format!("PodDisruptionBudget {name} allows {allowed} {numbers}"))
            }
            Some(_) => {
                let why = format!("PodDisruptionBudget {name} allows 0 disruptions {numbers}");
                overridable(context, PlanCheckId::Budget, why, Allow::DisruptionBudget)
            }
            None => {
                let why =
                    format!("unknown yet how many disruptions PodDisruptionBudget {name} allows: it has just changed");
                warn(PlanCheckId::Budget, why)
            }
        });
    }
}

/// Checks foreign finalizers: they keep a deleted object Terminating until their owner removes them.
pub(super) fn finalizers(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let pod = context.member.pod.iter().filter(|_| context.deletes_pod());
    let pod = pod.map(|pod| (format!("pod {}", context.member.name), &pod.foreign_finalizers));
    let claims = context.going_claims().map(|claim| (format!("claim {}", claim.name), &claim.foreign_finalizers));
    for (what, foreign) in pod.chain(claims).filter(|(_, foreign)| !foreign.is_empty()) {
        let why = format!(
            "{what} has {} {}: it would stay Terminating until the owner removes it",
            noun(foreign.len(), "the finalizer"),
            foreign.join(", ")
        );
        checks.push(overridable(context, PlanCheckId::Finalizers, why, Allow::ForeignFinalizer));
    }
}
