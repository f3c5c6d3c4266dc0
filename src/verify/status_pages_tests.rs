//! The status endpoints of an installation, judged together.

use super::*;
use crate::storage::Idle;
use crate::storage::examples::{Ps, Sk, ps, readings, sk};
use crate::verify::check::VerifyVerdict::{self, Failed, Passed, Skipped, Unknown};

fn level() -> Sk {
    sk(1).timeline("aa/11", 9, 9, 1)
}

fn down() -> Sk {
    sk(1).down()
}

/// Three safekeepers, and a pageserver if there is one.
fn world(safekeepers: [Sk; 3], pageserver: Option<Ps>) -> Readings {
    let mut all = readings(safekeepers);
    all.pageservers.extend(pageserver.map(Ps::reading));
    all
}

fn served(facts: PageFacts) -> Answered {
    Ok(facts)
}

fn no(kind: NoPageKind) -> Answered {
    Err(NoPage { kind, reason: "why".to_owned() })
}

#[test]
fn a_majority_that_may_be_there_is_unknown() {
    let up = |id| served(PageFacts { id: Some(id), ..PageFacts::default() });
    let (refused, late) = (|| no(NoPageKind::Refused), || no(NoPageKind::NotYet));
    for (answers, expected) in [
        ([up(1), up(2), refused()], Passed),
        ([up(1), late(), refused()], Unknown),
        ([up(1), no(NoPageKind::Other), late()], Unknown),
        ([up(1), refused(), refused()], Failed),
        ([late(), refused(), refused()], Failed),
        // Two with the same identity count as one.
        ([up(1), up(1), up(3)], Failed),
        ([served(PageFacts::default()), served(PageFacts::default()), refused()], Passed),
    ] {
        let named = |(n, answered)| (format!("safekeeper-{n}"), answered);
        let answers: Vec<_> = answers.into_iter().enumerate().map(named).collect();
        assert_eq!(majority(&answers).verdict, expected, "{answers:?}");
    }
}

#[test]
fn what_is_committed_must_be_flushed_by_a_majority() {
    let at = |flushed, committed| level().timeline("aa/11", flushed, committed, 1);
    let passed = "1 timeline flushed by a quorum, up to 0/9";
    let unknown = "not every safekeeper is known to have the committed WAL yet";
    let failed = "no quorum has flushed the committed WAL";
    for (safekeepers, verdict, reason, lines) in [
        ([level(), level(), level()], Passed, passed, ""),
        ([level(), at(9, 7), at(5, 5)], Passed, passed, "safekeeper-2 is 4 bytes behind on timeline aa/11"),
        (
            [level(), level().unread(), at(5, 5)],
            Unknown,
            unknown,
            "timeline aa/11: 1 of 3 have flushed 0/9; 2 are needed",
        ),
        ([level(), down(), at(5, 5)], Unknown, unknown, "timeline aa/11: 1 of 3 have flushed 0/9; 2 are needed"),
        ([level(), at(4, 4), at(5, 5)], Failed, failed, "timeline aa/11: 1 of 3 have flushed 0/9; 2 are needed"),
        ([down(), down(), down()], Unknown, "no safekeeper's metrics can be read: connection refused", ""),
        (
            [level().unread(), level().unread(), level().unread()],
            Unknown,
            "no safekeeper's metrics can be read: /metrics returned 401 Unauthorized",
            "",
        ),
        // The half minute in which the timelines of a suspended account leave one after the other.
        ([level(), level().without("aa/11"), level().without("aa/11")], Passed, passed, ""),
        (
            [level().without("aa/11"), level().without("aa/11"), level().without("aa/11")],
            Passed,
            "1 timeline, all idle",
            "",
        ),
        // While a compute writes it, those that do not participate do not have it.
        (
            [level().computes("aa/11", 1), level().without("aa/11"), level().without("aa/11")],
            Failed,
            failed,
            "timeline aa/11: 1 of 3 have flushed 0/9; 2 are needed",
        ),
        // One that has fewer does not have them idle.
        ([level(), level(), sk(3)], Unknown, unknown, "safekeeper-2 has 0 of 1 timeline, by what safekeeper-0 has"),
        ([level(), sk(2), sk(3)], Failed, failed, "timeline aa/11: 1 of 3 have flushed 0/9; 2 are needed"),
        ([level(), level(), level().left_out(3)], Unknown, unknown, "3 timelines were not checked: too many"),
        (
            [level().total(4), level().total(4), level().total(4)],
            Passed,
            "1 timeline flushed by a quorum, up to 0/9; 3 more idle",
            "",
        ),
        // A release that does not report how many there are.
        ([level().without_total(), level().without_total(), level().without_total()], Passed, passed, ""),
    ] {
        let judged = wal(&world(safekeepers, None));
        assert_eq!(
            (judged.verdict, judged.reason.as_str(), judged.lines.join("; ").as_str()),
            (verdict, reason, lines)
        );
    }
}

