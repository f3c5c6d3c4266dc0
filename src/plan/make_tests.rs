//! What an operation does with the pod, the claims and the record, on literal YAML.

use super::undo_tests::{FAILED_OVER, UNDONE, UNFINISHED, planned, request, steps, undo, world};
use super::*;
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::topology::Topology;

const POD: &str = "cloudberry-proxy-0";

/// A proxy as it was before anything was done to it.
const PLAIN: &str = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p1, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1}]
";

fn denied() -> Vec<(Permission, Allowed)> {
    vec![(Permission::new("patch", "persistentvolumes"), Allowed::No(String::new()))]
}

/// A plan with an unfinished operation that no volume records.
fn resumed(topology: &Topology, unfinished: &Record, before: Before) -> Plan {
    plan(Inputs {
        topology,
        member: topology.member("a", POD).unwrap(),
        request: &request(),
        rights: &[],
        before,
        baseline: ComparedWith::Fresh { taken: String::new() },
        undoes: None,
        unfinished: Some(unfinished),
        records: std::slice::from_ref(unfinished),
        journal: "journal".into(),
        probes: Probes::default(),
        now: crate::testing::now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

fn record(pod_uid: &str, claims: serde_json::Value) -> Record {
    let json = serde_json::json!({
        "apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "operation": "failover", "id": "j1", "started": "2026-01-01T00:10:00Z", "outcome": "unfinished", "context": "c",
        "namespace": "a", "pod": POD, "podUid": pod_uid, "keepClaims": true, "claims": claims,
    });
    Record::parse(&json.to_string()).unwrap()
}

/// A claim that waits for a volume binds the restored one. Every other claim is deleted first: it has a volume, or names
/// one, or is on its way out, and would keep the reserved volume away from the pod.
#[test]
fn only_a_claim_that_waits_for_any_volume_takes_the_one_that_comes_back() {
    let claim = |fields: &str| FAILED_OVER.replace("uid: c2, volume: pv-2", fields);
    let reserve = "reserve pv-1 for data-cloudberry-proxy-0, of c1";
    let billing = "{name: pv-8, class: standard, reservedFor: default/billing-db, releasedBy: b1, phase: Bound}";
    for (yaml, uid, expected) in [
        (claim("uid: c2"), "", format!("{reserve}; delete pod p2")),
        (claim("uid: c2, terminating: true"), "c2", format!("{reserve}; delete pod p2")),
        (claim("uid: c2, phase: Lost"), "c2", format!("{reserve}; delete claim c2; delete pod p2")),
        (
            claim("uid: c2, volume: pv-2"),
            "c2",
            format!("retain pv-2 (Delete); {reserve}; delete claim c2; delete pod p2"),
        ),
        // It asks for another claim's volume, and will bind no other.
        (
            claim("uid: c2, names: pv-8").replace("volumes: [", &format!("volumes: [{billing}, ")),
            "c2",
            format!("{reserve}; delete claim c2; delete pod p2"),
        ),
    ] {
        let plan = undo(&yaml, "f1");
        assert_eq!((plan.replaced_claims[0].uid.as_str(), steps(&plan)), (uid, expected), "{yaml}");
    }
}

/// A claim that another failover left Terminating goes with the new pod only if this operation began it.
#[test]
fn a_pod_that_came_since_is_not_deleted_by_an_act_that_did_not_begin_what_it_holds() {
    let pinned = |uid: &str| Request { pod_uid: Some(uid.into()), ..request() };
    let going = PLAIN.replace("uid: c1,", "uid: c1, terminating: true,");
    let topology = world(&going);
    for (uid, expected) in [("p0", "retain pv-1 (Delete)"), ("p1", "retain pv-1 (Delete); delete pod p1")] {
        let plan = planned(&topology, None, &pinned(uid), &[]);
        assert_eq!((steps(&plan).as_str(), plan.target.uid.as_str()), (expected, uid));
    }
    // A pod that is going already is not deleted again.
    let leaving = PLAIN.replace("ready: true", "ready: true, terminating: true");
    for uid in ["p0", "p1"] {
        assert!(!steps(&planned(&world(&leaving), None, &pinned(uid), &[])).contains("delete pod"));
    }
}

/// A failover of a pod that is known by its UID and was replaced already is the wait for it, and no new one.
#[test]
fn a_failover_of_a_pod_that_was_replaced_already_resumes_by_its_own_id() {
    let pinned = |uid: &str| Request { pod_uid: Some(uid.into()), ..request() };
    let resumes = |request: &Request| {
        let plan = planned(&world(PLAIN), None, request, &[]);
        plan.resumes.map(|resumes| (resumes.id, resumes.started))
    };
    assert_eq!(resumes(&pinned("p0")), Some(("u9".into(), String::new())));
    assert_eq!(resumes(&pinned("p1")), None);
    assert_eq!(resumes(&request()), None);
    let plan = resumed(&world(PLAIN), &record("p0", serde_json::json!([])), Before::NotAsked);
    let begun = plan.resumes.unwrap();
    assert_eq!((begun.id.as_str(), begun.started.as_str()), ("j1", "2026-01-01T00:10:00Z"));
}

/// A row that is written if nothing is deleted would prove nothing, nor one that is written before a component that does not respond.
#[test]
fn a_canary_is_written_only_where_something_goes_and_the_component_answers() {
    let canary = |plan: &Plan| match &plan.proof {
        Proof::Sql { canary, .. } => canary.clone(),
        other => panic!("{other:?}"),
    };
    let written = Some("kubectl_synxdb_u9".to_owned());
    assert_eq!(canary(&planned(&world(PLAIN), None, &request(), &[])), written);
    let replaced = Request { pod_uid: Some("p0".into()), ..request() };
    assert_eq!(canary(&planned(&world(PLAIN), None, &replaced, &[])), None);
    // A resumed run looks for what the first run wrote, whatever the component reports now.
    let mut begun = record("p1", serde_json::json!([]));
    begun.canary = Some("kubectl_synxdb_j1".into());
    let silent = || Before::Silent { reason: String::new() };
    assert_eq!(canary(&resumed(&world(PLAIN), &begun, silent())), begun.canary);
    begun.canary = None;
    let answers = Before::Answered { summary: String::new(), lacks: Vec::new() };
    assert_eq!(canary(&resumed(&world(PLAIN), &begun, answers)), None);
}

/// The record lies on a volume, if one takes part or took part; if none does, a local file keeps it, if there is anything
/// to keep.
#[test]
fn a_record_that_no_volume_carries_is_kept_in_a_file() {
    let journal = Some("journal".to_owned());
    let keeps = Request { keep_claims: true, ..request() };
    let replaced = Request { pod_uid: Some("p0".into()), ..request() };
    let volume = [("patch", "persistentvolumes")];
    for (request, denied, expected) in [
        (request(), &[][..], None),
        // Deleted, and nothing could be retained.
        (request(), &volume, journal.clone()),
        (keeps.clone(), &[], journal.clone()),
        // There is nothing to do, now or by this operation before.
        (replaced, &[], None),
    ] {
        assert_eq!(planned(&world(PLAIN), None, &request, denied).journal, expected, "{request:?}");
    }
    // The restored volume carries the record of an undo whose claim had none.
    let pending = FAILED_OVER.replace("uid: c2, volume: pv-2", "uid: c2");
    let plan = undo(&pending, "f1");
    assert_eq!((steps(&plan).contains("retain"), plan.journal), (false, None));

    let claim = |volume: Option<&str>, returns: Option<&str>| {
        let back = returns.map(|volume| serde_json::json!({"volume": volume, "uid": format!("uid-{volume}")}));
        serde_json::json!([{"name": "data-cloudberry-proxy-0", "uid": "c0", "volume": volume, "restores": back}])
    };
    for (pod, claims, expected) in [
        // It was begun in the file, and is finished there.
        ("p0", serde_json::json!([]), journal.clone()),
        ("p0", claim(None, None), journal.clone()),
        ("p1", serde_json::json!([]), journal),
        ("p0", claim(Some("pv-0"), None), None),
        ("p0", claim(None, Some("pv-1")), None),
    ] {
        let plan = resumed(&world(PLAIN), &record(pod, claims.clone()), Before::NotAsked);
        assert_eq!(plan.journal, expected, "{pod} {claims}");
    }
}

/// `--keep-pvc` and unretained volumes are ways round for a failover, and none for an undo.
#[test]
fn an_undo_is_offered_no_way_round_that_is_none() {
    let checks = |plan: &Plan, id: PlanCheckId| -> Vec<(PlanVerdict, Option<Allow>, String)> {
        let of_it = plan.checks.iter().filter(|check| check.id == id);
        of_it
            .map(|check| (check.verdict, check.allow, check.next.as_ref().map(ToString::to_string).unwrap_or_default()))
            .collect()
    };
    let patch = [("patch", "persistentvolumes")];
    let rights = "kubectl synxdb rbac --for undo    (to see the permissions to request)";
    let topology = world(FAILED_OVER);
    let undone = planned(&topology, Some("f1"), &request(), &patch);
    assert_eq!(checks(&undone, PlanCheckId::Retention), [(PlanVerdict::Block, None, rights.to_owned())]);
    let failover = planned(&topology, None, &request(), &patch);
    let [(PlanVerdict::Block, Some(Allow::UnretainedVolume), next)] = &checks(&failover, PlanCheckId::Retention)[..]
    else {
        panic!("{:?}", failover.checks)
    };
    assert!(next.contains("--allow unretained-volume"), "{next}");

    // It may be overridden if the right is there, and the volume is not.
    let lost = FAILED_OVER.replace("uid: c2, volume: pv-2}]", "uid: c2, names: pv-9, phase: Bound}]");
    let undone = undo(&lost, "f1");
    let of_it = checks(&undone, PlanCheckId::Retention);
    assert_eq!((of_it[0].0, of_it[0].1), (PlanVerdict::Block, Some(Allow::UnretainedVolume)), "{:?}", undone.checks);
    assert_ne!(of_it[0].2, rights);

    // The claims cannot be read, or are others', too: a failover may keep them.
    let shared =
        FAILED_OVER.replace("pods: [", "pods: [{name: other, ready: true, claims: [data-cloudberry-proxy-0]}, ");
    let topology = world(&shared);
    let keep = "--keep-pvc replaces the pod and keeps its claims";
    let next = |plan: &Plan| checks(plan, PlanCheckId::SharedClaim).remove(0).2;
    assert_eq!(next(&planned(&topology, Some("f1"), &request(), &[])), "kubectl synxdb status -n a");
    assert_eq!(next(&planned(&topology, None, &request(), &[])), keep);
}

/// The restored volume is checked, by its UID: it may be tied to a node that is gone.
#[test]
fn the_node_of_the_volume_that_comes_back_decides() {
    let nodes = "nodes: [{name: node-1}, {name: node-2, lost: true}]\nrecords:";
    let tied = |on: &str| {
        FAILED_OVER
            .replace("class: standard, reservedFor", &format!("class: standard, on: {on}, reservedFor"))
            .replace("records:", nodes)
    };
    assert_eq!(undo(&tied("node-1"), "f1").refusal(), None);
    let why = undo(&tied("node-2"), "f1").refusal().unwrap().why;
    assert_eq!(why, ["volume pv-1 is tied to node node-2, which is not Ready: the new pod could not start with it"]);
    // That of the volume that goes says nothing.
    let goes =
        FAILED_OVER.replace("uid: c2, volume: pv-2", "uid: c2, volume: pv-2, on: node-2").replace("records:", nodes);
    assert_eq!(undo(&goes, "f1").refusal(), None);
}

/// Of the pods of a member's node only a node that is lost is named.
#[test]
fn the_target_names_its_node_only_if_that_is_lost() {
    let on = |nodes: &str| {
        let yaml = PLAIN.replace("ready: true", "ready: true, node: node-1") + nodes;
        planned(&world(&yaml), None, &request(), &[]).target.lost_node
    };
    assert_eq!(on("nodes: [{name: node-1}, {name: node-2, lost: true}]"), None);
    assert_eq!(on("nodes: [{name: node-1, lost: true}, {name: node-2}]").as_deref(), Some("node-1"));
}

/// A reservation is dropped only for the claim that had the volume last, by its record.
#[test]
fn what_is_reserved_goes_back_to_the_claim_that_released_it() {
    let reserved = FAILED_OVER
        .replace("reservedFor: data-cloudberry-proxy-0, releasedBy: c1", "reservedFor: data-cloudberry-proxy-0");
    let begun = format!("{reserved}{UNFINISHED}");
    let start_over = Request { start_over: true, ..request() };
    let of = |yaml: &str| steps(&planned(&world(yaml), None, &start_over, &[]));
    assert!(of(&begun).contains("unreserve pv-1 for data-cloudberry-proxy-0, of c1"));
    // It was another claim's, by that record.
    let other = begun.replace("claims: [{name: data-cloudberry-proxy-0, uid: c1", "claims: [{name: cache-0, uid: c1");
    assert!(!of(&other).contains("unreserve"), "{}", of(&other));
    // Of which claim is not known.
    let unknown = begun.replace("uid: c1, volume: pv-1", "uid: '', volume: pv-1");
    assert!(!of(&unknown).contains("unreserve"), "{}", of(&unknown));
    // Of a claim that was replaced twice it is the newest.
    let twice = begun.replace(
        "- {id: u1,",
        "- {id: f2, pod: cloudberry-proxy-0, age: 200, took: 5, claims: [{name: data-cloudberry-proxy-0, uid: c7, volume: pv-1, policy: Delete}]}\n- {id: u1,",
    );
    assert!(of(&twice).contains("unreserve pv-1 for data-cloudberry-proxy-0, of c7"), "{}", of(&twice));
}

/// A replacement is replaced again only if it is of this operation, of this set, and was never Ready.
#[test]
fn a_replacement_is_stuck_only_by_what_its_own_set_says() {
    let world_of = |pod: &str, sets: &str, pod_uid: &str| {
        world(&format!(
            "
namespace: a
sets: [{{name: cloudberry-proxy, replicas: 1, templates: [data], {sets}}}]
pods: [{{name: cloudberry-proxy-0, set: cloudberry-proxy, claims: [data-cloudberry-proxy-0], {pod}}}]
claims: [{{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}}]
volumes: [{{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain}}]
records:
- {{id: f1, pod: cloudberry-proxy-0, podUid: {pod_uid}, age: 60,
   claims: [{{name: data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}}]}}
"
        ))
    };
    let fixed = "revisions: [good, good]";
    let stuck = "uid: p2, phase: Pending, revision: bad, age: 30";
    for (pod, sets, pod_uid, expected) in [
        (stuck, fixed, "p1", "delete pod p2"),
        // Created in the same second: times are in whole seconds.
        ("uid: p2, phase: Pending, revision: bad, age: 60", fixed, "p1", "delete pod p2"),
        ("uid: p2, phase: Pending, revision: bad, age: 61", fixed, "p1", ""),
        // It runs, and is not Ready.
        ("uid: p2, revision: bad, age: 30", fixed, "p1", "delete pod p2"),
        ("uid: p2, phase: Pending, revision: good, age: 30", fixed, "p1", ""),
        // Whose revision is not known is left.
        ("uid: p2, phase: Pending, age: 30", fixed, "p1", ""),
        ("uid: p2, phase: Pending, revision: bad, age: 30, owner: set-0", fixed, "p1", ""),
    ] {
        let plan = planned(&world_of(pod, sets, pod_uid), None, &request(), &[]);
        assert_eq!((steps(&plan).as_str(), plan.id.as_str()), (expected, "f1"), "{pod} {sets} {pod_uid}");
    }
}

/// Without templates that are known, what the claim asks for is what the claim itself asked for, and no other claim's size
/// counts.
#[test]
fn a_volume_is_compared_with_what_its_own_claim_asks_for() {
    let of = |data: &str| {
        let yaml = FAILED_OVER
            .replace("claims: [data-cloudberry-proxy-0]}", "claims: [cache-0, data-cloudberry-proxy-0]}")
            .replace(
                "claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}]",
                &format!("claims: [{{name: cache-0, uid: k1, volume: pv-7, size: 9Gi}}{data}]"),
            );
        let mut read = crate::testing::snapshot(&[&yaml]);
        read.namespaces[0].stateful_sets = crate::testing::unreadable("statefulsets", None);
        let topology = crate::topology::build(&read, &crate::topology::Layout::shipped().unwrap());
        planned(&topology, Some("f1"), &request(), &[]).refusal()
    };
    assert_eq!(of(", {name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, size: 1Gi}"), None);
    assert!(of(", {name: data-cloudberry-proxy-0, uid: c2, volume: pv-2, size: 2Gi}").is_some());
    // It is not there: nothing says what it asked for.
    assert_eq!(of(""), None);
}

/// A resumed run retains volumes that the first one did not have, and changes nothing that is recorded already.
#[test]
fn a_run_that_goes_on_adds_to_the_record_what_it_sets_aside() {
    let plan = planned(&world(PLAIN), None, &request(), &[]);
    let claim = |uid: &str, volume: Option<&str>, policy: Option<&str>| serde_json::json!({"name": "data-cloudberry-proxy-0", "uid": uid, "volume": volume, "reclaimPolicy": policy});
    let recycled = [claim("c1", Some("pv-0"), Some("Recycle"))];
    for (claims, expected) in [
        // It was Pending then, and has a volume now.
        (vec![claim("c1", None, None)], vec![claim("c1", Some("pv-1"), Some("Delete"))]),
        (recycled.to_vec(), recycled.to_vec()),
        // Another claim of that name, which came since.
        (
            vec![claim("c0", Some("pv-0"), Some("Delete"))],
            vec![claim("c0", Some("pv-0"), Some("Delete")), claim("c1", Some("pv-1"), Some("Delete"))],
        ),
    ] {
        let mut begun = record("p1", serde_json::json!(claims));
        begun.goes_on(&plan, |_| None);
        assert_eq!(begun.claims, record("p1", serde_json::json!(expected)).claims);
    }
}

/// A restored volume that its new claim has already is not reserved again.
#[test]
fn what_the_new_claim_has_already_is_not_reserved_again() {
    let back = UNDONE.replace(
        "age: 200, took: 5, undo: f1, set: set-cloudberry-proxy,",
        "podUid: p2, age: 9, undo: f1, set: set-cloudberry-proxy,",
    );
    assert_eq!(steps(&undo(&back, "f1")), "");
    // It is another claim's, of that name: the one that the member has is not it.
    let other = back.replace("uid: c3, volume: pv-1", "uid: c3, volume: pv-3").replace(
        "volumes: [",
        "volumes: [{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c9, policy: Retain}, ",
    );
    let plan = undo(&other, "f1");
    assert!(steps(&plan).contains("reserve pv-1 for data-cloudberry-proxy-0, of c9"), "{}", steps(&plan));
}

/// Without the right to change volumes none is retained, which the retention check says.
#[test]
fn a_volume_is_retained_where_volumes_may_be_changed() {
    let topology = world(PLAIN);
    let member = topology.member("a", POD).unwrap();
    let of = |rights: &[(Permission, Allowed)]| {
        let plan = plan(Inputs {
            topology: &topology,
            member,
            request: &request(),
            rights,
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
        });
        steps(&plan)
    };
    assert_eq!(of(&[]), "retain pv-1 (Delete); delete claim c1; delete pod p1");
    assert_eq!(of(&denied()), "delete claim c1; delete pod p1");
    let others = |verb: &str, resource: &str| vec![(Permission::new(verb, resource), Allowed::No(String::new()))];
    assert!(of(&others("get", "persistentvolumes")).starts_with("retain"));
    assert!(of(&others("patch", "pods")).starts_with("retain"));
}

/// An undo that named only the pod says which operations it skips.
#[test]
fn newer_acts_that_are_not_taken_back_are_told() {
    let of = |passed_over: &[&str]| {
        let passed_over = passed_over.iter().map(|one| (*one).to_owned()).collect();
        let plan = planned(&world(FAILED_OVER), Some("f1"), &Request { passed_over, ..request() }, &[]);
        super::undo_tests::told(&plan, PlanCheckId::Return)
            .into_iter()
            .filter(|said| said.contains("is undone"))
            .collect()
    };
    let none: Vec<String> = of(&[]);
    assert!(none.is_empty(), "{none:?}");
    let what = "Warn: f1 is undone, the last operation whose volume is known to have held the baseline's data: f2 is \
                unverified; f3 is unfinished";
    assert_eq!(of(&["f2 is unverified", "f3 is unfinished"]), [what]);
}

/// A claim that an operation replaced twice is recorded twice; the one deleted now is the latest, and of the others it says
/// nothing.
#[test]
fn of_a_claim_that_was_replaced_twice_the_latest_one_goes() {
    let one = |name: &str, uid: &str| serde_json::json!({"name": name, "uid": uid, "volume": format!("pv-of-{uid}")});
    let data = "data-cloudberry-proxy-0";
    let twice = record("p1", serde_json::json!([one(data, "c0"), one("cache-0", "k0"), one(data, "c1")]));
    let plan = resumed(&world(PLAIN), &twice, Before::NotAsked);
    let goes: Vec<_> = plan.replaced_claims.iter().map(|claim| (claim.name.as_str(), claim.uid.as_str())).collect();
    assert_eq!(goes, [("cache-0", "k0"), (data, "c1")]);
    assert_eq!(steps(&plan), "retain pv-1 (Delete); delete claim c1; delete pod p1");
}
