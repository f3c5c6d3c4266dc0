//! Members by their labels: another release's, forged ones, and unknown ones.

use crate::testing::snapshot;
use crate::topology::health::{Health, judge};
use crate::topology::{Endpoint, Layout, Role, Topology, build};

const FE_TEAM: &str = "hashdata-fe-team-07e5674f";

/// An account of another release.
const LABELLED: &str = "namespace: hashdata-fe-team-07e5674f
sets:
- {name: fe-team, replicas: 1, labels: {enterprise.dbaas/component: coordinator, enterprise.dbaas/instance: fe-team-coord}}
- {name: coordinator-proxy, replicas: 1}
- {name: wh-1-segment, replicas: 1, labels: {enterprise.dbaas/component: warehouse, enterprise.dbaas/name: wh-1}}
- {name: etl, replicas: 2, labels: {enterprise.dbaas/component: warehouse, enterprise.dbaas/name: wh-2}}
pods:
- {name: fe-team-0, set: fe-team, ready: true, labels: {enterprise.dbaas/component: coordinator}}
- {name: coordinator-proxy-0, set: coordinator-proxy, ready: true}
- {name: wh-1-segment-0, set: wh-1-segment, ready: true, labels: {enterprise.dbaas/component: warehouse}}
- {name: etl-0, set: etl, ready: true, labels: {enterprise.dbaas/component: warehouse}}
";

fn world(documents: &[&str]) -> Topology {
    build(&snapshot(documents), &Layout::shipped().unwrap())
}

#[test]
fn members_of_another_release_are_found_by_their_labels() {
    let topology = world(&[LABELLED]);
    let found: Vec<_> = topology.spaces[0]
        .components
        .iter()
        .map(|one| (one.role, one.name.as_str(), one.warehouse.as_deref(), one.instance.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            (Role::Coordinator, "fe-team", None, Some("fe-team-coord")),
            (Role::WarehouseProxy, "coordinator-proxy", None, None),
            (Role::WarehouseNode, "etl", Some("wh-2"), None),
            (Role::WarehouseNode, "wh-1-segment", Some("wh-1"), None),
        ]
    );
    // A missing pod belongs to its warehouse, too.
    let absent = topology.member(FE_TEAM, "etl-1").unwrap();
    assert_eq!((absent.pod.is_some(), absent.warehouse.as_deref()), (false, Some("wh-2")));
    assert!(topology.unrecognized().next().is_none());
}

/// A warehouse without a label has the name of its set.
#[test]
fn a_warehouse_without_a_label_is_called_like_its_workload() {
    let topology = world(&[crate::testing::ACCOUNT]);
    let warehouses: Vec<_> = topology.members().map(|member| member.warehouse.as_deref()).collect();
    assert_eq!(warehouses, [None, Some("wh9527"), Some("wh9527")]);
}

