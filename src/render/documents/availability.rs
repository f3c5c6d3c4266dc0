//! How long a database was away, within the result of a failover or an undo.

use super::millis;
use crate::plan::Promise;
use crate::recovery::Availability;
use serde::Serialize;

/// How a database answered while a member was replaced. Times are in milliseconds since the run began, by a monotonic
/// clock.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reachability<'a> {
    /// Namespace of the pod that takes the session. Null where it is not known.
    pub namespace: Option<&'a str>,
    /// That pod. Null where it is not known.
    pub pod: Option<&'a str>,
    /// What is promised of the database. Null where it was not to be asked.
    pub promise: Option<Promise>,
    /// Whether it was away though it is promised to stay.
    pub finding: bool,
    /// Questions that ended.
    pub asked: usize,
    /// Those that were answered.
    pub answered: usize,
    /// Those that say nothing, since the way there was broken.
    pub unknown: usize,
    /// Whether each question was dispatched to every segment of an MPP server. Null where it was not measured.
    pub segments: Option<bool>,
    /// Whether it answered when the run began. Null where it was not measured.
    pub answered_before: Option<bool>,
    /// When the first question was put that was not answered. Null where all were.
    pub first_failure_ms: Option<u64>,
    /// When the first answer after that was there. Null where none was needed, or none came.
    pub first_success_after_ms: Option<u64>,
    /// The longest time without an answer, in milliseconds. Null where there was none.
    pub longest_gap_ms: Option<u64>,
    /// Whether the last question was not answered. Null where it was not measured.
    pub still_away: Option<bool>,
    /// Why the last question that was not answered was not, in words. Null where all were.
    pub reason: Option<&'a str>,
    /// Why it was not measured, in words. Null where it was.
    pub not_measured: Option<&'a str>,
}

impl<'a> From<&'a Availability> for Reachability<'a> {
    fn from(reach: &'a Availability) -> Self {
        let row = Self {
            namespace: reach.namespace.as_deref(),
            pod: reach.pod.as_deref(),
            promise: reach.promise,
            finding: reach.finding(),
            asked: 0,
            answered: 0,
            unknown: 0,
            segments: None,
            answered_before: None,
            first_failure_ms: None,
            first_success_after_ms: None,
            longest_gap_ms: None,
            still_away: None,
            reason: None,
            not_measured: None,
        };
        match &reach.measured {
            Ok(account) => Self {
                asked: account.asked,
                answered: account.answered,
                unknown: account.unknown,
                segments: Some(account.segments),
                answered_before: Some(account.answered_before),
                first_failure_ms: account.first_failure.map(millis),
                first_success_after_ms: account.first_success_after.map(millis),
                longest_gap_ms: account.longest_gap.map(millis),
                still_away: Some(account.still_away),
                reason: account.reason.as_deref(),
                ..row
            },
            Err(why) => Self { not_measured: Some(why), ..row },
        }
    }
}
