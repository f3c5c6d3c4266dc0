//! `verify`: the verdict and its reasons first, then a table.

use super::columns::columns;
use super::{Paint, sanitize_line, wrapped, wrapped_at};
use crate::duration;
use crate::outcome::Outcome;
use crate::text::counted;
use crate::verify::{CheckKind, Saved, VerifyCheck, VerifyTarget, VerifyVerdict, verdict};
use std::path::Path;
use std::time::Duration;

/// Renders the report.
pub(crate) fn verify(checks: &[VerifyCheck], paint: Paint) -> String {
    let mut text = headline(checks, paint);
    let mut namespaces: Vec<&str> = Vec::new();
    for check in checks {
        if !namespaces.contains(&check.namespace.as_str()) {
            namespaces.push(&check.namespace);
        }
    }
    let width =
        |of: fn(&VerifyCheck) -> usize, head: &str| checks.iter().map(of).chain([head.len()]).max().unwrap_or(0);
    let member = width(|check| check.member.chars().count(), "TARGET");
    let kind = width(|check| check.kind.name().len(), "CHECK");
    let times = width(|check| spent(check.took).chars().count(), "DURATION");
    text.push_str(&format!(
        "\n{:<member$}  {:<kind$}  {:<7}  {:>times$}  DETAIL\n",
        "TARGET", "CHECK", "RESULT", "DURATION"
    ));
    for namespace in namespaces {
        let name = if namespace.is_empty() { "(cluster)" } else { namespace };
        text.push_str(&format!("{}\n", paint.strong(sanitize_line(name))));
        let mut last = "";
        for check in checks.iter().filter(|check| check.namespace == namespace) {
            // A target is named once.
            let name = if check.member == last { String::new() } else { sanitize_line(&check.member) };
            last = &check.member;
            let result = painted(check.verdict, paint);
            let result = format!("{result}{}", " ".repeat(7 - check.verdict.name().len()));
            let lead =
                format!("{name:<member$}  {:<kind$}  {result}  {:>times$}  ", check.kind.name(), spent(check.took));
            let column = member + kind + times + 7 + 8;
            // If there is too little room for the details, they go below their row.
            if column + 24 > super::COLUMNS {
                text.push_str(&format!("{}\n", lead.trim_end()));
                text.push_str(&wrapped_at("      ", 6, &check.reason));
            } else {
                text.push_str(&row(&lead, column, &check.reason));
            }
        }
    }
    text
}

/// Renders the verdict, then one line per check, unwrapped.
pub(crate) fn wide(checks: &[VerifyCheck], paint: Paint) -> String {
    format!("{}\n{}", headline(checks, paint), rows(checks, true, paint))
}

/// Renders one line per check, its namespace first, with or without headings.
pub(crate) fn rows(checks: &[VerifyCheck], headings: bool, paint: Paint) -> String {
    let rows = checks.iter().map(|check| {
        vec![
            if check.namespace.is_empty() { "<none>".to_owned() } else { sanitize_line(&check.namespace) },
            sanitize_line(&check.member),
            check.kind.name().to_owned(),
            painted(check.verdict, paint),
            if check.took.is_zero() { "<none>".to_owned() } else { duration::format(check.took).replace(' ', "") },
            sanitize_line(&check.reason),
        ]
    });
    columns(&["NAMESPACE", "TARGET", "CHECK", "RESULT", "DURATION", "DETAIL"], headings, rows)
}

/// Wraps like [`wrapped_at`] after a lead with invisible characters.
fn row(lead: &str, column: usize, detail: &str) -> String {
    let blank = " ".repeat(column);
    let text = wrapped_at(&blank, column, detail);
    format!("{lead}{}", text.strip_prefix(&blank).unwrap_or(&text))
}

fn painted(verdict: VerifyVerdict, paint: Paint) -> String {
    let word = verdict.name();
    match verdict {
        VerifyVerdict::Passed => paint.ok(word),
        VerifyVerdict::Failed => paint.bad(word),
        VerifyVerdict::Skipped => word.to_owned(),
        VerifyVerdict::Unknown => paint.warn(word),
    }
}

/// Returns the duration of a check; empty if nothing was queried.
fn spent(time: Duration) -> String {
    if time.is_zero() { String::new() } else { duration::format(time) }
}

