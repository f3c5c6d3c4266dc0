//! Which rights are asked for, and what becomes of a command without one.

use super::checks::{PlanCheckId, PlanVerdict};
use super::rights::{Place, Right, goes_on_without, of, rules, together};
use super::undo_tests::{FAILED_OVER, planned, request, world};
use super::*;
use crate::cli::RbacFor;
use crate::cluster::Permission;

fn asked(yaml: &str, request: &Request) -> Vec<String> {
    let topology = world(yaml);
    let asked = needed(topology.member("a", "cloudberry-proxy-0").unwrap(), request);
    let word = |one: &Permission| {
        let sub = one.subresource.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
        format!("{} {}{sub}", one.verb, one.resource)
    };
    asked.iter().map(word).collect()
}

/// Proof takes a port-forward, by the verb of either protocol; what stays needs no right to delete it.
#[test]
fn what_is_not_done_needs_no_right() {
    let own = FAILED_OVER
        .replace("templates: [data]", "ephemeral: [scratch]")
        .replace("claims: [data-cloudberry-proxy-0]}", "ephemeral: [scratch]}");
    let none = FAILED_OVER.replace("claims: [data-cloudberry-proxy-0]}", "claims: []}");
    let keeps = Request { keep_claims: true, ..request() };
    let unproven = Request { verify: false, ..request() };
    let forward = ["get pods/portforward", "create pods/portforward"];
    let stored = ["get configmaps", "create configmaps", "update configmaps"];
    let volumes = ["patch persistentvolumes", "watch persistentvolumes"];
    let claims = ["delete persistentvolumeclaims", "create persistentvolumeclaims"];
    let always = ["delete pods", "create pods", "update leases", "list events"];
    // For each: whether what proves, what deletes claims, and what retains volumes is asked for.
    for (yaml, request, proves, deletes, retains) in [
        (FAILED_OVER, request(), true, true, true),
        (FAILED_OVER, unproven, false, true, true),
        (FAILED_OVER, keeps.clone(), true, false, false),
        // They go with the pod, whatever stays.
        (&own, request(), true, false, true),
        (&own, keeps, true, false, true),
        (&none, request(), true, false, false),
    ] {
        let asked = asked(yaml, &request);
        let has = |all: &[&str]| {
            let there = all.iter().filter(|one| asked.iter().any(|asked| asked == *one)).count();
            assert!(there == 0 || there == all.len(), "{all:?} of {asked:?}");
            there > 0
        };
        let found = (has(&forward), has(&stored), has(&claims), has(&volumes), has(&always));
        assert_eq!(found, (proves, proves, deletes, retains, true), "{request:?} {yaml}");
    }
}

#[test]
fn a_right_is_optional_only_where_it_goes_on_by_itself() {
    let here = |verb: &str, resource: &str| Permission::new(verb, resource).in_namespace("a");
    for (permission, without) in [
        (here("create", "pods"), Some("a rejection of the new pod or claims shows only")),
        (here("watch", "events"), Some("less detail while waiting")),
        (Permission::new("watch", "persistentvolumes"), Some("changes of the old volume are not seen")),
        (here("delete", "pods"), None),
        // There is a way round, by a flag: it does not go on by itself.
        (here("delete", "persistentvolumeclaims"), None),
        (Permission::new("patch", "persistentvolumes"), None),
        (here("get", "pods/portforward"), None),
        // Of another namespace, or none.
        (Permission::new("create", "pods"), None),
    ] {
        let found = goes_on_without(&permission);
        assert_eq!(found.is_some(), without.is_some(), "{permission:?}");
        assert!(found.unwrap_or_default().starts_with(without.unwrap_or_default()), "{permission:?} {found:?}");
    }
}

/// A missing optional right warns with what is lost; a missing required one blocks.
#[test]
fn a_missing_right_is_told_with_what_it_costs() {
    let of = |denied: &[(&str, &str)]| {
        let plan = planned(&world(FAILED_OVER), None, &request(), denied);
        let said = plan.checks.into_iter().filter(|check| check.id == PlanCheckId::Permission);
        said.map(|check| (check.verdict, check.reason)).collect::<Vec<_>>()
    };
    let [(PlanVerdict::Pass, _)] = &of(&[])[..] else { panic!() };
    let told = of(&[("create", "pods"), ("list", "events"), ("watch", "events")]);
    assert!(told.iter().all(|(verdict, _)| *verdict == PlanVerdict::Warn), "{told:?}");
    assert!(
        told.iter().any(|(_, why)| why.contains("create pods") && why.contains("a rejection of the new pod")),
        "{told:?}"
    );
    assert!(told.iter().any(|(_, why)| why.contains("events") && why.contains("less detail")), "{told:?}");
    let told = of(&[("delete", "pods"), ("create", "pods")]);
    assert!(
        told.iter().any(|(verdict, why)| *verdict == PlanVerdict::Block && why.contains("delete pods")),
        "{told:?}"
    );
}

