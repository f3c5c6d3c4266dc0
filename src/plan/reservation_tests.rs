//! Which volume a new claim may have: what an unfinished undo reserved, what is recorded as retained, and what came in
//! between. On literal YAML.

use super::undo_tests::{FAILED_OVER, UNFINISHED, planned, request, steps, told, undo, world};
use super::*;
use crate::topology::{Claim, Topology};

/// The undo of f1 stopped after its reservation: the first volume waits for the claim that comes next.
fn reserved() -> String {
    let reserved = FAILED_OVER.replace("reservedFor: data-cloudberry-proxy-0, releasedBy: c1", HELD);
    assert_ne!(reserved, FAILED_OVER);
    format!("{reserved}{UNFINISHED}")
}

const HELD: &str = "reservedFor: data-cloudberry-proxy-0";

fn start_over() -> Request {
    Request { start_over: true, ..request() }
}

/// An undo that reserved its volume after the failover was planned, and stopped: the new claim would get that volume.
#[test]
fn a_reservation_that_came_since_is_one_that_the_next_plan_takes_back() {
    let since = |plan: &Plan, topology: &Topology| {
        let plan = Plan { steps: reserved_since(plan, topology), ..plan.clone() };
        steps(&plan)
    };
    let (before, after) = (world(FAILED_OVER), world(&reserved()));
    let plan = planned(&before, None, &start_over(), &[]);
    assert!(!steps(&plan).contains("unreserve"), "{}", steps(&plan));
    assert_eq!(since(&plan, &before), "");
    assert_eq!(since(&plan, &after), "unreserve pv-1 for data-cloudberry-proxy-0, of c1");
    assert_eq!(since(&planned(&after, None, &start_over(), &[]), &after), "");
    // What an undo reserves itself is none, nor is what is reserved for a claim that stays.
    assert_eq!(since(&undo(FAILED_OVER, "f1"), &after), "");
    let keeps = Request { keep_claims: true, ..start_over() };
    assert_eq!(since(&planned(&before, None, &keeps, &[]), &after), "");
}

#[test]
fn a_failover_takes_back_what_an_unfinished_undo_reserved() {
    let of_it = "unreserve pv-1 for data-cloudberry-proxy-0, of c1";
    let plan = planned(&world(&reserved()), None, &start_over(), &[]);
    assert_eq!(steps(&plan), format!("retain pv-2 (Delete); {of_it}; delete claim c2; delete pod p2"));
    assert_eq!(plan.refusal(), None);
    assert_eq!(plan.retained, ["pv-1", "pv-2"]);
    // Not for a claim that stays, nor for one that is brought back.
    let keeps = Request { keep_claims: true, ..start_over() };
    assert_eq!(steps(&planned(&world(&reserved()), None, &keeps, &[])), "delete pod p2");
    assert!(!steps(&undo(&reserved(), "f1")).contains("unreserve"));
    // Reserved by somebody else's hand, and never retained: it is meant for the claim.
    let foreign =
        reserved().replace("volume: pv-1, policy", "volume: pv-3, policy").replace("returns: pv-1", "returns: pv-3");
    assert_eq!(
        steps(&planned(&world(&foreign), None, &start_over(), &[])),
        "retain pv-2 (Delete); delete claim c2; delete pod p2"
    );
}

/// The claim of the undone failover was recreated before the volume controller knew of the reservation.
#[test]
fn an_undo_that_ended_on_another_volume_goes_round_again() {
    let astray = reserved()
        .replace("uid: p2, ready", "uid: p3, ready")
        .replace("uid: c2, volume: pv-2}]", "uid: c3, volume: pv-3}]");
    let before = "volumes: [";
    let astray = astray.replace(
        before,
        "volumes: [{name: pv-2, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c2, policy: Retain}, ",
    );
    let plan = undo(&astray, "f1");
    assert_eq!(steps(&plan), "retain pv-3 (Delete); delete claim c3; delete pod p3");
    assert_eq!((plan.id.as_str(), plan.refusal()), ("u1", None));
    let [claim] = plan.replaced_claims.as_slice() else { panic!("{:?}", plan.replaced_claims) };
    assert_eq!((claim.uid.as_str(), &*claim.returns.as_ref().unwrap().volume), ("c3", "pv-1"));

    // What came in between is on record with the first one, once.
    let topology = world(&astray);
    let records = Record::on_volumes(&topology);
    let mut record = records.iter().find(|record| record.id == "u1").unwrap().clone();
    record.goes_on(&plan, |_| None);
    record.goes_on(&plan, |_| None);
    let kept: Vec<_> = record.claims.iter().map(|claim| (&*claim.uid, claim.volume.as_deref())).collect();
    assert_eq!(kept, [("c2", Some("pv-2")), ("c3", Some("pv-3"))]);
    let before = records.iter().find(|record| record.id == "u1").unwrap().clone();
    assert_eq!(Record::merged([record.clone(), before.clone()]), [record.clone()]);
    assert_eq!(Record::merged([before, record.clone()]), [record]);
}

#[test]
fn what_an_undo_of_such_an_undo_brings_back() {
    let twice = "- {id: u1, pod: cloudberry-proxy-0, podUid: p2, age: 9, took: 5, undo: f1, set: set-cloudberry-proxy,
   claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, policy: Delete, returns: pv-1},
            {name: data-cloudberry-proxy-0, uid: c3, volume: pv-3, policy: Delete, returns: pv-1}]}
