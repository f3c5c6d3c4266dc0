//! Each check on literal YAML, a row a case.

use super::*;
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::cluster::snapshot::Snapshot;
use crate::plan::{Before, ComparedWith, InFlight, Request};
use crate::plan::{Inputs, Plan, Probes, Record, Risk, plan};
use crate::storage::Readings;
use crate::testing::{now, snapshot, unreadable};
use crate::topology::{Layout, build};

pub(super) fn request(keep_claims: bool) -> Request {
    Request { id: "a1b2".into(), verify: true, keep_claims, ..Request::default() }
}

pub(super) fn planned(snapshot: &Snapshot, layout: &Layout, pod: &str, request: &Request) -> Plan {
    planned_by(snapshot, layout, pod, (request, &[]))
}

/// The same, for a user with these rights.
pub(super) fn planned_by(
    snapshot: &Snapshot,
    layout: &Layout,
    pod: &str,
    (request, rights): (&Request, &[(Permission, Allowed)]),
) -> Plan {
    planned_beside(snapshot, layout, pod, (request, rights, &Readings::default()))
}

/// The same, with what the storage components say.
pub(super) fn planned_beside(
    snapshot: &Snapshot,
    layout: &Layout,
    pod: &str,
    (request, rights, storage): (&Request, &[(Permission, Allowed)], &Readings),
) -> Plan {
    let topology = build(snapshot, layout);
    let member = topology.members().find(|member| member.name == pod).unwrap();
    plan(Inputs {
        topology: &topology,
        member,
        request,
        rights,
        before: Before::NotAsked,
        baseline: ComparedWith::Fresh { taken: String::new() },
        undoes: None,
        unfinished: None,
        records: &Record::on_volumes(&topology),
        journal: String::new(),
        in_flight: InFlight::default(),
        storage,
        probes: Probes::default(),
        now: now(),
    })
}

/// What the checks of this kind say: verdict, reason, override.
pub(super) fn said(plan: &Plan, id: PlanCheckId) -> Vec<String> {
    let checks = plan.checks.iter().filter(|check| check.id == id);
    let line = |check: &PlanCheck| {
        let allow = check.allow.map(|allow| format!(" [{}]", allow.flag())).unwrap_or_default();
        format!("{:?}: {}{allow}", check.verdict, check.reason)
    };
    checks.map(line).collect()
}

#[track_caller]
pub(super) fn says(yaml: &str, pod: &str, keep: bool, id: PlanCheckId, expected: &[&str]) {
    let plan = planned(&snapshot(&[yaml]), &Layout::shipped().unwrap(), pod, &request(keep));
    assert_eq!(said(&plan, id), expected, "{yaml}\nkeep: {keep}");
}

/// A warehouse node, with further fields of its set, of itself and of its claim, and further objects.
pub(super) fn node(set: &str, pod: &str, claim: &str, more: &str) -> String {
    format!(
        "namespace: synxdb-513d75d5-3033-4649-b913-07f6115ec41a
sets: [{{name: wh1, replicas: 2, templates: [data], {set}}}]
pods: [{{name: wh1-1, set: wh1, ready: true, claims: [data-wh1-1], {pod}}}, {{name: wh1-0, set: wh1, ready: true}}]
claims: [{{name: data-wh1-1, volume: pv-1, {claim}}}]
{more}"
    )
}

