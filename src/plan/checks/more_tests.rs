//! Rules of the checks that nothing else would miss: what may be lost with a claim, who must be there for SQL to come back,
//! and by which right the proof is had.

use super::tests::{planned_by, request, said};
use super::*;
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::plan::Plan;
use crate::plan::Request;
use crate::testing::{late, snapshot, unreadable};
use crate::topology::Layout;

fn planned(read: &crate::cluster::snapshot::Snapshot, pod: &str, rights: &[(Permission, Allowed)], keep: bool) -> Plan {
    planned_by(read, &Layout::shipped().unwrap(), pod, (&request(keep), rights))
}

/// An account: a proxy, and two nodes of a warehouse, of which each may be Ready or not.
fn account(proxy: bool, first: bool, second: bool) -> String {
    format!(
        "namespace: synxdb-513d75d5-3033-4649-b913-07f6115ec41a
sets:
- {{name: cloudberry-proxy, replicas: 1, templates: [data]}}
- {{name: wh1, replicas: 2, templates: [data]}}
pods:
- {{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: {proxy}, claims: [data-cloudberry-proxy-0]}}
- {{name: wh1-0, set: wh1, ready: {first}, claims: [data-wh1-0]}}
- {{name: wh1-1, set: wh1, ready: {second}, claims: [data-wh1-1]}}
claims:
- {{name: data-cloudberry-proxy-0, volume: pv-0}}
- {{name: data-wh1-0, volume: pv-1}}
- {{name: data-wh1-1, volume: pv-2}}
"
    )
}

/// A claim that names a volume that is not there: nothing can keep what it held, and that is no pass.
#[test]
fn a_volume_that_does_not_exist_cannot_be_retained() {
    let id = PlanCheckId::Retention;
    let kept = "Pass: the old volume pv-2 will be retained".to_owned();
    let mut read = snapshot(&[&account(true, true, true)]);
    assert_eq!(said(&planned(&read, "wh1-1", &[], false), id), std::slice::from_ref(&kept));
    let all = read.volumes.clone();
    let crate::cluster::snapshot::Read::Known(volumes) = &mut read.volumes else { panic!() };
    volumes.retain(|volume| volume.metadata.name.as_deref() != Some("pv-2"));
    let lost =
        "Block: the old volume of claim data-wh1-1 cannot be retained: its volume does not exist [unretained-volume]";
    assert_eq!(said(&planned(&read, "wh1-1", &[], false), id), [lost]);
    assert!(planned(&read, "wh1-1", &[], false).refusal().is_some());
    // The claim stays: there is nothing to retain.
    assert!(said(&planned(&read, "wh1-1", &[], true), id).is_empty());
    // Another's is no matter.
    assert!(said(&planned(&read, "wh1-0", &[], false), id).iter().all(|line| line.starts_with("Pass")));

    // A claim that never had one loses none.
    read.volumes = all.clone();
    let crate::cluster::snapshot::Read::Known(claims) = &mut read.namespaces[0].claims else { panic!() };
    let claim = claims.iter_mut().find(|claim| claim.metadata.name.as_deref() == Some("data-wh1-1")).unwrap();
    claim.spec.as_mut().unwrap().volume_name = None;
    claim.status.as_mut().unwrap().phase = Some("Pending".into());
    assert!(said(&planned(&read, "wh1-1", &[], false), id).is_empty());

    // What may not be read, or not be changed, is not kept either.
    let mut read = snapshot(&[&account(true, true, true)]);
    read.volumes = unreadable("persistentvolumes", None);
    let unread = "Block: the old volume of claim data-wh1-1 cannot be retained: volumes cannot be read: persistentvolumes is \
                  forbidden [unretained-volume]";
    assert_eq!(said(&planned(&read, "wh1-1", &[], false), id), [unread]);
    read.volumes = all;
    let denied = [(Permission::new("patch", "persistentvolumes"), Allowed::No(String::new()))];
    let unchanged = "Block: the old volume of claim data-wh1-1 cannot be retained: missing permission: patch persistentvolumes \
                     [unretained-volume]";
    assert_eq!(said(&planned(&read, "wh1-1", &denied, false), id), [unchanged]);
    // Another right on volumes, or the same on another kind, is not the one that it takes.
    for other in [Permission::new("get", "persistentvolumes"), Permission::new("patch", "persistentvolumeclaims")] {
        let denied = [(other, Allowed::No(String::new()))];
        assert_eq!(said(&planned(&read, "wh1-1", &denied, false), id), std::slice::from_ref(&kept));
    }
}

