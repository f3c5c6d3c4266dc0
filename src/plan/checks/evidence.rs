//! How recovery of the component and its data will be verified.

use super::{CheckContext, PlanCheck, PlanCheckId, pass, warn};
use crate::duration::when;
use crate::plan::{Before, ComparedWith, Proof};
use crate::topology::Role;
use jiff::Timestamp;

pub(super) fn evidence(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if let Proof::Skipped { reason } = context.proof {
        checks.push(warn(PlanCheckId::Proof, format!("recovery will not be verified: {reason}")));
        return;
    }
    checks.extend(baseline(context));
    if context.baseline.earlier().is_none() && !context.request.accept_missing.is_empty() {
        let why = "--accept-missing has no effect: it is for data missing compared with an earlier baseline";
        checks.push(warn(PlanCheckId::Baseline, why));
    }
}

/// Returns the check of the baseline.
fn baseline(context: &CheckContext<'_>) -> Option<PlanCheck> {
    if let ComparedWith::Inherited { from, taken, summary } = context.baseline {
        return Some(inherited(context, from, taken, summary));
    }
    let said = match context.before {
        Before::Answered { summary, lacks } => {
            let (id, text) = (PlanCheckId::Baseline, format!("baseline: {summary}"));
            return Some(if lacks.is_empty() { pass(id, text) } else { warn(id, text) });
        }
        Before::Silent { reason } => Some(format!("it does not respond now ({reason})")),
        Before::LoginRefused { reason } => Some(format!("it rejects the login ({reason})")),
        Before::NotAsked => None,
    };
    let refused = matches!(context.before, Before::LoginRefused { .. });
    let reason = match (context.baseline, said) {
        (ComparedWith::Stored { taken, summary }, said) => {
            let when = taken.parse::<Timestamp>().map_or_else(|_| taken.clone(), |taken| when(taken, context.now));
            let said = said.map(|said| format!("{said}; ")).unwrap_or_default();
            let fix = if refused { "; nothing can be verified with this login: fix it first" } else { "" };
            format!("{said}it will be compared with the stored baseline of {when}: {summary}{fix}")
        }
        (_, Some(said)) if refused => {
            format!("{said}: no baseline is taken, and nothing can be verified with this login; fix it first")
        }
        (ComparedWith::Nothing { reason }, said) => {
            let said = said.map_or_else(|| ": ".to_owned(), |said| format!(", {said}, and "));
            let proof = match context.member.role {
                Role::Safekeeper | Role::Pageserver => "it will be compared with the other storage components only",
                _ => "its data will not be verified",
            };
            format!("no baseline{said}{reason}; {proof}")
        }
        (ComparedWith::Fresh { .. }, Some(said)) => format!("{said}; it must respond afterwards"),
        (ComparedWith::Fresh { .. }, None) | (ComparedWith::Inherited { .. }, _) => return None,
    };
    Some(warn(PlanCheckId::Baseline, reason))
}

/// Returns the check of a baseline that an earlier operation did not find again: a newer state that lacks it does not replace it.
fn inherited(context: &CheckContext<'_>, from: &str, taken: &str, summary: &str) -> PlanCheck {
    let when = taken.parse::<Timestamp>().map_or_else(|_| taken.to_owned(), |taken| when(taken, context.now));
    let now = match context.before {
        Before::Answered { summary, .. } => format!("now: {summary}; "),
        Before::Silent { reason } => format!("it does not respond now ({reason}); "),
        Before::LoginRefused { reason } => {
            format!("it rejects the login ({reason}): fix that first, nothing can be verified with it; ")
        }
        Before::NotAsked => String::new(),
    };
    let compared = format!("it will be compared with the baseline that {from} recorded at {when}");
    warn(PlanCheckId::Baseline, format!("{now}{compared}, which was not all found again: {summary}"))
}
