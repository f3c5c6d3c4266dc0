//! Plans of an undo, and what earlier operations mean for the next one, on literal YAML.

use super::history::{Entry, Release, RetainedState, history, may_not_be_released, to_release};
use super::*;
use crate::cli::Allow;
use crate::cluster::permission::Allowed;
use crate::cluster::snapshot::Snapshot;
use crate::testing::{now, snapshot, unreadable};
use crate::topology::{Layout, Topology, build};

const POD: &str = "cloudberry-proxy-0";

/// A proxy that was failed over five minutes ago and did not find all of its data again.
pub(super) const FAILED_OVER: &str = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p2, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}]
volumes: [{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain, size: 1Gi}]
records:
- {id: f1, pod: cloudberry-proxy-0, age: 300, took: 5, outcome: dataMissing, set: set-cloudberry-proxy, canary: kubectl_synxdb_f1,
   claims: [{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}]}
";

/// The same once it was undone: the first volume is in use again, the second one retained.
pub(super) const UNDONE: &str = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p3, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: c3, volume: pv-1}]
volumes: [{name: pv-2, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c2, policy: Retain, size: 1Gi}]
records:
- {id: f1, pod: cloudberry-proxy-0, age: 300, took: 5, outcome: dataMissing, set: set-cloudberry-proxy,
   claims: [{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}]}
- {id: u1, pod: cloudberry-proxy-0, age: 200, took: 5, undo: f1, set: set-cloudberry-proxy,
   claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, policy: Delete, returns: pv-1}]}
";

pub(super) const UNFINISHED: &str =
    "- {id: u1, pod: cloudberry-proxy-0, podUid: p2, age: 9, undo: f1, set: set-cloudberry-proxy, canary: kubectl_synxdb_f1,
   claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, policy: Delete, returns: pv-1}]}
";

const RELEASED: &str = "reservedFor: data-cloudberry-proxy-0, releasedBy: c1";

pub(super) fn world(yaml: &str) -> Topology {
    build(&snapshot(&[yaml]), &Layout::shipped().unwrap())
}

