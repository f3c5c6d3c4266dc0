//! What counts as a problem, member by member.

use super::*;
use crate::testing::{snapshot, unreadable};
use crate::topology::{Layout, Untrusted, build};

const POD: &str = "{name: pageserver-0, set: pageserver, claims: [data-pageserver-0], ready: true}";
const CLAIM: &str = "{name: data-pageserver-0, volume: pv-1}";

fn world(pod: &str, claim: &str) -> crate::cluster::snapshot::Snapshot {
    snapshot(&[&format!(
        "namespace: synxdb-system\nsets: [{{name: pageserver, replicas: 1, templates: [data]}}]\npods: [{pod}]\nclaims: \
         [{claim}]"
    )])
}

/// Ready is the current state: a terminating pod will be gone, and none of these is healthy.
#[test]
fn a_ready_pod_is_not_healthy_by_that_alone() {
    let pod = |with: &str| POD.replace("ready: true", with);
    for (pod, claim, expected) in [
        (POD.to_owned(), CLAIM.to_owned(), None),
        (pod("ready: true, terminating: true"), CLAIM.into(), Some(("its pod is being deleted", false))),
        (pod("terminating: true"), CLAIM.into(), Some(("its pod is being deleted", false))),
        (pod("phase: Running"), CLAIM.into(), Some(("containers with unready status: [main]", true))),
        (String::new(), CLAIM.into(), Some(("its pod does not exist", false))),
        (
            POD.into(),
            "{name: data-pageserver-0, volume: pv-1, terminating: true}".into(),
            Some(("its claim data-pageserver-0 is Terminating", false)),
        ),
        // Another one is there; or none at all.
        (
            POD.into(),
            "{name: data-pageserver-1, volume: pv-1}".into(),
            Some(("its claim data-pageserver-0 does not exist", false)),
        ),
        (POD.into(), String::new(), Some(("its claim data-pageserver-0 does not exist", false))),
        (POD.into(), "{name: data-pageserver-0}".into(), Some(("its claim data-pageserver-0 is Pending", false))),
        (
            POD.into(),
            "{name: data-pageserver-0, volume: pv-1, phase: Lost}".into(),
            Some(("its claim data-pageserver-0 is Lost", false)),
        ),
    ] {
        let topology = build(&world(&pod, &claim), &Layout::shipped().unwrap());
        let member = topology.members().next().unwrap();
        let found = trouble(member);
        assert_eq!(
            found.as_ref().map(|trouble| (trouble.because.as_str(), trouble.remedy == Remedy::Failover)),
            expected,
            "{pod} {claim}"
        );
        let report = judge(&topology);
        assert_eq!(report.health == Health::Healthy, expected.is_none(), "{pod} {claim}: {report:?}");
        assert_eq!(report.troubles.len(), usize::from(expected.is_some()));
        let counts = member.pod.as_ref().is_some_and(|pod| pod.ready && pod.terminating.is_none());
        assert_eq!(report.members, (usize::from(counts), 1), "{pod}");
    }
}

/// A claim that may not be read is a gap, and not a problem.
#[test]
fn a_claim_that_cannot_be_read_is_a_gap() {
    let mut read = world(POD, CLAIM);
    read.namespaces[0].claims = unreadable("persistentvolumeclaims", None);
    let report = judge(&build(&read, &Layout::shipped().unwrap()));
    assert_eq!((report.health, report.troubles.len()), (Health::Unknown, 0));
}

#[test]
fn a_majority_is_more_than_half() {
    for (of, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)] {
        assert_eq!(majority(of), needed, "{of}");
    }
}

/// Missing replicas are wanted, and members beyond them count, too.
#[test]
fn as_many_are_wanted_as_the_set_asks_for_or_as_there_are() {
    let wanted_of = |replicas: u32, pods: u32, read: bool| {
        let pods: Vec<String> =
            (0..pods).map(|ordinal| format!("{{name: safekeeper-{ordinal}, set: safekeeper, ready: true}}")).collect();
        let mut objects = snapshot(&[&format!(
            "namespace: synxdb-system\nsets: [{{name: safekeeper, replicas: {replicas}}}]\npods: [{}]",
            pods.join(", ")
        )]);
        if !read {
            objects.namespaces[0].stateful_sets = unreadable("statefulsets", None);
        }
        let topology = build(&objects, &Layout::shipped().unwrap());
        let space = topology.space("synxdb-system").unwrap();
        wanted(&space.components[0])
    };
    assert_eq!((wanted_of(3, 3, true), wanted_of(3, 1, true), wanted_of(1, 3, true)), (3, 3, 3));
    assert_eq!(wanted_of(5, 2, false), 2);
}

/// A member is Ready according to its node: while that is silent, its state is unknown, and not healthy.
#[test]
fn what_a_silent_node_said_last_is_old() {
    let judged = |pod: &str, silent: &str| {
        let mut topology = build(&world(pod, CLAIM), &Layout::shipped().unwrap());
        topology.silent_nodes.insert(silent.to_owned(), 45);
        judge(&topology)
    };
    let report = judged(POD, "node-1");
    assert_eq!((report.health, report.gaps.len()), (Health::Unknown, 1));
    assert_eq!(report.gaps[0].part.to_string(), "readiness of pageserver-0");
    assert_eq!(report.gaps[0].why, "its node node-1 has not reported for 45 s");
    // Another node's silence does not matter; and a member that is not Ready is known to have a problem.
    assert_eq!(judged(POD, "node-2").health, Health::Healthy);
    let report = judged(&POD.replace("ready: true", "phase: Running"), "node-1");
    assert_eq!((report.health, report.gaps.len()), (Health::Degraded, 0));
}

/// Any client may take the name of a missing pod: only the pod with this very name is reported, and gets no password.
#[test]
fn a_stranger_is_one_by_the_name_of_the_member_that_is_missing() {
    let of = |pods: &str| {
        let yaml = format!(
            "namespace: synxdb-system\nsets: [{{name: pageserver, replicas: 1, templates: []}}]\npods: [{pods}]"
        );
        let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
        let member = topology.member("synxdb-system", "pageserver-0").unwrap();
        (topology.usurper(member).map(str::to_owned), topology.trusted(member))
    };
    let why = "no controller owns it";
    assert_eq!(of(""), (None, Ok(())));
    assert_eq!(of("{name: pageserver-1, ready: true}"), (None, Ok(())));
    assert_eq!(
        of("{name: pageserver-0, ready: true}"),
        (Some(why.to_owned()), Err(Untrusted::Stranger(why.to_owned())))
    );
    assert_eq!(of("{name: pageserver-0, set: pageserver, ready: true}, {name: pageserver-1}"), (None, Ok(())));
}

/// What follows a pod across its replacement uses a name that stays.
#[test]
fn the_name_that_stays_is_the_pods_own_or_its_components() {
    let yaml = "
namespace: synxdb-system
sets: [{name: pageserver, replicas: 1, templates: []}]
pods:
- {name: pageserver-0, set: pageserver, ready: true}
- {name: cloudberry-proxy-5d9c-abcde, replicaSet: cloudberry-proxy-5d9c, ready: true}
";
    let topology = build(&snapshot(&[yaml]), &Layout::shipped().unwrap());
    for (pod, expected) in [
        ("pageserver-0", "pageserver-0"),
        ("cloudberry-proxy-5d9c-abcde", "cloudberry-proxy"),
        ("stranger-0", "stranger-0"),
    ] {
        assert_eq!(topology.lasting_name("synxdb-system", pod), expected);
    }
    assert_eq!(topology.lasting_name("elsewhere", "pageserver-0"), "pageserver-0");
}
