//! The rules of [`goal`](super) that protect what the plan does not name: which pod counts as the replacement, and
//! which traps are the same.

use super::tests::{planned_in, text_of};
use super::*;
use crate::testing::snapshot;
use crate::topology::{Layout, build};

fn world(sets: &str, pods: &str, claims: &str) -> Topology {
    let yaml = format!("namespace: synxdb-system\nsets: [{sets}]\npods: [{pods}]\nclaims: [{claims}]");
    build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
}

fn planned(topology: &Topology, pod: &str) -> Plan {
    planned_in(topology, "synxdb-system", pod)
}

const SET: &str = "{name: pageserver, replicas: 1, templates: [data]}";

/// A pod with a node was scheduled with the claim, Pending or not: it holds it, and what the plan does not name is not
/// deleted. Only one without a node waits in vain.
#[test]
fn a_pending_pod_that_was_scheduled_holds_its_claim() {
    let pod = |fields: &str| format!("{{name: pageserver-0, set: pageserver, claims: [data-pageserver-0], {fields}}}");
    let old = "{name: data-pageserver-0, uid: d1, volume: pv-1}";
    let plan = planned(&world(SET, &pod("uid: old, ready: true"), old), "pageserver-0");
    let going = "{name: data-pageserver-0, uid: d1, volume: pv-1, terminating: true}";
    let new_going = going.replace("uid: d1, volume: pv-1", "uid: d2, volume: pv-2");
    for (fields, claims, expected) in [
        (
            "uid: new, phase: Pending, node: node-2",
            going,
            "trapped: pageserver-0 new data-pageserver-0 Terminating held",
        ),
        ("uid: new, phase: Pending", going, "trapped: pageserver-0 new data-pageserver-0 Terminating"),
        ("uid: new, node: node-2", going, "trapped: pageserver-0 new data-pageserver-0 Terminating held"),
        // It started, and its claim was deleted: waited for, and not deleted.
        ("uid: new, phase: Pending, node: node-2", "", "claim data-pageserver-0 is Missing"),
        ("uid: new, node: node-2", "", "claim data-pageserver-0 is Missing"),
        ("uid: new, phase: Pending", "", "trapped: pageserver-0 new data-pageserver-0 missing"),
        // A new one that was deleted since: the deletion cannot be undone, and the pod holds it.
        (
            "uid: new, phase: Pending, node: node-2",
            &new_going,
            "trapped: pageserver-0 new data-pageserver-0 Terminating held",
        ),
        ("uid: new, phase: Pending", &new_going, "trapped: pageserver-0 new data-pageserver-0 Terminating"),
        // The old claim, which is not deleted yet.
        ("uid: new, phase: Pending", old, "claim data-pageserver-0 is still the old one (Bound)"),
        ("uid: new, phase: Pending, node: node-2", old, "claim data-pageserver-0 is still the old one (Bound)"),
    ] {
        let topology = world(SET, &pod(fields), claims);
        assert_eq!(text_of(replaced(&plan, &topology)), expected, "{fields} {claims}");
    }
}

/// A trap's clock restarts with another pod, another claim, or another state: only one that has lasted long enough
/// leads to a deletion.
#[test]
fn a_trap_is_the_same_only_as_long_as_nothing_of_it_changed() {
    let trap = Trap {
        pod: "pageserver-0".into(),
        uid: "u1".into(),
        version: "7".into(),
        claim: "data-pageserver-0".into(),
        state: "Terminating".into(),
        holds: false,
    };
    // Even if the pod's status changed.
    assert!(Trap { version: "8".into(), ..trap.clone() }.is_still(&trap));
    for other in [
        Trap { uid: "u2".into(), ..trap.clone() },
        Trap { claim: "cache-pageserver-0".into(), ..trap.clone() },
        Trap { state: "missing".into(), ..trap.clone() },
        Trap { holds: true, ..trap.clone() },
    ] {
        assert!(!other.is_still(&trap) && !trap.is_still(&other), "{other:?}");
    }
}

/// A pod of a StatefulSet with the same name is its successor, and nothing else is.
#[test]
fn another_pod_of_a_set_is_no_replacement() {
    let set = "{name: pageserver, replicas: 2, templates: []}";
    let pod =
        |ordinal: u32, uid: &str| format!("{{name: pageserver-{ordinal}, set: pageserver, uid: {uid}, ready: true}}");
    let both = |first: &str, second: &str| world(set, &format!("{first}, {second}"), "");
    let plan = planned(&both(&pod(0, "old"), &pod(1, "other")), "pageserver-0");
    let uid = |topology: &Topology| successor(&plan, topology).map(|(_, pod)| pod.uid.clone());
    assert_eq!(uid(&both(&pod(0, "old"), &pod(1, "other"))), None);
    assert_eq!(uid(&world(set, &pod(1, "other"), "")), None);
    assert_eq!(uid(&world(set, &pod(1, "newer"), "")), None);
    assert_eq!(uid(&both(&pod(0, "new"), &pod(1, "other"))), Some("new".into()));
}

