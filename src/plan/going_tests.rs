//! Plans for pods whose claims were deleted already: they are Terminating, and go when the pod does.

use super::undo_tests::{planned, request, world};
use super::*;
use crate::cli::Allow;

const GOING: &str = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p1, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, terminating: true}]
";

fn blocks(plan: &Plan, id: PlanCheckId) -> Vec<&str> {
    let blocked = plan.checks.iter().filter(|check| check.id == id && check.verdict == PlanVerdict::Block);
    blocked.map(|check| check.reason.as_str()).collect()
}

/// Whether or not claims are kept, this one goes: its volume is retained first, and another claim must come.
#[test]
fn the_volume_of_a_claim_that_is_going_is_retained_first() {
    for keep_claims in [false, true] {
        let plan = planned(&world(GOING), None, &Request { keep_claims, ..request() }, &[]);
        let retained =
            matches!(&plan.steps[..], [Step::Retain { volume, .. }, Step::DeletePod { .. }] if volume == "pv-1");
        assert!(retained, "{:?}", plan.steps);
        assert_eq!(plan.replaced_claims.iter().map(|claim| claim.uid.as_str()).collect::<Vec<_>>(), ["c1"]);
        let told =
            plan.checks.iter().any(|check| check.id == PlanCheckId::Claims && check.reason.contains("Terminating"));
        assert_eq!(told, keep_claims, "{:?}", plan.checks);
    }
    // One that stays is kept as before.
    let stays = GOING.replace(", terminating: true", "");
    let plan = planned(&world(&stays), None, &Request { keep_claims: true, ..request() }, &[]);
    assert!(matches!(&plan.steps[..], [Step::DeletePod { .. }]), "{:?}", plan.steps);
    assert_eq!(plan.replaced_claims, []);
}

/// The claim need not be deleted any more, but its volume would still be lost.
#[test]
fn a_claim_that_is_going_and_cannot_be_retained_blocks() {
    let denied = [("patch", "persistentvolumes")];
    let why = "the old volume of claim data-cloudberry-proxy-0 cannot be retained: missing permission: patch persistentvolumes";
    for keep_claims in [false, true] {
        let asked = Request { keep_claims, ..request() };
        let plan = planned(&world(GOING), None, &asked, &denied);
        assert_eq!(blocks(&plan, PlanCheckId::Retention), [why]);
        let allowed = Request { allow: vec![Allow::UnretainedVolume], ..asked };
        assert_eq!(planned(&world(GOING), None, &allowed, &denied).risk, Risk::High);
    }
}

/// The new claim needs a volume, no matter who deleted the old one.
#[test]
fn a_claim_that_is_going_and_could_not_be_made_again_blocks() {
    let by_hand = format!("{GOING}classes: [{{name: standard, provisioner: kubernetes.io/no-provisioner}}]\n");
    let why = "storage class standard does not provision volumes, and no volume is Available for claim data-cloudberry-proxy-0";
    for keep_claims in [false, true] {
        let plan = planned(&world(&by_hand), None, &Request { keep_claims, ..request() }, &[]);
        assert_eq!(blocks(&plan, PlanCheckId::StorageClass), [why]);
    }
}

/// The pod that was created since the failover began holds the old claim, and has one of its own, which goes with it.
#[test]
fn what_belongs_to_a_pod_that_came_since_is_retained_before_that_goes() {
    let came = GOING
        .replace("templates: [data]}", "templates: [data], ephemeral: [scratch]}")
        .replace(
            "uid: p1, ready: true, claims: [data-cloudberry-proxy-0]}",
            "uid: p2, ready: true, claims: [data-cloudberry-proxy-0], ephemeral: [scratch]}",
        )
        .replace(
            "terminating: true}]",
            "terminating: true}, {name: cloudberry-proxy-0-scratch, uid: s2, volume: pv-3}]",
        );
    let yaml = format!(
        "{came}volumes: [{{name: pv-2, class: standard, reservedFor: cloudberry-proxy-0-scratch, releasedBy: s1, policy: Retain}}]
records:
- {{id: f1, pod: cloudberry-proxy-0, podUid: p1, age: 9, set: set-cloudberry-proxy,
   claims: [{{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}}, {{name: cloudberry-proxy-0-scratch, uid: s1, volume: pv-2, policy: Delete}}]}}
"
    );
    let plan = planned(&world(&yaml), None, &request(), &[]);
    assert_eq!(plan.id, "f1");
    let retained: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Retain { volume, .. } => Some(volume.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(retained, ["pv-1", "pv-3"]);
    assert!(matches!(plan.steps.last(), Some(Step::DeletePod { uid, .. }) if uid == "p2"), "{:?}", plan.steps);
}