/// A timeline's members are three by default, any of the safekeepers.
#[test]
fn of_more_than_three_those_that_list_a_timeline_count() {
    let others = || (2..=5).map(|id| sk(id).total(7));
    let on = |flushes: [u64; 3]| {
        let members = flushes.map(|flush| sk(1).timeline("aa/11", flush, flush, 1).total(7));
        readings(members.into_iter().chain(others()))
    };
    assert_eq!(wal(&on([9, 9, 9])).verdict, Passed);
    assert_eq!(wal(&on([9, 9, 2])).verdict, Passed);
    assert_eq!(wal(&on([9, 3, 2])).verdict, Failed);
    let wiped = readings([level(), level(), level(), sk(4), level()]);
    assert_eq!(wal(&wiped).verdict, Unknown);
}

#[test]
fn no_timeline_anywhere_is_right_only_where_none_is_served() {
    let none = || [sk(1), sk(2), sk(3)];
    let lost = "no safekeeper has a timeline, and pageserver-0 serves 1 timeline";
    let unknown = "no safekeeper reports a timeline, and whether there should be one is unknown";
    for (world, verdict, reason) in [
        (world(none(), Some(ps(1).timeline("aa/11", 9, 9))), Failed, lost),
        (world(none(), Some(ps(0))), Skipped, "there is no timeline yet"),
        (world(none(), None), Unknown, unknown),
        (world([sk(1), sk(2), down()], Some(ps(1).timeline("aa/11", 9, 9))), Unknown, unknown),
    ] {
        let judged = wal(&world);
        assert_eq!((judged.verdict, judged.reason.as_str()), (verdict, reason));
    }
}

