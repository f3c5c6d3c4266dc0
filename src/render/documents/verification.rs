//! `verify`.

use super::millis;
use crate::verify::{CheckKind, Evidence, VerifyCheck as Checked, VerifyVerdict, verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// Whether each component responds and its data is intact.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verification<'a> {
    /// Over all checks: failed where one failed, else unknown where one is unknown or none passed.
    pub result: VerifyVerdict,
    /// Each check.
    pub checks: Vec<VerifyCheck<'a>>,
    /// What each member that answered reported, by `NAMESPACE/POD`.
    pub members: &'a BTreeMap<String, Evidence>,
}

/// A check, and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifyCheck<'a> {
    /// The namespace that it is about.
    pub namespace: &'a str,
    /// The pod, or the component, that it is about; empty if it is about the namespace.
    pub member: &'a str,
    /// What was checked.
    pub check: CheckKind,
    /// What came of it.
    pub result: VerifyVerdict,
    /// Why, in words, one line.
    pub reason: &'a str,
    /// The same in detail: a line for each thing that is missing.
    pub details: &'a [String],
    /// How long the query took, in milliseconds; 0 if there was none.
    pub duration_ms: u64,
}

impl<'a> Verification<'a> {
    /// Of the checks, and of what the members reported.
    pub fn new(checks: &'a [Checked], members: &'a BTreeMap<String, Evidence>) -> Self {
        Self { result: verdict(checks), checks: checks.iter().map(VerifyCheck::from).collect(), members }
    }
}

impl<'a> From<&'a Checked> for VerifyCheck<'a> {
    fn from(check: &'a Checked) -> Self {
        Self {
            namespace: &check.namespace,
            member: &check.member,
            check: check.kind,
            result: check.verdict,
            reason: &check.reason,
            details: &check.lines,
            duration_ms: millis(check.took),
        }
    }
}
