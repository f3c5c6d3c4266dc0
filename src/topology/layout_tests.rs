//! Names, labels and their meaning; files without content.

use super::*;

#[test]
fn namespaces_are_told_apart() {
    let layout = Layout::shipped().unwrap();
    for (name, kind) in [
        ("synxdb-system", Some(SpaceKind::System)),
        ("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", Some(SpaceKind::Account)),
        ("my-org-513d75d5-3033-4649-b913-07f6115ec41a", Some(SpaceKind::Account)),
        ("513d75d5-3033-4649-b913-07f6115ec41a", None),
        ("hashdata-fe-team-07e5674f", Some(SpaceKind::Account)),
        ("dbaas", Some(SpaceKind::Management)),
        ("team-07e5674f", None),
        ("hashdata-fe-team-07e5674", None),
        ("kube-system", None),
        ("synxdb-system-2", None),
    ] {
        assert_eq!(layout.space_kind(name), kind, "{name}");
    }
    // Many things are named like these.
    for name in ["hashdata-fe-team-07e5674f", "dbaas", "kube-system"] {
        assert!(!layout.is_certain(name), "{name}");
    }
    let layout = layout.with_accounts(&["any-name".to_owned()]);
    assert_eq!((layout.space_kind("any-name"), layout.is_certain("any-name")), (Some(SpaceKind::Account), true));
}

fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The shipped layout's match of a workload, in short.
fn text_of(kind: SpaceKind, workload: &str, of: &[(&str, &str)]) -> String {
    match Layout::shipped().unwrap().recognize(kind, workload, &labels(of)) {
        Recognized::As(rule, by) => format!("{} by {by:?}", rule.role),
        Recognized::Not(LookalikeEvidence::Label { key, value }) => format!("label {key}={value}"),
        Recognized::Not(LookalikeEvidence::Name(name)) => format!("called {name}"),
        Recognized::Not(LookalikeEvidence::Namespace) => panic!("a workload is no namespace"),
        Recognized::Unrelated => "unrelated".to_owned(),
    }
}

#[test]
fn workloads_are_recognized_in_their_own_kind_of_namespace_only() {
    use SpaceKind::{Account, Management, System};
    for (kind, workload, expected) in [
        (System, "cloudberry-proxy", "metadata proxy by Name"),
        (System, "coordinator-proxy", "metadata proxy by Name"),
        (System, "foundationdb", "FoundationDB process by Name"),
        (System, "fdb-cluster-storage", "FoundationDB process by Name"),
        (System, "fdb-kubernetes-operator", "unrelated"),
        (System, "storage-controller", "storage controller by Name"),
        (System, "storage-broker", "storage broker by Name"),
        (Account, "cloudberry-proxy", "warehouse proxy by Name"),
        (Account, "coordinator-proxy", "warehouse proxy by Name"),
        (Account, "coordinator", "coordinator by Name"),
        (Account, "acme-coord", "coordinator by Name"),
        (Account, "wh9527", "warehouse node by Name"),
        (Account, "wh-1-segment", "warehouse node by Name"),
        (Account, "storage-broker", "unrelated"),
        (Account, "whoami", "unrelated"),
        (Management, "synxdb-dbaas-integration", "console by Name"),
        (Management, "mysql", "unrelated"),
        // In the wrong place they are not members, and not nothing either.
        (System, "wh9527", "called wh9527"),
        (System, "wh-1-segment", "called wh-1-segment"),
        (Account, "safekeeper", "called safekeeper"),
        (System, "whisper-1", "unrelated"),
    ] {
        assert_eq!(text_of(kind, workload, &[]), expected, "{workload}");
    }
}

/// The component label takes precedence if a rule knows its value; a different name does not count.
#[test]
fn labels_decide_before_names() {
    const COMPONENT: &str = "enterprise.dbaas/component";
    const NAME: &str = "enterprise.dbaas/name";
    use SpaceKind::{Account, System};
    for (kind, workload, of, expected) in [
        (Account, "any", &[(COMPONENT, "warehouse")][..], "warehouse node by Label"),
        (Account, "any", &[(COMPONENT, "coordinator")], "coordinator by Label"),
        (Account, "wh-1", &[(COMPONENT, "coordinator")], "coordinator by Label"),
        (Account, "coordinator", &[(COMPONENT, "warehouse")], "warehouse node by Label"),
        // A rule with a known label does not match by name alone if the label differs.
        (Account, "wh-1-backup", &[(COMPONENT, "backup")], "label enterprise.dbaas/component=backup"),
        (Account, "coordinator", &[(COMPONENT, "")], "label enterprise.dbaas/component="),
        // The label of a safekeeper is unknown.
        (System, "safekeeper", &[(COMPONENT, "unionstore")], "safekeeper by Name"),
        (System, "any", &[(COMPONENT, "warehouse")], "label enterprise.dbaas/component=warehouse"),
        (Account, "wh-1-segment", &[(NAME, "wh-1")], "warehouse node by Name"),
        (Account, "any", &[(NAME, "wh-1")], "label enterprise.dbaas/name=wh-1"),
        (Account, "any", &[("enterprise.dbaas/instance", "a")], "label enterprise.dbaas/instance=a"),
        (Account, "any", &[("app.kubernetes.io/component", "warehouse")], "unrelated"),
    ] {
        assert_eq!(text_of(kind, workload, of), expected, "{workload} {of:?}");
    }
}