#[test]
fn a_pageserver_must_serve_what_there_is() {
    let whole = || ps(3).timeline("aa/11", 9, 9);
    let state = |active: u64, more: &[(&str, u64)]| {
        ps(active).timeline("aa/11", 9, 9).change(|facts| {
            facts.tenants.extend(more.iter().map(|(state, number)| ((*state).to_owned(), *number)));
        })
    };
    let suspects = "it may have lost its data: it started empty, although it had tenants";
    let suspected = |ps: Ps| ps.change(|facts| facts.data_loss_suspected = Some(true));
    let lost = format!("no tenant is attached; {suspects}");
    let open = "3 tenants active, none broken; whether that is all is unknown";
    let fewer = "safekeeper-0 has 3 timelines, and 1 are active here";
    let both = format!("{fewer}; {suspects}");
    let many = || [level().total(3), level().total(3), level().total(3)];
    for (pageserver, safekeepers, remote, verdict, reason, lines) in [
        (whole(), None, None, Passed, "3 tenants active, none broken", ""),
        (state(3, &[("Attaching", 1)]), None, None, Passed, "3 tenants active, 1 attaching, none broken", ""),
        (
            state(3, &[("Activating", 1), ("Stopping", 2), ("Broken", 1)]),
            None,
            None,
            Failed,
            "3 tenants active, 1 activating, 2 stopping, 1 broken",
            "",
        ),
        (whole().change(|facts| facts.broken = Some(2)), None, None, Failed, "3 tenants active, 2 broken", ""),
        (ps(0), None, None, Failed, "no tenant is attached", ""),
        (suspected(ps(0)), None, None, Failed, lost.as_str(), ""),
        (state(0, &[("Stopping", 2)]), None, None, Unknown, "no tenant is active yet: 2 stopping", ""),
        (
            ps(0).change(|facts| facts.loading = Some(true)),
            None,
            None,
            Unknown,
            "no tenant is active yet: it is starting",
            "",
        ),
        // Active tenants of which nothing was found.
        (ps(3), None, None, Failed, "3 tenants active, and none of them has a timeline", ""),
        (
            ps(3).timeline("bb/22", 9, 9),
            Some([level(), level(), level()]),
            None,
            Failed,
            "3 tenants active, none broken; 1 thing not served",
            "missing: timeline aa/11, of which safekeeper-0 has WAL",
        ),
        (whole(), Some([level(), level(), level()]), None, Passed, "3 tenants active, none broken", ""),
        (whole(), Some(many()), None, Unknown, open, fewer),
        (suspected(whole()), Some(many()), None, Unknown, open, both.as_str()),
        (suspected(whole()), None, None, Unknown, open, suspects),
        // Everything is attached again: it has as many as the safekeepers.
        (suspected(whole()), Some([level(), level(), level()]), None, Passed, "3 tenants active, none broken", ""),
        (
            whole().change(|facts| facts.remote_bytes = Some(0)),
            None,
            None,
            Unknown,
            open,
            "it has nothing in remote storage",
        ),
        (
            whole().change(|facts| facts.remote_bytes = Some(0)),
            None,
            Some(false),
            Passed,
            "3 tenants active, none broken",
            "",
        ),
    ] {
        let all = safekeepers.map(readings).unwrap_or_default();
        let judged = tenants(&pageserver.reading(), &all, remote);
        assert_eq!(
            (judged.verdict, judged.reason.as_str(), judged.lines.join("; ").as_str()),
            (verdict, reason, lines)
        );
    }
    let judged = |reading: Reading| {
        let Judgement { verdict, reason, .. } = tenants(&reading, &Readings::default(), None);
        (verdict, reason)
    };
    let unknown = |why: &str| (VerifyVerdict::Unknown, why.to_owned());
    assert_eq!(judged(level().reading()), unknown("its metrics are a safekeeper's"));
    assert_eq!(judged(level().unread().reading()), unknown("/metrics returned 401 Unauthorized"));
    assert_eq!(judged(down().reading()), unknown("its status endpoint does not respond"));
}

/// With a token idle timelines are compared by name; if it is rejected, whether they are level is unknown.
#[test]
fn idle_timelines_are_as_good_as_their_list() {
    let listed = |id| level().id(id).timeline("bb/22", 5, 5, 1).idle(Idle::Listed);
    let judged = wal(&world([listed(1), listed(2), listed(3)], None));
    assert_eq!((judged.verdict, &*judged.reason), (Passed, "2 timelines flushed by a quorum, up to 0/9"));

    let refused = || Idle::Unread("/v1/tenant/timeline returned 403 Forbidden: token rejected".into());
    let judged = wal(&world([listed(1), listed(2), level().id(3).total(2).idle(refused())], None));
    assert_eq!(judged.verdict, Unknown);
    let line =
        "safekeeper-2: its idle timelines are unknown: /v1/tenant/timeline returned 403 Forbidden: token rejected";
    assert_eq!(judged.lines, [line]);
    let page = page(&served(level().idle(refused()).page()));
    assert_eq!(page.verdict, Passed);
    assert!(page.reason.contains(", but its idle timelines are unknown: "), "{}", page.reason);

    // As many as the others, but not the same.
    let other = level().id(3).timeline("cc/33", 5, 5, 1).idle(Idle::Listed);
    let judged = wal(&world([listed(1), listed(2), other.clone()], None));
    assert_eq!(judged.verdict, Failed, "{judged:?}");
    let judged = wal(&world([listed(1), listed(2), other.clone().change(|facts| facts.timelines.clear())], None));
    assert_eq!(judged.verdict, Unknown);
    assert!(judged.lines.contains(&"safekeeper-2 has no timeline bb/22 (safekeeper-0 has 0/5 committed)".to_owned()));
}

