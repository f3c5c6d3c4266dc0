//! A pageserver that came back, by its own report, beside safekeepers.

use super::*;
use crate::storage::examples::{Ps, Sk, ps, sk};

fn whole() -> Ps {
    ps(2).timeline("aa/11", 100, 60).timeline("bb/22", 50, 50)
}

fn safekeeper() -> Sk {
    sk(1).timeline("aa/11", 100, 100, 3).total(2).forget("aa/11", |wal| wal.remote_consistent_lsn = Some(60))
}

fn text_of(before: Option<Ps>, after: Ps, safekeepers: &[Sk]) -> String {
    let before = before.map(Ps::page);
    let readings: Vec<Reading> = safekeepers.iter().cloned().map(Sk::reading).collect();
    let found = compare(before.as_ref(), &after.page(), &readings.iter().collect::<Vec<_>>());
    let mut lines: Vec<String> = found.short.into_iter().map(|short| short.line).collect();
    lines.extend(found.unknown.into_iter().map(|why| format!("unknown: {why}")));
    lines.extend(found.nothing.map(|why| format!("nothing: {why}")));
    if lines.is_empty() { found.there } else { lines.join("; ") }
}

#[test]
fn it_serves_what_it_served() {
    let whole = || Some(whole());
    let empty = || ps(2).change(|facts| facts.remote_bytes = Some(0));
    for (before, after, expected) in [
        (whole(), super::tests::whole(), "2 active tenants, 2 timelines"),
        (whole(), ps(3).timeline("aa/11", 100, 60).timeline("bb/22", 50, 50), "3 active tenants, 2 timelines"),
        (whole(), ps(1).timeline("aa/11", 100, 60).timeline("bb/22", 50, 50), "active tenants: 1 of 2 before"),
        (
            whole(),
            ps(2).timeline("aa/11", 100, 60),
            "active timelines: 1 of 2 before; timeline bb/22, which it served before",
        ),
        (
            whole(),
            super::tests::whole().timeline("aa/11", 70, 60),
            "timeline aa/11 up to 0/64, ingested before; it has 0/46 (30 bytes less)",
        ),
        // Active tenants of which nothing was found in an empty bucket.
        (
            whole(),
            empty(),
            "active timelines: 0 of 2 before; timeline aa/11, which it served before; timeline bb/22, which it served \
             before; remote storage: it has nothing there, but had 1,073,741,824 bytes",
        ),
        (whole(), super::tests::whole().change(|facts| facts.broken = Some(1)), "1 broken tenants, 0 before"),
        (
            whole(),
            super::tests::whole().change(|facts| {
                (facts.startup_scheduled, facts.startup_complete) = (Some(2), Some(1));
            }),
            "its start-up: 1 of 2 tenants still starting",
        ),
        (
            whole(),
            super::tests::whole().change(|facts| facts.loading = Some(true)),
            "its start-up: it is still loading",
        ),
        // The suspicion remains after everything is attached again.
        (
            whole(),
            super::tests::whole().change(|facts| facts.data_loss_suspected = Some(true)),
            "2 active tenants, 2 timelines",
        ),
        (
            whole(),
            ps(1).timeline("aa/11", 100, 60).timeline("bb/22", 50, 50).change(|facts| {
                facts.data_loss_suspected = Some(true);
                facts.tenants.insert("Activating".into(), 1);
            }),
            "active tenants: 1 of 2 before; 1 activating; it may have lost its data: it started empty, although it had tenants",
        ),
        (
            whole(),
            super::tests::whole().change(|facts| facts.active_timelines = None),
            "unknown: it no longer reports how many timelines are active",
        ),
        (
            whole(),
            super::tests::whole().change(|facts| facts.remote_bytes = None),
            "unknown: it no longer reports what it has in remote storage",
        ),
        (
            whole(),
            super::tests::whole().change(|facts| facts.left_out = 4),
            "unknown: 4 timelines were not checked: too many",
        ),
    ] {
        assert_eq!(text_of(before, after, &[]), expected);
    }
}

