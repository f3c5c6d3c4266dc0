use super::*;
use crate::storage::Readings;
use crate::storage::examples::{readings, sk};
use crate::storage::peers::{PeerState, peers};

fn id() -> TimelineId {
    TimelineId::new("aa", "11")
}

fn extents(of: &[(&str, u64, u64, u64)]) -> BTreeMap<String, Extent> {
    of.iter()
        .map(|(pod, start, flush, commit)| {
            ((*pod).to_owned(), Extent { start: *start, flush: *flush, commit: *commit })
        })
        .collect()
}

/// What is requested is on the disks of all that are queried, is committed, and has a limited length.
#[test]
fn the_end_that_all_have_committed_is_compared() {
    let far = 5 * LONGEST;
    for (of, expected) in [
        (vec![("a", 10, 100, 90), ("b", 20, 95, 85), ("c", 10, 100, 90)], Some((20, 90, "a b c"))),
        // Nothing past the committed or the flushed position is requested.
        (vec![("a", 10, 100, 100), ("b", 10, 60, 60), ("c", 10, 100, 100)], Some((10, 60, "a b c"))),
        (vec![("a", 10, far, far), ("b", 10, far, far)], Some((far - LONGEST, far, "a b"))),
        // One that has just begun to fetch does not affect the others.
        (vec![("a", 10, far, far), ("b", 10, far, far), ("c", 20, 20, 20)], Some((far - LONGEST, far, "a b"))),
        (vec![("a", 50, 100, 100), ("b", 10, 50, 50)], None),
        (vec![("a", 10, 100, 100)], None),
        (vec![], None),
    ] {
        let found = stretch(&id(), &extents(&of));
        let on = |found: &Stretch| found.on.iter().cloned().collect::<Vec<_>>().join(" ");
        let found = found.map(|found| (found.from, found.until, on(&found)));
        assert_eq!(found, expected.map(|(from, until, on)| (from, until, on.to_owned())), "{of:?}");
    }
}

#[test]
fn so_many_timelines_are_compared_and_those_that_are_written_first() {
    let names: Vec<String> = (0..MOST + 3).map(|number| format!("aa/{number:03}")).collect();
    let full = |id| names.iter().fold(sk(id), |sk, name| sk.timeline(name, 9, 9, 1)).computes("aa/102", 1);
    let all = [full(1), full(2).timeline("bb/1", 9, 9, 1)].map(|sk| sk.reading());
    let all: Vec<&Reading> = all.iter().collect();
    let (chosen, left_out) = timelines(&all);
    assert_eq!((chosen.len(), left_out, chosen[0].to_string()), (MOST, 3, "aa/102".to_owned()));
    assert!(!chosen.contains(&TimelineId::new("bb", "1")), "no other has it");
}

/// The digests of three safekeepers of the bytes from 10 to 100.
fn digests(of: [Digest; 3]) -> Digests {
    let pods = ["safekeeper-0", "safekeeper-1", "safekeeper-2"].map(str::to_owned);
    let stretch = Stretch { timeline: id(), from: 10, until: 100, on: pods.iter().cloned().collect() };
    Digests { answers: vec![(stretch, pods.into_iter().zip(of).collect())], ..Digests::default() }
}

fn is(digest: &str) -> Digest {
    Digest::Is(digest.to_owned())
}

#[test]
fn more_than_half_are_right_and_otherwise_it_is_unknown() {
    let line = |than: &str| format!("different bytes of timeline aa/11 from 0/A to 0/64 than {than}");
    let (one, two) = (line("safekeeper-1, safekeeper-2"), line("safekeeper-0"));
    let unknown = || Digest::Unknown("why".into());
    for (of, expected) in [
        ([is("x"), is("x"), is("x")], [vec![], vec![], vec![]]),
        ([is("y"), is("x"), is("x")], [vec![one.clone()], vec![], vec![]]),
        ([is("y"), is("x"), unknown()], [vec![line("safekeeper-1")], vec![two.clone()], vec![]]),
        (
            [is("x"), is("y"), is("z")],
            [vec![one], vec![line("safekeeper-0, safekeeper-2")], vec![line("safekeeper-0, safekeeper-1")]],
        ),
        ([is("y"), unknown(), Digest::NotServed], [vec![], vec![], vec![]]),
    ] {
        let digests = digests(of.clone());
        let found = ["safekeeper-0", "safekeeper-1", "safekeeper-2"]
            .map(|pod| digests.others_than(pod).iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(found, expected, "{of:?}");
    }
}

/// Of the remaining ones, one with different bytes cannot be relied on.
#[test]
fn one_with_other_bytes_is_short_and_one_that_does_not_say_is_unknown() {
    let level = |id| sk(id).timeline("aa/11", 100, 100, 3);
    let standing = |of: [Digest; 3]| {
        let digests = digests(of);
        let all = Readings { digests, ..readings([level(1), level(2), level(3)]) };
        peers("safekeeper-0", &all).remove(0).standing
    };
    assert_eq!(standing([is("x"), is("x"), is("x")]), PeerState::Level(1));
    let short = standing([is("x"), is("y"), is("x")]);
    let said = "has different bytes of timeline aa/11 from 0/A to 0/64 than safekeeper-0, safekeeper-2";
    assert!(matches!(&short, PeerState::Short(short) if short[0].to_string() == said), "{short:?}");
    let unknown = standing([is("x"), Digest::Unknown("it reads no WAL".into()), is("x")]);
    assert!(matches!(&unknown, PeerState::Unknown(why) if why.ends_with("it reads no WAL")), "{unknown:?}");
    assert_eq!(standing([is("x"), Digest::NotServed, is("x")]), PeerState::Level(1));
}

#[test]
fn a_safekeeper_that_came_back_is_held_to_the_bytes_of_the_others() {
    let found = |digests: &Digests| {
        let mut found = Found { there: "WAL of 1 timeline".into(), ..Found::default() };
        found.compare_bytes("safekeeper-0", digests);
        found
    };
    let same = found(&digests([is("x"), is("x"), is("x")]));
    assert_eq!(same.there, "WAL of 1 timeline; the last 90 bytes of 1 timeline match safekeeper-1, safekeeper-2");
    assert!(same.short.is_empty() && same.unknown.is_empty(), "{same:?}");
    let other = found(&digests([is("y"), is("x"), is("x")]));
    assert!(other.short[0].line.contains("than safekeeper-1, safekeeper-2") && !other.may_come(), "{other:?}");
    assert!(other.there.ends_with("WAL of 1 timeline"), "{other:?}");
    let unknown = found(&digests([Digest::Unknown("why".into()), is("x"), is("x")]));
    assert!(unknown.short.is_empty() && unknown.unknown.len() == 1, "{unknown:?}");
    // An older release proves nothing.
    let none = found(&digests([Digest::NotServed, Digest::NotServed, Digest::NotServed]));
    assert_eq!(none.there, "WAL of 1 timeline");
    let mut cut = digests([is("x"), is("x"), is("x")]);
    cut.left_out = 4;
    assert!(found(&cut).there.contains("the last 90 bytes of 1 of 5 timelines"), "{cut:?}");
    let withheld = Digests { unknown: vec![("safekeeper-0".into(), "no token".into())], ..Digests::default() };
    assert_eq!(found(&withheld).unknown, ["no token"]);
}
