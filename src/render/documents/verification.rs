//! `verify`.

use super::millis;
use crate::verify::{Check as Checked, Evidence, Kind, Verdict, verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// Whether each component and its data are whole.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verification<'a> {
    /// Over all checks: failed where one failed, else unknown where one is unknown or none passed.
    pub result: Verdict,
    /// Each check.
    pub checks: Vec<Check<'a>>,
    /// What each member that answered said of itself, by `NAMESPACE/POD`.
    pub members: &'a BTreeMap<String, Evidence>,
}

/// A check, and what came of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check<'a> {
    /// The namespace that it is about.
    pub namespace: &'a str,
    /// The pod, or the component, that it is about; empty where it is about the namespace.
    pub member: &'a str,
    /// What was checked.
    pub check: Kind,
    /// What came of it.
    pub result: Verdict,
    /// Why, in words, one line.
    pub reason: &'a str,
    /// More of it: a line for each thing that is missing.
    pub lines: &'a [String],
    /// How long the asking took, in milliseconds; 0 where nothing was asked.
    pub ms: u64,
}

impl<'a> Verification<'a> {
    /// Of the checks, and of what the members said.
    pub fn new(checks: &'a [Checked], members: &'a BTreeMap<String, Evidence>) -> Self {
        Self { result: verdict(checks), checks: checks.iter().map(Check::from).collect(), members }
    }
}

impl<'a> From<&'a Checked> for Check<'a> {
    fn from(check: &'a Checked) -> Self {
        Self {
            namespace: &check.namespace,
            member: &check.member,
            check: check.kind,
            result: check.verdict,
            reason: &check.reason,
            lines: &check.lines,
            ms: millis(check.took),
        }
    }
}
