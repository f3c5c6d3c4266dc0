use super::super::{BaselineLoss, Inherited, RECORD_KIND};
use super::*;
use crate::api_version::API_VERSION;
use crate::testing::snapshot;
use crate::topology::{Layout, build};
use serde_json::json;

const POD: &str = "cloudberry-proxy-0";
const WORLD: &str = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: c9, volume: pv-9}]
";

fn topology() -> Topology {
    build(&snapshot(&[WORLD]), &Layout::shipped().unwrap())
}

/// An operation that retained this volume, which began in that minute.
fn act(id: &str, minute: usize, outcome: RecordedOutcome, volume: &str) -> Record {
    let started = format!("2026-01-01T00:{minute:02}:00Z");
    let finished = (outcome != RecordedOutcome::Unfinished).then_some(&started);
    let text = json!({"apiVersion": API_VERSION, "kind": RECORD_KIND, "operation": "failover", "id": id, "started": started, "finished": finished, "outcome": outcome,
        "context": "", "namespace": "a", "pod": POD, "podUid": "", "keepClaims": false,
        "claims": [{"name": "data-cloudberry-proxy-0", "uid": "c1", "volume": volume, "reclaimPolicy": "Delete"}]});
    Record::parse(&text.to_string()).unwrap()
}

fn answered(id: &str, minute: usize, outcome: RecordedOutcome, volume: &str) -> Record {
    Record { baseline: Some(json!(id)), ..act(id, minute, outcome, volume) }
}

fn inherited(id: &str, minute: usize, outcome: RecordedOutcome, volume: &str) -> Record {
    let taken = "2026-01-01T00:00:00Z".to_owned();
    let inherited = Some(Inherited { from: "f1".to_owned(), taken });
    Record { inherited, ..answered(id, minute, outcome, volume) }
}

fn undo(id: &str, minute: usize, outcome: RecordedOutcome, of: &str, (retained, back): (&str, &str)) -> Record {
    let mut record = act(id, minute, outcome, retained);
    record.act = Action::Undo(of.to_owned());
    let returns = json!({"volume": back, "uid": "u", "reclaimPolicy": "Delete"});
    record.claims[0].returns = serde_json::from_value(returns).unwrap();
    record
}

fn found(records: &[Record]) -> (Option<String>, usize) {
    let topology = topology();
    let member = topology.member("a", POD).unwrap();
    let back = way_back(&topology, records, member);
    (back.as_ref().map(|back| back.of.id.clone()), back.map_or(0, |back| back.passed_over.len()))
}

use RecordedOutcome::{DataMissing, Recovered, Unfinished, Unverified};

/// The disk that a failover brought which did not recover, and that never answered since, is not the one to go back to; one
/// that responded, or that was verified when it came, is, whatever became of the operation that retained it.
#[test]
fn the_last_disk_that_is_known_to_have_held_what_was_there_comes_back() {
    let f1 = |outcome| answered("f1", 1, outcome, "pv-1");
    for (records, expected, passed_over) in [
        (vec![], None, 0),
        // The ordinary reason to fail over: it does not answer, and nothing is stored.
        (vec![act("f1", 1, Unverified, "pv-1")], Some("f1"), 0),
        (vec![f1(Unfinished)], Some("f1"), 0),
        // Begun again.
        (vec![f1(Unfinished), act("f2", 2, Unverified, "pv-2")], Some("f1"), 1),
        (vec![f1(Unfinished), inherited("f2", 2, DataMissing, "pv-2")], Some("f1"), 1),
        (vec![f1(Unfinished), inherited("f2", 2, Recovered, "pv-2")], Some("f1"), 1),
        (vec![f1(DataMissing), act("f2", 2, Unverified, "pv-2"), act("f3", 3, Unverified, "pv-3")], Some("f1"), 2),
        (vec![act("f1", 1, Unfinished, "pv-1"), act("f2", 2, Unverified, "pv-2")], Some("f1"), 1),
        // It answered, and had all that was there before.
        (vec![f1(Unfinished), answered("f2", 2, Unfinished, "pv-2")], Some("f2"), 0),
        (vec![f1(Unfinished), answered("f2", 2, Recovered, "pv-2")], Some("f2"), 0),
        // It was verified when it came, however long ago that was.
        (vec![f1(Recovered), act("f2", 2, Unverified, "pv-2")], Some("f2"), 0),
        // What an undo restored is known as it was then; what it retained is not.
        (vec![f1(DataMissing), undo("u1", 2, Recovered, "f1", ("pv-2", "pv-1"))], Some("f1"), 1),
        (vec![f1(Recovered), undo("u1", 2, Recovered, "f1", ("pv-2", "pv-1"))], Some("u1"), 0),
        (
            vec![f1(DataMissing), undo("u1", 2, Unverified, "f1", ("pv-2", "pv-1")), act("f3", 3, Unverified, "pv-1")],
            Some("f3"),
            0,
        ),
        // An undo that was begun is finished.
        (vec![f1(DataMissing), undo("u1", 2, Unfinished, "f1", ("pv-2", "pv-1"))], Some("f1"), 0),
    ] {
        let brief: Vec<_> = records.iter().map(|record| (&record.id, record.outcome)).collect();
        assert_eq!(found(&records), (expected.map(str::to_owned), passed_over), "{brief:?}");
    }
}

