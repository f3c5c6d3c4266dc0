//! A safekeeper that came back, by its own report, beside two others.

use super::*;
use crate::storage::Idle;
use crate::storage::examples::{Sk, sk};

fn level() -> Sk {
    sk(1).timeline("aa/11", 100, 100, 3)
}

fn compared(before: Option<Sk>, after: Sk, others: &[Sk]) -> Found {
    let before = before.map(Sk::page);
    let readings: Vec<Reading> = others.iter().cloned().map(Sk::reading).collect();
    compare(before.as_ref(), &after.page(), &readings.iter().collect::<Vec<_>>())
}

/// What is short, then what is unknown, then why nothing was compared, then what is present.
fn text_of(before: Option<Sk>, after: Sk, others: &[Sk]) -> String {
    let found = compared(before, after, others);
    if !found.short.is_empty() {
        return found.short.iter().map(|short| short.line.as_str()).collect::<Vec<_>>().join("; ");
    }
    match (found.unknown.first(), &found.nothing) {
        (Some(why), _) => format!("unknown: {why}"),
        (None, Some(why)) => format!("nothing: {why}"),
        (None, None) => found.there,
    }
}

#[test]
fn it_holds_what_it_held_and_what_the_others_hold() {
    let others = [level().id(2), level().id(3)];
    let ahead = [level().id(2).timeline("aa/11", 250, 200, 4), level().id(3).timeline("aa/11", 200, 200, 4)];
    for (before, after, others, expected) in [
        (Some(level()), level(), &others[..], "WAL of 1 timeline"),
        (None, level(), &others[..], "WAL of 1 timeline"),
        (Some(level()), level(), &[], "WAL of 1 timeline"),
        (
            Some(level()),
            level().timeline("aa/11", 60, 60, 3),
            &[],
            "WAL of timeline aa/11 up to 0/64, committed before; it has 0/3C (40 bytes less)",
        ),
        // The others continued since.
        (
            Some(level()),
            level().timeline("aa/11", 100, 100, 4),
            &ahead[..],
            "WAL of timeline aa/11 up to 0/C8, committed on safekeeper-1; it has 0/64 (100 bytes less)",
        ),
        (
            Some(level()),
            level().timeline("aa/11", 300, 200, 3),
            &ahead[..],
            "the vote in term 4 of timeline aa/11, which safekeeper-1 has; its last term is 3",
        ),
        // A wiped one, its tenant active or idle.
        (
            Some(level()),
            sk(1),
            &others[..],
            "0 timelines: safekeeper-1 has 1; WAL of timeline aa/11 up to 0/64, committed on safekeeper-1; it has none",
        ),
        (
            Some(level().without("aa/11")),
            sk(1),
            &[level().id(2).without("aa/11"), level().id(3).without("aa/11")],
            "0 timelines: safekeeper-1 has 1",
        ),
        (Some(level().without("aa/11")), sk(1), &[], "0 timelines: it had 1"),
        // One of several, with and without the others.
        (Some(level().total(3)), level().total(2), &[], "2 timelines: it had 3"),
        (None, level().total(2), &[level().id(2).total(3), level().id(3).total(3)], "2 timelines: safekeeper-1 has 3"),
        // Deleted in the meantime: all others agree.
        (
            Some(level().total(3)),
            level().total(2),
            &[level().id(2).total(2), level().id(3).total(2)],
            "WAL of 1 timeline, 1 more idle",
        ),
        (Some(level().total(3)), level().total(2), &[level().id(2).total(2), sk(3).down()], "2 timelines: it had 3"),
        // Idle now: as many as before.
        (Some(level()), level().without("aa/11"), &others[..], "1 timeline, all idle"),
        (
            Some(level()),
            level().without("aa/11"),
            &[level().id(2).computes("aa/11", 1), level().id(3)],
            "WAL of timeline aa/11 up to 0/64, committed on safekeeper-1; it does not participate in it yet",
        ),
        (Some(level()), level().id(7), &others[..], "its identity: its id is 7, but was 1"),
        (None, level().id(2), &others[..], "an identity of its own: safekeeper-1 also has id 2"),
        (Some(level()), level().unread(), &others[..], "its metrics, which it served before"),
    ] {
        assert_eq!(text_of(before, after, others), expected);
    }
}

