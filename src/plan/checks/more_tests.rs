//! Rules of the checks that nothing else would miss: what may be lost with a claim, who must be there for SQL to come back,
//! and by which right the proof is had.

use super::tests::{planned_by, request, said};
use super::*;
use crate::plan::Plan;
use crate::testing::{snapshot, unreadable};
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
    let id = CheckId::Retention;
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
    let unchanged = "Block: the old volume of claim data-wh1-1 cannot be retained: you may not patch persistentvolumes \
                     [unretained-volume]";
    assert_eq!(said(&planned(&read, "wh1-1", &denied, false), id), [unchanged]);
    // Another right on volumes, or the same on another kind, is not the one that it takes.
    for other in [Permission::new("get", "persistentvolumes"), Permission::new("patch", "persistentvolumeclaims")] {
        let denied = [(other, Allowed::No(String::new()))];
        assert_eq!(said(&planned(&read, "wh1-1", &denied, false), id), std::slice::from_ref(&kept));
    }
}

/// SQL comes back once all are: the others of the component, and the door that answers for it.
#[test]
fn who_else_is_not_ready_is_told_before() {
    let said = |proxy, first, second, pod: &str| {
        said(&planned(&snapshot(&[&account(proxy, first, second)]), pod, &[], false), CheckId::Siblings)
    };
    assert!(said(true, true, true, "wh1-1").is_empty());
    // Its own state is no matter of its siblings.
    assert!(said(true, true, false, "wh1-1").is_empty());
    let away = |who: &str| vec![format!("Warn: {who} not Ready either: SQL may stay away until all are")];
    assert_eq!(said(true, false, true, "wh1-1"), away("wh1-0 is"));
    assert_eq!(said(false, true, true, "wh1-1"), away("cloudberry-proxy-0 is"));
    assert_eq!(said(false, false, false, "wh1-1"), away("wh1-0, cloudberry-proxy-0 are"));
    // What it answers for is no matter of the door's.
    assert!(said(true, false, false, "cloudberry-proxy-0").is_empty());
    // Safekeepers are weighed as a quorum.
    let storage = "namespace: synxdb-system
sets: [{name: safekeeper, replicas: 3, templates: []}]
pods: [{name: safekeeper-0, set: safekeeper, ready: true}, {name: safekeeper-1, set: safekeeper},
  {name: safekeeper-2, set: safekeeper, ready: true}]";
    let plan = planned(&snapshot(&[storage]), "safekeeper-0", &[], true);
    assert!(self::said(&plan, CheckId::Siblings).is_empty());
    assert!(!self::said(&plan, CheckId::Quorum).is_empty());
}

/// Servers before 1.35 take `get` for a forward, later ones `create`: one of the two may do, none does not.
#[test]
fn one_of_the_two_rights_to_forward_may_do_and_none_does_not() {
    let read = snapshot(&[&account(true, true, true)]);
    let right = |verb: &str| Permission::new(verb, "pods/portforward").within("a");
    let no = || Allowed::No(String::new());
    let unknown = || Allowed::Unknown("it did not answer".into());
    let denied = |verb: &str| format!("you may not {verb} pods/portforward in namespace a");
    let needed = |verb: &str| format!("Warn: {}; servers from 1.35 on need it for the proof", denied(verb));
    let blocked = |verb: &str| format!("Block: {}", denied(verb));
    let not_known = |verb: &str| {
        format!("Warn: whether you may {verb} pods/portforward in namespace a is not known: it did not answer")
    };
    let fine = "Pass: you may do every step".to_owned();
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
        assert_eq!(said(&plan, CheckId::Permission), expected);
        assert_eq!(plan.refusal().is_some(), refused, "{expected:?}");
    }
}

/// A budget is asked for the pod that it would keep: what is not read of it is told where it matters, and there alone.
#[test]
fn budgets_that_cannot_be_read_are_told_where_one_could_forbid_it() {
    for (ready, expected) in [
        (
            true,
            vec![
                "Warn: disruption budgets cannot be read (poddisruptionbudgets is forbidden): not known is whether one \
                 forbids it",
            ],
        ),
        // What is not Ready is not among the healthy ones that a budget counts.
        (false, vec![]),
    ] {
        let mut read = snapshot(&[&account(true, true, ready)]);
        read.namespaces[0].disruption_budgets = unreadable("poddisruptionbudgets", None);
        let plan = planned(&read, "wh1-1", &[], true);
        assert_eq!(said(&plan, CheckId::Unread), expected);
        assert!(said(&plan, CheckId::Budget).is_empty());
    }
}
