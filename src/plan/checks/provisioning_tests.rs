//! Where new claims get their volumes from, whose a volume is, and which claims go with their pod.

use super::tests::{node, planned, request, said, says};
use super::*;
use crate::cli::Allow;
use crate::plan::{Plan, Risk};
use crate::plan::{Request, Step};
use crate::testing::{snapshot, unreadable};
use crate::topology::Layout;

fn steps(plan: &Plan) -> Vec<String> {
    let words = plan.steps.iter().map(|step| match step {
        Step::Retain { volume, claim, .. } => format!("retain {volume} of {claim}"),
        Step::Unreserve { volume, .. } => format!("unreserve {volume}"),
        Step::Reserve { volume, claim, .. } => format!("reserve {volume} for {claim}"),
        Step::DeleteClaim { claim, .. } => format!("delete claim {claim}"),
        Step::DeletePod { pod, .. } => format!("delete pod {pod}"),
    });
    words.collect()
}

fn plan_of(yaml: &str, keep: bool) -> Plan {
    planned(&snapshot(&[yaml]), &Layout::shipped().unwrap(), "wh1-1", &request(keep))
}

/// Volumes created by hand: what counts is what Kubernetes would bind.
#[test]
fn only_a_volume_that_fits_the_claim_is_free_for_it() {
    let id = PlanCheckId::StorageClass;
    let none = |why: &str| {
        format!(
            "Block: storage class standard does not provision volumes, and no volume is Available for claim data-wh1-1{why} [storage-class]"
        )
    };
    let fits = |volume: &str| {
        format!("Pass: storage class standard does not provision volumes; volume {volume} for claim data-wh1-1")
    };
    let on_record = "{name: pv-x, class: standard, size: 2Gi}]
records: [{id: f1, pod: wh1-0, age: 300, took: 5, claims: [{name: data-wh1-0, uid: c, volume: pv-x, policy: Delete}]}";
    for (volumes, expected) in [
        ("{name: pv-x, class: standard, size: 2Gi}", fits("pv-x (2Gi) is Available")),
        (
            "{name: pv-x, class: standard, size: 9Gi}, {name: pv-y, class: standard, size: 3Gi}",
            fits("pv-y (3Gi) is Available"),
        ),
        ("{name: pv-x, class: standard, size: 1Gi}", none(" (volume pv-x has 1Gi, but 2Gi is requested)")),
        (
            "{name: pv-x, class: standard, size: 2Gi, mode: Block}",
            none(" (volume pv-x has volume mode Block, but Filesystem is requested)"),
        ),
        (
            "{name: pv-x, class: standard, size: 2Gi, on: node-2}",
            none(" (volume pv-x is tied to node-2, where no pod can start now)"),
        ),
        ("{name: pv-x, class: standard, size: 2Gi, on: node-1}", fits("pv-x (2Gi) is Available")),
        (
            "{name: pv-x, class: standard, size: 2Gi, phase: Released}",
            none(" (volume pv-x is Released, not Available)"),
        ),
        ("{name: pv-x, class: standard, size: 2Gi, terminating: true}", none(" (volume pv-x is being deleted)")),
        ("{name: pv-x, class: other, size: 2Gi}", none("")),
        ("{name: pv-x, class: none, size: 2Gi}", none("")),
        // Reserved: for this claim it is the first, of whatever class; for another one it is not there.
        ("{name: pv-x, class: other, size: 2Gi, reservedFor: data-wh1-1}", fits("pv-x (2Gi) is reserved")),
        (
            "{name: pv-x, class: other, size: 1Gi, reservedFor: data-wh1-1}",
            none(" (volume pv-x has 1Gi, but 2Gi is requested)"),
        ),
        ("{name: pv-x, class: standard, size: 2Gi, reservedFor: data-wh1-0}", none("")),
        ("{name: pv-x, class: standard, size: 2Gi, reservedFor: b/data-wh1-1}", none("")),
        // Retained for an undo.
        (on_record, none(" (volume pv-x is retained by an earlier operation)")),
    ] {
        let more = format!(
            "classes: [{{name: standard, provisioner: kubernetes.io/no-provisioner}}]
nodes: [{{name: node-1}}, {{name: node-2, lost: true}}]
volumes: [{volumes}]"
        );
        says(&node("size: 2Gi", "", "", &more), "wh1-1", false, id, &[&expected]);
    }
}

/// Two claims do not get one volume.
#[test]
fn each_new_claim_needs_a_volume_of_its_own() {
    let yaml = |volumes: &str| {
        node("", "claims: [data-wh1-1, log-wh1-1]", "", "")
            .replace("templates: [data]", "templates: [data, log]")
            .replace("claims: [{name: data-wh1-1", "claims: [{name: log-wh1-1, volume: pv-2}, {name: data-wh1-1")
            .replace(
                "pods: [{name: wh1-1, set: wh1, ready: true, claims: [data-wh1-1], ",
                "pods: [{name: wh1-1, set: wh1, ready: true, ",
            )
            + &format!(
                "\nclasses: [{{name: standard, provisioner: kubernetes.io/no-provisioner}}]\nvolumes: [{volumes}]"
            )
    };
    let one = "{name: pv-x, class: standard}";
    says(
        &yaml(one),
        "wh1-1",
        false,
        PlanCheckId::StorageClass,
        &[
            "Block: storage class standard does not provision volumes, and no volume is Available for claim log-wh1-1 [storage-class]",
        ],
    );
    says(
        &yaml(&format!("{one}, {{name: pv-y, class: standard}}")),
        "wh1-1",
        false,
        PlanCheckId::StorageClass,
        &[
            "Pass: storage class standard does not provision volumes; volume pv-x (of unknown size) is Available for claim data-wh1-1, \
           volume pv-y (of unknown size) is Available for claim log-wh1-1",
        ],
    );
}

/// What lies about is taken before anything is made.
#[test]
fn a_free_volume_that_the_new_claim_may_get_is_told() {
    let makes =
        "Pass: storage class standard will provision the new volume (WaitForFirstConsumer, reclaim policy Delete)";
    let first = "Warn: volume pv-x (1Gi) is Available and fits: Kubernetes may bind it to claim data-wh1-1, with its current \
                 contents, instead of provisioning one";
    let more = "volumes: [{name: pv-x, class: standard, size: 1Gi}]";
    says(&node("", "", "", more), "wh1-1", false, PlanCheckId::StorageClass, &[makes, first]);
    says(&node("size: 2Gi", "", "", more), "wh1-1", false, PlanCheckId::StorageClass, &[makes]);
}

/// A claim is made from its template again, whatever was done to it since.
#[test]
fn what_a_claim_loses_when_it_is_made_again_is_told() {
    let comes_back = "Warn: claim data-wh1-1 is recreated from the template of StatefulSet wh1, with changes: ";
    for (set, claim, expected) in [
        ("size: 1Gi", "size: 1Gi", None),
        ("size: 1Gi", "size: 1024Mi", None),
        ("size: 1Gi", "size: 3Gi", Some("size 1Gi (now 3Gi)")),
        ("size: 3Gi", "size: 1Gi", Some("size 3Gi (now 1Gi)")),
        ("class: fast", "class: standard", Some("storage class fast (now standard)")),
        ("class: default", "class: standard", None),
        ("class: default", "class: fast", Some("storage class standard (now fast)")),
        ("class: ''", "class: standard", Some("storage class none (now standard)")),
        ("modes: [ReadWriteOnce]", "modes: [ReadWriteMany]", Some("access modes ReadWriteOnce (now ReadWriteMany)")),
        ("modes: [a, b]", "modes: [b, a]", None),
        ("", "attributes: gold", Some("VolumeAttributesClass none (now gold)")),
        ("size: 1Gi", "size: 3Gi, attributes: gold", Some("size 1Gi (now 3Gi); VolumeAttributesClass none (now gold)")),
    ] {
        let expected = expected.map(|changes| format!("{comes_back}{changes}"));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let yaml = node(set, "", claim, "");
        says(&yaml, "wh1-1", false, PlanCheckId::Claims, &expected);
        // It stays as it is.
        says(&yaml, "wh1-1", true, PlanCheckId::Claims, &[]);
    }
}

/// A claim may name any volume; whose that is the volume says.
#[test]
fn a_volume_of_another_claim_is_left_alone() {
    let names = |volume: &str| {
        node("", "", "", &format!("volumes: [{{name: billing, class: standard, {volume}}}]"))
            .replace("volume: pv-1, ", "names: billing, phase: Pending")
    };
    let told = |whose: &str| {
        format!(
            "Warn: claim data-wh1-1 names volume billing, which {whose}: the volume is not this claim's, and stays unchanged"
        )
    };
    for (volume, whose) in [
        (
            "reservedFor: default/billing-db, releasedBy: u9, phase: Bound, policy: Delete",
            "is bound to claim default/billing-db",
        ),
        ("reservedFor: default/billing-db", "is reserved for claim default/billing-db"),
        // A claim of this name, and not this one.
        (
            "reservedFor: data-wh1-1, releasedBy: u9, phase: Bound",
            "is bound to claim synxdb-513d75d5-3033-4649-b913-07f6115ec41a/data-wh1-1",
        ),
        ("reservedFor: b/data-wh1-1, releasedBy: uid-data-wh1-1, phase: Bound", "is bound to claim b/data-wh1-1"),
        ("phase: Available", "is not bound to any claim"),
    ] {
        let plan = plan_of(&names(volume), false);
        assert_eq!(steps(&plan), ["delete claim data-wh1-1", "delete pod wh1-1"], "{volume}");
        assert_eq!(said(&plan, PlanCheckId::Claims), [told(whose)], "{volume}");
        assert_eq!((said(&plan, PlanCheckId::Retention), plan.refusal()), (vec![], None), "{volume}");
        let plan = plan_of(&names(volume), true);
        assert_eq!(steps(&plan), ["delete pod wh1-1"], "{volume}");
    }
    let own = names("reservedFor: data-wh1-1, releasedBy: uid-data-wh1-1, phase: Bound, policy: Delete");
    let plan = plan_of(&own, false);
    assert_eq!(steps(&plan), ["retain billing of data-wh1-1", "delete claim data-wh1-1", "delete pod wh1-1"]);
}

/// The claim of a generic ephemeral volume goes with its pod: its volume is kept like the others, whatever else stays.
#[test]
fn what_belongs_to_the_pod_is_kept_before_the_pod_goes() {
    let yaml = node("ephemeral: [scratch]", "ephemeral: [scratch]", "", "")
        .replace("claims: [{name: data-wh1-1", "claims: [{name: wh1-1-scratch, volume: pv-2}, {name: data-wh1-1");
    let goes = "Warn: claim wh1-1-scratch belongs to the pod and is deleted with it: the new pod gets a new, empty one";
    for (keep, expected) in [
        (
            false,
            vec![
                "retain pv-1 of data-wh1-1",
                "retain pv-2 of wh1-1-scratch",
                "delete claim data-wh1-1",
                "delete pod wh1-1",
            ],
        ),
        (true, vec!["retain pv-2 of wh1-1-scratch", "delete pod wh1-1"]),
    ] {
        let plan = plan_of(&yaml, keep);
        assert_eq!(steps(&plan), expected);
        assert_eq!(said(&plan, PlanCheckId::Claims)[0], goes);
        assert!(plan.replaced_claims.iter().any(|claim| claim.name == "wh1-1-scratch" && claim.ephemeral));
        assert_eq!((plan.refusal(), plan.risk, plan.journal.clone()), (None, Risk::Ordinary, None));
    }
    // A volume that cannot be kept is lost, with --keep-pvc, too: only at high risk.
    let mut unread = snapshot(&[&yaml]);
    unread.volumes = unreadable("persistentvolumes", None);
    let plan = planned(&unread, &Layout::shipped().unwrap(), "wh1-1", &request(true));
    assert_eq!(
        said(&plan, PlanCheckId::Retention),
        [
            "Block: the old volume of claim wh1-1-scratch cannot be retained: volumes cannot be read: persistentvolumes is \
          forbidden [unretained-volume]"
        ]
    );
    let allowed = Request { allow: vec![Allow::UnretainedVolume], ..request(true) };
    let plan = planned(&unread, &Layout::shipped().unwrap(), "wh1-1", &allowed);
    assert_eq!((plan.refusal(), plan.risk), (None, Risk::High));
    let mut unread = snapshot(&[&yaml]);
    unread.namespaces[0].claims = unreadable("persistentvolumeclaims", None);
    let plan = planned(&unread, &Layout::shipped().unwrap(), "wh1-1", &request(true));
    assert_eq!(
        said(&plan, PlanCheckId::Retention),
        [
            "Block: the old volume of claim wh1-1-scratch cannot be retained: claims cannot be read: persistentvolumeclaims \
          is forbidden [unretained-volume]"
        ]
    );
}

/// The right to retain volumes is checked whenever one must be retained.
#[test]
fn keeping_what_belongs_to_the_pod_takes_the_right_to_change_volumes() {
    let asks = |pod: &str, keep: bool| {
        let topology = crate::topology::build(&snapshot(&[&node("", pod, "", "")]), &Layout::shipped().unwrap());
        let member = topology.members().find(|member| member.name == "wh1-1").unwrap();
        let needed = crate::plan::needed(member, &request(keep));
        let has = |verb: &str, resource: &str| needed.iter().any(|it| it.verb == verb && it.resource == resource);
        (has("patch", "persistentvolumes"), has("delete", "persistentvolumeclaims"))
    };
    assert_eq!(asks("", false), (true, true));
    assert_eq!(asks("", true), (false, false));
    assert_eq!(asks("ephemeral: [scratch]", true), (true, false));
}

/// StatefulSets of others have the kind's name, and are none of Kubernetes' own.
#[test]
fn an_owner_of_another_api_group_is_named_as_it_is() {
    let owner = "StatefulSet.apps.kruise.io wh1";
    for (keep, expected) in [
        (
            false,
            format!(
                "Block: {owner} owns the pod, not a StatefulSet of Kubernetes: unknown whether anything would recreate its \
                 claims"
            ),
        ),
        (true, format!("Warn: {owner} owns the pod: unknown how it recreates the pod, and under which name")),
    ] {
        says(
            &node("", "api: apps.kruise.io/v1beta1, owner: k1", "", ""),
            "wh1-1",
            keep,
            PlanCheckId::Controller,
            &[&expected],
        );
    }
}

/// A volume that is reported as retained is retained by the plan.
#[test]
fn a_volume_that_may_not_be_retained_is_not_said_to_be_kept() {
    let yaml = "
namespace: synxdb-system
sets: [{name: pageserver, replicas: 1, templates: [data]}]
pods: [{name: pageserver-0, set: pageserver, ready: true, claims: [data-pageserver-0]}]
claims: [{name: data-pageserver-0, volume: pv-1}]
";
    let mut unread = snapshot(&[yaml]);
    unread.volumes = unreadable("persistentvolumes", None);
    let allowed = Request { allow: vec![Allow::UnretainedVolume], ..request(false) };
    let plan = planned(&unread, &Layout::shipped().unwrap(), "pageserver-0", &allowed);
    let told = said(&plan, PlanCheckId::RemoteStorage);
    assert!(!told[0].contains("is retained"), "{told:?}");
}
