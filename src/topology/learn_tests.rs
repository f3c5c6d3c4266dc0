//! Learning a layout from a cluster keeps what is known.

use super::*;
use crate::testing::observed::{observed, set};
use serde_json::json;

/// What the current layout knows is kept as it is there.
#[test]
fn what_is_known_is_kept() {
    let app = |name: &str| json!({"app": name});
    let sets = vec![
        set("synxdb-system", "cloudberry-proxy", app("m"), ("cloudberry-proxy", "synxdb/cloudberry-proxy:4"), &[5432]),
        set("synxdb-system", "safekeeper", app("s"), ("safekeeper", "synxdb/safekeeper:4"), &[7676]),
        set("synxdb-system", "pageserver", app("p"), ("pageserver", "synxdb/pageserver:4"), &[]),
        set("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", "cloudberry-proxy", app("a"), ("x", "x"), &[5432]),
        set("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", "wh9527", app("w"), ("x", "x"), &[5432]),
    ];
    let shipped = Layout::shipped().unwrap();
    let proposal = propose(&seen(&observed(sets)), &shipped);
    assert_eq!(proposal.system_namespace.as_deref(), Some("synxdb-system"));
    assert!(proposal.accounts.iter().all(|account| account.in_force) && proposal.labels.is_none(), "{proposal:?}");
    let rules: Vec<_> = proposal.rules.iter().map(|rule| (rule.role, rule.pattern_in_force, rule.page)).collect();
    assert_eq!(
        rules,
        [
            (Role::MetadataProxy, true, None),
            (Role::Safekeeper, true, Some((7676, true))),
            // Nothing shows this port: it is kept, and marked as a guess.
            (Role::Pageserver, true, Some((9898, false))),
            (Role::WarehouseProxy, true, None),
            (Role::WarehouseNode, true, None),
        ]
    );
    assert!(proposal.left.is_empty(), "{proposal:?}");
}

/// Words are parts between dashes: a `whisper` is not a warehouse.
#[test]
fn words_are_parts_of_names() {
    for (text, word, expected) in [
        ("wh-1-segment", "wh", true),
        ("wh9527", "wh", true),
        ("my_segment", "segment", true),
        ("whisper-1", "wh", false),
        ("oldwh-1", "wh", false),
        ("cloudberry-proxy", "cloudberry-proxy", true),
        ("discoordinator", "coordinator", false),
    ] {
        assert_eq!(has_word(text, word), expected, "{text} {word}");
    }
}

/// The stronger clues decide, and of equal ones the first.
#[test]
fn what_has_more_clues_is_taken_and_of_equals_the_first() {
    let guess = |name: &str, ports: &[u16]| {
        let sets = vec![set("core", name, json!({"app": "x"}), ("main", "img:1"), ports)];
        let all = seen(&observed(sets));
        all[0].guess(&Layout::shipped().unwrap(), None).map(|(role, _)| role)
    };
    assert_eq!(guess("safekeeper-broker", &[]), Some(Role::Safekeeper));
    assert_eq!(guess("safekeeper-broker", &[50051]), Some(Role::StorageBroker));
    assert_eq!(guess("safekeeper-broker", &[7676]), Some(Role::Safekeeper));
    assert_eq!(guess("main", &[50051]), None);
}