/// As the commands plan: `undo OF` if there is something to undo, otherwise `failover POD`.
pub(super) fn planned(topology: &Topology, of: Option<&str>, request: &Request, denied: &[(&str, &str)]) -> Plan {
    let member = topology.member("a", POD).unwrap();
    let no = |verb: &str, resource: &str| denied.contains(&(verb, resource));
    let rights: Vec<_> = needed(member, request)
        .into_iter()
        .map(|permission| {
            let allowed =
                if no(&permission.verb, &permission.resource) { Allowed::No("".into()) } else { Allowed::Yes };
            (permission, allowed)
        })
        .collect();
    let records = Record::on_volumes(topology);
    let undoes = of.map(|of| records.iter().find(|record| record.id == of).unwrap());
    let act = of.map_or(Action::Failover, |of| Action::Undo(of.to_owned()));
    let unfinished = newest(&records, topology, member)
        .filter(|record| record.unfinished() && record.act == act && !request.start_over);
    plan(Inputs {
        topology,
        member,
        request,
        rights: &rights,
        before: Before::Answered { summary: "PostgreSQL 14".into(), lacks: Vec::new() },
        baseline: ComparedWith::Fresh { taken: String::new() },
        undoes,
        unfinished,
        records: &records,
        journal: "journal".into(),
        probes: Probes::default(),
        now: now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

pub(super) fn undo(yaml: &str, of: &str) -> Plan {
    planned(&world(yaml), Some(of), &request(), &[])
}

pub(super) fn request() -> Request {
    Request { id: "u9".into(), verify: true, ..Request::default() }
}

pub(super) fn steps(plan: &Plan) -> String {
    let words = plan.steps.iter().map(|step| match step {
        Step::Retain { volume, policy, .. } => format!("retain {volume} ({policy})"),
        Step::Reserve { volume, claim, released_by, .. } => format!("reserve {volume} for {claim}, of {released_by}"),
        Step::Unreserve { volume, claim, released_by, .. } => {
            format!("unreserve {volume} for {claim}, of {released_by}")
        }
        Step::DeleteClaim { uid, .. } => format!("delete claim {uid}"),
        Step::DeletePod { uid, .. } => format!("delete pod {uid}"),
    });
    words.collect::<Vec<_>>().join("; ")
}

pub(super) fn told(plan: &Plan, id: PlanCheckId) -> Vec<String> {
    let checks = plan.checks.iter().filter(|check| check.id == id);
    checks.map(|check| format!("{:?}: {}", check.verdict, check.reason)).collect()
}

#[test]
fn what_goes_is_retained_and_what_comes_is_reserved_before_anything_is_deleted() {
    let plan = undo(FAILED_OVER, "f1");
    assert_eq!(
        steps(&plan),
        "retain pv-2 (Delete); reserve pv-1 for data-cloudberry-proxy-0, of c1; delete claim c2; delete pod p2"
    );
    assert_eq!((&plan.act, &*plan.id, plan.risk), (&Action::Undo("f1".into()), "u9", Risk::Ordinary));
    assert_eq!((plan.refusal(), &plan.resumes, &plan.journal), (None, &None, &None));
    let back = "Warn: volume pv-1 (1Gi) is restored as claim data-cloudberry-proxy-0; volume pv-2, with everything \
                written since, is retained";
    assert_eq!(told(&plan, PlanCheckId::Return), [back]);
    let returns = Returns { volume: "pv-1".into(), uid: "uid-pv-1".into(), reclaim_policy: Some("Delete".into()) };
    let replaced = ReplacedClaim {
        name: "data-cloudberry-proxy-0".into(),
        uid: "c2".into(),
        returns: Some(returns),
        ephemeral: false,
    };
    assert_eq!(plan.replaced_claims, [replaced]);
    // The row that the failover wrote is on the restored volume; none is written to the current one.
    let canary = |plan: &Plan| match &plan.proof {
        Proof::Sql { canary, .. } => canary.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(canary(&plan).as_deref(), Some("kubectl_synxdb_f1"));
    assert_eq!(canary(&undo(&FAILED_OVER.replace(" canary: kubectl_synxdb_f1,", ""), "f1")), None);
}

#[test]
fn a_claim_that_has_no_volume_yet_or_is_not_there_is_no_obstacle() {
    let pending = FAILED_OVER.replace("uid: c2, volume: pv-2", "uid: c2");
    let missing = FAILED_OVER.replace("claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}]", "");
    for (yaml, expected) in [
        (&pending, "reserve pv-1 for data-cloudberry-proxy-0, of c1; delete pod p2"),
        (&missing, "reserve pv-1 for data-cloudberry-proxy-0, of c1; delete pod p2"),
    ] {
        let plan = undo(yaml, "f1");
        assert_eq!((steps(&plan).as_str(), plan.refusal()), (expected, None));
        assert_eq!(
            told(&plan, PlanCheckId::Return),
            ["Pass: volume pv-1 (1Gi) is restored as claim data-cloudberry-proxy-0"]
        );
        assert_eq!(plan.journal, None, "the volume that comes back carries the record");
    }
    // The volume controller has not seen yet that the volume's claim is gone.
    let late = FAILED_OVER.replace(RELEASED, &format!("phase: Bound, {RELEASED}"));
    assert_ne!(late, FAILED_OVER);
    let plan = undo(&late, "f1");
    assert_eq!((steps(&plan), plan.refusal()), (steps(&undo(FAILED_OVER, "f1")), None));
    // Terminating: it goes with its pod.
    let going = FAILED_OVER.replace("uid: c2, volume", "uid: c2, terminating: true, volume");
    assert_eq!(
        steps(&undo(&going, "f1")),
        "retain pv-2 (Delete); reserve pv-1 for data-cloudberry-proxy-0, of c1; delete pod p2"
    );
}

/// Each reason that keeps a volume away, in full; nothing can override it.
#[test]
fn a_volume_that_cannot_come_back_is_not_undone_with() {
    let volume = |with: &str| FAILED_OVER.replace(RELEASED, with);
    let cases = [
        (
            volume("terminating: true, reservedFor: data-cloudberry-proxy-0, releasedBy: c1"),
            "volume pv-1: it is being deleted",
        ),
        (
            volume("reservedFor: b/data-cloudberry-proxy-0, releasedBy: c1"),
            "volume pv-1: it now belongs to claim b/data-cloudberry-proxy-0",
        ),
        (volume("reservedFor: data-1, releasedBy: c1"), "volume pv-1: it now belongs to claim a/data-1"),
        (
            volume("phase: Available"),
            "volume pv-1: it is not reserved for any claim: the first one that asks may bind it",
        ),
        (
            volume("phase: Failed, reservedFor: data-cloudberry-proxy-0, releasedBy: c1"),
            "volume pv-1: it is Failed and not Released",
        ),
        (
            // The failover has not come further than that: the claim goes with its pod.
            FAILED_OVER
                .replace(
                    "volumes: [{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1",
                    "volumes: [{name: pv-9, class: standard",
                )
                .replace("uid: c2, volume: pv-2", "uid: c1, terminating: true, volume: pv-1"),
            "volume pv-1: still bound to claim data-cloudberry-proxy-0, which is terminating",
        ),
        (
            FAILED_OVER.replace("claims: [data-cloudberry-proxy-0]}", "claims: []}"),
            "cloudberry-proxy-0 mounts no claim data-cloudberry-proxy-0: nothing would recreate it",
        ),
    ];
    for (yaml, expected) in cases {
        let error = undo(&yaml, "f1").refusal().unwrap_or_else(|| panic!("it is undone: {yaml}"));
        assert_eq!(
            (error.what.as_str(), &error.why[..]),
            ("undo of f1 for a/cloudberry-proxy-0 blocked", &[expected.to_owned()][..])
        );
        assert_eq!(error.hints, ["kubectl synxdb history    (to see what can be undone)"]);
    }
    assert_eq!(
        undo(UNDONE, "f1").refusal().unwrap().why,
        ["volume pv-1 is in use: claim data-cloudberry-proxy-0 is bound to it"]
    );
    // Its record is still on the volume that took its place.
    let gone = UNDONE.replace("volumes: [{name: pv-2,", "volumes: [{name: pv-9,");
    assert_eq!(
        undo(&gone, "u1").refusal().unwrap().why,
        ["volume pv-2, retained for claim data-cloudberry-proxy-0, no longer exists"]
    );
}

/// The claim is made from the template again, and Kubernetes passes a volume over that does not fit, reserved or not.
#[test]
fn a_volume_that_its_claim_would_not_get_is_not_undone_with() {
    let sets = "templates: [data]";
    let with = |set: &str, volume: &str| {
        FAILED_OVER
            .replace(sets, &format!("{sets}, {set}"))
            .replace("class: standard, reservedFor", &format!("{volume}, reservedFor"))
    };
    let passed_over = |why: &str| {
        format!(
            "volume pv-1 {why} by the template of StatefulSet cloudberry-proxy: Kubernetes would not bind it to claim \
             data-cloudberry-proxy-0, but provision a new, empty one"
        )
    };
    for (set, volume, expected) in [
        ("size: 1Gi", "class: standard", None),
        ("size: 1024Mi", "class: standard", None),
        ("size: 3Gi", "class: standard", Some(passed_over("has 1Gi, but 3Gi is requested"))),
        ("mode: Block", "class: standard", Some(passed_over("has volume mode Filesystem, but Block is requested"))),
        ("mode: Block", "class: standard, mode: Block", None),
        (
            "modes: [ReadWriteMany]",
            "class: standard, modes: [ReadWriteOnce]",
            Some(passed_over("cannot be mounted ReadWriteMany")),
        ),
        ("modes: [ReadWriteOnce]", "class: standard, modes: [ReadWriteOnce, ReadOnlyMany]", None),
        // Of a reserved volume the class is not asked: without one it is as good as with another.
        ("class: ''", "class: none", None),
        ("class: ''", "class: ''", None),
        ("class: default", "class: none", None),
        ("class: standard", "class: fast", None),
    ] {
        let plan = undo(&with(set, volume), "f1");
        let why = plan.refusal().map(|refusal| refusal.why);
        assert_eq!(why, expected.map(|why| vec![why]), "{set} {volume}");
    }
    // Without a template that is known, the claim is as it was made from it.
    let mut objects =
        snapshot(&[&with("size: 1Gi", "class: standard").replace("volume: pv-2}", "volume: pv-2, size: 2Gi}")]);
    objects.namespaces[0].stateful_sets = unreadable("statefulsets", None);
    let plan = planned(&build(&objects, &Layout::shipped().unwrap()), Some("f1"), &request(), &[]);
    let why = plan.refusal().unwrap().why;
    assert!(
        why.iter().any(|why| why.starts_with("volume pv-1 has 1Gi, but 2Gi is requested by the current claim")),
        "{why:?}"
    );
}

/// The node of a restored folder is known only if there is one node.
#[test]
fn a_folder_that_comes_back_is_on_some_node() {
    let folder = FAILED_OVER.replace("class: standard, reservedFor", "class: none, folder: true, reservedFor");
    let pending = folder.replace("uid: p2, ready: true", "uid: p2, phase: Pending");
    let two = "nodes: [{name: node-1}, {name: node-2}]\nrecords:";
    let some = "Warn: volume pv-1 is a folder on an unknown node (hostPath): its data is there only if the new pod starts on \
                that node";
    for yaml in [&folder, &pending] {
        assert_eq!(told(&undo(yaml, "f1"), PlanCheckId::Node), Vec::<String>::new());
        let plan = undo(&yaml.replace("records:", two), "f1");
        assert_eq!((told(&plan, PlanCheckId::Node), plan.refusal()), (vec![some.to_owned()], None));
    }
}

/// A reservation is by name, and the claim of an ephemeral volume gets its name again: it is restored in the same way.
#[test]
fn a_volume_that_belonged_to_the_pod_comes_back_by_its_claims_name() {
    let name = "cloudberry-proxy-0-scratch";
    let own = FAILED_OVER
        .replace("data-cloudberry-proxy-0", name)
        .replace("templates: [data]", "ephemeral: [scratch]")
        .replace(&format!("claims: [{name}]}}]"), "ephemeral: [scratch]}]");
    let kept = own.replace("set: set-cloudberry-proxy, canary", "set: set-cloudberry-proxy, keep: true, canary");
    for yaml in [&own, &kept] {
        let plan = undo(yaml, "f1");
        let expected = format!("retain pv-2 (Delete); reserve pv-1 for {name}, of c1; delete pod p2");
        assert_eq!((steps(&plan), plan.refusal()), (expected, None));
        assert!(plan.replaced_claims[0].ephemeral);
    }
    // It waits for a new one: deleted, the pod would take its claim along, and with that the volume.
    let waits =
        own.replace("uid: p2, ready: true", "uid: p2, phase: Pending").replace("uid: c2, volume: pv-2", "uid: c2");
    let plan = undo(&waits, "f1");
    assert_eq!((steps(&plan), plan.refusal()), (format!("reserve pv-1 for {name}, of c1"), None));
    assert_eq!((plan.target.uid.as_str(), &plan.resumes), ("", &None));
    // Another claim of it, which is bound, goes without it, and is made again for it.
    let both = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data], ephemeral: [scratch]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p2, phase: Pending, claims: [data-cloudberry-proxy-0],
        ephemeral: [scratch]}]
claims: [{name: data-cloudberry-proxy-0, uid: d2, volume: pv-4}, {name: cloudberry-proxy-0-scratch, uid: c2}]
volumes:
- {name: pv-1, class: standard, reservedFor: cloudberry-proxy-0-scratch, releasedBy: c1, policy: Retain, size: 1Gi}
- {name: pv-3, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: d1, policy: Retain, size: 1Gi}
records:
- {id: f1, pod: cloudberry-proxy-0, age: 300, took: 5, outcome: dataMissing, set: set-cloudberry-proxy,
   claims: [{name: data-cloudberry-proxy-0, uid: d1, volume: pv-3, policy: Delete},
            {name: cloudberry-proxy-0-scratch, uid: c1, volume: pv-1, policy: Delete}]}
";
    let plan = undo(both, "f1");
    let data = "data-cloudberry-proxy-0";
    let expected = format!(
        "retain pv-4 (Delete); reserve pv-3 for {data}, of d1; reserve pv-1 for {name}, of c1; delete claim d2"
    );
    assert_eq!((steps(&plan), plan.refusal(), plan.target.uid.as_str()), (expected, None, ""));
    // It has begun, and holds what it has.
    for (from, to) in [("phase: Pending", "phase: Pending, node: n1"), ("uid: c2}", "uid: c2, volume: pv-2}")] {
        let plan = undo(&both.replace(from, to), "f1");
        assert!(steps(&plan).ends_with("; delete pod p2"), "{}", steps(&plan));
    }
    // One that was given a node is more than a pod that waits.
    let goes = undo(&waits.replace("uid: p2, phase: Pending", "uid: p2, phase: Pending, node: n1"), "f1");
    assert!(steps(&goes).ends_with("; delete pod p2"), "{}", steps(&goes));
}

/// Two volumes that are kept for one claim: Kubernetes would take either.
#[test]
fn a_volume_that_another_undo_has_reserved_is_in_the_way() {
    let both = FAILED_OVER.replace(
        "records:",
        "- {name: pv-0, class: standard, reservedFor: data-cloudberry-proxy-0}\nrecords:\n- {id: f0, pod: cloudberry-proxy-0, age: 900, took: 5, \
         claims: [{name: data-cloudberry-proxy-0, uid: c0, volume: pv-0, policy: Delete}]}",
    );
    let both = both.replace(
        "volumes: [{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain, size: 1Gi}]",
        "volumes:\n- {name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain, size: 1Gi}",
    );
    assert_eq!(
        undo(&both, "f1").refusal().unwrap().why,
        [
            "volume pv-0 is reserved for claim data-cloudberry-proxy-0 by an unfinished undo: the claim might bind that one"
        ]
    );
    assert_eq!(undo(&both, "f0").refusal(), None);
}

#[test]
fn without_the_right_to_change_volumes_nothing_comes_back() {
    let denied = [("patch", "persistentvolumes")];
    let plan = planned(&world(FAILED_OVER), Some("f1"), &request(), &denied);
    let why = plan.refusal().unwrap().why;
    assert!(
        why.contains(
            &"missing permission: patch persistentvolumes; no volume can be reserved for its claim".to_owned()
        ),
        "{why:?}"
    );
    assert_eq!(
        plan.refusal().unwrap().hints,
        ["kubectl synxdb rbac --for undo    (to see the permissions to request)"]
    );
    // No flag goes round it.
    let allow = Request { allow: vec![Allow::UnretainedVolume], ..request() };
    assert!(planned(&world(FAILED_OVER), Some("f1"), &allow, &denied).refusal().is_some());
}

/// `--keep-pvc` is no way round for an undo.
#[test]
fn a_claim_that_is_mounted_elsewhere_is_not_replaced() {
    let shared =
        FAILED_OVER.replace("pods: [", "pods: [{name: other, ready: true, claims: [data-cloudberry-proxy-0]}, ");
    let refusal = undo(&shared, "f1").refusal().unwrap();
    assert_eq!(refusal.why, ["claim data-cloudberry-proxy-0 is also mounted by other"]);
    assert_eq!(refusal.hints, ["kubectl synxdb status -n a"]);
}

#[test]
fn what_set_nothing_aside_cannot_be_undone() {
    let act = |line: &str| {
        let mut objects = snapshot(&[FAILED_OVER]);
        let yaml = format!("namespace: a\nvolumes: [{{name: pv-3, class: standard}}]\nrecords:\n- {line}");
        let crate::cluster::snapshot::Read::Known(carrying) = snapshot(&[&yaml]).volumes else { panic!() };
        let crate::cluster::snapshot::Read::Known(volumes) = &mut objects.volumes else { panic!() };
        volumes.extend(carrying);
        let topology = build(&objects, &Layout::shipped().unwrap());
        planned(&topology, Some("k1"), &request(), &[]).refusal().unwrap().why
    };
    // The first is in a journal otherwise: a volume carries it here for the test's sake.
    let on = "{name: x, uid: x, returns: pv-3}";
    let kept = format!("{{id: k1, pod: cloudberry-proxy-0, age: 50, took: 5, keep: true, claims: [{on}]}}");
    assert_eq!(act(&kept), ["k1 retained no volume: it kept its claims"]);
    let unretained = format!("{{id: k1, pod: cloudberry-proxy-0, age: 50, took: 5, claims: [{on}]}}");
    assert_eq!(act(&unretained), ["k1 retained no volume: none could be"]);
}

#[test]
fn an_undo_that_was_begun_is_finished_and_nothing_is_done_twice() {
    let begun = format!("{}{UNFINISHED}", FAILED_OVER.trim_start_matches('\n'));
    // On record, and nothing else.
    let plan = undo(&begun, "f1");
    assert_eq!(
        steps(&plan),
        "retain pv-2 (Delete); reserve pv-1 for data-cloudberry-proxy-0, of c1; delete claim c2; delete pod p2"
    );
    assert_eq!((&*plan.id, plan.resumes.as_ref().map(|resumes| &*resumes.id)), ("u1", Some("u1")));
    // Reserved already.
    let reserved = begun.replace(RELEASED, "reservedFor: data-cloudberry-proxy-0");
    assert_eq!(steps(&undo(&reserved, "f1")), "retain pv-2 (Delete); delete claim c2; delete pod p2");
    // The claim is deleted, too, and goes when its pod does.
    let going = reserved.replace("uid: c2, volume: pv-2}]", "uid: c2, terminating: true, volume: pv-2}]");
    assert_eq!(steps(&undo(&going, "f1")), "retain pv-2 (Delete); delete pod p2");
    // The new pod's claim has the volume that came back: left is to wait and to prove.
    let back = UNDONE.replace(
        "age: 200, took: 5, undo: f1, set: set-cloudberry-proxy,",
        "podUid: p2, age: 9, undo: f1, set: set-cloudberry-proxy,",
    );
    let plan = undo(&back, "f1");
    assert_eq!((steps(&plan).as_str(), plan.refusal()), ("", None));
    assert_eq!((&*plan.id, &*plan.target.uid, plan.deletes()), ("u1", "p2", false));
    assert_eq!(plan.replaced_claims[0].returns.as_ref().map(|back| &*back.volume), Some("pv-1"));
}

#[test]
fn an_undo_is_undone_in_the_same_way() {
    let plan = undo(UNDONE, "u1");
    assert_eq!(
        steps(&plan),
        "retain pv-1 (Delete); reserve pv-2 for data-cloudberry-proxy-0, of c2; delete claim c3; delete pod p3"
    );
    assert_eq!(plan.act, Action::Undo("u1".into()));
}

/// The restored policy is the one from before any volume was retained, and never the `Retain` of an earlier operation; what
/// a user chose since it was restored is theirs.
#[test]
fn the_reclaim_policy_that_a_volume_gets_again() {
    let policy = |middle: &str, last: &str| {
        let yaml = FAILED_OVER.replace("age: 300, took: 5, outcome: dataMissing", "age: 900, took: 5")
            + middle
            + &format!(
                "- {{id: f2, pod: cloudberry-proxy-0, age: 90, took: 5, claims: [{{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: {last}}}]}}"
            );
        let topology = world(&yaml);
        let records = Record::on_volumes(&topology);
        let of = records.iter().find(|record| record.id == "f2").unwrap();
        returning(&topology, &records, of).remove(0).1.reclaim_policy.unwrap()
    };
    let undone = |how: &str| {
        format!(
            "- {{id: u1, pod: cloudberry-proxy-0, age: 600, {how}, undo: f1, claims: [{{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, \
             policy: Delete, returns: pv-1}}]}}\n"
        )
    };
    assert_eq!(policy("", "Retain"), "Delete");
    // It was restored, and not verified: it was left on Retain.
    assert_eq!(policy(&undone("took: 5, outcome: unverified"), "Retain"), "Delete");
    assert_eq!(policy(&undone("took: 5"), "Delete"), "Delete");
    assert_eq!(policy(&undone("took: 5"), "Retain"), "Retain");
}

/// What the last operation on the pod means for the next failover.
#[test]
fn what_was_just_done_is_not_done_again() {
    let after = |record: &str, ready: bool| {
        let yaml = FAILED_OVER.replace("ready: true", &format!("ready: {ready}"));
        format!("{}{record}", yaml.replace("age: 300, took: 5, outcome: dataMissing", "age: 900, took: 5"))
    };
    let record = |fields: &str| {
        format!(
            "- {{id: z1, pod: cloudberry-proxy-0, {fields}, claims: [{{name: data-cloudberry-proxy-0, uid: c0, volume: pv-1}}]}}"
        )
    };
    let start_over = Request { start_over: true, ..request() };
    let unfinished_undo = "undo z1 of f1, started 2026-01-01T00:10:00Z, is unfinished";
    for (fields, ready, request, expected) in [
        (
            "age: 70, took: 10",
            true,
            &request(),
            "Block: cloudberry-proxy-0 was failed over 60s ago (z1), and has recovered",
        ),
        (
            "age: 70, took: 10",
            true,
            &start_over,
            "Warn: cloudberry-proxy-0 was failed over 60s ago (z1), and has recovered",
        ),
        // Down again, later, or never healthy: it is failed over.
        ("age: 70, took: 10", false, &request(), ""),
        ("age: 70, took: 9", true, &request(), ""),
        ("age: 20, took: 10, outcome: unverified", true, &request(), ""),
        ("age: 20, took: 10, outcome: dataMissing", true, &request(), ""),
        (
            "age: 20, took: 10, undo: f1",
            true,
            &request(),
            "Block: cloudberry-proxy-0 was restored 10s ago (z1), and has recovered",
        ),
        ("age: 30, undo: f1", true, &request(), &format!("Block: {unfinished_undo}")),
        ("age: 30, undo: f1", false, &request(), &format!("Block: {unfinished_undo}")),
        ("age: 30, undo: f1", true, &start_over, &format!("Warn: {unfinished_undo}")),
        (
            "age: 30",
            true,
            &start_over,
            "Warn: failover z1, started 2026-01-01T00:10:00Z, is unfinished and will stay so",
        ),
        // What a StatefulSet of the same name once did is nothing to this one.
        ("age: 30, undo: f1, set: set-0", true, &request(), ""),
        ("age: 20, took: 10, set: set-0", true, &request(), ""),
    ] {
        let plan = planned(&world(&after(&record(fields), ready)), None, request, &[]);
        assert_eq!(told(&plan, PlanCheckId::Earlier).join("\n"), expected, "{fields} ready={ready}");
        assert_eq!(plan.refusal().is_some(), expected.starts_with("Block"), "{fields}");
    }
    let hints = |fields| planned(&world(&after(&record(fields), true)), None, &request(), &[]).refusal().unwrap().hints;
    assert_eq!(
        hints("age: 30, undo: f1"),
        ["kubectl synxdb undo f1    (to resume it; --start-over fails over nevertheless)"]
    );
    assert_eq!(hints("age: 20, took: 10"), ["to repeat, add --start-over"]);
}

#[test]
fn a_failover_is_not_finished_for_another_statefulset_of_that_name() {
    let begun = |set: &str| {
        let line = format!(
            "- {{id: z1, pod: cloudberry-proxy-0, podUid: p2, age: 30, set: {set}, claims: [{{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, \
             policy: Delete}}]}}"
        );
        planned(&world(&format!("{FAILED_OVER}{line}")), None, &request(), &[])
    };
    assert_eq!((&*begun("set-cloudberry-proxy").id, begun("set-cloudberry-proxy").resumes.is_some()), ("z1", true));
    assert_eq!((&*begun("set-0").id, begun("set-0").resumes), ("u9", None));
}

fn told_of(yaml: &str) -> (Topology, Vec<Record>, Vec<Entry>) {
    let topology = world(yaml);
    let records = Record::on_volumes(&topology);
    let entries = history(&topology, &records);
    (topology, records, entries)
}

#[test]
fn history_tells_the_newest_first_and_what_became_of_each() {
    let (_, _, entries) = told_of(UNDONE);
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (&*entry.record.id, entry.undone_by.as_deref(), &entry.retained[0].state, entry.can_be_undone()))
        .collect();
    assert_eq!(
        told,
        [("u1", None, &RetainedState::Retained, true), ("f1", Some("u1"), &RetainedState::InPlace, false)]
    );
    assert_eq!(entries[0].took.map(|took| took.as_secs()), Some(5));
    assert_eq!((&*entries[0].retained[0].volume, entries[0].retained[0].size.as_deref()), ("pv-2", Some("1Gi")));
    // An undo that is not finished has undone nothing yet, and what it reserved can be finished.
    let begun = format!("{FAILED_OVER}{UNFINISHED}").replace(RELEASED, "reservedFor: data-cloudberry-proxy-0");
    let (_, _, entries) = told_of(&begun);
    assert_eq!((&entries[1].undone_by, &entries[1].retained[0].state), (&None, &RetainedState::Reserved));
    assert!(entries[1].can_be_undone());
    assert_eq!((&entries[0].took, &entries[0].retained[0].state), (&None, &RetainedState::InPlace));
}