#[test]
fn the_coordinator_is_the_door_of_its_account() {
    let topology = world(&[LABELLED]);
    let endpoint = |name| topology.endpoint(topology.member(FE_TEAM, name).unwrap());
    for name in ["fe-team-0", "wh-1-segment-0", "etl-0"] {
        assert!(
            matches!(endpoint(name), Endpoint::Sql { pod, endpoint, .. } if pod == "fe-team-0" && endpoint.port == 5432),
            "{name}"
        );
    }
    let silent = Endpoint::Silent("coordinator-proxy-0 speaks HTTP: connect to the account's coordinator".to_owned());
    assert_eq!(endpoint("coordinator-proxy-0"), silent);
    // No other role takes it for a database either.
    let takes_sql = topology.spaces[0].components.iter().filter(|component| component.sql.is_some());
    assert_eq!(takes_sql.map(|component| component.name.as_str()).collect::<Vec<_>>(), ["fe-team"]);
    // Without a coordinator the proxy of this name accepts SQL.
    let proxy = world(&["namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a
sets: [{name: coordinator-proxy, replicas: 1}, {name: wh1, replicas: 1}]
pods: [{name: coordinator-proxy-0, set: coordinator-proxy, ready: true}, {name: wh1-0, set: wh1, ready: true}]"]);
    for member in proxy.members() {
        assert!(
            matches!(proxy.endpoint(member), Endpoint::Sql { pod, .. } if pod == "coordinator-proxy-0"),
            "{}",
            member.name
        );
    }
}

/// A client that may change a pod's labels cannot make it a member, and cannot remove one.
#[test]
fn a_pod_is_what_its_workload_is_whatever_its_own_labels_say() {
    let topology = world(&["namespace: hashdata-fe-team-07e5674f
sets:
- {name: fe-team, replicas: 1, labels: {enterprise.dbaas/component: coordinator}}
- {name: web, replicas: 1}
pods:
- {name: fe-team-0, set: fe-team, ready: true, labels: {enterprise.dbaas/component: backup}}
- {name: web-0, set: web, ready: true, labels: {enterprise.dbaas/component: coordinator}}
- {name: fake-0, ready: true, labels: {enterprise.dbaas/component: coordinator}}"]);
    let members: Vec<_> = topology.members().map(|member| (member.name.as_str(), member.role)).collect();
    assert_eq!(members, [("fe-team-0", Role::Coordinator)]);
    let strangers: Vec<_> = topology.spaces[0].strangers.iter().map(|one| one.poses.clone()).collect();
    let posing = |why: &str| Some((Role::Coordinator, why.to_owned()));
    let no_label = "its owner is the StatefulSet web, which gives its pods no such label";
    assert_eq!(strangers, [posing(no_label), posing("no controller owns it")]);
    assert_eq!(judge(&topology).health, Health::Healthy);
}

/// What looks like SynxDB's but matches no rule is not ignored: it is unknown.
#[test]
fn what_fits_no_rule_makes_it_unknown() {
    let pod = |line: &str| format!("{LABELLED}- {line}\n");
    let set = |line: &str| LABELLED.replace("sets:\n", &format!("sets:\n- {line}\n"));
    let etl = "- {name: etl-1, set: etl, ready: true}\n";
    for (document, what, why) in [
        (
            pod("{name: x-0, replicaSet: x, ready: true, labels: {enterprise.dbaas/component: catalog}}"),
            "pod x-0 in namespace hashdata-fe-team-07e5674f",
            "label enterprise.dbaas/component=catalog, which no rule of the layout matches",
        ),
        (
            set("{name: safekeeper, replicas: 1}"),
            "workload safekeeper in namespace hashdata-fe-team-07e5674f",
            "named like a SynxDB component, but no rule of the layout matches it",
        ),
        (
            set("{name: catalog, replicas: 1, labels: {enterprise.dbaas/name: c}}"),
            "workload catalog in namespace hashdata-fe-team-07e5674f",
            "label enterprise.dbaas/name=c, which no rule of the layout matches",
        ),
    ] {
        let report = judge(&world(&[&format!("{document}{etl}")]));
        assert_eq!(report.health, Health::Unknown, "{document}");
        let [gap] = report.gaps.as_slice() else { panic!("{:?}", report.gaps) };
        assert_eq!((&*gap.part.to_string(), gap.why.as_str()), (what, why));
    }
    assert_eq!(judge(&world(&[&format!("{LABELLED}{etl}")])).health, Health::Healthy);
}

/// An account that is down is not healthy because nothing in it was recognized.
#[test]
fn an_account_of_which_nothing_is_recognized_is_unknown() {
    const HEALTHY: &str = "namespace: synxdb-system
sets: [{name: pageserver, replicas: 1}]
pods: [{name: pageserver-0, set: pageserver, ready: true}]";
    const CERTAIN: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    for (namespace, pods, expected) in [
        (FE_TEAM, "[{name: a-0, set: a, phase: Pending}, {name: b-7d-x, replicaSet: b-7d, phase: Pending}]", 2),
        (FE_TEAM, "[{name: a-0, set: a, phase: Pending}, {name: b-0, set: b, ready: true}]", 0),
        (FE_TEAM, "[]", 0),
        (CERTAIN, "[{name: a-0, set: a, ready: true}]", 1),
        (CERTAIN, "[{name: a-0, set: a, phase: Succeeded}]", 0),
        // Pods with forged labels are reported already.
        (CERTAIN, "[{name: wh1-0, ready: true}]", 0),
        ("any-other", "[{name: a-0, set: a, phase: Pending}]", 0),
    ] {
        let sets = "[{name: a, replicas: 0}, {name: b, replicas: 0}]";
        let topology = world(&[HEALTHY, &format!("namespace: {namespace}\nsets: {sets}\npods: {pods}")]);
        assert_eq!(topology.unrecognized().count(), expected, "{namespace} {pods}");
        let report = judge(&topology);
        let health = if expected == 0 { Health::Healthy } else { Health::Unknown };
        assert_eq!(report.health, health, "{namespace} {pods}: {report:?}");
    }
    // A namespace with this name by coincidence is not SynxDB's.
    let chance = "namespace: web-preview-deadbeef\nsets: []\npods: [{name: web-0, set: web, ready: true}]";
    assert_eq!(world(&[HEALTHY, chance]).spaces.len(), 1);
}

/// Without the StatefulSets, as when only pods are watched, the pods' own labels count.
#[test]
fn where_only_pods_are_read_their_own_labels_count() {
    let mut read = snapshot(&[LABELLED]);
    read.namespaces[0].stateful_sets = crate::cluster::snapshot::Read::NotAsked;
    let topology = build(&read, &Layout::shipped().unwrap());
    let roles: Vec<_> = topology.members().map(|member| (member.name.as_str(), member.role)).collect();
    assert_eq!(
        roles,
        [
            ("fe-team-0", Role::Coordinator),
            ("coordinator-proxy-0", Role::WarehouseProxy),
            ("etl-0", Role::WarehouseNode),
            ("wh-1-segment-0", Role::WarehouseNode),
        ]
    );
    assert!(topology.members().all(|member| topology.trusted(member).is_err()));
}

/// A backup's pod carries its account's labels, but is not a member.
#[test]
fn a_pod_that_is_done_is_no_member() {
    let job = "- {name: wh-1-init-x7, replicaSet: wh-1-init, phase: Succeeded, labels: {enterprise.dbaas/component: warehouse}}";
    let topology = world(&[&format!("{LABELLED}{job}\n")]);
    assert!(topology.members().all(|member| member.name != "wh-1-init-x7"));
    assert!(topology.unrecognized().next().is_none());
}