/// SQL is available again once all are Ready: the others of the component, and the endpoint that answers for it.
#[test]
fn who_else_is_not_ready_is_told_before() {
    let said = |proxy, first, second, pod: &str| {
        said(&planned(&snapshot(&[&account(proxy, first, second)]), pod, &[], false), PlanCheckId::Siblings)
    };
    assert!(said(true, true, true, "wh1-1").is_empty());
    // Its own state is no matter of its siblings.
    assert!(said(true, true, false, "wh1-1").is_empty());
    let away = |who: &str| vec![format!("Warn: {who} not Ready either: SQL may be unavailable until all are")];
    assert_eq!(said(true, false, true, "wh1-1"), away("wh1-0 is"));
    assert_eq!(said(false, true, true, "wh1-1"), away("cloudberry-proxy-0 is"));
    assert_eq!(said(false, false, false, "wh1-1"), away("wh1-0, cloudberry-proxy-0 are"));
    // What it answers for is no matter of the endpoint's.
    assert!(said(true, false, false, "cloudberry-proxy-0").is_empty());
    // Safekeepers are weighed as a quorum.
    let storage = "namespace: synxdb-system
sets: [{name: safekeeper, replicas: 3, templates: []}]
pods: [{name: safekeeper-0, set: safekeeper, ready: true}, {name: safekeeper-1, set: safekeeper},
  {name: safekeeper-2, set: safekeeper, ready: true}]";
    let plan = planned(&snapshot(&[storage]), "safekeeper-0", &[], true);
    assert!(self::said(&plan, PlanCheckId::Siblings).is_empty());
    assert!(!self::said(&plan, PlanCheckId::Quorum).is_empty());
}

/// Servers before 1.35 take `get` for a forward, later ones `create`: one of the two may do, none does not.
#[test]
fn one_of_the_two_rights_to_forward_may_do_and_none_does_not() {
    let read = snapshot(&[&account(true, true, true)]);
    let right = |verb: &str| Permission::new(verb, "pods/portforward").in_namespace("a");
    let no = || Allowed::No(String::new());
    let unknown = || Allowed::Unknown("it did not answer".into());
    let denied = |verb: &str| format!("missing permission: {verb} pods/portforward in namespace a");
    let needed = |verb: &str| format!("Warn: {}; servers from 1.35 on need it for verification", denied(verb));
    let blocked = |verb: &str| format!("Block: {}", denied(verb));
    let not_known =
        |verb: &str| format!("Warn: unknown whether you may {verb} pods/portforward in namespace a: it did not answer");
    let fine = "Pass: permissions: all granted".to_owned();
    for (get, create, expected) in [
        (Allowed::Yes, Allowed::Yes, vec![fine]),
        (Allowed::Yes, no(), vec![needed("create")]),
        (no(), Allowed::Yes, vec![needed("get")]),
        (no(), no(), vec![blocked("get"), blocked("create")]),
        // Not known is not had.
        (no(), unknown(), vec![blocked("get"), not_known("create")]),
        (unknown(), no(), vec![not_known("get"), blocked("create")]),
    ] {
        let refused = expected.iter().any(|line| line.starts_with("Block"));
        // Another right to the same pods, and the same of others, is no right to forward.
        let others = [("get", "pods"), ("create", "pods/exec"), ("list", "pods/portforward")]
            .map(|(verb, of)| (Permission::new(verb, of), Allowed::Yes));
        let rights: Vec<_> = [(right("get"), get), (right("create"), create)].into_iter().chain(others).collect();
        let plan = planned(&read, "wh1-1", &rights, false);
        assert_eq!(said(&plan, PlanCheckId::Permission), expected);
        assert_eq!(plan.refusal().is_some(), refused, "{expected:?}");
    }
}

/// An unreadable budget is reported only if it matters for the pod.
#[test]
fn budgets_that_cannot_be_read_are_told_where_one_could_forbid_it() {
    for (ready, expected) in [
        (
            true,
            vec![
                "Warn: disruption budgets cannot be read (poddisruptionbudgets is forbidden): unknown whether one \
                 forbids it",
            ],
        ),
        // What is not Ready is not among the healthy ones that a budget counts.
        (false, vec![]),
    ] {
        let mut read = snapshot(&[&account(true, true, ready)]);
        read.namespaces[0].disruption_budgets = unreadable("poddisruptionbudgets", None);
        let plan = planned(&read, "wh1-1", &[], true);
        assert_eq!(said(&plan, PlanCheckId::Unread), expected);
        assert!(said(&plan, PlanCheckId::Budget).is_empty());
    }
}