#[test]
fn a_set_that_would_not_make_the_pod_again_is_no_controller() {
    let id = PlanCheckId::Controller;
    let fine = "Pass: StatefulSet wh1 recreates the pod and its claims";
    for (set, keep, expected) in [
        ("start: 0", false, fine),
        ("replicas: 0", false, "Block: StatefulSet wh1 is scaled to 0: it would not recreate wh1-1"),
        ("replicas: 0", true, "Block: StatefulSet wh1 is scaled to 0: it would not recreate wh1-1 [unmanaged-pod]"),
        ("replicas: 1", false, "Block: StatefulSet wh1 has 1 replica, wh1-0: it would not recreate wh1-1"),
        ("replicas: 1, start: 1", false, fine),
        ("start: 2", false, "Block: StatefulSet wh1 has 2 replicas, wh1-2 to wh1-3: it would not recreate wh1-1"),
        ("terminating: true", false, "Block: StatefulSet wh1 is being deleted: it would not recreate wh1-1"),
        (
            "templates: [disk]",
            false,
            "Block: StatefulSet wh1 has no template for data-wh1-1: nothing would recreate it",
        ),
        ("templates: [disk]", true, fine),
    ] {
        // The last one counts.
        let yaml = node("", "", "", "");
        let field = set.split(':').next().unwrap();
        let yaml = match field {
            "replicas" => yaml.replace("replicas: 2, templates: [data], ", &format!("{set}, templates: [data]")),
            "templates" => yaml.replace("templates: [data], ", set),
            _ => yaml.replace("templates: [data], ", &format!("templates: [data], {set}")),
        };
        says(&yaml, "wh1-1", keep, id, &[expected]);
    }
    let mut unread = snapshot(&[&node("", "", "", "")]);
    unread.namespaces[0].stateful_sets = unreadable("statefulsets", None);
    let plan = planned(&unread, &Layout::shipped().unwrap(), "wh1-1", &request(false));
    let why = "Warn: unknown whether StatefulSet wh1 would recreate the pod: statefulsets is forbidden";
    assert_eq!(said(&plan, id), [why]);
}

#[test]
fn a_pod_that_would_come_back_as_another_one_is_told() {
    let changed = |of: &str| {
        format!(
            "Warn: the template of StatefulSet wh1{of} has changed: the new pod will have revision wh1-b, the old one \
             has wh1-a"
        )
    };
    let on_deletion = changed(", which replaces pods on deletion only,");
    let rolling = changed("");
    for (set, revision, expected) in [
        ("revisions: [wh1-a, wh1-b]", "wh1-a", Some(on_deletion.as_str())),
        ("revisions: [wh1-a, wh1-b]", "wh1-b", None),
        ("revisions: [wh1-a, wh1-b], partition: 0", "wh1-a", Some(&rolling)),
        ("revisions: [wh1-a, wh1-b], partition: 1", "wh1-a", Some(&rolling)),
        // Below the partition the old one is made again; the partition counts from the first ordinal.
        ("revisions: [wh1-a, wh1-b], partition: 2", "wh1-a", None),
        ("revisions: [wh1-a, wh1-b], partition: 1, start: 1", "wh1-a", None),
        (
            "revisions: [wh1-a, wh1-a], stale: true",
            "wh1-a",
            Some(
                "Warn: unknown yet which revision of StatefulSet wh1 the new pod will have: it has just changed \
                 (the old one has wh1-a)",
            ),
        ),
    ] {
        let yaml = node(set, &format!("revision: {revision}"), "", "");
        says(&yaml, "wh1-1", true, PlanCheckId::Revision, expected.as_slice());
    }
}

#[test]
fn budgets_are_minded_although_a_deletion_bypasses_them() {
    let full = "allowed: 0, healthy: 2, wanted: 3, expected: 3";
    let zero = "Block: PodDisruptionBudget sql allows 0 disruptions (2 of 3 healthy, 3 wanted) [disruption-budget]";
    for (pod, budget, expected) in [
        ("labels: {app: wh}", format!("{{name: sql, selector: {{matchLabels: {{app: wh}}}}, {full}}}"), Some(zero)),
        ("labels: {app: wh}", format!("{{name: sql, selector: {{}}, {full}}}"), Some(zero)),
        ("labels: {app: wh}", format!("{{name: sql, selector: {{matchLabels: {{app: x}}}}, {full}}}"), None),
        ("labels: {app: wh}", format!("{{name: sql, {full}}}"), None),
        // Not Ready: it is not among the healthy ones.
        ("ready: false", format!("{{name: sql, selector: {{}}, {full}}}"), None),
        (
            "labels: {app: wh}",
            "{name: sql, selector: {}, allowed: 1, healthy: 3, wanted: 2, expected: 3}".to_owned(),
            Some("Pass: PodDisruptionBudget sql allows 1 disruption (3 of 3 healthy, 2 wanted)"),
        ),
        (
            "labels: {app: wh}",
            format!("{{name: sql, selector: {{}}, {full}, stale: true}}"),
            Some("Warn: unknown yet how many disruptions PodDisruptionBudget sql allows: it has just changed"),
        ),
    ] {
        let yaml = node("", pod, "", &format!("budgets: [{budget}]"));
        let yaml = if pod == "ready: false" {
            yaml.replacen("ready: true, claims: [data-wh1-1], ready: false", "ready: false, claims: [data-wh1-1]", 1)
        } else {
            yaml
        };
        says(&yaml, "wh1-1", true, PlanCheckId::Budget, expected.as_slice());
    }
    // Overridden it is of high risk, and says by what.
    let yaml = node("", "", "", &format!("budgets: [{{name: sql, selector: {{}}, {full}}}]"));
    let allowed = Request { allow: vec![Allow::DisruptionBudget], ..request(true) };
    let plan = planned(&snapshot(&[&yaml]), &Layout::shipped().unwrap(), "wh1-1", &allowed);
    assert_eq!((plan.refusal(), plan.risk), (None, Risk::High));
    let check = plan.checks.iter().find(|check| check.id == PlanCheckId::Budget).unwrap();
    let document = serde_json::to_value(check).unwrap();
    assert_eq!((&document["allow"], &document["overridden"]), (&"disruption-budget".into(), &true.into()));
}

