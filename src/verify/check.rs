//! Checks and their results, as values.

use serde::Serialize;
use std::time::Duration;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum VerifyVerdict {
    /// It holds.
    Passed,
    /// It definitely does not hold.
    Failed,
    /// It does not apply here, or was not requested.
    Skipped,
    /// It could not be found out. Never a pass.
    Unknown,
}

impl VerifyVerdict {
    /// Returns it in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

/// Kinds of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CheckKind {
    /// The namespace is not being deleted.
    Namespace,
    /// The expected members are known.
    Members,
    /// The server accepts a login, and reports its version.
    Connection,
    /// A database accepts connections, and its tables are listed.
    Tables,
    /// Every primary segment of an MPP server responds to a dispatched query.
    Segments,
    /// The catalog of an MPP server reports no instance as down, and mirrors are in sync and in their roles.
    Mirrors,
    /// Rows are written, read back, and dropped again.
    Write,
    /// A write reaches every primary segment of an MPP server.
    Spread,
    /// The nodes of a warehouse are Ready.
    Nodes,
    /// A status endpoint answers.
    #[serde(rename = "endpoint")]
    Page,
    /// A quorum of the safekeepers responds.
    Majority,
    /// A quorum of the safekeepers has flushed the committed WAL.
    Wal,
    /// A pageserver's tenants are attached, and none is broken.
    Tenants,
    /// The contents of a baseline are present.
    Baseline,
}

impl CheckKind {
    /// Returns it in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Members => "members",
            Self::Connection => "connection",
            Self::Tables => "tables",
            Self::Segments => "segments",
            Self::Mirrors => "mirrors",
            Self::Write => "write",
            Self::Spread => "spread",
            Self::Nodes => "nodes",
            Self::Page => "endpoint",
            Self::Majority => "majority",
            Self::Wal => "wal",
            Self::Tenants => "tenants",
            Self::Baseline => "baseline",
        }
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The verdict.
    pub verdict: VerifyVerdict,
    /// The reason in one line.
    pub reason: String,
    /// Details: a line for each thing that is missing.
    pub lines: Vec<String>,
}

impl Judgement {
    /// It holds.
    pub(crate) fn passed(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Passed, reason)
    }

    /// It does not hold.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Failed, reason)
    }

    /// It does not apply, or was not requested.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Skipped, reason)
    }

    /// It is unknown.
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Unknown, reason)
    }

    fn of(verdict: VerifyVerdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), lines: Vec::new() }
    }

    /// Returns the check with this judgement.
    pub(crate) fn on(self, kind: CheckKind, namespace: &str, member: &str, took: Duration) -> VerifyCheck {
        let Self { verdict, reason, lines } = self;
        VerifyCheck { namespace: namespace.to_owned(), member: member.to_owned(), kind, verdict, reason, lines, took }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyCheck {
    /// The namespace of the pod or component.
    pub namespace: String,
    /// The pod or component.
    pub member: String,
    /// The kind of check.
    pub kind: CheckKind,
    /// Its result.
    pub verdict: VerifyVerdict,
    /// The reason in one line.
    pub reason: String,
    /// Details, one line each.
    pub lines: Vec<String>,
    /// How long the query took; zero without a query.
    pub took: Duration,
}

/// Returns the verdict over all checks: Failed if one failed, else Unknown if one is unknown or none passed.
pub(crate) fn verdict(checks: &[VerifyCheck]) -> VerifyVerdict {
    let any = |verdict| checks.iter().any(|check| check.verdict == verdict);
    if any(VerifyVerdict::Failed) {
        VerifyVerdict::Failed
    } else if any(VerifyVerdict::Unknown) || !any(VerifyVerdict::Passed) {
        VerifyVerdict::Unknown
    } else {
        VerifyVerdict::Passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_as_a_whole_that_is_unknown_in_a_part() {
        use VerifyVerdict::{Failed, Passed, Skipped, Unknown};
        for (all, expected) in [
            (vec![Passed, Skipped], Passed),
            (vec![Passed, Unknown], Unknown),
            (vec![Passed, Unknown, Failed], Failed),
            (vec![Skipped], Unknown),
            (vec![], Unknown),
        ] {
            let check =
                |verdict: &VerifyVerdict| Judgement::of(*verdict, "").on(CheckKind::Page, "a", "b", Duration::ZERO);
            let checks: Vec<VerifyCheck> = all.iter().map(check).collect();
            assert_eq!(verdict(&checks), expected, "{all:?}");
        }
    }
}
