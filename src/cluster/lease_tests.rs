use super::*;
use serde_json::json;

const NOW: &str = "2026-11-25T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn process() -> Process {
    Process { host: "host".into(), pid: 4711, boot: Some("b".into()), ..Process::default() }
}

fn alice() -> Holder {
    let process = process();
    Holder { act: "failover".into(), id: "3f2a91bc".into(), pod: "wh9527-0".into(), who: "alice".into(), process }
}

const ALICE: &str = "failover 3f2a91bc of wh9527-0 by alice at host/4711";

/// A Lease that was renewed this many seconds ago, with and without the annotation.
fn lease(identity: &str, renewed: i64, annotated: bool) -> Lease {
    let at = now() - jiff::SignedDuration::from_secs(renewed);
    let annotations = if annotated { json!({HOLDER: serde_json::to_string(&alice()).unwrap()}) } else { json!({}) };
    serde_json::from_value(json!({
        "metadata": {"name": LEASE, "annotations": annotations, "resourceVersion": "7"},
        "spec": {"holderIdentity": identity, "leaseDurationSeconds": 10, "renewTime": format!("{at:.6}")},
    }))
    .unwrap()
}

fn word(standing: &LeaseState) -> &'static str {
    match standing {
        LeaseState::Free => "free",
        LeaseState::Left(_) => "left",
        LeaseState::Expired(_) => "expired",
        LeaseState::Held(_) => "held",
    }
}

#[test]
fn whether_it_is_held() {
    assert_eq!(alice().to_string(), ALICE);
    assert_eq!(judge(None, now(), |_| true), LeaseState::Free);
    assert_eq!(judge(Some(&Lease::default()), now(), |_| true), LeaseState::Free);
    for (identity, renewed, annotated, gone, expected, words) in [
        (ALICE, 2, true, false, "held", ", last renewed 2s ago"),
        // Not renewed in time, but not for long: its clock may be behind this one.
        (ALICE, 30, true, false, "held", ", last renewed 30s ago"),
        (ALICE, 310, true, false, "held", ", last renewed 5m10s ago"),
        (ALICE, 311, true, false, "expired", ", last renewed 5m11s ago"),
        // Its clock is ahead of this one.
        (ALICE, -60, true, false, "held", ", last renewed just now (its clock is ahead of this machine's)"),
        (ALICE, -300, true, false, "held", ", last renewed just now (its clock is ahead of this machine's)"),
        (ALICE, -301, true, false, "held", ", last renewed in the future (clock skew between the two machines)"),
        // Its process was on this machine, and has ended.
        (ALICE, 2, true, true, "left", ", last renewed 2s ago"),
        // Another client took it by hand: the annotation does not describe this holder.
        ("bob, until noon", 2, true, true, "held", ", last renewed 2s ago"),
        (ALICE, 2, false, true, "held", ", last renewed 2s ago"),
        ("", 2, true, false, "free", ""),
        (" ", 2, true, false, "free", ""),
    ] {
        let standing = judge(Some(&lease(identity, renewed, annotated)), now(), |process| gone && process.pid == 4711);
        assert_eq!(word(&standing), expected, "{identity} {renewed} {annotated} {gone}");
        if let LeaseState::Left(tenure) | LeaseState::Expired(tenure) | LeaseState::Held(tenure) = &standing {
            assert_eq!(tenure.to_string(), format!("{identity}{words}"));
            assert_eq!(tenure.id.as_deref(), (annotated && identity == ALICE).then_some("3f2a91bc"));
        }
    }
}

#[test]
fn a_lease_that_says_little_or_too_much() {
    let bare: Lease = serde_json::from_value(json!({"spec": {"holderIdentity": "bob"}})).unwrap();
    let LeaseState::Held(tenure) = judge(Some(&bare), now(), |_| true) else { panic!() };
    assert_eq!((tenure.to_string().as_str(), tenure.lasts), ("bob, never renewed", LASTS));
    let long = lease(&"é".repeat(10_000), 1, false);
    let LeaseState::Held(tenure) = judge(Some(&long), now(), |_| true) else { panic!() };
    assert_eq!(tenure.holder.chars().count(), LONGEST_IDENTITY + 1);
}

#[test]
fn what_one_does_who_wants_it() {
    let of = |renewed| judge(Some(&lease(ALICE, renewed, true)), now(), |_| false);
    let seconds = Duration::from_secs;
    for (standing, id, unchanged, expected) in [
        (LeaseState::Free, "new", 0, "take"),
        (judge(Some(&lease(ALICE, 2, true)), now(), |_| true), "new", 0, "take"),
        (of(400), "new", 0, "take"),
        // Another process is at work.
        (of(2), "new", 0, "refused"),
        (of(2), "new", 9, "refused"),
        (of(-60), "new", 9, "refused"),
        // An impossible time proves nothing: it does not renew.
        (of(-3600), "new", 0, "wait 10s"),
        (of(-3600), "new", 9, "wait 1s"),
        // It was seen unchanged for its whole duration, whatever the clocks say.
        (of(2), "new", 10, "take"),
        (of(-3600), "new", 10, "take"),
        // The same failover, started by another process, which runs or has ended.
        (of(2), "3f2a91bc", 0, "wait 10s"),
        (of(2), "3f2a91bc", 4, "wait 6s"),
        // Late by two clocks: one of them may be wrong.
        (of(30), "new", 0, "wait 10s"),
        (of(30), "new", 7, "wait 3s"),
        (of(30), "new", 11, "take"),
    ] {
        let next = match standing.next(id, seconds(unchanged)) {
            Next::Take => "take".to_owned(),
            Next::Wait(left, _) => format!("wait {left:?}"),
            Next::Refused(tenure) => {
                assert_eq!(tenure.holder, ALICE);
                "refused".to_owned()
            }
        };
        assert_eq!(next, expected, "{standing:?} {id} {unchanged}");
    }
    // Taken for an hour, by hand: that is not waited for.
    let mut hour = lease("bob", 3700, false);
    hour.spec.as_mut().unwrap().lease_duration_seconds = Some(3600);
    let standing = judge(Some(&hour), now(), |_| false);
    assert!(matches!(standing.next("new", seconds(9)), Next::Refused(_)), "{standing:?}");
}