/// As it is printed by `-o name`, and no other path.
#[test]
fn the_name_of_an_act_is_taken_with_its_type() {
    use super::history::without_type;
    for (typed, expected) in [
        ("3f2a91bc", "3f2a91bc"),
        ("failover/3f2a91bc", "3f2a91bc"),
        ("undo/3f2a91bc", "3f2a91bc"),
        // A namespace and a pod, which are called so.
        ("undo/wh9527-0", "undo/wh9527-0"),
        ("failover/3f2a91b", "failover/3f2a91b"),
        ("failover/3f2a91bg", "failover/3f2a91bg"),
        ("failover/", "failover/"),
        ("pod/3f2a91bc", "pod/3f2a91bc"),
    ] {
        assert_eq!(without_type(typed), expected, "{typed}");
    }
}

/// A volume that may not hold the data is doubted if it can be restored, by operations of the same StatefulSet.
#[test]
fn a_disk_that_may_be_empty_is_doubted_while_it_can_come_back() {
    let failed = |id: &str, age: i64, outcome: &str, set: &str, claim: &str, volume: &str| {
        format!(
            "- {{id: {id}, pod: cloudberry-proxy-0, age: {age}, took: 5, outcome: {outcome}, SET{set} claims: [{{name: \
             data-cloudberry-proxy-0, uid: {claim}, volume: {volume}, policy: Delete}}]}}\n"
        )
        .replace("SETnone", "")
        .replace("SET", "set: set-")
        .replace("set: set-cloudberry-proxy claims", "set: set-cloudberry-proxy, claims")
        .replace("set: set-0 claims", "set: set-0, claims")
    };
    let world_of = |volumes: &str, records: &str| {
        format!(
            "
namespace: a
sets: [{{name: cloudberry-proxy, replicas: 1, templates: [data]}}]
pods: [{{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p3, ready: true, claims: [data-cloudberry-proxy-0]}}]
claims: [{{name: data-cloudberry-proxy-0, uid: c3, volume: pv-3}}]
volumes: [{volumes}]
records:
{records}"
        )
    };
    let first = "{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain}";
    let second = "{name: pv-2, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c2, policy: Retain}";
    let both = format!("{first}, {second}");
    // The first failover lost data; the second one retained the disk that it had created.
    let doubts = |volumes: &str, set: &str| {
        let records = failed("f1", 300, "dataMissing", set, "c1", "pv-1")
            + &failed("f2", 200, "unverified", "cloudberry-proxy", "c2", "pv-2");
        let (_, _, entries) = told_of(&world_of(volumes, &records));
        let newest = &entries[0].retained[0];
        assert_eq!((entries[0].record.id.as_str(), newest.volume.as_str()), ("f2", "pv-2"));
        newest.doubt.clone()
    };
    let why = "was created by f1, which ended with data missing, and may not hold the original data";
    assert_eq!(doubts(&both, "cloudberry-proxy").as_deref(), Some(why));
    assert_eq!(doubts(&both, "none").as_deref(), Some(why));
    // What a StatefulSet of that name once did says nothing of this disk.
    assert_eq!(doubts(&both, "0"), None);
    // It cannot come back: there is nothing to doubt.
    assert_eq!(
        doubts(&both.replace("releasedBy: c2,", "releasedBy: c2, terminating: true,"), "cloudberry-proxy"),
        None
    );
}