/// The same positions, but different bytes.
#[test]
fn other_bytes_of_the_same_wal_are_a_failure_and_unknown_ones_are_unknown() {
    use crate::storage::digests::{Digest, Digests, Stretch};
    use crate::storage::facts::TimelineId;
    let answered = |of: [Digest; 3]| {
        let pods = ["safekeeper-0", "safekeeper-1", "safekeeper-2"].map(str::to_owned);
        let on = pods.iter().cloned().collect();
        let stretch = Stretch { timeline: TimelineId::new("aa", "11"), from: 1, until: 9, on };
        let digests = Digests { answers: vec![(stretch, pods.into_iter().zip(of).collect())], ..Digests::default() };
        wal(&Readings { digests, ..readings([level(), level(), level()]) })
    };
    let is = |text: &str| Digest::Is(text.to_owned());
    let whole = answered([is("x"), is("x"), is("x")]);
    assert_eq!(whole.verdict, Passed);
    assert!(whole.reason.ends_with("; the last 8 bytes of 1 timeline are identical everywhere"), "{whole:?}");
    let other = answered([is("x"), is("x"), is("y")]);
    assert_eq!(other.verdict, Failed);
    assert_eq!(
        other.lines,
        ["safekeeper-2 has different bytes of timeline aa/11 from 0/1 to 0/9 than safekeeper-0, safekeeper-1"]
    );
    let unknown = answered([is("x"), is("x"), Digest::Unknown("why".into())]);
    assert_eq!(unknown.verdict, Unknown);
    assert!(unknown.lines[0].starts_with("safekeeper-2: whether its bytes of timeline aa/11"), "{unknown:?}");
    // A known difference counts more than an unknown one.
    assert_eq!(answered([is("x"), is("y"), Digest::Unknown("why".into())]).verdict, Failed);
    let older = answered([Digest::NotServed, Digest::NotServed, Digest::NotServed]);
    assert_eq!((older.verdict, older.lines.len()), (Passed, 1));
    assert!(!older.reason.contains("everywhere"), "{older:?}");
}

/// An endpoint that refuses is a failure; one that may respond yet, or answers in another way, is unknown, and neither is a
/// pass.
#[test]
fn a_page_that_does_not_come_is_a_failure_only_if_it_was_refused() {
    for (kind, expected) in [(NoPageKind::Refused, Failed), (NoPageKind::NotYet, Unknown), (NoPageKind::Other, Unknown)]
    {
        let judged = page(&no(kind));
        assert_eq!((judged.verdict, judged.reason.as_str()), (expected, "why"), "{kind:?}");
    }
    assert_eq!(page(&served(PageFacts::default())).verdict, Passed);
}

/// A safekeeper that lists a timeline without its position may have the committed WAL, or may not: no quorum is proven, and
/// no loss.
#[test]
fn a_safekeeper_without_a_position_leaves_the_quorum_open() {
    let mute = || level().forget("aa/11", |wal| wal.flush_lsn = None);
    let behind = || level().timeline("aa/11", 4, 4, 1);
    let line = "timeline aa/11: 1 of 3 have flushed 0/9; 2 are needed";
    for (safekeepers, expected) in [
        ([level(), mute(), behind()], Unknown),
        ([level(), mute(), mute()], Unknown),
        ([level(), behind(), behind()], Failed),
        ([level(), level(), mute()], Passed),
    ] {
        let judged = wal(&world(safekeepers, None));
        assert_eq!(judged.verdict, expected, "{judged:?}");
        if expected != Passed {
            assert!(judged.lines.contains(&line.to_owned()), "{judged:?}");
        }
    }
}

/// While a compute writes, one that has as many timelines as another is not known to have all of their WAL.
#[test]
fn one_that_does_not_list_an_idle_timeline_has_it_by_its_number_alone() {
    let silent = |id: u64| sk(id).total(1);
    let written = |computes: u64| level().total(1).computes("aa/11", computes);
    for (computes, expected) in [(0, Passed), (1, Failed)] {
        let judged = wal(&world([written(computes), silent(2), silent(3)], None));
        assert_eq!(judged.verdict == Passed, expected == Passed, "{computes}: {judged:?}");
    }
}