#[test]
fn finalizers_of_others_would_keep_it_terminating() {
    let claim = "finalizers: [kubernetes.io/pvc-protection, backup.example.com/hold]";
    let of_claim = "Block: claim data-wh1-1 has the finalizer backup.example.com/hold: it would stay Terminating until \
                    the owner removes it [foreign-finalizer]";
    let of_pod = "Block: pod wh1-1 has the finalizers a/b, hold: it would stay Terminating until the owner \
                  removes it [foreign-finalizer]";
    for (pod, claim, keep, expected) in [
        ("finalizers: []", "finalizers: [kubernetes.io/pvc-protection]", false, &[][..]),
        ("finalizers: []", claim, false, &[of_claim]),
        // It stays.
        ("finalizers: []", claim, true, &[]),
        ("finalizers: [a/b, hold]", claim, false, &[of_pod, of_claim]),
        ("finalizers: [foregroundDeletion, x.k8s.io/y]", "age: 1", true, &[]),
    ] {
        says(&node("", pod, claim, ""), "wh1-1", keep, PlanCheckId::Finalizers, expected);
    }
}

#[test]
fn a_pod_that_is_going_or_has_just_come() {
    let id = PlanCheckId::Pod;
    let replaced = "Warn: the pod and its claims were created 12s ago: it may have been replaced a moment ago";
    let old = "age: 86400";
    for (set, pod, claim, expected) in [
        (old, "age: 12", "age: 12", Some(replaced)),
        // Only the pod is new: it was restarted, with its disk.
        (old, "age: 12", "age: 86400", None),
        (
            old,
            "age: 59",
            "age: 12",
            Some("Warn: the pod and its claims were created 59s ago: it may have been replaced a moment ago"),
        ),
        (old, "age: 60", "age: 12", None),
        (old, "age: 61", "age: 61", None),
        // The disk came a while before.
        (old, "age: 12", "age: 60", None),
        (old, "age: 12", "age: 61", None),
        (
            old,
            "overdue: [0, 30]",
            "age: 86400",
            Some("Warn: the pod has been Terminating for 30 s of its grace period of 30 s"),
        ),
        // All of it is new: an installation.
        ("age: 20", "age: 12", "age: 12", None),
        (
            old,
            "overdue: [200, 30]",
            "age: 86400",
            Some("Warn: the pod has been Terminating for 3m 50s, 3m 20s longer than its grace period of 30 s"),
        ),
        (
            old,
            "overdue: [-20, 30]",
            "age: 86400",
            Some("Warn: the pod has been Terminating for 10 s of its grace period of 30 s"),
        ),
    ] {
        says(&node(set, pod, claim, ""), "wh1-1", false, id, expected.as_slice());
    }
}