/// A pod that is gone already does not block any more; that nothing recreates it is a warning.
#[test]
fn what_nothing_brings_back_is_refused_only_while_it_is_there() {
    let yaml = account(true, true, true).replace("{name: wh1, replicas: 2,", "{name: wh1, replicas: 1,");
    let read = snapshot(&[&yaml]);
    let of = |pod_uid: Option<&str>| {
        let request = Request { pod_uid: pod_uid.map(str::to_owned), ..request(false) };
        said(&planned_by(&read, &Layout::shipped().unwrap(), "wh1-1", (&request, &[])), PlanCheckId::Controller)
    };
    let why = "StatefulSet wh1 has 1 replica, wh1-0: it would not recreate wh1-1";
    assert_eq!(of(None), [format!("Block: {why}")]);
    assert_eq!(of(Some("uid-wh1-1")), [format!("Block: {why}")]);
    assert_eq!(of(Some("replaced")), [format!("Warn: {why}")]);
}

/// A pod alone is recreated by its owner, and what is unknown about that is a warning.
#[test]
fn who_makes_a_pod_again_is_told_where_the_claims_stay() {
    let bare = "
namespace: synxdb-system
pods:
- {name: cloudberry-proxy-5d9c-abcde, replicaSet: cloudberry-proxy-5d9c, ready: true, claims: [disk-2]}
claims:
- {name: disk-2, volume: pv-2}
";
    let kruise = "
namespace: synxdb-system
sets: []
pods:
- {name: pageserver-0, set: pageserver, api: apps.kruise.io/v1beta1, owner: k1, ready: true, claims: [disk-2]}
claims:
- {name: disk-2, volume: pv-2}
";
    let keep = "--keep-pvc replaces the pod and keeps its claims";
    for (yaml, pod, kept, replaced) in [
        (
            bare,
            "cloudberry-proxy-5d9c-abcde",
            "Warn: ReplicaSet cloudberry-proxy-5d9c recreates the pod under another name",
            "Block: ReplicaSet cloudberry-proxy-5d9c owns the pod, not a StatefulSet: nothing would recreate its claims",
        ),
        (
            kruise,
            "pageserver-0",
            "Warn: StatefulSet.apps.kruise.io pageserver owns the pod: unknown how it recreates the pod, and under \
             which name",
            "Block: StatefulSet.apps.kruise.io pageserver owns the pod, not a StatefulSet of Kubernetes: unknown \
             whether anything would recreate its claims",
        ),
    ] {
        let read = snapshot(&[yaml]);
        assert_eq!(said(&planned(&read, pod, &[], true), PlanCheckId::Controller), [kept]);
        let plan = planned(&read, pod, &[], false);
        assert_eq!(said(&plan, PlanCheckId::Controller), [replaced]);
        assert!(plan.refusal().unwrap().hints.contains(&keep.into()));
    }
}

/// A claim that goes with the pod goes whether or not it can be read, and then nothing keeps its volume.
#[test]
fn what_goes_with_the_pod_and_cannot_be_read_cannot_be_retained() {
    let yaml = "
namespace: synxdb-system
sets: [{name: pageserver, replicas: 1, ephemeral: [scratch]}]
pods: [{name: pageserver-0, set: pageserver, ready: true, ephemeral: [scratch]}]
claims: [{name: pageserver-0-scratch, volume: pv-1}]
";
    let mut read = snapshot(&[yaml]);
    let id = PlanCheckId::Retention;
    for keep in [false, true] {
        assert_eq!(
            said(&planned(&read, "pageserver-0", &[], keep), id),
            ["Pass: the old volume pv-1 will be retained"]
        );
    }
    read.namespaces[0].claims = unreadable("persistentvolumeclaims", None);
    let lost = "Block: the old volume of claim pageserver-0-scratch cannot be retained: claims cannot be read: \
                persistentvolumeclaims is forbidden [unretained-volume]";
    for keep in [false, true] {
        assert_eq!(said(&planned(&read, "pageserver-0", &[], keep), id), [lost]);
    }
    // The pod is gone, or going: its claims go without this program's doing.
    let going = yaml.replace("ready: true", "ready: true, terminating: true");
    let mut read = snapshot(&[&going]);
    read.namespaces[0].claims = unreadable("persistentvolumeclaims", None);
    assert!(said(&planned(&read, "pageserver-0", &[], true), id).is_empty());
}