/// A pod of a ReplicaSet has another name each time: its replacement is a new pod of the same owner, by UID.
#[test]
fn the_replacement_of_a_pod_that_keeps_no_name_is_one_that_was_not_there() {
    let pod = |name: &str, replica_set: &str, uid: &str| {
        format!("{{name: {name}, replicaSet: {replica_set}, uid: {uid}, ready: true}}")
    };
    let of = |pods: &[String]| world("", &pods.join(", "), "");
    let ours = "pageserver-7f9c";
    let (old, sibling) = (pod("pageserver-7f9c-aaaaa", ours, "old"), pod("pageserver-7f9c-bbbbb", ours, "sibling"));
    let new = pod("pageserver-7f9c-ccccc", ours, "new");
    // Of a rollout's other ReplicaSet.
    let foreign = pod("pageserver-5d5d-ddddd", "pageserver-5d5d", "foreign");
    let before = of(&[old.clone(), sibling.clone()]);
    let plan = planned(&before, "pageserver-7f9c-aaaaa");
    assert_eq!(plan.target.siblings, ["old", "sibling"]);
    for (pods, expected) in [
        (vec![&old, &sibling], None),
        // Gone, and the pods beside it are not its replacement.
        (vec![&sibling], None),
        (vec![&sibling, &foreign], None),
        (vec![&sibling, &new], Some("new")),
        (vec![&old, &sibling, &new], Some("new")),
        (vec![&foreign, &new], Some("new")),
    ] {
        let pods: Vec<String> = pods.into_iter().cloned().collect();
        let topology = of(&pods);
        let found = successor(&plan, &topology).map(|(_, pod)| pod.uid.as_str());
        assert_eq!(found, expected, "{pods:?}");
    }
}

/// Nothing is changed if a pod or a claim was replaced or deleted since the plan was made.
#[test]
fn what_is_not_as_planned_is_said_by_its_uid() {
    let pod = |uid: &str| format!("{{name: pageserver-0, set: pageserver, claims: [data-pageserver-0], uid: {uid}}}");
    let claim = |uid: &str| format!("{{name: data-pageserver-0, uid: {uid}, volume: pv-1}}");
    let plan = planned(&world(SET, &pod("old"), &claim("d1")), "pageserver-0");
    for (pods, claims, expected) in [
        (pod("old"), claim("d1"), Ok(())),
        (pod("new"), claim("d1"), Err("pod pageserver-0 was replaced: its UID is new, the plan has old")),
        (pod("old"), claim("d2"), Err("claim data-pageserver-0 was replaced: its UID is d2, the plan has d1")),
        (pod("old"), String::new(), Err("claim data-pageserver-0 was deleted since the plan was made")),
        (String::new(), claim("d1"), Err("pod pageserver-0 was deleted since the plan was made")),
    ] {
        let topology = world(SET, &pods, &claims);
        assert_eq!(as_planned(&plan, &topology), expected.map_err(str::to_owned), "{pods} {claims}");
    }
}

/// What a pod waits for is reported once: its status, unless the reason contains it.
#[test]
fn what_the_new_pod_waits_for_is_told_once() {
    let set = "{name: pageserver, replicas: 1, templates: []}";
    let plan = planned(&world(set, "{name: pageserver-0, set: pageserver, uid: old, ready: true}", ""), "pageserver-0");
    for (status, trouble, expected) in [
        ("ErrImagePull", Some("main: ErrImagePull: no such image"), "main: ErrImagePull: no such image"),
        ("Running", Some("main: exit code 1"), "Running: main: exit code 1"),
        ("ContainerCreating", None, "ContainerCreating"),
    ] {
        let mut topology = world(set, "{name: pageserver-0, set: pageserver, uid: new}", "");
        let pod = topology.spaces[0].components[0].members[0].pod.as_mut().unwrap();
        (pod.status, pod.trouble) = (status.to_owned(), trouble.map(str::to_owned));
        assert_eq!(text_of(ready(&plan, &topology)), expected);
    }
}

/// A claim that names another claim's volume will not be bound to it, however long one waits: the message tells that
/// the volume is not its own.
#[test]
fn a_claim_that_names_anothers_volume_is_told_by_that() {
    let pod = |uid: &str| format!("{{name: pageserver-0, set: pageserver, uid: {uid}, claims: [data-pageserver-0]}}");
    let plan = planned(&world(SET, &pod("old"), "{name: data-pageserver-0, uid: d1, volume: pv-1}"), "pageserver-0");
    let yaml = format!(
        "namespace: synxdb-system\nsets: [{SET}]\npods: [{}]\nclaims: [{{name: data-pageserver-0, uid: d2, names: pv-8}}]\n\
         volumes: [{{name: pv-8, class: standard, reservedFor: default/billing-db, releasedBy: b1, phase: Bound}}]",
        pod("new")
    );
    let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
    let expected = "claim data-pageserver-0 is not bound to volume pv-8, which it names";
    assert_eq!(text_of(replaced(&plan, &topology)), expected);
    assert_eq!(text_of(ready(&plan, &topology)), expected);
}