#[test]
fn what_is_not_known_of_a_volume_or_its_member_is_not_free() {
    let records = told_of(UNDONE).1;
    let states = |objects: &Snapshot| {
        let topology = build(objects, &Layout::shipped().unwrap());
        let entries = history(&topology, &records);
        (entries[0].retained[0].state.clone(), entries[0].can_be_undone())
    };
    let mut unread = snapshot(&[UNDONE]);
    unread.volumes = unreadable("persistentvolumes", None);
    let why = "volumes cannot be read: persistentvolumes is forbidden";
    assert_eq!(states(&unread), (RetainedState::Unknown(why.into()), false));
    // Nothing would bind the volume: the account is gone, its volume is not.
    let left = UNDONE
        .replace("namespace: a\n", "namespace: b\n")
        .replace("reservedFor: data-cloudberry-proxy-0", "reservedFor: a/data-cloudberry-proxy-0");
    assert_eq!(states(&snapshot(&[&left])), (RetainedState::Retained, false));
    assert_eq!(states(&snapshot(&["namespace: a"])), (RetainedState::Lost("it no longer exists".into()), false));
}

#[test]
fn a_volume_is_given_back_only_while_its_member_is_well() {
    let why = |yaml: &str, id: &str| {
        let (topology, records, entries) = told_of(yaml);
        let entry = entries.iter().find(|entry| entry.record.id == id).unwrap();
        may_not_be_released(&topology, &records, entry)
    };
    assert_eq!(why(UNDONE, "u1"), None);
    let begun = format!("{FAILED_OVER}{UNFINISHED}").replace(RELEASED, "reservedFor: data-cloudberry-proxy-0");
    let recovered = UNDONE.replace("age: 300, took: 5, outcome: dataMissing", "age: 300, took: 5");
    let newer = |fields: &str| {
        recovered.clone()
            + &format!("- {{id: n1, pod: cloudberry-proxy-0, {fields}, claims: [{{name: x, uid: x, returns: pv-1}}]}}")
    };
    for (yaml, id, expected) in [
        (UNDONE.to_owned(), "f1", "volume pv-1 is in use: claim data-cloudberry-proxy-0 is bound to it"),
        (begun.clone(), "f1", "volume pv-1 is reserved by an unfinished undo"),
        (begun, "u1", "volume pv-2 is in use: claim data-cloudberry-proxy-0 is bound to it"),
        (FAILED_OVER.to_owned(), "f1", "a/cloudberry-proxy-0 has not recovered: f1 ended with data missing"),
        (newer("age: 20"), "u1", "a/cloudberry-proxy-0 has not recovered: n1 is unfinished"),
        (
            newer("age: 20, took: 5, outcome: unverified"),
            "u1",
            "a/cloudberry-proxy-0 has not recovered: n1 is unverified",
        ),
        (recovered.replace("ready: true", "ready: false"), "u1", "a/cloudberry-proxy-0 is not Ready"),
        (
            recovered.replace("claims: [data-cloudberry-proxy-0]", "claims: [data-cloudberry-proxy-0, cache-0]"),
            "u1",
            "claim cache-0 of a/cloudberry-proxy-0 is Missing",
        ),
        (recovered.replace("size: 1Gi", "terminating: true"), "u1", "volume pv-2: it is being deleted"),
        (recovered.replace("{name: pv-2,", "{name: pv-9,"), "u1", "volume pv-2: it no longer exists"),
        (newer("age: 20, took: 5"), "n1", "n1 retained no volume"),
        (
            recovered.replace("cloudberry-proxy-0, set: cl", "other-0, set: cl").replace("replicas: 1", "replicas: 0"),
            "u1",
            "unknown whether a/cloudberry-proxy-0 has recovered: the pod does not exist",
        ),
    ] {
        assert_eq!(why(&yaml, id).as_deref(), Some(expected), "{id} of {yaml}");
    }
}