/// Renders the verdict with its numbers, then each check that failed or is unknown.
fn headline(checks: &[VerifyCheck], paint: Paint) -> String {
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let skipped = match number(VerifyVerdict::Skipped) {
        0 => String::new(),
        skipped => format!(" ({skipped} skipped)"),
    };
    let (failed, unknown, passed) =
        (number(VerifyVerdict::Failed), number(VerifyVerdict::Unknown), number(VerifyVerdict::Passed));
    let asked = counted(failed + unknown + passed, "check");
    let mut text = match verdict(checks) {
        VerifyVerdict::Passed => format!("{}: {} passed{skipped}\n", paint.ok("Verified"), counted(passed, "check")),
        VerifyVerdict::Failed => format!("{}: {failed} of {asked} failed{skipped}\n", paint.bad("Verification failed")),
        VerifyVerdict::Unknown | VerifyVerdict::Skipped if failed + unknown + passed == 0 => {
            format!("{}: nothing could be checked{skipped}\n", paint.warn(Outcome::Unverified.text()))
        }
        VerifyVerdict::Unknown | VerifyVerdict::Skipped => {
            let are = if unknown == 1 { "is" } else { "are" };
            let what = format!("nothing failed, but {unknown} of {asked} {are} unknown{skipped}");
            format!("{}: {what}\n", paint.warn(Outcome::Unverified.text()))
        }
    };
    for (verdict, word) in [(VerifyVerdict::Failed, "failed: "), (VerifyVerdict::Unknown, "unknown: ")] {
        for check in checks.iter().filter(|check| check.verdict == verdict) {
            let about = format!("{} {}: {}", path(check), check.kind.name(), check.reason);
            text.push_str(&wrapped(&format!("  {word}"), &about));
            for line in &check.lines {
                text.push_str(&wrapped("    - ", line));
            }
        }
    }
    for check in checks.iter().filter(|check| check.kind == CheckKind::Namespace) {
        text.push_str(&wrapped("  note: ", &format!("namespace {} is {}", check.namespace, check.reason)));
    }
    for check in checks.iter().filter(|check| matches!(check.verdict, VerifyVerdict::Passed | VerifyVerdict::Skipped)) {
        for line in &check.lines {
            text.push_str(&wrapped("  note: ", &format!("{} {}: {line}", path(check), check.kind.name())));
        }
    }
    text
}

fn path(check: &VerifyCheck) -> String {
    if check.namespace.is_empty() { check.member.clone() } else { format!("{}/{}", check.namespace, check.member) }
}

/// Renders what is being queried.
pub(crate) fn progress(asked: &[VerifyTarget]) -> String {
    let servers = asked.iter().filter(|subject| matches!(subject, VerifyTarget::Server { .. })).count();
    let pages: usize =
        asked.iter().map(|subject| if let VerifyTarget::Pages { pods, .. } = subject { pods.len() } else { 0 }).sum();
    format!("querying {}, {}", counted(servers, "database server"), counted(pages, "status page"))
}

/// Renders which baseline it is compared with.
pub(crate) fn compared(path: &Path, saved: &Saved, context: &str) -> String {
    let path = sanitize_line(&path.display().to_string());
    let other = if saved.context == context { String::new() } else { format!(", in context {}", saved.context) };
    wrapped("", &format!("compared with {path}, taken at {}{other}", saved.taken))
}

