//! What of a record the cluster must confirm, and what the last operation means for the next one.

use super::super::checks::PlanVerdict;
use super::*;
use crate::plan::{Before, ComparedWith, InFlight, Plan, Probes, Request, plan};
use crate::testing::{now, snapshot};
use crate::topology::{Layout, build};

/// A safekeeper, its claim, and further fields of the volumes; this record of it is on volume pv-1.
fn world(claim: &str, more: &str, record: &str) -> Topology {
    let yaml = format!(
        "namespace: synxdb-system\nsets: [{{name: safekeeper, replicas: 1, templates: [data], uid: set-1}}]\npods: [{{name: \
         safekeeper-0, set: safekeeper, uid: pod-1, ready: true, claims: [data-safekeeper-0]}}]\nclaims: [{claim}]\n\
         {more}\nrecords: [{{id: f1, pod: safekeeper-0, {record}}}]"
    );
    build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
}

const CLAIM: &str = "{name: data-safekeeper-0, uid: c1, volume: pv-1}";

fn contradicted(topology: &Topology) -> Option<String> {
    let [record] = Record::on_volumes(topology).try_into().unwrap();
    record.contradicted(topology, now())
}

/// Any user who may annotate a volume may write one: it is resumed only if the cluster confirms it.
#[test]
fn an_unfinished_record_is_gone_on_with_only_as_the_cluster_has_it() {
    let begun =
        |age: i64| format!("age: {age}, set: set-1, claims: [{{name: data-safekeeper-0, uid: c1, volume: pv-1}}]");
    let volume = |reference: &str| format!("volumes: [{{name: pv-1, class: standard, {reference}}}]");
    let fits: Option<&str> = None;
    for (claim, more, record, expected) in [
        // The claim has it still, or a gone one had it, or it is reserved for the one to come.
        (CLAIM, String::new(), begun(60), fits),
        ("", volume("reservedFor: data-safekeeper-0, releasedBy: c1"), begun(60), fits),
        ("", volume("reservedFor: data-safekeeper-0"), begun(60), fits),
        // A clock is a little ahead.
        (CLAIM, String::new(), begun(-60), fits),
        (CLAIM, String::new(), begun(-300), fits),
        (CLAIM, String::new(), begun(-301), Some("it began in the future")),
        (CLAIM, String::new(), begun(-86400), Some("it began in the future")),
        (
            CLAIM,
            String::new(),
            begun(60).replace("set: set-1", "set: set-2"),
            Some("StatefulSet set, which it names, has another UID"),
        ),
        (CLAIM, String::new(), begun(60).replace("set: set-1, ", ""), Some("it names no owner of the pod")),
        // Without a pod there was no owner to name.
        (CLAIM, String::new(), begun(60).replace("set: set-1", "podUid: ''"), fits),
        (
            CLAIM,
            String::new(),
            begun(60).replace("uid: c1", "uid: c2"),
            Some("volume pv-1 does not belong to the claim that the record names, data-safekeeper-0 (UID c2)"),
        ),
        (
            "",
            volume("reservedFor: data-safekeeper-1, releasedBy: c1"),
            begun(60),
            Some("volume pv-1 does not belong to the claim that the record names"),
        ),
        (
            "",
            volume("reservedFor: elsewhere/data-safekeeper-0, releasedBy: c1"),
            begun(60),
            Some("volume pv-1 does not belong to the claim that the record names"),
        ),
        (
            "",
            volume("reservedFor: data-safekeeper-1"),
            begun(60),
            Some("volume pv-1 does not belong to the claim that the record names"),
        ),
        // A finished one is not resumed at all.
        (CLAIM, String::new(), format!("took: 5, {}", begun(-86400)), fits),
        (CLAIM, String::new(), format!("took: 5, {}", begun(60).replace("set: set-1", "set: set-2")), fits),
    ] {
        let said = contradicted(&world(claim, &more, &record));
        match expected {
            None => assert_eq!(said, None, "{claim} {more} {record}"),
            Some(words) => {
                assert!(said.as_ref().is_some_and(|said| said.starts_with(words)), "{claim} {more} {record}: {said:?}")
            }
        }
    }
}

/// A volume that is to come back is the one that was retained: by its UID, since a name may be another's by now.
#[test]
fn a_volume_that_comes_back_is_known_by_its_uid() {
    let back =
        "age: 60, set: set-1, undo: f0, claims: [{name: data-safekeeper-0, uid: c1, volume: pv-1, returns: pv-0}]";
    let topology = world(CLAIM, "volumes: [{name: pv-0, class: standard, reservedFor: data-safekeeper-0}]", back);
    let mut record = Record::on_volumes(&topology).remove(0);
    assert_eq!(record.contradicted(&topology, now()), None);
    record.claims[0].returns.as_mut().unwrap().uid = "another".into();
    let said = record.contradicted(&topology, now());
    assert_eq!(said.as_deref(), Some("volume pv-0, which it restores, has another UID"));
}