/// A recorded replacement was made by this program, and has its own check: only a newer pod may be another's.
#[test]
fn a_pod_that_this_program_brought_is_not_somebody_elses() {
    let of = |record: &str| {
        let yaml = super::tests::node(
            "age: 86400",
            "age: 12",
            "age: 12",
            &format!(
                "records: [{{id: f1, pod: wh1-1, {record}, claims: [{{name: data-wh1-1, uid: c0, volume: pv-1}}]}}]"
            ),
        );
        !said(&planned(&snapshot(&[&yaml]), "wh1-1", &[], false), PlanCheckId::Pod).is_empty()
    };
    // It finished after the pod had come, or has not finished.
    assert!(!of("age: 30, took: 25") && !of("age: 30, took: 18") && !of("age: 30"));
    // It finished before.
    assert!(of("age: 30, took: 17") && of("age: 900, took: 5"));
}

/// How a volume that does not fit is described, by what it is and what is asked for.
#[test]
fn each_misfit_has_its_words() {
    use crate::topology::ClaimReference;
    use crate::topology::binding::Misfit;
    let asked = crate::topology::ClaimSpec { size: Some("2Gi".into()), ..Default::default() };
    let reference = ClaimReference { namespace: "a".into(), name: "data".into(), uid: None };
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (misfit, expected) in [
        (Misfit::Taken(reference), "belongs to claim a/data"),
        (Misfit::TooSmall(Some("1Gi".into())), "has 1Gi, but 2Gi is requested"),
        (Misfit::TooSmall(None), "has no size, but 2Gi is requested"),
        (Misfit::Terminating, "is being deleted"),
        (Misfit::AccessModes(strings(&["ReadWriteMany"])), "cannot be mounted ReadWriteMany"),
        (Misfit::AttributesClass(Some("fast".into())), "has VolumeAttributesClass fast, but none is requested"),
        (Misfit::Phase("Failed".into()), "is Failed, not Available"),
        (Misfit::Labels, "lacks the requested labels"),
        (Misfit::Class(String::new()), "has no storage class"),
        (Misfit::Class("slow".into()), "has storage class slow"),
        (Misfit::Nodes(vec![]), "is tied by its node affinity to nodes that do not exist"),
        (Misfit::Nodes(strings(&["n1", "n2"])), "is tied to n1, n2, where no pod can start now"),
    ] {
        assert_eq!(super::misfit_text(&misfit, &asked), expected);
    }
}

/// Verbs on one resource whose lack means the same are one line; others are lines of their own.
#[test]
fn rights_that_cost_the_same_are_told_together() {
    let here = |verb: &str, resource: &str| Permission::new(verb, resource).in_namespace("a");
    let of = |denied: Vec<Permission>| -> Vec<String> {
        let rights: Vec<_> = denied.into_iter().map(|one| (one, Allowed::No(String::new()))).collect();
        said(&planned(&snapshot(&[&account(true, true, true)]), "wh1-1", &rights, false), PlanCheckId::Permission)
    };
    let less = "less detail while waiting";
    let untried = "a rejection of the new pod or claims shows only after the old ones are gone";
    assert_eq!(
        of(vec![here("list", "events"), here("watch", "events")]),
        [format!("Warn: missing permission: list, watch events in namespace a; {less}")]
    );
    // Of two kinds, though it means the same.
    assert_eq!(
        of(vec![here("create", "pods"), here("create", "persistentvolumeclaims")]),
        [
            format!("Warn: missing permission: create pods in namespace a; {untried}"),
            format!("Warn: missing permission: create persistentvolumeclaims in namespace a; {untried}"),
        ]
    );
    // Of one kind, and it means something else.
    let unread = "a component that is down before cannot be verified afterwards (exit code 8)";
    let unstored = "no baseline is stored for a component that is down later";
    assert_eq!(
        of(["get", "create", "update"].map(|verb| here(verb, "configmaps")).into()),
        [
            format!("Warn: missing permission: get configmaps in namespace a; {unread}"),
            format!("Warn: missing permission: create, update configmaps in namespace a; {unstored}"),
        ]
    );
}