/// Killed between two volumes, it continues with the other one.
#[test]
fn what_was_given_back_in_part_is_given_back_to_the_end() {
    const TWO: &str = "
namespace: a
sets: [{name: pageserver, replicas: 1, templates: [data, cache]}]
pods: [{name: pageserver-0, set: pageserver, ready: true, claims: [data-cloudberry-proxy-0, cache-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: d2, volume: pv-3}, {name: cache-0, uid: k2, volume: pv-4}]
volumes:
- {name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: d1, policy: Retain}
- {name: pv-2, class: standard, reservedFor: cache-0, releasedBy: k0, policy: Retain}
records:
- {id: f1, pod: pageserver-0, age: 300, took: 5, claims: [{name: data-cloudberry-proxy-0, uid: d1, volume: pv-1, policy: Delete},
   {name: cache-0, uid: k1, volume: pv-2, policy: Retain}]}
";
    let released = |yaml: &str| {
        let yaml = yaml.replace("namespace: a", "namespace: synxdb-system");
        let (topology, records, entries) = told_of(&yaml);
        assert_eq!(may_not_be_released(&topology, &records, &entries[0]), None);
        to_release(&topology, &records, &entries[0])
    };
    let release = |volume: &str, released_by: &str, policy: &str| Release {
        volume: volume.into(),
        uid: format!("uid-{volume}"),
        released_by: released_by.into(),
        reclaim_policy: policy.into(),
    };
    // Pinned to the claim that had it last, which an undo may have made since.
    assert_eq!(released(TWO), [release("pv-1", "d1", "Delete"), release("pv-2", "k0", "Retain")]);
    let second = [release("pv-2", "k0", "Retain")];
    assert_eq!(released(&TWO.replace("releasedBy: d1,", "releasedBy: d1, terminating: true,")), second);
    let gone = TWO.replace(
        "- {name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: d1, policy: Retain}\n",
        "",
    );
    assert_eq!(released(&gone), second);
}

/// Killed while it finished its record on one volume after the other: it is run again, and finishes the rest.
#[test]
fn an_act_is_finished_when_all_of_its_volumes_say_so() {
    let records = told_of(UNDONE).1;
    let finished = records.iter().find(|record| record.id == "u1").unwrap();
    let begun = Record { outcome: RecordedOutcome::Unfinished, finished: None, ..finished.clone() };
    for order in [[finished, &begun], [&begun, finished]] {
        assert_eq!(Record::merged(order.map(Clone::clone)), std::slice::from_ref(&begun));
    }
    assert_eq!(Record::merged([finished.clone(), finished.clone()]), std::slice::from_ref(finished));
}

/// As the first form of the record was, before there was an undo.
#[test]
fn a_record_of_the_older_form_is_read() {
    let text = r#"{"version":1,"id":"old1","started":"2026-01-01T00:00:00Z","finished":"2026-01-01T00:01:00Z",
        "outcome":"recovered","context":"c","namespace":"a","pod":"p-0","podUid":"u","keepClaims":false,
        "claims":[{"name":"data","uid":"c1","volume":"pv-1","reclaimPolicy":"Delete"},{"name":"x","uid":"c2"}]}"#;
    let record = Record::parse(text).unwrap();
    assert_eq!((&record.act, &record.who, &record.owner, record.healed), (&Action::Failover, &None, &None, 0));
    let [first, second] = &record.claims[..] else { panic!("{record:?}") };
    assert_eq!((first.volume.as_deref(), &first.returns, &first.manifest), (Some("pv-1"), &None, &None));
    assert_eq!((&second.volume, &second.reclaim_policy), (&None, &None));
    // And the newer form survives its annotation.
    let newer = Record {
        act: Action::Undo("f1".into()),
        who: Some("alice".into()),
        owner: Some(RecordedOwner { kind: "StatefulSet".into(), name: "p".into(), uid: "s".into() }),
        claims: vec![RecordedClaim {
            returns: Some(Returns { volume: "pv-1".into(), uid: "v".into(), reclaim_policy: None }),
            ..record.claims[0].clone()
        }],
        ..record
    };
    assert_eq!(Record::parse(&serde_json::to_string(&newer).unwrap()).unwrap(), newer);
}
