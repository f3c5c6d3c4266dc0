//! How it will be proven that the component and its data are back.

use super::{CheckContext, PlanCheck, PlanCheckId, pass, warn};
use crate::plan::{Before, ComparedWith, Proof};
use crate::topology::Role;
use crate::topology::when::when;
use jiff::Timestamp;

pub(super) fn evidence(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if let Proof::Skipped { reason } = context.proof {
        checks.push(warn(PlanCheckId::Proof, format!("whether it is back will not be proven: {reason}")));
        return;
    }
    checks.extend(baseline(context));
    if context.baseline.earlier().is_none() && !context.request.accept_missing.is_empty() {
        let why = "--accept-missing accepts nothing here: it is for what is missing since an earlier baseline";
        checks.push(warn(PlanCheckId::Baseline, why));
    }
}

/// What it is compared with afterwards.
fn baseline(context: &CheckContext<'_>) -> Option<PlanCheck> {
    if let ComparedWith::Inherited { from, taken, summary } = context.baseline {
        return Some(inherited(context, from, taken, summary));
    }
    let said = match context.before {
        Before::Answered { summary, lacks } => {
            let (id, text) = (PlanCheckId::Baseline, format!("before: {summary}"));
            return Some(if lacks.is_empty() { pass(id, text) } else { warn(id, text) });
        }
        Before::Silent { reason } => Some(format!("it does not answer now ({reason})")),
        Before::LoginRefused { reason } => Some(format!("it answers, and refuses the login ({reason})")),
        Before::NotAsked => None,
    };
    let refused = matches!(context.before, Before::LoginRefused { .. });
    let reason = match (context.baseline, said) {
        (ComparedWith::Stored { taken, summary }, said) => {
            let when = taken.parse::<Timestamp>().map_or_else(|_| taken.clone(), |taken| when(taken, context.now));
            let said = said.map(|said| format!("{said}; ")).unwrap_or_default();
            let mend = if refused { "; nothing can be verified with this login: fix it first" } else { "" };
            format!("{said}afterwards it is compared with the stored baseline of {when}: {summary}{mend}")
        }
        (_, Some(said)) if refused => {
            format!("{said}: no baseline is taken, and nothing can be verified with this login; fix it first")
        }
        (ComparedWith::Nothing { reason }, said) => {
            let said = said.map_or_else(|| ": ".to_owned(), |said| format!(", {said}, and "));
            let proof = match context.member.role {
                Role::Safekeeper | Role::Pageserver => {
                    "afterwards it is compared with the other storage components alone"
                }
                _ => "whether its data is back will not be proven",
            };
            format!("no baseline{said}{reason}; {proof}")
        }
        (ComparedWith::Fresh { .. }, Some(said)) => format!("{said}; afterwards it must"),
        (ComparedWith::Fresh { .. }, None) | (ComparedWith::Inherited { .. }, _) => return None,
    };
    Some(warn(PlanCheckId::Baseline, reason))
}

/// What an earlier act was compared with and did not find again is not made good by a newer state that lacks it.
fn inherited(context: &CheckContext<'_>, from: &str, taken: &str, summary: &str) -> PlanCheck {
    let when = taken.parse::<Timestamp>().map_or_else(|_| taken.to_owned(), |taken| when(taken, context.now));
    let now = match context.before {
        Before::Answered { summary, .. } => format!("now: {summary}; "),
        Before::Silent { reason } => format!("it does not answer now ({reason}); "),
        Before::LoginRefused { reason } => {
            format!("it answers, and refuses the login ({reason}): fix that first, nothing can be verified with it; ")
        }
        Before::NotAsked => String::new(),
    };
    let compared = format!("afterwards it is compared with the baseline that {from} recorded, of {when}");
    warn(PlanCheckId::Baseline, format!("{now}{compared}, and that was not all found again: {summary}"))
}
