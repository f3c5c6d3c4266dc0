//! Goals on literal YAML.

use super::*;
use crate::plan::{Before, ComparedWith, InFlight, Inputs, Probes, Request, Returns, plan};
use crate::testing::snapshot;
use crate::topology::{Layout, build};

fn world(pods: &str, claims: &str) -> Topology {
    let yaml = format!(
        "namespace: synxdb-system\nsets: [{{name: pageserver, replicas: 1, templates: [data, cache]}}]\npods: [{pods}]\nclaims: [{claims}]"
    );
    build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
}

const POD: &str =
    "{name: pageserver-0, set: pageserver, uid: old, ready: true, claims: [data-pageserver-0, cache-pageserver-0]}";
const CLAIMS: &str =
    "{name: data-pageserver-0, uid: d1, volume: pv-1}, {name: cache-pageserver-0, uid: c1, volume: pv-2}";
const NEW_CLAIMS: &str =
    "{name: data-pageserver-0, uid: d2, volume: pv-3}, {name: cache-pageserver-0, uid: c2, volume: pv-4}";

fn planned() -> Plan {
    planned_in(&world(POD, CLAIMS), "synxdb-system", "pageserver-0")
}

/// The plan of a failover of a pod in its current state.
pub(super) fn planned_in(topology: &Topology, namespace: &str, pod: &str) -> Plan {
    plan(Inputs {
        topology,
        member: topology.member(namespace, pod).unwrap(),
        request: &Request { id: "x".into(), ..Request::default() },
        rights: &[],
        before: Before::NotAsked,
        baseline: ComparedWith::Fresh { taken: String::new() },
        undoes: None,
        unfinished: None,
        records: &[],
        journal: String::new(),
        probes: Probes::default(),
        now: crate::testing::now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

pub(super) fn text_of(progress: Progress) -> String {
    match progress {
        Progress::Reached => "reached".into(),
        Progress::Waiting(why) => why,
        Progress::Misbound(why) => format!("misbound: {why}"),
        Progress::Trapped(trap) => {
            let held = if trap.holds { " held" } else { "" };
            format!("trapped: {} {} {} {}{held}", trap.pod, trap.uid, trap.claim, trap.state)
        }
    }
}

#[test]
fn a_pod_is_replaced_only_with_all_its_claims() {
    let plan = planned();
    let pod = |fields: &str| {
        format!("{{name: pageserver-0, set: pageserver, claims: [data-pageserver-0, cache-pageserver-0], {fields}}}")
    };
    let going = CLAIMS.replace("uid: d1,", "uid: d1, terminating: true,");
    let one_new = "{name: data-pageserver-0, uid: d2, volume: pv-3}, {name: cache-pageserver-0, uid: c1, volume: pv-2}";
    let pending = "{name: data-pageserver-0, uid: d2, volume: pv-3}, {name: cache-pageserver-0, uid: c2}";
    let alone = "{name: data-pageserver-0, uid: d2, volume: pv-3}";
    for (pods, claims, expected_replaced, expected_ready) in [
        (pod("uid: old, ready: true"), CLAIMS, "the old pod still exists", "the old pod still exists"),
        // Running and Ready, but still the old one: the trap of plain `kubectl wait`.
        (
            pod("uid: old, ready: true, terminating: true"),
            &going,
            "the old pod is Terminating",
            "the old pod is Terminating",
        ),
        (
            String::new(),
            &going,
            "waiting for the pod to be created; claim data-pageserver-0 is Terminating",
            "waiting for the pod to be created; claim data-pageserver-0 is Terminating",
        ),
        (String::new(), "", "waiting for the pod to be created", "waiting for the pod to be created"),
        // It existed before the claims were deleted, and keeps them.
        (
            pod("uid: new, node: node-2"),
            &going,
            "trapped: pageserver-0 new data-pageserver-0 Terminating held",
            "trapped: pageserver-0 new data-pageserver-0 Terminating held",
        ),
        (
            pod("uid: new, phase: Pending"),
            &going,
            "trapped: pageserver-0 new data-pageserver-0 Terminating",
            "trapped: pageserver-0 new data-pageserver-0 Terminating",
        ),
        (
            pod("uid: new, phase: Pending"),
            alone,
            "trapped: pageserver-0 new cache-pageserver-0 missing",
            "trapped: pageserver-0 new cache-pageserver-0 missing",
        ),
        (
            pod("uid: new, phase: Pending"),
            pending,
            "claim cache-pageserver-0 is Pending",
            "claim cache-pageserver-0 is Pending",
        ),
        (
            pod("uid: new, ready: true"),
            one_new,
            "claim cache-pageserver-0 is still the old one (Bound)",
            "claim cache-pageserver-0 is still the old one (Bound)",
        ),
        // A new one that another user deleted.
        (
            pod("uid: new, ready: true"),
            &NEW_CLAIMS.replacen("uid: d2,", "uid: d2, terminating: true,", 1),
            "trapped: pageserver-0 new data-pageserver-0 Terminating held",
            "trapped: pageserver-0 new data-pageserver-0 Terminating held",
        ),
        (pod("uid: new"), NEW_CLAIMS, "reached", "Running: containers with unready status: [main]"),
        (
            pod("uid: new, ready: true, terminating: true"),
            NEW_CLAIMS,
            "the new pod is also Terminating",
            "the new pod is also Terminating",
        ),
        (pod("uid: new, ready: true"), NEW_CLAIMS, "reached", "reached"),
    ] {
        let topology = world(&pods, claims);
        assert_eq!(text_of(replaced(&plan, &topology)), expected_replaced, "{pods} {claims}");
        assert_eq!(text_of(ready(&plan, &topology)), expected_ready, "{pods} {claims}");
    }
}

/// For an undo, a new claim is not enough: it must have the restored volume.
#[test]
fn a_claim_that_got_another_volume_is_not_the_one_that_was_undone() {
    let mut plan = planned();
    for (claim, volume) in plan.replaced_claims.iter_mut().zip(["pv-3", "pv-4"]) {
        claim.returns = Some(Returns { volume: volume.into(), uid: format!("uid-{volume}"), reclaim_policy: None });
    }
    let names: Vec<&str> = plan.replaced_claims.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(names, ["data-pageserver-0", "cache-pageserver-0"]);
    let pod = POD.replace("uid: old", "uid: new");
    let other = NEW_CLAIMS.replace("pv-4", "pv-5");
    let waits = NEW_CLAIMS.replace(", volume: pv-4", "");
    for (claims, expected) in [
        (NEW_CLAIMS, "reached"),
        (&other, "misbound: claim cache-pageserver-0 is bound to volume pv-5, not to pv-4, which is being restored"),
        (&waits, "claim cache-pageserver-0 is Pending"),
        (CLAIMS, "claim data-pageserver-0 is still the old one (Bound)"),
    ] {
        assert_eq!(text_of(replaced(&plan, &world(&pod, claims))), expected, "{claims}");
    }
}

/// The claim of an ephemeral volume is missing, or still its predecessor's, for as long as Kubernetes takes: deleting
/// the pod again would not help. And a volume that the claim only names is not bound to it.
#[test]
fn what_belongs_to_the_pod_is_waited_for() {
    let mut plan = planned();
    let new = "{name: pageserver-0, set: pageserver, uid: new, phase: Pending, ephemeral: [scratch], claims: [data-pageserver-0, cache-pageserver-0]}";
    plan.replaced_claims.push(ReplacedClaim {
        name: "pageserver-0-scratch".into(),
        uid: "s1".into(),
        returns: None,
        ephemeral: true,
    });
    let with = |claim: &str| format!("{NEW_CLAIMS}{claim}");
    for (claims, expected) in [
        (with(""), "claim pageserver-0-scratch is Missing"),
        (
            with(", {name: pageserver-0-scratch, uid: s1, volume: pv-5, terminating: true}"),
            "claim pageserver-0-scratch is still the old one (Terminating)",
        ),
        (with(", {name: pageserver-0-scratch, uid: s2}"), "claim pageserver-0-scratch is Pending"),
        (with(", {name: pageserver-0-scratch, uid: s2, volume: pv-6}"), "reached"),
    ] {
        assert_eq!(text_of(replaced(&plan, &world(new, &claims))), expected, "{claims}");
    }
    // A scheduled pod cannot hold its predecessor's either.
    let running = new.replace("phase: Pending", "node: node-1");
    let going = with(", {name: pageserver-0-scratch, uid: s1, volume: pv-5, terminating: true}");
    assert_eq!(
        text_of(replaced(&plan, &world(&running, &going))),
        "claim pageserver-0-scratch is still the old one (Terminating)"
    );
}

#[test]
fn a_pod_that_an_ordered_set_keeps_away_is_waited_for_by_name() {
    let space = |pods: &str| {
        let yaml = format!("namespace: a\nsets: [{{name: wh9527, replicas: 2, templates: []}}]\npods: [{pods}]");
        build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
    };
    let lower = |ready: bool| format!("{{name: wh9527-0, set: wh9527, ready: {ready}}}");
    let all = space(&format!("{}, {{name: wh9527-1, set: wh9527, uid: old, ready: true}}", lower(true)));
    let plan = planned_in(&all, "a", "wh9527-1");
    assert_eq!(text_of(replaced(&plan, &space(&lower(true)))), "waiting for the pod to be created");
    assert_eq!(
        text_of(replaced(&plan, &space(&lower(false)))),
        "waiting for the pod to be created; StatefulSet wh9527 creates its pods in order, and wh9527-0 is not Ready"
    );
}

#[test]
fn claims_that_cannot_be_read_are_never_taken_as_bound() {
    let plan = planned();
    let mut objects = snapshot(&[&format!(
        "namespace: synxdb-system\npods: [{}]\nclaims: [{NEW_CLAIMS}]",
        POD.replace("uid: old", "uid: new")
    )]);
    objects.namespaces[0].claims = crate::testing::unreadable("persistentvolumeclaims", None);
    let topology = build(&objects, &Layout::shipped().unwrap());
    assert_eq!(
        text_of(ready(&plan, &topology)),
        "claim data-pageserver-0 cannot be read: persistentvolumeclaims is forbidden"
    );
}

/// Nothing is deleted before the volume controller has processed reservations, and removed ones.
#[test]
fn what_was_reserved_must_be_noticed() {
    let space = |claims: &str, volume: &str| {
        let yaml = format!(
            "namespace: synxdb-system\nsets: [{{name: pageserver, replicas: 1, templates: [data]}}]\npods: [{{name: \
             pageserver-0, set: pageserver, uid: old, ready: true, claims: [data-pageserver-0]}}]\nclaims: [{claims}]\n\
             volumes: [{volume}]\nrecords: [{{id: f1, pod: pageserver-0, age: 60, took: 5, claims: [{{name: \
             data-pageserver-0, uid: d0, volume: pv-0, policy: Delete}}]}}]"
        );
        build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
    };
    let now = "{name: data-pageserver-0, uid: d1, volume: pv-1}";
    let volume = |with: &str| format!("{{name: pv-0, class: standard, {with}}}");
    let reserved = |phase: &str| volume(&format!("reservedFor: data-pageserver-0, phase: {phase}"));
    let kept =
        |by: &str, phase: &str| volume(&format!("reservedFor: data-pageserver-0, releasedBy: {by}, phase: {phase}"));
    let mut undo = planned();
    undo.steps.clear();
    undo.replaced_claims.truncate(1);
    undo.replaced_claims[0].returns =
        Some(Returns { volume: "pv-0".into(), uid: "uid-pv-0".into(), reclaim_policy: None });
    let late = "waits: volume pv-0 is reserved, but the volume controller has not processed it yet: the volume is";
    for (claims, volume, expected) in [
        (now, reserved("Available"), "reached".to_owned()),
        (now, reserved("Released"), format!("{late} Released")),
        // The plugin's watch is behind.
        (now, kept("d0", "Released"), format!("{late} Released")),
        // The claim to delete has it?
        (now, kept("d1", "Bound"), format!("{late} Bound")),
        // A claim that had no volume has it.
        ("{name: data-pageserver-0, uid: d2, volume: pv-0}", kept("d2", "Bound"), "reached".to_owned()),
        ("{name: data-pageserver-0, uid: d2, volume: pv-2}", kept("d3", "Bound"), format!("{late} Bound")),
        (now, String::new(), format!("{late} missing")),
    ] {
        let progress = match noticed(&undo, &space(claims, &volume)) {
            Progress::Waiting(why) => format!("waits: {why}"),
            other => text_of(other),
        };
        assert_eq!(progress, expected, "{claims} {volume}");
    }

    let mut failover = planned();
    let (volume_name, uid) = ("pv-0".to_owned(), "uid-pv-0".to_owned());
    let (claim, released_by) = ("data-pageserver-0".to_owned(), "d0".to_owned());
    failover.steps = vec![Step::Unreserve { volume: volume_name, uid, claim, released_by }];
    let late = "waits: the reservation of volume pv-0 was removed, but the volume controller has not processed it yet: the volume is";
    for (volume, expected) in [
        (kept("d0", "Released"), "reached".to_owned()),
        (kept("d0", "Available"), format!("{late} Available")),
        (reserved("Available"), format!("{late} Available")),
        (reserved("Released"), format!("{late} Released")),
    ] {
        let progress = match noticed(&failover, &space(now, &volume)) {
            Progress::Waiting(why) => format!("waits: {why}"),
            other => text_of(other),
        };
        assert_eq!(progress, expected, "{volume}");
    }
}

/// A failover's new claim must not have a volume that is recorded as retained.
#[test]
fn a_new_claim_on_a_retained_volume_is_not_the_end() {
    let mut plan = planned();
    let topology = world(&POD.replace("uid: old", "uid: new"), NEW_CLAIMS);
    assert_eq!(text_of(ready(&plan, &topology)), "reached");
    plan.retained = vec!["pv-4".into()];
    let expected = "misbound: claim cache-pageserver-0 is bound to volume pv-4, which is recorded as retained";
    assert_eq!(text_of(replaced(&plan, &topology)), expected);
    assert_eq!(text_of(ready(&plan, &topology)), expected);
}