/// Whether there should be a timeline is known only if every component was read.
#[test]
fn without_a_timeline_nothing_is_judged_that_is_not_known() {
    let nothing = |known: bool, pageserver: Option<Ps>| {
        empty(
            &Readings { pageservers: pageserver.map(Ps::reading).into_iter().collect(), ..Readings::default() },
            known,
        )
        .verdict
    };
    let serving = || ps(1).change(|facts| facts.active_timelines = Some(2));
    let idle = || ps(0).change(|facts| facts.active_timelines = Some(0));
    assert_eq!(nothing(true, Some(serving())), Failed);
    assert_eq!(nothing(true, Some(idle())), Skipped);
    for (known, pageserver) in [(false, Some(serving())), (false, Some(idle())), (true, None), (false, None)] {
        assert_eq!(nothing(known, pageserver), Unknown, "{known}");
    }
}

/// A pageserver that has tenants to start will hold more later: what it lacks until then is unknown, and not lost.
#[test]
fn what_a_starting_pageserver_lacks_is_not_lost_yet() {
    let starting = |scheduled: u64, complete: u64| {
        move |one: Ps| {
            one.change(|facts| {
                (facts.startup_scheduled, facts.startup_complete) = (Some(scheduled), Some(complete));
            })
        }
    };
    let judged = |one: Ps| {
        let readings = world([level(), level(), level()], None);
        tenants(&one.reading(), &readings, Some(true)).verdict
    };
    assert_eq!(judged(starting(2, 1)(ps(0))), Unknown);
    assert_eq!(judged(starting(2, 2)(ps(0))), Failed);
    assert_eq!(judged(starting(0, 0)(ps(0))), Failed);
    // It serves a tenant, and not the timeline that the safekeepers have.
    let other = || ps(1).timeline("bb/22", 9, 9).change(|facts| facts.active_timelines = Some(1));
    assert_eq!(judged(starting(2, 1)(other())), Unknown);
    assert_eq!(judged(starting(2, 2)(other())), Failed);
}

/// Timelines that were not checked are no proof that everything is served.
#[test]
fn timelines_that_were_not_checked_are_unknown() {
    let served = |left_out: u64| {
        let one = ps(1).timeline("aa/11", 9, 9).change(|facts| {
            facts.active_timelines = Some(1);
            facts.left_out = left_out;
        });
        tenants(&one.reading(), &world([level(), level(), level()], None), Some(true))
    };
    assert_eq!(served(0).verdict, Passed, "{:?}", served(0));
    assert_eq!(served(2).verdict, Unknown);
    assert_eq!(served(2).lines, ["2 timelines were not checked: too many"]);
}

/// With more safekeepers than a timeline has members, a quorum is one of those that list it.
#[test]
fn a_quorum_is_one_of_those_that_list_the_timeline() {
    let behind = || level().timeline("aa/11", 4, 4, 1);
    let wal_of = |of: Vec<Sk>| wal(&readings(of)).verdict;
    assert_eq!(wal_of(vec![level(), level(), level(), behind(), behind()]), Passed);
    assert_eq!(wal_of(vec![level(), level(), behind(), behind(), behind()]), Failed);
}

/// Of three safekeepers each has every timeline; of more, each has its own, and none at all is too few.
#[test]
fn fewer_timelines_than_another_has_are_reported_where_all_should_have_the_same() {
    let lines = |totals: &[u64]| {
        let all = readings(totals.iter().zip(1..).map(|(total, id)| sk(id).total(*total)));
        let all: Vec<&Reading> = all.safekeepers.iter().collect();
        let most = totals.iter().max().map(|most| (*most, "safekeeper-0"));
        fewer(&all, &all, most)
    };
    let line = |pod: u64, has: u64| format!("safekeeper-{pod} has {has} of 2 timelines, by what safekeeper-0 has");
    assert_eq!(lines(&[2, 2, 2]), Vec::<String>::new());
    assert_eq!(lines(&[2, 1, 0]), [line(1, 1), line(2, 0)]);
    assert_eq!(lines(&[2, 1, 0, 2]), [line(2, 0)]);
}
