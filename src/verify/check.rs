//! What was checked, and what came of it: values.

use serde::Serialize;
use std::time::Duration;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "CheckResult"))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It definitely does not hold.
    Failed,
    /// It does not apply here, or was not asked for.
    Skipped,
    /// Nobody can say. Never a pass.
    Unknown,
}

impl Verdict {
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
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "CheckKind"))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The namespace stays.
    Namespace,
    /// It can be read which members there should be.
    Members,
    /// The server takes a login, and says who it is.
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
    /// A status page answers.
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

impl Kind {
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
            Self::Page => "page",
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
    pub verdict: Verdict,
    /// Why, in words, one line.
    pub reason: String,
    /// More of it: a line for each thing that is missing.
    pub lines: Vec<String>,
}

impl Judgement {
    /// It holds.
    pub fn passed(reason: impl Into<String>) -> Self {
        Self::of(Verdict::Passed, reason)
    }

    /// It does not hold.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::of(Verdict::Failed, reason)
    }

    /// It does not apply, or was not asked for.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::of(Verdict::Skipped, reason)
    }

    /// Nobody can say.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::of(Verdict::Unknown, reason)
    }

    fn of(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), lines: Vec::new() }
    }

    /// The check that this is the judgement of.
    pub fn on(self, kind: Kind, namespace: &str, member: &str, took: Duration) -> Check {
        let Self { verdict, reason, lines } = self;
        Check { namespace: namespace.to_owned(), member: member.to_owned(), kind, verdict, reason, lines, took }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The namespace it is about.
    pub namespace: String,
    /// The pod, or the component, that it is about.
    pub member: String,
    /// What was checked.
    pub kind: Kind,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in words, one line.
    pub reason: String,
    /// More of it, a line each.
    pub lines: Vec<String>,
    /// How long the asking took; nothing where nothing was asked.
    pub took: Duration,
}

/// The verdict over all checks: Failed where one failed, else Unknown where one is unknown, or where nothing passed.
pub fn verdict(checks: &[Check]) -> Verdict {
    let any = |verdict| checks.iter().any(|check| check.verdict == verdict);
    if any(Verdict::Failed) {
        Verdict::Failed
    } else if any(Verdict::Unknown) || !any(Verdict::Passed) {
        Verdict::Unknown
    } else {
        Verdict::Passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_as_a_whole_that_is_unknown_in_a_part() {
        use Verdict::{Failed, Passed, Skipped, Unknown};
        for (all, expected) in [
            (vec![Passed, Skipped], Passed),
            (vec![Passed, Unknown], Unknown),
            (vec![Passed, Unknown, Failed], Failed),
            (vec![Skipped], Unknown),
            (vec![], Unknown),
        ] {
            let check = |verdict: &Verdict| Judgement::of(*verdict, "").on(Kind::Page, "a", "b", Duration::ZERO);
            let checks: Vec<Check> = all.iter().map(check).collect();
            assert_eq!(verdict(&checks), expected, "{all:?}");
        }
    }
}