/// A lost node is not schedulable, cordoned or not; and only the pod's own node is reported.
#[test]
fn only_nodes_that_are_ready_count_as_cordoned() {
    let of = |nodes: &str| {
        let yaml = format!("{}nodes: [{nodes}]\n", account(true, true, true));
        said(&planned(&snapshot(&[&yaml]), "wh1-1", &[], false), PlanCheckId::Node)
    };
    let (own, other) = ("name: node-1", "name: node-2");
    let could_not = "the new pod could not start [unusable-node]";
    let nodes =
        format!("{{{own}, cordoned: true}}, {{{other}, lost: true}}, {{name: node-3, lost: true, cordoned: true}}");
    assert_eq!(of(&nodes), [format!("Block: 0 of 3 nodes are Ready and schedulable (1 cordoned): {could_not}")]);
    let takes = "Pass: node node-1 is cordoned; 1 other node is schedulable".to_owned();
    assert_eq!(of(&format!("{{{own}, cordoned: true}}, {{{other}}}")), [takes]);
    assert!(of(&format!("{{{own}}}, {{{other}, cordoned: true}}")).is_empty());
    assert!(of(&format!("{{{own}}}, {{{other}}}")).is_empty());
    let lost = of(&format!("{{{own}, lost: true, cordoned: true}}, {{{other}}}"));
    assert!(lost.len() == 1 && lost[0].starts_with("Warn: node node-1 is not Ready"), "{lost:?}");
}

/// What the next attempt may read is no reason to override anything; a missing permission stays.
#[test]
fn what_was_not_read_in_time_is_read_again_before_anything_is_overridden() {
    let yaml = account(true, true, true);
    let namespace = "synxdb-513d75d5-3033-4649-b913-07f6115ec41a";
    let next = |read: &crate::cluster::snapshot::Snapshot| {
        planned(read, "wh1-1", &[], false).refused(&"again".into()).unwrap().hints
    };
    let (again, allow) = ("again", "--allow unretained-volume overrides this check");
    let keep = "--keep-pvc replaces the pod and keeps its claims";
    let mut read = snapshot(&[&yaml]);
    read.volumes = late("persistentvolumes", None);
    assert_eq!(next(&read), [again]);
    // The override is known all the same, and holds.
    let plan = planned(&read, "wh1-1", &[], false);
    let blocks: Vec<&PlanCheck> = plan.checks.iter().filter(|check| check.verdict == PlanVerdict::Block).collect();
    assert_eq!(blocks.iter().map(|check| check.allow).collect::<Vec<_>>(), [Some(Allow::UnretainedVolume)]);
    assert_eq!(blocks[0].next, Some(Resolution::Retry));
    let allowed = Request { allow: vec![Allow::UnretainedVolume], ..request(false) };
    let plan = planned_by(&read, &Layout::shipped().unwrap(), "wh1-1", (&allowed, &[]));
    assert_eq!((plan.refusal(), plan.risk), (None, crate::plan::Risk::High));
    read.volumes = unreadable("persistentvolumes", None);
    assert_eq!(next(&read), [allow]);

    let mut read = snapshot(&[&yaml]);
    read.namespaces[0].claims = late("persistentvolumeclaims", Some(namespace));
    assert_eq!(next(&read), [again]);
    read.namespaces[0].claims = unreadable("persistentvolumeclaims", Some(namespace));
    assert_eq!(next(&read), [keep]);
}

/// A set's installation takes its time, and a pod that is created within it is no replacement: up to a minute each, for an
/// ordered set one after the other.
#[test]
fn a_pod_arrived_later_if_it_came_after_its_sets_installation() {
    use crate::topology::build;
    for (parallel, pod, seconds, later) in [
        (true, "wh1-0", 60, false),
        (true, "wh1-0", 61, true),
        (true, "wh1-1", 61, true),
        (false, "wh1-0", 60, false),
        (false, "wh1-0", 61, true),
        (false, "wh1-1", 120, false),
        (false, "wh1-1", 121, true),
    ] {
        let yaml = format!(
            "namespace: a\nsets: [{{name: wh1, replicas: 2, parallel: {parallel}, age: 500}}]\npods: [{{name: {pod}, set: wh1, \
             ready: true, age: {}}}]",
            500 - seconds
        );
        let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
        let member = topology.member("a", pod).unwrap();
        let component = topology.component_of(member).unwrap();
        let created = member.pod.as_ref().unwrap().created;
        assert_eq!(quorum::arrived_later(component, member, created), later, "{parallel} {pod} {seconds}");
    }
}