/// A claim that is deleted with the pod had no volume when the plan was made, and has one now: the plan does not retain
/// it.
#[test]
fn a_claim_that_got_a_volume_since_does_not_go_with_the_pod() {
    let set = "{name: pageserver, replicas: 1, ephemeral: [scratch]}";
    let pod = "{name: pageserver-0, set: pageserver, uid: old, ready: true, ephemeral: [scratch]}";
    let claim = |fields: &str| world(set, pod, &format!("{{name: pageserver-0-scratch, {fields}}}"));
    let (without, with) = (claim("uid: s1"), claim("uid: s1, volume: pv-1"));
    let plan = planned(&without, "pageserver-0");
    assert!(matches!(&plan.steps[..], [Step::DeletePod { .. }]), "{:?}", plan.steps);
    let why = "claim pageserver-0-scratch is now bound to volume pv-1, which the plan does not retain";
    for check in [nothing_else_goes, as_planned] {
        assert_eq!(check(&plan, &without), Ok(()));
        assert_eq!(check(&plan, &with), Err(why.to_owned()));
        // The plan's claim is gone, and the pod got another one since.
        let other = claim("uid: s2, volume: pv-2");
        assert_eq!(nothing_else_goes(&plan, &other), Err(why.replace("pv-1", "pv-2")));
        // One that the plan retains may be released.
        assert_eq!(check(&planned(&with, "pageserver-0"), &with), Ok(()));
    }
    // What an undo restores is already retained.
    let mut undo = plan.clone();
    let back = crate::plan::Returns { volume: "pv-1".into(), uid: "v".into(), reclaim_policy: None };
    undo.replaced_claims[0].returns = Some(back);
    assert_eq!(nothing_else_goes(&undo, &with), Ok(()));
    // Neither a check that passed nor the override of another one confirms the loss of a volume.
    for (id, overridden) in [(PlanCheckId::Retention, false), (PlanCheckId::Controller, true)] {
        let mut other = plan.clone();
        let check = other.checks[0].clone();
        other.checks = vec![crate::plan::PlanCheck { id, overridden, ..check }];
        assert_eq!(nothing_else_goes(&other, &with), Err(why.to_owned()), "{id:?}");
    }
    // Its loss was confirmed.
    let mut confirmed = plan;
    let mut retention = confirmed.checks[0].clone();
    (retention.id, retention.overridden) = (PlanCheckId::Retention, true);
    confirmed.checks.push(retention);
    assert_eq!(nothing_else_goes(&confirmed, &with), Ok(()));
}

/// A pod whose own claim has no volume yet is deleted only in the version that was seen.
#[test]
fn a_pod_whose_claim_may_get_a_volume_is_known_by_its_version() {
    let set = "{name: pageserver, replicas: 1, ephemeral: [scratch]}";
    let pod =
        |uid: &str| format!("{{name: pageserver-0, set: pageserver, uid: {uid}, ready: true, ephemeral: [scratch]}}");
    let claim = |uid: &str, fields: &str| world(set, &pod(uid), &format!("{{name: pageserver-0-scratch, {fields}}}"));
    let (without, with) = (claim("old", "uid: s1"), claim("old", "uid: s1, volume: pv-1"));
    let plan = planned(&without, "pageserver-0");
    let version = without.member(&plan.target.namespace, "pageserver-0").unwrap().pod.as_ref().unwrap().version.clone();
    assert_eq!(may_get_a_volume(&plan, &without), Some(version));
    assert_eq!(may_get_a_volume(&plan, &with), None);
    assert_eq!(may_get_a_volume(&plan, &claim("new", "uid: s1")), None);
    let kept = world(
        SET,
        "{name: pageserver-0, set: pageserver, uid: old, claims: [data-pageserver-0]}",
        "{name: data-pageserver-0, uid: d1}",
    );
    assert_eq!(may_get_a_volume(&planned(&kept, "pageserver-0"), &kept), None);
}

/// An undo that came in between, and stopped: the new claim would get its reserved volume.
#[test]
fn what_was_reserved_since_ends_the_run_before_anything_is_changed() {
    let world = |released: &str| {
        let yaml = format!(
            "
namespace: a
sets: [{{name: cloudberry-proxy, replicas: 1, templates: [data]}}]
pods: [{{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p2, ready: true, claims: [data-cloudberry-proxy-0]}}]
claims: [{{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}}]
volumes: [{{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0{released}, policy: Retain}}]
records:
- {{id: f1, pod: cloudberry-proxy-0, age: 300, took: 5, outcome: dataMissing, set: set-cloudberry-proxy,
   claims: [{{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}}]}}
"
        );
        build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
    };
    let before = world(", releasedBy: c1");
    let plan = planned_in(&before, "a", "cloudberry-proxy-0");
    assert_eq!(as_planned(&plan, &before), Ok(()));
    let why = "volume pv-1 was reserved for claim data-cloudberry-proxy-0 by an undo since the plan was made";
    assert_eq!(as_planned(&plan, &world("")), Err(why.to_owned()));
}