#[test]
fn where_the_new_volumes_come_from_is_known_before_the_old_ones_go() {
    let id = PlanCheckId::StorageClass;
    let manual = "classes: [{name: standard, provisioner: kubernetes.io/no-provisioner}]";
    for (set, more, expected) in [
        (
            "",
            "",
            "Pass: storage class standard will provision the new volume (WaitForFirstConsumer, reclaim policy Delete)",
        ),
        (
            "",
            "classes: [{name: standard, immediate: true, policy: Retain}]",
            "Pass: storage class standard will provision the new volume (Immediate, reclaim policy Retain)",
        ),
        (
            "class: default",
            "",
            "Pass: default storage class standard will provision the new volume (WaitForFirstConsumer, reclaim policy Delete)",
        ),
        (
            "class: default",
            "classes: [{name: standard}]",
            "Block: the claim template names no storage class, and there is no default, and no volume is Available for \
             claim data-wh1-1 [storage-class]",
        ),
        (
            "class: fast",
            "",
            "Block: storage class fast does not exist, and no volume is Available for claim data-wh1-1 [storage-class]",
        ),
        (
            "class: ''",
            "volumes: [{name: pv-x, class: standard}]",
            "Block: the claim template asks for no storage class, and no volume is Available for claim data-wh1-1 \
             [storage-class]",
        ),
        (
            "",
            manual,
            "Block: storage class standard does not provision volumes, and no volume is Available for claim data-wh1-1 [storage-class]",
        ),
        // One was created by hand.
        (
            "",
            &format!(
                "{manual}\nvolumes: [{{name: pv-x, class: standard, size: 1Gi}}, {{name: pv-y, class: standard, reservedFor: x}}]"
            ),
            "Pass: storage class standard does not provision volumes; volume pv-x (1Gi) is Available for claim data-wh1-1",
        ),
    ] {
        says(&node(set, "", "", more), "wh1-1", false, id, &[expected]);
        says(&node(set, "", "", more), "wh1-1", true, id, &[]);
    }
    let mut unread = snapshot(&[&node("", "", "", manual)]);
    unread.volumes = unreadable("persistentvolumes", None);
    let plan = planned(&unread, &Layout::shipped().unwrap(), "wh1-1", &request(false));
    let why = "Warn: storage class standard does not provision volumes; unknown whether a volume is Available for the new claim";
    assert_eq!(said(&plan, id), [why]);
}

#[test]
fn the_new_pod_needs_a_node_and_its_disk_there() {
    let id = PlanCheckId::Node;
    let two = "nodes: [{name: node-1, cordoned: true}, {name: node-2}]";
    let lost = "nodes: [{name: node-1, lost: true}, {name: node-2}]";
    let going = "Warn: node node-1 is not Ready: the pod will stay Terminating until the node is back, or is marked out of \
                 service or deleted after its machine is verified to be off; nothing is force-deleted";
    let tied = |state: &str| {
        format!(
            "Block: volume pv-1 is tied to node node-1, which is {state}: the new pod could not start with it \
             [unusable-node]"
        )
    };
    let (not_ready, cordoned) = (tied("not Ready"), tied("cordoned"));
    let takes = "Pass: node node-1 is cordoned; 1 other node is schedulable";
    let none =
        "Block: 0 of 2 nodes are Ready and schedulable (1 cordoned): the new pod could not start [unusable-node]";
    for (claim, more, keep, expected) in [
        ("", "", true, vec![]),
        ("on: node-1", "", true, vec![]),
        ("on: node-1", two, true, vec![cordoned.as_str(), takes]),
        ("on: node-1", lost, true, vec![going, &not_ready]),
        ("on: node-2", two, true, vec![takes]),
        // A new disk is made where the new pod is.
        ("on: node-1", two, false, vec![takes]),
        ("on: node-1", lost, false, vec![going]),
        (
            "folder: true",
            two,
            true,
            vec![
                "Block: volume pv-1 is a folder on node node-1, which is cordoned: the new pod could not start with it \
                 [unusable-node]",
                takes,
            ],
        ),
        (
            "on: node-3",
            two,
            true,
            vec![
                "Block: volume pv-1 is tied by its node affinity to nodes that do not exist: the new pod could not \
                 start with it [unusable-node]",
                takes,
            ],
        ),
        ("", "nodes: [{name: node-3, lost: true}, {name: node-2, cordoned: true}]", false, vec![none]),
    ] {
        says(&node("", "", claim, more), "wh1-1", keep, id, &expected);
    }
}