/// A console is SynxDB's only in a namespace that is SynxDB's by its name or by the current layout.
#[test]
fn a_console_counts_in_a_namespace_of_synxdb_alone() {
    let console = |namespace: &str| set(namespace, "console", json!({"app": "c"}), ("console", "r/console:1"), &[8030]);
    let shipped = Layout::shipped().unwrap();
    for (namespace, management) in
        [("synxdb-dbaas", true), ("acme-dbaas", true), ("prod-synxdb", true), ("redpanda", false), ("synxdbx", false)]
    {
        let proposal = propose(&seen(&observed(vec![console(namespace)])), &shipped);
        let expected: &[String] = if management { &[namespace.to_owned()] } else { &[] };
        assert_eq!(proposal.management, expected, "{namespace}");
        let rules: Vec<_> = proposal.rules.iter().map(|rule| (rule.kind, rule.role)).collect();
        let expected: &[_] = if management { &[(SpaceKind::Management, Role::Console)] } else { &[] };
        assert_eq!(rules, expected, "{namespace}");
    }
    // Nothing else is proposed for such a namespace.
    let broker = set("synxdb-dbaas", "broker", json!({"app": "b"}), ("broker", "b:1"), &[50051]);
    let proposal = propose(&seen(&observed(vec![console("synxdb-dbaas"), broker])), &shipped);
    assert_eq!(proposal.rules.len(), 1, "{proposal:?}");
    assert_eq!(proposal.left.iter().map(Seen::path).collect::<Vec<_>>(), ["synxdb-dbaas/broker"]);
}