#[test]
fn a_stored_baseline_of_after_the_disk_came_speaks_for_it() {
    let stored = |taken: &str| {
        let f2 = act("f2", 5, Unfinished, "pv-2");
        vec![act("f1", 1, Unverified, "pv-1"), Record { stored_baseline: Some(taken.to_owned()), ..f2 }]
    };
    assert_eq!(found(&stored("2026-01-01T00:03:00Z")), (Some("f2".to_owned()), 0));
    assert_eq!(found(&stored("2026-01-01T00:00:30Z")), (Some("f1".to_owned()), 1));
}

#[test]
fn a_failover_of_the_pod_alone_brings_no_disk() {
    let mut alone = act("k1", 2, Unfinished, "pv-1");
    (alone.keep_claims, alone.claims) = (true, Vec::new());
    let records = [answered("f1", 1, Recovered, "pv-1"), alone, act("f2", 3, Unverified, "pv-2")];
    assert_eq!(found(&records), (Some("f2".to_owned()), 0));
}

#[test]
fn what_is_passed_over_is_named_with_its_reason() {
    let topology = topology();
    let member = topology.member("a", POD).unwrap();
    let records = [answered("f1", 1, Unfinished, "pv-1"), act("f2", 2, Unverified, "pv-2")];
    let back = way_back(&topology, &records, member).unwrap();
    let why = "volume pv-2, which f2 retained, was created by f1, which did not finish, and may not hold the original \
               data";
    assert_eq!(back.passed_over, [why]);
}

/// The baseline of a new failover: the first one since the pod was last verified.
#[test]
fn what_was_not_found_again_still_must_be_there() {
    let topology = topology();
    let member = topology.member("a", POD).unwrap();
    let mut lost = answered("f2", 2, Unfinished, "pv-2");
    lost.lose_baseline(BaselineLoss::TooLarge);
    let mut finished = answered("f2", 2, Unverified, "pv-2");
    finished.lose_baseline(BaselineLoss::TooLarge);
    // A newer one recovered, and its record went with its volumes.
    let settled = Record { superseded_by: Some("f2".into()), ..answered("f1", 1, DataMissing, "pv-1") };
    for (records, expected) in [
        (vec![], None),
        (vec![settled.clone()], None),
        (vec![settled, answered("f3", 3, Unfinished, "pv-3")], Some("f3")),
        // A finished one is not resumed: its baseline does not matter.
        (vec![act("f1", 1, Unverified, "pv-1"), finished], None),
        (vec![act("f1", 1, Unfinished, "pv-1")], None),
        (vec![answered("f1", 1, Recovered, "pv-1")], None),
        (vec![act("f1", 1, Unverified, "pv-1")], None),
        (vec![answered("f1", 1, Unfinished, "pv-1")], Some("f1")),
        (vec![answered("f1", 1, DataMissing, "pv-1")], Some("f1")),
        (vec![answered("f1", 1, Unfinished, "pv-1"), answered("f2", 2, Unfinished, "pv-2")], Some("f1")),
        (vec![answered("f1", 1, Unfinished, "pv-1"), act("f2", 2, Unverified, "pv-2")], Some("f1")),
        (vec![answered("f1", 1, DataMissing, "pv-1"), answered("f2", 2, Recovered, "pv-2")], None),
        (vec![act("f1", 1, Unfinished, "pv-1"), answered("f2", 2, Unfinished, "pv-2")], Some("f2")),
        (vec![act("f1", 1, Unverified, "pv-1"), lost.clone()], Some("f2")),
        (vec![answered("f1", 1, Unfinished, "pv-1"), lost.clone()], Some("f1")),
        (vec![lost, act("f3", 3, Unverified, "pv-3")], None),
    ] {
        let open = not_found_again(&topology, &records, member);
        assert_eq!(open.map(|record| record.id.as_str()), expected, "{records:#?}");
    }
}