/// One who works in one namespace only: one line, whatever it is that is not known, and no block.
#[test]
fn what_may_not_be_read_is_one_line() {
    let mut narrow = snapshot(&[&node("", "", "", "")]);
    narrow.nodes = unreadable("nodes", None);
    narrow.storage_classes = unreadable("storageclasses", None);
    narrow.namespaces[0].disruption_budgets = unreadable("poddisruptionbudgets", None);
    let layout = Layout::shipped().unwrap();
    for (keep, expected) in [
        (
            false,
            "Warn: nodes, storage classes, disruption budgets cannot be read (nodes is forbidden): unknown whether a \
             node can run the new pod, whether the storage class of the new claims exists, whether one forbids it",
        ),
        (
            true,
            "Warn: nodes, disruption budgets cannot be read (nodes is forbidden): unknown whether a node can run the \
             new pod, whether one forbids it",
        ),
    ] {
        let plan = planned(&narrow, &layout, "wh1-1", &request(keep));
        assert_eq!(said(&plan, PlanCheckId::Unread), [expected]);
        assert_eq!(plan.refusal(), None);
        for id in [PlanCheckId::Node, PlanCheckId::StorageClass, PlanCheckId::Budget] {
            assert!(said(&plan, id).is_empty(), "{id:?} is not known, and neither passes nor warns once more");
        }
    }
}

#[test]
fn a_pageservers_layers_are_where_the_layout_says() {
    let shipped = crate::topology::layout::DEFAULT_LAYOUT;
    let with = |value: &str| {
        shipped.replace("workload: pageserver\n", &format!("workload: pageserver\n    remoteStorage: {value}\n"))
    };
    let yaml = "
namespace: synxdb-system
sets: [{name: pageserver, replicas: 1, templates: [data]}]
pods: [{name: pageserver-0, set: pageserver, ready: true, claims: [data-pageserver-0]}]
claims: [{name: data-pageserver-0, volume: pv-1}]
";
    for (layout, expected) in [
        (
            shipped.to_owned(),
            "Warn: unknown whether the pageserver keeps its layers in remote storage: data that exists only on \
             the old disk would be missing; the old volume is retained",
        ),
        (with("true"), "Pass: the layout says that the pageserver keeps its layers in remote storage"),
        (
            with("false"),
            "Block: the layout says that the pageserver has no remote storage: its layers exist only on the old disk \
             [local-layers]",
        ),
    ] {
        let layout = Layout::parse(&layout).unwrap();
        let plan = planned(&snapshot(&[yaml]), &layout, "pageserver-0", &request(false));
        assert_eq!(said(&plan, PlanCheckId::RemoteStorage), [expected]);
        let plan = planned(&snapshot(&[yaml]), &layout, "pageserver-0", &request(true));
        assert_eq!(said(&plan, PlanCheckId::RemoteStorage), Vec::<String>::new());
    }
}

/// Three safekeepers, the second with this claim; the set, and its pods by default, of this age.
fn safekeepers(set: i64, second: &str) -> String {
    let mut yaml = format!(
        "namespace: synxdb-system\nsets: [{{name: safekeeper, replicas: 3, templates: [data], age: {set}}}]\npods:\n"
    );
    for ordinal in 0..3 {
        yaml.push_str(&format!(
            "- {{name: safekeeper-{ordinal}, set: safekeeper, ready: true, claims: [data-safekeeper-{ordinal}], age: {set}}}\n"
        ));
    }
    yaml.push_str("claims:\n");
    for ordinal in 0..3 {
        let more = if ordinal == 1 { second.to_owned() } else { format!("age: {set}") };
        yaml.push_str(&format!("- {{name: data-safekeeper-{ordinal}, volume: pv-{ordinal}, {more}}}\n"));
    }
    yaml
}

/// A record on the second one's volume, of an age and, if it has ended, of another since.
fn record(began: i64, ended: Option<i64>, keep_claims: bool) -> String {
    let time = |age: i64| (now() - jiff::SignedDuration::from_secs(age)).to_string();
    let outcome = if ended.is_some() { "recovered" } else { "unfinished" };
    let record = serde_json::json!({
        "apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "operation": "failover", "id": "old1", "started": time(began), "finished": ended.map(time), "outcome": outcome,
        "context": "c", "namespace": "synxdb-system", "pod": "safekeeper-1", "podUid": "pod-0",
        "keepClaims": keep_claims,
        "claims": [{"name": "data-safekeeper-1", "uid": "gone", "volume": "pv-1", "reclaimPolicy": "Delete"}],
    });
    format!("record: '{record}'")
}

