//! The storage layer on literal YAML, with what its components say of themselves.

use super::super::tests::{planned_beside, request, said};
use super::*;
use crate::plan::Plan;
use crate::storage::Readings;
use crate::storage::examples::{Ps, Sk, ps, readings, sk};
use crate::testing::snapshot;
use crate::topology::Layout;

/// Three safekeepers and a pageserver, all Ready and old; further fields of one of them, and records.
fn world(not_ready: &[&str], records: &str) -> String {
    let mut yaml = "namespace: synxdb-system\nsets:\n- {name: safekeeper, replicas: 3, templates: [data]}\n\
                    - {name: pageserver, replicas: 1, templates: [data]}\npods:\n"
        .to_owned();
    let pods = ["safekeeper-0", "safekeeper-1", "safekeeper-2", "pageserver-0"];
    for pod in pods {
        let (set, ready) = (pod.split('-').next().unwrap(), !not_ready.contains(&pod));
        yaml.push_str(&format!("- {{name: {pod}, set: {set}, ready: {ready}, claims: [data-{pod}]}}\n"));
    }
    yaml.push_str("claims:\n");
    for pod in pods {
        yaml.push_str(&format!("- {{name: data-{pod}, uid: uid-{pod}, volume: pv-{pod}}}\n"));
    }
    if !records.is_empty() {
        yaml.push_str(&format!("records:\n{records}"));
    }
    yaml
}

/// A failover of this pod a day ago, with this outcome.
fn record(pod: &str, outcome: &str) -> String {
    let took = if matches!(outcome, "unfinished" | "catchingUp") { "" } else { "took: 5, " };
    format!(
        "- {{id: old1, pod: {pod}, age: 86400, {took}outcome: {outcome}, set: set-{}, claims: [{{name: data-{pod}, uid: c0, \
         volume: pv-{pod}, policy: Delete}}]}}\n",
        pod.split('-').next().unwrap()
    )
}

fn beside(yaml: &str, pod: &str, keep: bool, storage: &Readings) -> Plan {
    planned_beside(&snapshot(&[yaml]), &Layout::shipped().unwrap(), pod, (&request(keep), &[], storage))
}

fn level() -> Sk {
    sk(1).timeline("aa/11", 100, 100, 3)
}

fn three() -> Readings {
    readings([level(), level().id(2), level().id(3)])
}

/// The measure of the others comes before any guess by the age of a disk, and an operation that did not end well counts
/// however old it is.
#[test]
fn a_safekeeper_goes_only_while_each_other_one_has_all_committed_wal() {
    let left = "only 1 of 3 safekeepers would remain (quorum is 2) [quorum-loss]";
    let whole =
        "Pass: 2 of 3 safekeepers stay Ready (quorum is 2); each has all committed WAL of 1 timeline".to_owned();
    let idle = || {
        let idle = |id| level().id(id).without("aa/11");
        readings([idle(1), idle(2), idle(3)])
    };
    let behind = || readings([level(), level().id(2).timeline("aa/11", 92, 92, 3), level().id(3)]);
    for (records, storage, expected) in [
        (String::new(), three(), whole.clone()),
        (String::new(), idle(), "Pass: 2 of 3 safekeepers stay Ready (quorum is 2); no active timelines".to_owned()),
        (
            String::new(),
            behind(),
            format!(
                "Block: safekeeper-1 lacks WAL: 8 bytes behind on timeline aa/11 (at 0/5C; safekeeper-0 has 0/64 \
                 committed): {left}"
            ),
        ),
        (
            String::new(),
            readings([level(), level().id(2).unread(), level().id(3)]),
            "Warn: 2 of 3 safekeepers stay Ready (quorum is 2); unknown whether safekeeper-1 has all committed WAL: \
             /metrics returned 401 Unauthorized"
                .to_owned(),
        ),
        (record("safekeeper-1", "recovered"), three(), whole.clone()),
        (
            record("safekeeper-1", "unfinished"),
            three(),
            format!("Block: failover old1 of safekeeper-1 is unfinished: {left}"),
        ),
        (
            record("safekeeper-1", "catchingUp"),
            three(),
            format!("Block: failover old1 of safekeeper-1 was still catching up: {left}"),
        ),
        (
            record("safekeeper-1", "dataMissing"),
            three(),
            format!("Block: failover old1 of safekeeper-1 ended with data missing: {left}"),
        ),
        // For an unverified one its current report counts, and without that nothing does.
        (record("safekeeper-1", "unverified"), three(), whole.clone()),
        (
            record("safekeeper-1", "unverified"),
            readings([level(), level().id(2).unread(), level().id(3)]),
            format!("Block: failover old1 of safekeeper-1 is unverified: {left}"),
        ),
    ] {
        for keep in [false, true] {
            let plan = beside(&world(&[], &records), "safekeeper-0", keep, &storage);
            assert_eq!(said(&plan, PlanCheckId::Quorum), std::slice::from_ref(&expected), "{records} keep={keep}");
        }
    }
    // One that has a new disk and says that it has all of it, does.
    let young = world(&[], "").replace("uid: uid-safekeeper-1,", "uid: uid-safekeeper-1, age: 30,");
    assert!(said(&beside(&young, "safekeeper-0", false, &three()), PlanCheckId::Quorum)[0].starts_with("Pass"));
    let blind = said(&beside(&young, "safekeeper-0", false, &Readings::default()), PlanCheckId::Quorum);
    assert!(blind[0].contains("'s disk is 30s old"), "{blind:?}");
}