/// Pods without a StatefulSet count as their workload; those of a job or of every node, and those that are done, do not.
#[test]
fn pods_without_a_stateful_set_are_grouped_by_workload() {
    let pod = |name: &str, kind: &str, owner: &str, phase: &str| {
        let by = json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": owner, "controller": true}]);
        serde_json::from_value(json!({
            "metadata": {"namespace": "core", "name": name, "labels": {"app": "x"}, "ownerReferences": by},
            "spec": {"containers": [{"name": "main", "image": "r/x/proxy:4", "ports": [{"containerPort": 5432}]}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    };
    let mut observation = observed(vec![set("core", "safekeeper", json!({"app": "s"}), ("sk", "s:1"), &[7676])]);
    let crate::cluster::snapshot::Read::Known(pods) = &mut observation.pods else { panic!() };
    pods.extend([
        pod("proxy-5d9c-abc", "ReplicaSet", "proxy-5d9c", "Running"),
        pod("proxy-5d9c-def", "ReplicaSet", "proxy-5d9c", "Running"),
        pod("backup-1", "Job", "backup", "Running"),
        pod("log-1", "DaemonSet", "log", "Running"),
        pod("etcd-node1", "Node", "node1", "Running"),
        pod("init-7f-1", "ReplicaSet", "init-7f", "Succeeded"),
    ]);
    let found = seen(&observation);
    let expected = Seen {
        namespace: "core".into(),
        name: "proxy".into(),
        kind: Some("ReplicaSet".into()),
        labels: BTreeMap::from([("app".to_owned(), "x".to_owned())]),
        containers: BTreeSet::from(["main".to_owned()]),
        images: BTreeSet::from(["proxy".to_owned()]),
        ports: BTreeSet::from([5432]),
        service_ports: BTreeSet::new(),
    };
    assert_eq!(found.iter().map(Seen::path).collect::<Vec<_>>(), ["core/proxy", "core/safekeeper"]);
    assert_eq!(found[0], expected);
    assert_eq!(found[1].kind.as_deref(), Some("StatefulSet"));
}

/// A Service leads to the pods that have all labels of its selector, in its namespace; without a selector to none.
#[test]
fn the_ports_of_a_service_are_its_pods_ports() {
    let service = |namespace: &str, selector: serde_json::Value, port: serde_json::Value| {
        serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": "s"}, "spec": {"selector": selector, "ports": [port]}}))
        .unwrap()
    };
    let ports = |service| {
        let labels = json!({"app": "x", "tier": "db"});
        let mut observation = observed(vec![set("core", "a", labels, ("main", "img:1"), &[])]);
        observation.services = crate::cluster::snapshot::Read::Known(vec![service]);
        let found = seen(&observation).remove(0);
        assert!(found.service_ports.iter().all(|port| found.has_port(*port)) && !found.has_port(1));
        found.service_ports.into_iter().collect::<Vec<_>>()
    };
    let plain = || json!({"port": 7676});
    assert_eq!(ports(service("core", json!({"app": "x"}), plain())), [7676]);
    assert_eq!(ports(service("core", json!({"app": "x", "tier": "db"}), plain())), [7676]);
    // It is the pod's port that counts, where it is a number.
    assert_eq!(ports(service("core", json!({"app": "x"}), json!({"port": 80, "targetPort": 9898}))), [9898]);
    assert_eq!(ports(service("core", json!({"app": "x"}), json!({"port": 80, "targetPort": "sql"}))), [80]);
    let none: [u16; 0] = [];
    assert_eq!(ports(service("core", json!({"app": "x", "tier": "web"}), plain())), none);
    assert_eq!(ports(service("core", json!({"app": "y"}), plain())), none);
    assert_eq!(ports(service("core", json!({}), plain())), none);
    assert_eq!(ports(service("core", json!(null), plain())), none);
    assert_eq!(ports(service("other", json!({"app": "x"}), plain())), none);
}

/// An account's coordinator is known by its label or by the current layout; without either, a namespace with any pod that is
/// called a coordinator would be an account's.
#[test]
fn a_coordinator_makes_an_account_only_with_better_evidence_than_its_name() {
    let coordinator = |namespace: &str, labels| set(namespace, "coordinator", labels, ("main", "img:1"), &[]);
    let accounts = |sets| {
        let proposal = propose(&seen(&observed(sets)), &Layout::shipped().unwrap());
        proposal.accounts.into_iter().flat_map(|pattern| pattern.namespaces).collect::<Vec<_>>()
    };
    assert!(accounts(vec![coordinator("trino", json!({"app": "t"}))]).is_empty());
    assert_eq!(accounts(vec![coordinator("prod", json!({"db.acme/component": "coordinator"}))]), ["prod"]);
    let own = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    assert_eq!(accounts(vec![coordinator(own, json!({"app": "t"}))]), [own]);
    assert_eq!(accounts(vec![set("prod", "wh-1-segment", json!({"app": "w"}), ("main", "img:1"), &[])]), ["prod"]);
}

/// The label of components is the one that most workloads have.
#[test]
fn the_label_of_components_is_the_most_frequent_one() {
    let labelled = |name: &str, key: &str| set("prod", name, json!({key: "warehouse"}), ("main", "img:1"), &[]);
    let all = seen(&observed(vec![
        labelled("wh-1", "a.b/component"),
        labelled("wh-2", "a.b/component"),
        labelled("wh-3", "z.b/component"),
    ]));
    assert_eq!(component_key(&all, &Layout::shipped().unwrap()).as_deref(), Some("a.b/component"));
}

/// Of several namespaces that look like a system, the one with most of its components is proposed.
#[test]
fn the_system_is_where_most_of_its_components_are() {
    let storage = |namespace: &str, name: &str| set(namespace, name, json!({"app": name}), ("main", "img:1"), &[]);
    let sets = vec![storage("a-core", "safekeeper"), storage("a-core", "pageserver"), storage("b-test", "safekeeper")];
    let proposal = propose(&seen(&observed(sets)), &Layout::shipped().unwrap());
    assert_eq!(proposal.system_namespace.as_deref(), Some("a-core"));
}

/// What runs beside an account's components, and is nothing of SynxDB's as far as is known, is shown; what runs elsewhere is
/// not.
#[test]
fn what_is_left_is_what_runs_in_synxdbs_namespaces() {
    let other = |namespace: &str| set(namespace, "redis", json!({"app": "r"}), ("redis", "redis:7"), &[6379]);
    let node = set("prod", "wh-1-segment", json!({"app": "w"}), ("main", "img:1"), &[]);
    let safekeeper = set("core", "safekeeper", json!({"app": "s"}), ("main", "img:1"), &[7676]);
    let proposal = propose(
        &seen(&observed(vec![node, safekeeper, other("prod"), other("core"), other("shop")])),
        &Layout::shipped().unwrap(),
    );
    assert_eq!(proposal.left.iter().map(Seen::path).collect::<Vec<_>>(), ["core/redis", "prod/redis"]);
}
