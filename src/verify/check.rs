//! What was checked, and what came of it: values.

use serde::Serialize;
use std::time::Duration;

/// What came of a check.
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
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

/// Kinds of check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CheckKind {
    /// The namespace stays.
    Namespace,
    /// It can be read which members there should be.
    Members,
    /// The server accepts a login, and identifies itself.
    Connection,
    /// A database can be entered, and its tables are listed.
    Tables,
    /// Every primary segment of an MPP server answers a dispatched query.
    Segments,
    /// The catalog of an MPP server calls no instance down, and mirrors are in sync and in their roles.
    Mirrors,
    /// Rows are written, read back, and dropped again.
    Write,
    /// What is written reaches every primary segment of an MPP server.
    Spread,
    /// The nodes of a warehouse are Ready.
    Nodes,
    /// A status endpoint answers.
    #[serde(rename = "endpoint")]
    Page,
    /// More than half of the safekeepers answer.
    Majority,
    /// More than half of the safekeepers have flushed what is committed.
    Wal,
    /// A pageserver's tenants are attached, and none is broken.
    Tenants,
    /// What a baseline has is there.
    Baseline,
}

impl CheckKind {
    /// In one word.
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
pub struct Judgement {
    /// The verdict.
    pub verdict: VerifyVerdict,
    /// Why, in words, one line.
    pub reason: String,
    /// More of it: a line for each thing that is missing.
    pub lines: Vec<String>,
}

impl Judgement {
    /// It holds.
    pub fn passed(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Passed, reason)
    }

    /// It does not hold.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Failed, reason)
    }

    /// It does not apply, or was not asked for.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Skipped, reason)
    }

    /// Nobody can say.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::of(VerifyVerdict::Unknown, reason)
    }

    fn of(verdict: VerifyVerdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), lines: Vec::new() }
    }

    /// The check that this is the judgement of.
    pub fn on(self, kind: CheckKind, namespace: &str, member: &str, took: Duration) -> VerifyCheck {
        let Self { verdict, reason, lines } = self;
        VerifyCheck { namespace: namespace.to_owned(), member: member.to_owned(), kind, verdict, reason, lines, took }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyCheck {
    /// The namespace it is about.
    pub namespace: String,
    /// The pod, or the component, that it is about.
    pub member: String,
    /// What was checked.
    pub kind: CheckKind,
    /// What came of it.
    pub verdict: VerifyVerdict,
    /// Why, in words, one line.
    pub reason: String,
    /// More of it, a line each.
    pub lines: Vec<String>,
    /// How long the asking took; nothing where nothing was asked.
    pub took: Duration,
}

/// The verdict over all checks: Failed where one failed, else Unknown where one is unknown, or where nothing passed.
pub fn verdict(checks: &[VerifyCheck]) -> VerifyVerdict {
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
