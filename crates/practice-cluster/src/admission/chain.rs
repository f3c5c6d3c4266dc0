//! The plugins, in the order of a real server.

use super::change::{AdmissionRequest, List, Operation, Refusal, forbidden};
use super::{limit_range, pod_security, policies, quotas};

/// Returns the first refusal; `None` if no plugin refuses.
pub(crate) fn refusal(asked: &AdmissionRequest<'_>, list: List<'_>) -> Option<Refusal> {
    let why = |why: String| Refusal { code: 403, reason: "Forbidden", message: forbidden(asked.key, &why) };
    if asked.operation == Operation::Create {
        let why_not = limit_range::refusal(asked, list).or_else(|| pod_security::refusal(asked, list));
        if let Some(reason) = why_not {
            return Some(why(reason));
        }
    }
    policies::refusal(asked, list).or_else(|| {
        let new = asked.operation == Operation::Create;
        new.then(|| quotas::refusal(asked, list)).flatten().map(why)
    })
}