/// Of an owner that is no StatefulSet nothing says that it is another one's: pods of a Deployment have a new one each time.
#[test]
fn a_record_is_another_installations_by_the_uid_of_its_set_alone() {
    let topology =
        world(CLAIM, "", "age: 60, took: 5, set: set-1, claims: [{name: data-safekeeper-0, uid: c1, volume: pv-1}]");
    let member = topology.members().next().unwrap();
    let mut record = Record::on_volumes(&topology).remove(0);
    assert!(record.is_of_member(&topology, member));
    record.owner.as_mut().unwrap().uid = "set-0".into();
    assert!(!record.is_of_member(&topology, member));
    record.owner.as_mut().unwrap().kind = "ReplicaSet".into();
    assert!(record.is_of_member(&topology, member));
    record.pod = "safekeeper-1".into();
    assert!(!record.is_of_member(&topology, member));
}

fn planned(topology: &Topology, start_over: bool) -> Plan {
    plan(Inputs {
        topology,
        member: topology.members().next().unwrap(),
        request: &Request { id: "x1".into(), start_over, ..Request::default() },
        rights: &[],
        before: Before::NotAsked,
        baseline: ComparedWith::Fresh { taken: String::new() },
        undoes: None,
        unfinished: None,
        records: &Record::on_volumes(topology),
        journal: String::new(),
        probes: Probes::default(),
        now: now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

fn said(plan: &Plan) -> Vec<(PlanVerdict, &str)> {
    let of_it = plan.checks.iter().filter(|check| check.id == PlanCheckId::Earlier);
    of_it.map(|check| (check.verdict, check.reason.as_str())).collect()
}

/// A minute ago is just now, and an hour ago is not; a time that has not come blocks nothing.
#[test]
fn what_has_just_recovered_is_not_failed_over_again_and_the_future_blocks_nothing() {
    let record = |age: i64, took: i64| {
        format!("age: {age}, took: {took}, set: set-1, claims: [{{name: data-safekeeper-0, uid: c0, volume: pv-1}}]")
    };
    let blocks = |ago: i64| {
        vec![(PlanVerdict::Block, format!("safekeeper-0 was failed over {ago}s ago (f1), and has recovered"))]
    };
    let future = |when: &str| {
        let why = format!("f1 ended in the future ({when}): clock skew, or a forged record");
        vec![(PlanVerdict::Warn, why)]
    };
    for (age, took, expected) in [
        (20, 10, blocks(10)),
        (70, 10, blocks(60)),
        (71, 10, vec![]),
        (3600, 10, vec![]),
        // Clocks differ by a little.
        (0, 10, blocks(0)),
        (0, 300, blocks(0)),
        (0, 301, future("2026-01-01T00:15:31Z")),
        (-86400, 60, future("2026-01-02T00:11:30Z")),
    ] {
        let topology = world(CLAIM, "", &record(age, took));
        let plan = planned(&topology, false);
        let expected: Vec<(PlanVerdict, &str)> =
            expected.iter().map(|(verdict, why)| (*verdict, why.as_str())).collect();
        assert_eq!(said(&plan), expected, "{age} {took}");
    }
    // Who says that it is meant is warned.
    let topology = world(CLAIM, "", &record(20, 10));
    let plan = planned(&topology, true);
    assert_eq!(said(&plan)[0].0, PlanVerdict::Warn);
}

/// A recovery settles what earlier operations on the same pod left open, so that they are not resumed: those of the same
/// installation, and never the operation itself, one of another pod, or one that is settled already.
#[test]
fn a_recovery_settles_what_was_left_open_of_the_same_pod_alone() {
    let topology = world(CLAIM, "", "age: 60, set: set-1, claims: [{name: data-safekeeper-0, uid: c1, volume: pv-1}]");
    let open = Record::on_volumes(&topology).remove(0);
    let recovered = Record { id: "f2".into(), ..open.clone() };
    let changed = |change: &dyn Fn(&mut Record)| {
        let mut record = open.clone();
        change(&mut record);
        record
    };
    let set = |record: &mut Record, uid: &str| record.owner.as_mut().unwrap().uid = uid.into();
    for (record, settles) in [
        (open.clone(), true),
        (changed(&|record| record.outcome = RecordedOutcome::DataMissing), true),
        // Without an owner it may be of the same set.
        (changed(&|record| record.owner = None), true),
        (changed(&|record| set(record, "set-0")), false),
        (changed(&|record| record.pod = "safekeeper-1".into()), false),
        (changed(&|record| record.namespace = "elsewhere".into()), false),
        (changed(&|record| record.outcome = RecordedOutcome::Recovered), false),
        (changed(&|record| record.superseded_by = Some("f3".into())), false),
        (recovered.clone(), false),
    ] {
        let left: Vec<&str> =
            left_open(std::slice::from_ref(&record), &recovered).map(|record| record.id.as_str()).collect();
        assert_eq!(!left.is_empty(), settles, "{record:?}");
    }
}