#[test]
fn a_safekeeper_with_a_new_disk_does_not_count_while_it_does_not_say_what_it_holds() {
    let id = PlanCheckId::Quorum;
    let left = "only 1 of 3 safekeepers would remain (quorum is 2) [quorum-loss]";
    let disk =
        |age: &str| Some(format!("Block: safekeeper-1's disk is {age} old and may still be catching up: {left}"));
    let replaced =
        Some(format!("Block: safekeeper-1's disk was replaced 2m5s ago and may still be catching up: {left}"));
    let unfinished = Some(format!("Block: failover old1 of safekeeper-1 is unfinished: {left}"));
    let open = "Warn: 2 of 3 safekeepers stay Ready (quorum is 2); unknown whether safekeeper-1, safekeeper-2 have all committed \
                WAL: it was not queried";
    let day = 86_400;
    for (set, second, expected) in [
        (day, format!("age: {day}"), None),
        (day, "age: 120".to_owned(), disk("2m")),
        (day, "age: 299".to_owned(), disk("4m59s")),
        (day, "age: 300".to_owned(), None),
        // An installation: all claims are young, the later ones, in order, younger.
        (10, "age: 8".to_owned(), None),
        (200, "age: 100".to_owned(), None),
        (200, "age: 79".to_owned(), disk("79s")),
        // What is on record counts however young the installation is.
        (200, format!("age: 150, {}", record(150, Some(125), false)), replaced.clone()),
        (day, format!("age: 150, {}", record(150, Some(125), false)), replaced),
        (200, format!("age: 150, {}", record(150, None, false)), unfinished.clone()),
        (day, format!("age: {day}, {}", record(20, None, false)), unfinished.clone()),
        // Long ago, and verified or not; or with the disk kept.
        (day, format!("age: {day}, {}", record(4000, Some(3000), false)), None),
        (day, format!("age: {day}, {}", record(4000, None, false)), unfinished),
        (day, format!("age: {day}, {}", record(150, Some(125), true)), None),
    ] {
        let expected = expected.unwrap_or_else(|| open.to_owned());
        for keep in [false, true] {
            says(&safekeepers(set, &second), "safekeeper-0", keep, id, &[&expected]);
        }
        // Its own disk is its own affair.
        says(
            &safekeepers(set, &second),
            "safekeeper-1",
            true,
            id,
            &[&open.replace("safekeeper-1, safekeeper-2", "safekeeper-0, safekeeper-2")],
        );
    }
}

/// A set that makes its pods at once has no later ones.
#[test]
fn sets_in_order_take_longer_to_begin() {
    for (set, age, fresh) in
        [("parallel: false", 70, false), ("parallel: true", 70, true), ("parallel: true", 150, false)]
    {
        let yaml = safekeepers(200, &format!("age: {age}"))
            .replace("templates: [data],", &format!("templates: [data], {set},"));
        let yaml = yaml
            .replace("safekeeper-1", "safekeeper-9")
            .replace("safekeeper-2", "safekeeper-1")
            .replace("safekeeper-9", "safekeeper-2");
        let plan = planned(&snapshot(&[&yaml]), &Layout::shipped().unwrap(), "safekeeper-0", &request(false));
        assert_eq!(plan.refusal().is_some(), fresh, "{yaml}");
    }
}

/// FoundationDB, storage controller, storage broker and console are in no procedure of the product's: their pods may be
/// replaced, and their disks not.
#[test]
fn the_disk_of_what_is_not_known_to_rehydrate_is_not_replaced() {
    for (name, role) in [
        ("foundationdb", "FoundationDB process"),
        ("storage-controller", "storage controller"),
        ("storage-broker", "storage broker"),
    ] {
        let yaml = format!(
            "namespace: synxdb-system
sets: [{{name: {name}, replicas: 1, templates: [data]}}]
pods: [{{name: {name}-0, set: {name}, ready: true, claims: [data-{name}-0]}}]
claims: [{{name: data-{name}-0, volume: pv-1}}]"
        );
        let pod = format!("{name}-0");
        let why = format!("Block: unknown whether a {role} can rebuild its disk, and nothing would verify it");
        says(&yaml, &pod, false, PlanCheckId::Claims, &[&why]);
        says(&yaml, &pod, true, PlanCheckId::Claims, &[]);
    }
    // A coordinator is to its account what the proxy is.
    let coordinator = "namespace: hashdata-fe-team-07e5674f
sets: [{name: coordinator, replicas: 1, templates: [data]}]
pods: [{name: coordinator-0, set: coordinator, ready: true, claims: [data-coordinator-0]}]
claims: [{name: data-coordinator-0, volume: pv-1}]";
    says(coordinator, "coordinator-0", false, PlanCheckId::Claims, &[]);
}