";
    let kept = |name: &str, by: &str| {
        format!(
            "{{name: {name}, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: {by}, policy: Retain}}"
        )
    };
    let first = FAILED_OVER.find("volumes: [").unwrap();
    let end = FAILED_OVER.find("records:").unwrap();
    let volumes = format!("volumes: [{}, {}]\n", kept("pv-2", "c2"), kept("pv-3", "c3"));
    let undone = format!("{}{volumes}{}{twice}", &FAILED_OVER[..first], &FAILED_OVER[end..])
        .replace("uid: c2, volume: pv-2}]\nvolumes", "uid: c4, volume: pv-1}]\nvolumes");
    let plan = undo(&undone, "u1");
    assert_eq!(
        steps(&plan),
        "retain pv-1 (Delete); reserve pv-2 for data-cloudberry-proxy-0, of c2; delete claim c4; delete pod p2"
    );
    assert_eq!(plan.replaced_claims.len(), 1);
}

/// A failover's new claim must not have a volume that is on record as retained: it is replaced once more.
#[test]
fn a_failover_that_ended_on_a_volume_that_was_set_aside_goes_round_again() {
    let begun = "- {id: f2, pod: cloudberry-proxy-0, podUid: p2, age: 5, set: set-cloudberry-proxy,
   claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, policy: Delete}]}
";
    let first = FAILED_OVER.find("volumes: [").unwrap();
    let end = FAILED_OVER.find("records:").unwrap();
    let kept = "volumes: [{name: pv-2, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c2, policy: Retain}]\n";
    let astray = format!("{}{kept}{}{begun}", &FAILED_OVER[..first], &FAILED_OVER[end..])
        .replace("uid: p2, ready", "uid: p3, ready")
        .replace("uid: c2, volume: pv-2}]\nvolumes", "uid: c3, volume: pv-1}]\nvolumes");
    let plan = planned(&world(&astray), None, &request(), &[]);
    assert_eq!(steps(&plan), "retain pv-1 (Delete); delete claim c3; delete pod p3");
    assert_eq!(plan.id, "f2");
    // A volume of its own is waited for.
    let fine = astray.replace("uid: c3, volume: pv-1", "uid: c3, volume: pv-9");
    assert_eq!(steps(&planned(&world(&fine), None, &request(), &[])), "");
    // Unless another user deletes the new claim: the pod holds it, and it goes no other way.
    let deleted = astray.replace("uid: c3, volume: pv-1", "uid: c3, terminating: true, volume: pv-9");
    let plan = planned(&world(&deleted), None, &request(), &[]);
    assert_eq!((steps(&plan).as_str(), plan.id.as_str()), ("retain pv-9 (Delete); delete pod p3", "f2"));
}

#[test]
fn a_claim_has_a_volume_that_it_must_not_have() {
    let topology = world(FAILED_OVER);
    let claim = &topology.member("a", "cloudberry-proxy-0").unwrap().claims[0];
    let wanted = |uid: &str, returns: Option<&str>| ReplacedClaim {
        name: claim.name.clone(),
        uid: uid.into(),
        returns: returns.map(|volume| Returns { volume: volume.into(), uid: "u".into(), reclaim_policy: None }),
        ephemeral: false,
    };
    let retained = ["pv-2".to_owned()];
    let none = Claim { volume_name: None, ..claim.clone() };
    for (uid, returns, retained, present, expected) in [
        ("c1", None, &retained[..], claim, true),
        ("c1", None, &[], claim, false),
        // The old one is to go anyway.
        ("c2", None, &retained, claim, false),
        ("c1", Some("pv-1"), &[], claim, true),
        ("c1", Some("pv-2"), &retained, claim, false),
        ("c1", Some("pv-1"), &retained, &none, false),
        ("c1", None, &retained, &none, false),
    ] {
        assert_eq!(misbound(&wanted(uid, returns), present, retained), expected, "{uid} {returns:?} {retained:?}");
    }
}

/// The replacement was created from a template that has been fixed since; its StatefulSet would wait for it forever.
#[test]
fn a_replacement_of_an_older_template_that_is_not_ready_is_replaced_again() {
    let world_of = |pod: &str, current: &str, begun: i64| {
        format!(
            "
namespace: a
sets: [{{name: cloudberry-proxy, replicas: 1, templates: [data], {current}}}]
pods: [{{name: cloudberry-proxy-0, set: cloudberry-proxy, claims: [data-cloudberry-proxy-0], age: 30, {pod}}}]
claims: [{{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}}]
volumes: [{{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain}}]
records:
- {{id: f1, pod: cloudberry-proxy-0, podUid: p1, age: {begun}, set: set-cloudberry-proxy,
   claims: [{{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}}]}}
"
        )
    };
    let stuck = "uid: p2, phase: Pending, revision: bad";
    let (mended, same) = ("revisions: [good, good]", "revisions: [bad, bad]");
    for (pod, current, begun, expected) in [
        (stuck, mended, 60, "delete pod p2"),
        // It may still become Ready.
        (stuck, same, 60, ""),
        // It is.
        ("uid: p2, ready: true, revision: bad", mended, 60, ""),
        // It existed before the failover began: another's.
        (stuck, mended, 10, ""),
    ] {
        let plan = planned(&world(&world_of(pod, current, begun)), None, &request(), &[]);
        assert_eq!(steps(&plan), expected, "{pod} {current} {begun}");
        if !expected.is_empty() {
            let said = told(&plan, PlanCheckId::Revision);
            assert!(said.iter().any(|said| said.contains("the new pod will have revision good")), "{said:?}");
            assert_eq!((plan.target.uid.as_str(), plan.id.as_str()), ("p2", "f1"));
        }
    }
}