#[test]
fn never_two_storage_components_at_once() {
    let at_once = "two storage components would be down at once [second-storage]";
    let unfinished = |pod: &str| format!("Block: failover old1 of {pod} is unfinished: {at_once}");
    for (down, records, pod, expected) in [
        (&[][..], String::new(), "pageserver-0", None),
        (&[], record("safekeeper-1", "recovered"), "pageserver-0", None),
        (&[], record("safekeeper-1", "unfinished"), "pageserver-0", Some(unfinished("safekeeper-1"))),
        (&[], record("pageserver-0", "unfinished"), "safekeeper-0", Some(unfinished("pageserver-0"))),
        (
            &[],
            record("pageserver-0", "catchingUp"),
            "safekeeper-0",
            Some(format!("Block: failover old1 of pageserver-0 was still catching up: {at_once}")),
        ),
        (
            &[],
            record("pageserver-0", "unverified"),
            "safekeeper-0",
            Some("Warn: failover old1 of pageserver-0 is unverified".to_owned()),
        ),
        (
            &["safekeeper-1", "safekeeper-2"],
            String::new(),
            "pageserver-0",
            Some(format!("Block: safekeeper-1, safekeeper-2 are not Ready: {at_once}")),
        ),
        (
            &["pageserver-0"],
            String::new(),
            "safekeeper-0",
            Some(format!("Block: pageserver-0 is not Ready: {at_once}")),
        ),
        // Both are down: one of them has to be the first.
        (
            &["safekeeper-0", "pageserver-0"],
            String::new(),
            "safekeeper-0",
            Some("Warn: pageserver-0 is not Ready".to_owned()),
        ),
        // The safekeepers among themselves are weighed as a quorum; its own state is its own affair.
        (&["safekeeper-1"], String::new(), "safekeeper-0", None),
        (&["pageserver-0"], record("pageserver-0", "unverified"), "pageserver-0", None),
    ] {
        let plan = beside(&world(down, &records), pod, false, &three());
        assert_eq!(
            said(&plan, PlanCheckId::Storage),
            expected.into_iter().collect::<Vec<_>>(),
            "{down:?} {records} {pod}"
        );
    }
    // The records are on volumes: without these nothing is known of the others.
    let mut read = snapshot(&[&world(&[], &record("safekeeper-1", "unfinished"))]);
    read.volumes = crate::testing::unreadable("persistentvolumes", None);
    let plan = planned_beside(&read, &Layout::shipped().unwrap(), "pageserver-0", (&request(true), &[], &three()));
    let unknown = "Warn: unknown how the last failover of safekeeper-0, safekeeper-1, safekeeper-2 ended: volumes cannot be \
                   read: persistentvolumes is forbidden";
    assert_eq!(said(&plan, PlanCheckId::Storage), [unknown]);
}