/// An older layout has no labels, one role to connect through, and none of the new lists.
#[test]
fn a_layout_without_labels_knows_names_alone() {
    let old = "systemNamespace: s
accountNamespaces: ['a-.*']
system: [{role: safekeeper, workload: safekeeper, page: {port: 1, path: /}}]
account:
- {role: warehouse-proxy, workload: proxy, sql: {port: 5432, user: u, database: d}}
- {role: warehouse-node, workload: 'wh.*', answersThrough: warehouse-proxy}";
    let layout = Layout::parse(old).unwrap();
    assert_eq!(layout.components(SpaceKind::Account)[1].answers_through, [Role::WarehouseProxy]);
    let of = labels(&[("enterprise.dbaas/component", "warehouse")]);
    assert!(matches!(layout.recognize(SpaceKind::Account, "any", &of), Recognized::Unrelated));
    assert!(matches!(layout.recognize(SpaceKind::Account, "wh1", &of), Recognized::As(..)));
    let error = Layout::parse(&old.replace("workload: proxy", "component: x, workload: proxy")).unwrap_err();
    assert_eq!(error.what, "the layout recognizes a warehouse proxy by its component label");
}

#[test]
fn a_bad_layout_says_what_is_bad() {
    let error = Layout::parse("systemNamespace: x\naccountNamespaces: ['(']\nsystem: []\naccount: []").unwrap_err();
    assert!(error.what.contains("\"(\""), "{error}");
    let error = Layout::parse("systemNamespaces: x").unwrap_err();
    assert_eq!(error.exit, crate::error::Exit::Usage);
    assert!(error.why[0].contains("systemNamespaces"), "{error}");
    let misplaced = DEFAULT_LAYOUT.replace("workload: safekeeper\n", "workload: safekeeper\n    remoteStorage: true\n");
    let error = Layout::parse(&misplaced).unwrap_err();
    assert_eq!(error.what, "the layout sets remoteStorage for a safekeeper");
}

/// The pods of all namespaces are searched by one label: the component's if the layout names it.
#[test]
fn pods_are_found_by_the_first_label_that_is_named() {
    let named = |name: &str| Some(name.to_owned());
    let labels = |component, warehouse, instance| LabelKeys { component, warehouse, instance };
    assert_eq!(labels(named("c"), named("w"), named("i")).any(), Some("c"));
    assert_eq!(labels(None, named("w"), named("i")).any(), Some("w"));
    assert_eq!(labels(None, None, named("i")).any(), Some("i"));
    assert_eq!(LabelKeys::default().any(), None);
}

/// If the first database accepts no session, the one that must exist is tried, and then the server's own.
#[test]
fn the_databases_to_log_in_to_are_tried_in_order() {
    let endpoint = |login: Option<&str>| SqlEndpoint {
        port: 5432,
        user: "gpadmin".into(),
        database: "cloudmeta".into(),
        login_database: login.map(str::to_owned),
    };
    let then = vec!["cloudmeta".to_owned(), "postgres".to_owned()];
    assert_eq!(endpoint(None).logins(), ("postgres".to_owned(), then.clone()));
    assert_eq!(endpoint(Some("admin")).logins(), ("admin".to_owned(), then));
}

/// A scheme is written only where it is not the usual one.
#[test]
fn the_usual_scheme_is_not_written() {
    let text = |scheme| serde_json::to_value(StatusEndpoint { port: 7676, path: "/v1/status".into(), scheme }).unwrap();
    assert_eq!(text(Scheme::Http), serde_json::json!({"port": 7676, "path": "/v1/status"}));
    assert_eq!(text(Scheme::Https), serde_json::json!({"port": 7676, "path": "/v1/status", "scheme": "https"}));
}

/// A pattern matches a whole name, and is shown as it was written.
#[test]
fn a_rules_pattern_matches_whole_names_and_is_shown_as_written() {
    let layout = Layout::shipped().unwrap();
    let rule = layout.components(SpaceKind::System).iter().find(|rule| rule.role == Role::Safekeeper).unwrap();
    assert!(rule.fits("safekeeper") && !rule.fits("safekeeper-x") && !rule.fits("my-safekeeper"));
    assert_eq!(rule.written_workload(), "safekeeper");
}

/// Only a namespace that labels alone make an account's is not vouched for by its name.
#[test]
fn an_accounts_name_vouches_for_it() {
    let by_labels = ["sales".to_owned(), "synxdb-system".to_owned(), "hashdata-fe-team-07e5674f".to_owned()];
    let layout = Layout::shipped().unwrap().with_accounts(&by_labels);
    assert!(layout.only_by_labels("sales"));
    let own = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    for name in ["synxdb-system", "hashdata-fe-team-07e5674f", own, "marketing"] {
        assert!(!layout.only_by_labels(name), "{name}");
    }
}