/// It was down before: the usual case.
#[test]
fn without_a_baseline_the_safekeepers_and_it_itself_are_asked() {
    let none = "there is no baseline, and no safekeeper reports a timeline to compare it with";
    for (after, safekeepers, expected) in [
        (whole(), vec![safekeeper()], "2 active tenants, 2 timelines".to_owned()),
        (whole(), vec![], format!("nothing: {none}")),
        (
            whole(),
            vec![sk(1).down()],
            "nothing: there is no baseline, and safekeeper-0 reports nothing: connection refused".to_owned(),
        ),
        (ps(0), vec![], format!("tenants: none is active; nothing: {none}")),
        (
            ps(0),
            vec![safekeeper()],
            "tenants: none is active; timeline aa/11, of which safekeeper-0 has WAL; unknown: safekeeper-0 has 2 timelines, \
             and 0 are active here: whether it should serve all of them is unknown"
                .to_owned(),
        ),
        (
            whole().timeline("aa/11", 40, 40),
            vec![safekeeper()],
            "timeline aa/11 up to 0/3C, which safekeeper-0 reports in remote storage; it has 0/28 (20 bytes less)"
                .to_owned(),
        ),
        (
            ps(2).timeline("aa/11", 100, 60),
            vec![safekeeper()],
            "unknown: safekeeper-0 has 2 timelines, and 1 are active here: whether it should serve all of them is unknown"
                .to_owned(),
        ),
        // It started empty, and has as many as the safekeepers by now; or it has fewer.
        (
            whole().change(|facts| facts.data_loss_suspected = Some(true)),
            vec![safekeeper()],
            "2 active tenants, 2 timelines".to_owned(),
        ),
        (
            whole().change(|facts| facts.data_loss_suspected = Some(true)),
            vec![safekeeper().total(3)],
            "unknown: safekeeper-0 has 3 timelines, and 2 are active here: whether it should serve all of them is unknown; \
             unknown: it may have lost its data: it started empty, although it had tenants"
                .to_owned(),
        ),
        (
            whole().change(|facts| facts.remote_bytes = Some(0)),
            vec![safekeeper()],
            "unknown: it has nothing in remote storage".to_owned(),
        ),
        // Idle everywhere: the number alone.
        (whole(), vec![safekeeper().without("aa/11")], "2 active tenants, 2 timelines".to_owned()),
    ] {
        assert_eq!(text_of(None, after, &safekeepers), expected);
    }
}

#[test]
fn wal_that_only_safekeepers_hold_must_be_on_them() {
    let of = |safekeepers: Vec<Sk>| {
        let page = whole().page();
        let readings: Vec<Reading> = safekeepers.into_iter().map(Sk::reading).collect();
        let only = only_wal(page.pageserver().unwrap(), &readings).unwrap();
        only.iter().map(|wal| (wal.timeline.to_string(), wal.bytes, wal.held_by, wal.unknown)).collect::<Vec<_>>()
    };
    let short = || safekeeper().timeline("aa/11", 99, 99, 3);
    let expected = |held_by, unknown| vec![("aa/11".to_owned(), 40, held_by, unknown)];
    assert_eq!(of(vec![safekeeper(), safekeeper(), safekeeper()]), expected(3, 0));
    assert_eq!(of(vec![safekeeper(), short(), sk(3).down()]), expected(1, 1));
    assert_eq!(of(vec![short(), short(), short()]), expected(0, 0));
    let page =
        whole().change(|facts| facts.timelines.values_mut().for_each(|it| it.remote_consistent_lsn = None)).page();
    assert_eq!(only_wal(page.pageserver().unwrap(), &[]), None);
}

/// The number is the same, but the tenant is not.
#[test]
fn a_tenant_that_is_gone_is_missed_by_name_where_tenants_are_listed() {
    let listed = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        ps(2).change(|facts| facts.listed = Listed::Tenants(names)).page()
    };
    let before = listed(&["aa", "bb"]);
    let found = compare(Some(&before), &listed(&["aa", "cc"]), &[]);
    let lines: Vec<&str> = found.short.iter().map(|short| short.line.as_str()).collect();
    assert_eq!(lines, ["tenant bb, which it had before"]);
    assert!(compare(Some(&before), &listed(&["aa", "bb", "cc"]), &[]).short.is_empty());
    let unread = ps(2).change(|facts| facts.listed = Listed::Unread("the token is refused".into())).page();
    let found = compare(Some(&before), &unread, &[]);
    assert_eq!(found.unknown, ["the names of its tenants are unknown: the token is refused"]);
    // Without a token no names are requested.
    let found = compare(Some(&before), &ps(2).page(), &[]);
    assert!(found.short.is_empty() && found.unknown.is_empty(), "{found:?}");
}