/// A proxy has no data that a storage component could lack: it is replaced whatever the storage is like.
#[test]
fn a_proxy_does_not_wait_for_the_storage() {
    let proxy = |yaml: &str| {
        yaml.replace("sets:\n", "sets:\n- {name: cloudberry-proxy, replicas: 1, templates: [data]}\n")
            .replace(
                "pods:\n",
                "pods:\n- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, claims: [data-cloudberry-proxy-0]}\n",
            )
            .replace("claims:\n", "claims:\n- {name: data-cloudberry-proxy-0, volume: pv-0}\n")
    };
    for yaml in
        [world(&["pageserver-0"], ""), world(&["safekeeper-1"], ""), world(&[], &record("pageserver-0", "unfinished"))]
    {
        let plan = beside(&proxy(&yaml), "cloudberry-proxy-0", false, &three());
        assert!(said(&plan, PlanCheckId::Storage).is_empty(), "{yaml}");
    }
}

/// An old disk lacks the votes since it was retained.
#[test]
fn a_safekeepers_old_disk_comes_back_only_if_it_could_not_vote_twice() {
    let yaml = |terms: &str| {
        let record = record("safekeeper-0", "dataMissing").replace(
            "claims: [{name: data-safekeeper-0, uid: c0, volume: pv-safekeeper-0, policy: Delete}]",
            &format!("claims: [{{name: data-safekeeper-0, uid: c0, volume: pv-old, policy: Delete}}]{terms}"),
        );
        let old = "volumes: [{name: pv-old, class: standard, reservedFor: data-safekeeper-0, releasedBy: c0, policy: Retain}]\n";
        format!("{old}{}", world(&[], &record))
    };
    let of = |terms: &str, storage: &Readings, allow: &[Allow]| {
        let snapshot = snapshot(&[&yaml(terms)]);
        let topology = crate::topology::build(&snapshot, &Layout::shipped().unwrap());
        let records = crate::plan::Record::on_volumes(&topology);
        let member = topology.member("synxdb-system", "safekeeper-0").unwrap();
        let request = crate::plan::Request { allow: allow.to_vec(), ..request(false) };
        let plan = crate::plan::plan(crate::plan::Inputs {
            topology: &topology,
            member,
            request: &request,
            rights: &[],
            before: crate::plan::Before::NotAsked,
            baseline: crate::plan::ComparedWith::Fresh { taken: String::new() },
            undoes: Some(&records[0]),
            unfinished: None,
            records: &records,
            now: crate::testing::now(),
            probes: crate::plan::Probes::default(),
            journal: String::new(),
            in_flight: crate::plan::InFlight::default(),
            storage,
        });
        (said(&plan, PlanCheckId::Votes), plan.risk)
    };
    let (ordinary, high) = (crate::plan::Risk::Ordinary, crate::plan::Risk::High);
    let (said, _) = of(", terms: {aa/11: 3}", &three(), &[]);
    assert_eq!(said, ["Pass: no safekeeper voted since old1: the old disk has every vote"]);
    let why = "the old disk could vote twice: safekeepers voted since old1 (term 3 of timeline aa/11 by safekeeper-1, earlier 2) \
               [quorum-loss]";
    assert_eq!(of(", terms: {aa/11: 2}", &three(), &[]), (vec![format!("Block: {why}")], ordinary));
    assert_eq!(of(", terms: {aa/11: 2}", &three(), &[Allow::QuorumLoss]), (vec![format!("Warn: {why}")], high));
    let (said, _) = of("", &three(), &[]);
    assert!(said[0].starts_with("Warn: unknown whether a safekeeper voted since old1"), "{said:?}");
}