fn find<'r>(rights: &'r [Right], verb: &str, resource: &str) -> Vec<&'r Right> {
    rights.iter().filter(|right| (right.verb, right.resource) == (verb, resource)).collect()
}

/// An undo cannot keep the claims, nor leave the volumes as they are: what is a way round for a failover is none for it.
#[test]
fn an_undo_takes_what_a_failover_can_do_without() {
    let (failover, undo) = (of(RbacFor::Failover), of(RbacFor::Undo));
    let class = ("list", "storageclasses.storage.k8s.io");
    assert_eq!((find(&failover, class.0, class.1).len(), find(&undo, class.0, class.1).len()), (1, 0));
    assert_eq!(undo.len() + 1, failover.len());
    for (verb, resource, optional) in [
        ("patch", "persistentvolumes", (true, false)),
        ("list", "persistentvolumes", (true, false)),
        ("delete", "persistentvolumeclaims", (true, false)),
        ("watch", "persistentvolumes", (true, true)),
        ("create", "persistentvolumeclaims", (true, true)),
        ("get", "pods/portforward", (true, true)),
        ("delete", "pods", (false, false)),
    ] {
        let is = |rights: &[Right]| find(rights, verb, resource)[0].without.is_some();
        assert_eq!((is(&failover), is(&undo)), optional, "{verb} {resource}");
    }
}

/// A role for several commands grants each right once, and what one of them needs is needed.
#[test]
fn a_role_for_several_commands_is_what_they_take_together() {
    for commands in [[RbacFor::Status, RbacFor::Failover], [RbacFor::Failover, RbacFor::Status]] {
        let all = together(&commands);
        for (verb, resource, optional) in [
            ("list", "pods", false),
            // Optional for status, and needed by a failover.
            ("list", "persistentvolumeclaims", false),
            ("list", "namespaces", true),
            ("delete", "pods", false),
            ("list", "events", true),
        ] {
            let found = find(&all, verb, resource);
            assert_eq!((found.len(), found[0].without.is_some()), (1, optional), "{verb} {resource}");
        }
        let failover = of(RbacFor::Failover);
        assert!(failover.iter().all(|right| all.iter().any(|other| other.is_same(right))));
        assert_eq!(all.len(), failover.len(), "a status takes nothing that a failover does not");
    }
    // Of one object, and of all of its kind.
    let lease = find(&of(RbacFor::Failover), "get", "leases.coordination.k8s.io")[0].to_owned();
    assert!(!lease.is_same(&Right { name: None, ..lease }));
    assert!(!lease.is_same(&Right { place: Place::Cluster, ..lease }));
}

/// Rights that are granted alike are one rule; those without which a command is not carried out come first.
#[test]
fn a_rule_joins_what_is_granted_alike() {
    let words = |command, place| -> Vec<String> {
        let rules = rules(&of(command), place);
        let word = |rule: &super::rights::Rule| {
            let (group, name) = (rule.group, rule.name.as_deref().unwrap_or("*"));
            format!("[{group}] {} {name}: {}", rule.resources.join(","), rule.verbs.join(","))
        };
        rules.iter().map(word).collect()
    };
    assert_eq!(
        words(RbacFor::Forward, Place::Namespaces),
        ["[] pods *: list,watch", "[] pods/portforward *: get,create"]
    );
    assert_eq!(
        words(RbacFor::Forward, Place::Cluster),
        ["[] namespaces *: list", "[] configmaps kubectl-synxdb-layout: get"]
    );
    let status = rules(&of(RbacFor::Status), Place::Namespaces);
    assert_eq!(words(RbacFor::Status, Place::Namespaces)[0], "[] pods *: list");
    assert!(status[0].without.is_none() && status[1..].iter().all(|rule| rule.without.is_some()), "{status:?}");
    // The one Lease is written, and no other; it is created if there is none.
    let failover = words(RbacFor::Failover, Place::Namespaces);
    assert!(failover.contains(&"[coordination.k8s.io] leases kubectl-synxdb: get,update".to_owned()), "{failover:?}");
    assert!(failover.contains(&"[coordination.k8s.io] leases *: create".to_owned()), "{failover:?}");
    // The same verbs on two resources of one group.
    assert!(
        failover.iter().any(|rule| rule.contains("pods") && rule.contains("persistentvolumeclaims")),
        "{failover:?}"
    );
}
