//! How long a database was unavailable, within the result of a failover or an undo.

use super::millis;
use crate::plan::ExpectedAvailability;
use crate::recovery::Availability as Measured;
use serde::Serialize;

/// How a database answered while a member was replaced. Times are in milliseconds since the operation began, by a monotonic
/// clock.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Availability<'a> {
    /// Namespace of the pod that takes the session. Null if it is not known.
    pub namespace: Option<&'a str>,
    /// That pod. Null if it is not known.
    pub pod: Option<&'a str>,
    /// What the product's pages lead one to expect. Null if it was not to be probed.
    pub expected: Option<ExpectedAvailability>,
    /// Whether it was unavailable although no interruption is expected.
    pub unexpected_outage: bool,
    /// Probes that ended.
    pub attempts: usize,
    /// Those that were answered.
    pub answered: usize,
    /// Those that prove nothing, as the connection through the API server was broken.
    pub inconclusive: usize,
    /// Whether each probe was dispatched to every segment of an MPP server. Null if it was not measured.
    pub all_segments: Option<bool>,
    /// Whether it answered when the operation began. Null if it was not measured.
    pub answered_before: Option<bool>,
    /// When the first probe began that was not answered. Null if all were.
    pub first_failure_ms: Option<u64>,
    /// When the first answer after that came. Null if none was needed, or none came.
    pub first_success_after_ms: Option<u64>,
    /// The longest time without an answer, in milliseconds. Null if there was none.
    pub longest_outage_ms: Option<u64>,
    /// Whether the last probe was not answered. Null if it was not measured.
    pub still_unavailable: Option<bool>,
    /// Why the last unanswered probe was not answered, in words. Null if all were.
    pub reason: Option<&'a str>,
    /// Why it was not measured, in words. Null if it was.
    pub not_measured_reason: Option<&'a str>,
}

impl<'a> From<&'a Measured> for Availability<'a> {
    fn from(reach: &'a Measured) -> Self {
        let row = Self {
            namespace: reach.namespace.as_deref(),
            pod: reach.pod.as_deref(),
            expected: reach.expected,
            unexpected_outage: reach.finding(),
            attempts: 0,
            answered: 0,
            inconclusive: 0,
            all_segments: None,
            answered_before: None,
            first_failure_ms: None,
            first_success_after_ms: None,
            longest_outage_ms: None,
            still_unavailable: None,
            reason: None,
            not_measured_reason: None,
        };
        match &reach.measured {
            Ok(account) => Self {
                attempts: account.asked,
                answered: account.answered,
                inconclusive: account.unknown,
                all_segments: Some(account.segments),
                answered_before: Some(account.answered_before),
                first_failure_ms: account.first_failure.map(millis),
                first_success_after_ms: account.first_success_after.map(millis),
                longest_outage_ms: account.longest_gap.map(millis),
                still_unavailable: Some(account.still_away),
                reason: account.reason.as_deref(),
                ..row
            },
            Err(why) => Self { not_measured_reason: Some(why), ..row },
        }
    }
}