fn with(pageserver: Ps, safekeepers: [Sk; 3]) -> Readings {
    Readings { pageservers: vec![pageserver.reading()], ..readings(safekeepers) }
}

#[test]
fn what_a_pageserver_holds_elsewhere_is_measured() {
    let of = |remote: Option<u64>| ps(1).timeline("aa/11", 100, 100).change(|facts| facts.remote_bytes = remote);
    let safekeepers = || [level(), level().id(2), level().id(3)];
    let nothing = "the pageserver has nothing in remote storage: its layers exist only on the old disk [local-layers]";
    let empty = ps(0).change(|facts| facts.remote_bytes = Some(0));
    for (storage, expected) in [
        (
            with(of(Some(1_073_741_824)), safekeepers()),
            "Pass: the pageserver has 1,073,741,824 bytes in remote storage",
        ),
        (with(of(Some(0)), safekeepers()), &format!("Block: {nothing}")),
        (with(of(None), safekeepers()), "Warn: unknown whether the pageserver keeps its layers in remote storage"),
        (with(empty, safekeepers()), "Warn: unknown whether the pageserver keeps its layers in remote storage"),
        (Readings::default(), "Warn: unknown whether the pageserver keeps its layers in remote storage"),
    ] {
        let plan = beside(&world(&[], ""), "pageserver-0", false, &storage);
        assert!(said(&plan, PlanCheckId::RemoteStorage)[0].starts_with(expected), "{:?}", plan.checks);
        let plan = beside(&world(&[], ""), "pageserver-0", true, &storage);
        assert!(said(&plan, PlanCheckId::RemoteStorage).is_empty());
    }
    // The layout overrides the measurement, and a difference is reported.
    let layout = crate::topology::layout::DEFAULT_LAYOUT
        .replace("workload: pageserver\n", "workload: pageserver\n    remoteStorage: true\n");
    let layout = Layout::parse(&layout).unwrap();
    let yaml = snapshot(&[&world(&[], "")]);
    let storage = with(of(Some(0)), safekeepers());
    let plan = planned_beside(&yaml, &layout, "pageserver-0", (&request(false), &[], &storage));
    assert!(said(&plan, PlanCheckId::RemoteStorage)[0].starts_with("Warn: the layout says"), "{:?}", plan.checks);
}

#[test]
fn wal_that_is_not_uploaded_must_be_on_safekeepers() {
    let pageserver = || ps(1).timeline("aa/11", 100, 60);
    let short = |id| level().id(id).timeline("aa/11", 99, 99, 3);
    let what = "40 bytes of WAL in 1 timeline is not in remote storage yet";
    for (storage, expected) in [
        (
            with(pageserver(), [level(), level().id(2), short(3)]),
            format!("Pass: {what}, and is on a majority of 3 safekeepers"),
        ),
        (
            with(pageserver(), [level(), short(2), sk(3).down()]),
            format!("Warn: {what}, and should be on safekeepers: timeline aa/11: 1 of 3 have it, unknown for 1"),
        ),
        (
            with(pageserver(), [short(1), short(2), short(3)]),
            format!("Block: {what}, and no safekeeper has all of it: timeline aa/11: 0 of 3 have it [local-layers]"),
        ),
        (
            with(ps(1).timeline("aa/11", 60, 60), [level(), level(), level()]),
            "Pass: all WAL that the pageserver has ingested is in remote storage".to_owned(),
        ),
        (
            Readings::default(),
            "Warn: unknown how much WAL exists only on safekeepers: the pageserver's metrics are unavailable"
                .to_owned(),
        ),
    ] {
        let plan = beside(&world(&[], ""), "pageserver-0", false, &storage);
        assert_eq!(said(&plan, PlanCheckId::Wal), [expected]);
        assert!(said(&beside(&world(&[], ""), "pageserver-0", true, &storage), PlanCheckId::Wal).is_empty());
    }
}