/// Renders that a baseline was saved, and what is not in it.
pub(crate) fn saved(path: &Path, saved: &Saved) -> String {
    let components = counted(saved.members.len(), "component");
    let mut text = format!("baseline of {components} saved to {}\n", sanitize_line(&path.display().to_string()));
    for (member, evidence) in saved.members.iter().filter(|(_, evidence)| evidence.is_partial()) {
        text.push_str(&wrapped("  note: ", &format!("{member}: {}", evidence.lacks().join("; "))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Role;
    use crate::topology::layout::{Scheme, StatusEndpoint};
    use crate::verify::Judgement;
    use insta::assert_snapshot;
    use std::time::Duration;

    const SYSTEM: &str = "synxdb-system";
    const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn healthy() -> Vec<VerifyCheck> {
        vec![
            Judgement::passed("PostgreSQL 15.18 (Debian 15.18-0+deb12u1), not in recovery").on(
                CheckKind::Connection,
                SYSTEM,
                "cloudberry-proxy-0",
                millis(20),
            ),
            Judgement::skipped("plain PostgreSQL: no segments").on(
                CheckKind::Segments,
                SYSTEM,
                "cloudberry-proxy-0",
                Duration::ZERO,
            ),
            Judgement {
                lines: vec!["safekeeper-2 is 96 bytes behind".into()],
                ..Judgement::passed("1 timeline flushed by a quorum, up to 0/2A55E98")
            }
            .on(CheckKind::Wal, SYSTEM, "safekeeper", Duration::ZERO),
        ]
    }

    fn troubled() -> Vec<VerifyCheck> {
        let mut checks = healthy();
        checks.push(Judgement::failed("connection refused: nothing is listening on that port of the pod").on(
            CheckKind::Page,
            SYSTEM,
            "pageserver-0",
            millis(5),
        ));
        checks.push(Judgement::unknown("no response within 10 s").on(
            CheckKind::Connection,
            ACCOUNT,
            "cloudberry-proxy-0",
            millis(10_004),
        ));
        checks.push(
            Judgement {
                lines: vec!["test_db: table public.projects has 1 row, had 3".into(), "\u{1b}[2Jno harm".into()],
                ..Judgement::failed("what was there before is missing")
            }
            .on(CheckKind::Baseline, ACCOUNT, "cloudberry-proxy-0", Duration::ZERO),
        );
        checks.push(Judgement::unknown("unknown which accounts exist: forbidden").on(
            CheckKind::Members,
            "",
            "namespaces",
            Duration::ZERO,
        ));
        checks
    }

    #[test]
    fn the_report() {
        assert_snapshot!("verify-passed", verify(&healthy(), Paint(false)));
        assert_snapshot!("verify-failed", verify(&troubled(), Paint(false)));
        assert_snapshot!("verify-failed-colour", verify(&troubled(), Paint(true)).replace('\u{1b}', "ESC"));
        assert_snapshot!("verify-wide", wide(&troubled(), Paint(false)));
        let rows = rows(&troubled(), false, Paint(false));
        assert!(rows.lines().all(|row| row.split("  ").filter(|cell| !cell.trim().is_empty()).count() == 6), "{rows}");
        let unknown: Vec<VerifyCheck> =
            troubled().into_iter().filter(|check| check.verdict != VerifyVerdict::Failed).collect();
        assert_snapshot!("verify-unknown", verify(&unknown, Paint(false)));
    }

    #[test]
    fn a_skipped_namespace_is_named_and_changes_no_verdict() {
        let mut checks = healthy();
        let why = "skipped (terminating)";
        checks.push(Judgement::skipped(why).on(CheckKind::Namespace, ACCOUNT, "", Duration::ZERO));
        assert_eq!(verdict(&checks), verdict(&healthy()));
        assert_snapshot!("verify-passed-over", verify(&checks, Paint(false)));
    }

    #[test]
    fn the_progress_says_what_is_queried() {
        let endpoint = || StatusEndpoint { port: 7676, path: "/v1/status".into(), scheme: Scheme::Http };
        let pages = |names: &[&str]| VerifyTarget::Pages {
            namespace: SYSTEM.into(),
            component: "c".into(),
            role: Role::Safekeeper,
            pods: names.iter().map(|name| ((*name).to_owned(), true)).collect(),
            endpoint: endpoint(),
            whole: true,
            remote_storage: None,
        };
        assert_eq!(progress(&[pages(&["a-0", "a-1"]), pages(&["b-0"])]), "querying 0 database servers, 3 status pages");
    }

    /// A table that leaves no room beside it puts the details under each row.
    #[test]
    fn long_names_leave_room_for_the_reason() {
        let long = "a-warehouse-with-a-long-name-9527-0123456789";
        let check = Judgement::passed("2 of 2 Ready; the proxy answers for them").on(
            CheckKind::Nodes,
            ACCOUNT,
            long,
            Duration::ZERO,
        );
        let text = verify(&[check], Paint(false));
        assert!(text.contains("\n      2 of 2 Ready; the proxy answers for them\n"), "{text}");
    }
}