#[test]
fn what_cannot_be_compared_is_never_there() {
    let down = || [sk(2).down(), sk(3).down()];
    for (before, after, others, expected) in [
        (None, level(), vec![], "nothing: there is no baseline, and there is no other safekeeper"),
        (
            None,
            level(),
            down().to_vec(),
            "nothing: there is no baseline, and safekeeper-1 reports nothing: connection refused",
        ),
        (
            Some(level().unread()),
            level(),
            vec![],
            "nothing: its metrics could not be read before: /metrics returned 401 Unauthorized, and there is no other \
             safekeeper",
        ),
        (
            None,
            level().unread(),
            vec![level().id(2)],
            "nothing: its metrics could not be read: /metrics returned 401 Unauthorized",
        ),
        (
            Some(sk(1)),
            sk(1),
            vec![sk(2), sk(3)],
            "nothing: its metrics named no timeline before, and the other safekeepers report no timeline",
        ),
        (Some(level()), level().without_id(), vec![], "unknown: it no longer reports its id"),
        (Some(level()), level().without_total(), vec![], "unknown: it does not report how many timelines it has"),
        (
            Some(level()),
            level().forget("aa/11", |wal| wal.flush_lsn = None),
            vec![],
            "unknown: it does not report how far it has flushed timeline aa/11",
        ),
        (
            Some(level()),
            level().forget("aa/11", |wal| wal.term = None),
            vec![level().id(2)],
            "unknown: it does not report its term of timeline aa/11",
        ),
        (Some(level()), level().left_out(9), vec![], "unknown: 9 timelines were not checked: too many"),
        (Some(level().left_out(9)), level(), vec![], "unknown: 9 timelines were not checked: too many"),
    ] {
        assert_eq!(text_of(before, after, &others), expected);
    }
}

/// A baseline of version 0.1 has timelines without tenants, and no number of all.
#[test]
fn an_older_baseline_is_compared_by_its_timelines() {
    let older = || -> PageFacts {
        serde_json::from_value(
            serde_json::json!({"safekeeper": {"11": {"flushLsn": 100, "commitLsn": 100, "backupLsn": 0}}}),
        )
        .unwrap()
    };
    let of = |after: Sk| {
        let found = compare(Some(&older()), &after.page(), &[]);
        found.short.iter().map(|short| short.line.clone()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(of(level()), "");
    assert_eq!(of(level().without("aa/11")), "", "idle: it has one timeline");
    assert_eq!(
        of(level().timeline("aa/11", 99, 99, 3)),
        "WAL of timeline 11 up to 0/64, committed before; it has 0/63 (1 byte less)"
    );
    assert_eq!(of(sk(1)), "0 timelines: it had 1; WAL of timeline 11 up to 0/64, committed before; it has none");
    assert_eq!(
        of(sk(1).without_total()),
        "WAL of timeline 11 up to 0/64, committed before; it has none",
        "of one that gives no number what is not listed is missing"
    );
}

#[test]
fn what_is_left_is_counted() {
    let after = level().timeline("aa/11", 60, 60, 3);
    let found = compared(Some(level()), after, &[]);
    assert_eq!(found.left().words(), "40 bytes of 1 timeline");
    let found = compared(Some(level().total(3)), sk(1), &[]);
    assert_eq!(found.left().words(), "3 timelines");
    assert!(found.may_come());
    assert!(!compared(Some(level()), level().id(7), &[]).may_come());
}

/// With a token idle timelines have names: as many of others are not the same.
#[test]
fn an_idle_timeline_that_is_not_listed_is_missing() {
    let listed = |sk: Sk| sk.timeline("bb/22", 50, 50, 2).idle(Idle::Listed);
    let others = [listed(level().id(2)), listed(level().id(3))];
    let another = level().timeline("cc/33", 50, 50, 2);
    assert_eq!(text_of(None, listed(level()), &others), "WAL of 2 timelines");
    // Without its list the number is enough.
    assert_eq!(text_of(None, another.clone(), &others), "WAL of 2 timelines");
    let lost = "WAL of timeline bb/22 up to 0/32, committed on safekeeper-1; it has none";
    assert_eq!(text_of(None, another.clone().idle(Idle::Listed), &others), lost);
    // Alone it is compared with what it had.
    let lost = "WAL of timeline bb/22 up to 0/32, committed before; it has none";
    assert_eq!(text_of(Some(listed(level())), another.clone().idle(Idle::Listed), &[]), lost);
    // One that no safekeeper has any more was deleted.
    let without = |sk: Sk| sk.idle(Idle::Listed);
    let deleted = [without(level().id(2)), without(level().id(3))];
    assert_eq!(text_of(Some(listed(level())), without(level()), &deleted), "WAL of 1 timeline");
    // Of five others three have it; which ones is unknown.
    let five = [2, 3, 4, 5].map(|id| listed(level().id(id)));
    assert_eq!(text_of(None, another.idle(Idle::Listed), &five), "WAL of 2 timelines");
    let behind = "WAL of timeline bb/22 up to 0/32, committed on safekeeper-1; it has 0/28 (10 bytes less)";
    assert_eq!(text_of(None, listed(level()).timeline("bb/22", 40, 40, 2), &others), behind);
}

#[test]
fn a_refused_token_leaves_idle_timelines_unknown() {
    let refused = level().idle(Idle::Unread("the token is refused".into()));
    let expected = "unknown: its idle timelines are unknown: the token is refused";
    assert_eq!(text_of(Some(level()), refused, &[level().id(2), level().id(3)]), expected);
}
