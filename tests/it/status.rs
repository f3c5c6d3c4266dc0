//! `status` through the real binary: its output, its scope, its requests, and how it handles what it cannot know.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, Cluster, Running, SYSTEM, bare, plugin};
use insta::assert_snapshot;
use practice_cluster::Options;
use practice_cluster::api::Rule;
use practice_cluster::store::{DeleteOptions, Key, Preconditions};
use serde_json::json;
use std::io::Read as _;
use std::time::Duration;

fn deny(verb: &str, resource: &str, namespace: &str) -> Rule {
    Rule {
        verbs: vec![verb.to_owned()],
        resources: vec![resource.to_owned()],
        namespaces: vec![namespace.to_owned()],
        subresource: None,
    }
}

#[test]
fn healthy_as_text() {
    let cluster = Cluster::read_only();
    assert_snapshot!("healthy", cluster.run(&["status"]).exits(0).snapshot());
    // The age is in the middle of the table, and shifts the columns after it.
    let wide = cluster.run(&["status", "-o", "wide"]).exits(0).snapshot();
    let wide = regex::Regex::new(r" {2,}\d+m?\d*s {2,}").unwrap().replace_all(&wide, "  AGE  ").into_owned();
    assert_snapshot!("healthy-wide", regex::Regex::new(r" {2,}").unwrap().replace_all(&wide, "  "));
    for line in cluster.run(&["status"]).out.lines() {
        assert!(line.chars().count() <= 80, "longer than 80 columns: {line}");
    }
}

#[test]
fn healthy_as_documents() {
    let cluster = Cluster::read_only();
    let ran = cluster.run(&["status", "-o", "json"]).exits(0);
    assert_eq!(ran.err, "");
    let status = ran.json();
    assert_eq!(status["apiVersion"], "kubectl-synxdb/v1beta1");
    assert_eq!(status["kind"], "Status");
    assert_eq!(status["health"], "healthy");
    assert_eq!(status["members"], json!({"ready": 8, "total": 8}));
    assert_eq!(status["safekeepers"], json!({"ready": 3, "total": 3}));
    assert_eq!((&status["problems"], &status["unknown"]), (&json!([]), &json!([])));
    let system = &status["namespaces"][0];
    assert_eq!((&system["name"], &system["kind"]), (&json!(SYSTEM), &json!("system")));
    assert_eq!(status["namespaces"][1]["name"], ACCOUNT);
    let pageserver = system["members"].as_array().unwrap().iter().find(|m| m["name"] == "pageserver-0").unwrap();
    assert_eq!(pageserver["pod"]["uid"], cluster.pod_uid(SYSTEM, "pageserver-0"));
    let claims = cluster.claims_of(SYSTEM, "pageserver-0");
    assert_eq!(pageserver["claims"].as_array().unwrap().len(), claims.len());
    for claim in pageserver["claims"].as_array().unwrap() {
        let name = claim["name"].as_str().unwrap();
        assert_eq!(claim["uid"], claims[name]);
        assert_eq!(claim["state"], "Bound");
        assert_eq!(claim["volume"]["name"], cluster.volume_of(SYSTEM, name));
        assert_eq!(claim["volume"]["reclaimPolicy"], "Delete");
    }

    let yaml = cluster.run(&["status", "-o", "yaml"]).exits(0);
    let read: serde_json::Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(read["namespaces"][0]["members"].as_array().unwrap().len(), 5);
    assert_eq!((&read["kind"], &read["health"]), (&json!("Status"), &json!("healthy")));

    let names = cluster.run(&["status", "-o", "name", "-n", ACCOUNT]).exits(0);
    assert_eq!(names.out, "pod/cloudberry-proxy-0\npod/wh9527-0\npod/wh9527-1\n");
}

/// Returns the pods that `status` shows, with their namespaces.
fn shown(cluster: &Cluster, arguments: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = ["status", "-o", "json"].iter().chain(arguments).copied().collect();
    let status = cluster.run(&arguments).exits(0).json();
    let mut all = Vec::new();
    for namespace in status["namespaces"].as_array().unwrap() {
        let kind = namespace["kind"].as_str().unwrap();
        let members = namespace["members"].as_array().unwrap().iter();
        all.extend(members.map(|member| format!("{kind}/{}", member["name"].as_str().unwrap())));
    }
    all
}

const OF_ACCOUNT: [&str; 3] = ["account/cloudberry-proxy-0", "account/wh9527-0", "account/wh9527-1"];

#[test]
fn targets_and_namespaces() {
    let cluster = Cluster::read_only();
    assert_eq!(shown(&cluster, &["wh9527-0"]), ["account/wh9527-0"]);
    assert_eq!(shown(&cluster, &["pod/wh9527-0"]), ["account/wh9527-0"]);
    assert_eq!(shown(&cluster, &["wh9527"]), ["account/wh9527-0", "account/wh9527-1"]);
    assert_eq!(shown(&cluster, &["cloud007/cloudberry-proxy-0"]), ["account/cloudberry-proxy-0"]);
    assert_eq!(shown(&cluster, &["cloudberry-proxy-0"]), ["system/cloudberry-proxy-0", "account/cloudberry-proxy-0"]);
    assert_eq!(
        shown(&cluster, &["safekeeper", "wh9527-1"]),
        ["system/safekeeper-0", "system/safekeeper-1", "system/safekeeper-2", "account/wh9527-1"]
    );
    cluster.run(&["status", "safekeper-0"]).exits(1).warns(&["safekeeper-0", "next: "]).silent();

    // A namespace by its full name, by its prefix, and as a console marks the current one.
    let marked = format!("{ACCOUNT}+");
    for name in [ACCOUNT, "cloud007", "cloud007+", &marked] {
        assert_eq!(shown(&cluster, &["-n", name]), OF_ACCOUNT, "{name}");
    }
    let error = cluster.run(&["status", "-n", "cloud008"]).exits(1).silent();
    assert_snapshot!("unknown-namespace", error.snapshot());
    cluster.run(&["status", "-A", "-n", "cloud007"]).exits(2).silent();

    // The context's own namespace applies, and flags override it.
    let mut config = cluster.kubeconfig();
    config["contexts"][0]["context"]["namespace"] = json!(ACCOUNT);
    let file = cluster.file("of-account.yaml", &config.to_string());
    let file = file.to_str().unwrap();
    assert_eq!(shown(&cluster, &["--kubeconfig", file]), OF_ACCOUNT);
    assert_eq!(shown(&cluster, &["--kubeconfig", file, "-n", SYSTEM]).len(), 5);
    assert_eq!(shown(&cluster, &["--kubeconfig", file, "-A"]).len(), 8);
    // An empty kubeconfig means `default`.
    config["contexts"][0]["context"]["namespace"] = json!("default");
    let file = cluster.file("of-default.yaml", &config.to_string());
    assert_eq!(shown(&cluster, &["--kubeconfig", file.to_str().unwrap()]).len(), 8);
}

#[test]
fn degraded() {
    let cluster = Cluster::start(bare("no-quorum"));
    let ran = cluster.run(&["status"]).exits(8);
    assert_snapshot!("degraded", ran.snapshot());
    let status = cluster.run(&["status", "-o", "json"]).exits(8).json();
    assert_eq!(status["health"], "degraded");
    assert_eq!(status["members"], json!({"ready": 7, "total": 8}));
    assert_eq!(status["safekeepers"], json!({"ready": 2, "total": 3}));
    assert_eq!(status["problems"][0]["member"], "safekeeper-1");
    // The account is healthy, and only the account was requested.
    cluster.run(&["status", "-n", "cloud007"]).exits(0);
}

#[test]
fn unreadable_parts_are_unknown_and_hide_nothing() {
    let options = Options { deny: vec![deny("list", "persistentvolumeclaims", ACCOUNT)], ..bare("healthy") };
    let cluster = Cluster::start(options);
    let ran = cluster.run(&["status"]).exits(8);
    assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    assert_snapshot!("claims-denied", ran.snapshot());
    let status = cluster.run(&["status", "-o", "json"]).exits(8).json();
    assert_eq!(status["health"], "unknown");
    let member = &status["namespaces"][1]["members"][0];
    assert_eq!((&member["ready"], &member["claims"][0]["state"]), (&json!(true), &json!("Unknown")));
    let why = member["claims"][0]["reason"].as_str().unwrap();
    assert!(why.contains(r#"cannot list resource "persistentvolumeclaims""#), "{why}");
    // It is not requested, so it is not missed.
    cluster.run(&["status", "-n", SYSTEM]).exits(0);
}

/// A pod's own text stays in its place, on a terminal with colors, too.
#[test]
fn a_pods_text_controls_no_terminal_and_forges_no_line() {
    let cluster = Cluster::start(bare("healthy"));
    let hostile = "x\u{1b}[2J\nSynxDB is healthy: all\r\u{9b}1A\u{202e}\u{2028}y";
    cluster.update(&Key::new("pods", ACCOUNT, "wh9527-0"), |pod| {
        let waiting = json!({"waiting": {"reason": hostile, "message": hostile}});
        pod["status"]["containerStatuses"][0]["state"] = waiting;
        pod["status"]["containerStatuses"][0]["ready"] = json!(false);
        for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
            if condition["type"] == "Ready" {
                condition["status"] = json!("False");
            }
        }
    });
    let colours = regex::Regex::new("\u{1b}\\[(0|31;1|32|33|36|1)m").unwrap();
    for arguments in [&["status"][..], &["status", "-o", "wide"], &["status", "-o", "json"], &["status", "-o", "yaml"]]
    {
        for colour in ["never", "always"] {
            let ran = cluster.run(&[arguments, &["--color", colour]].concat()).exits(8);
            let plain = colours.replace_all(&ran.out, "");
            let driven = plain.contains(|c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2028}".contains(c));
            assert!(!driven, "{:?}", ran.shown());
            assert!(plain.contains("[2J"), "{}", ran.shown());
            assert!(!plain.lines().any(|line| line.starts_with("SynxDB is healthy")), "{}", ran.shown());
        }
    }
    let status = cluster.run(&["status", "-o", "json"]).exits(8).json();
    assert_eq!(status["namespaces"][1]["members"][1]["pod"]["status"], hostile, "JSON tells it as it is");
}

/// A user who may list no namespaces, but may read this one, also learns that it is terminating.
#[test]
fn a_terminating_namespace_is_recognized_without_permission_to_list_others() {
    let options = Options { deny: vec![deny("list", "namespaces", "*")], ..bare("healthy") };
    let cluster = Cluster::start(options);
    cluster.run(&["status", "-n", ACCOUNT]).exits(8).says(&["unknown: namespaces: "]);
    let held = |object: &mut serde_json::Value| {
        object["metadata"]["finalizers"] = json!(["kubectl-synxdb/held-by-a-test"]);
        Ok(())
    };
    let key = Key::new("statefulsets", ACCOUNT, "wh9527");
    cluster.store().update(&key, &Preconditions::none(), false, held).unwrap();
    cluster.store().delete(&Key::new("namespaces", "", ACCOUNT), &DeleteOptions::default()).unwrap();
    let ran = cluster.run(&["status", "-n", ACCOUNT]).exits(8);
    ran.says(&[&format!("reason: namespace {ACCOUNT} is being deleted")]);
    cluster.run(&["failover", "wh9527-0", "-n", ACCOUNT, "--yes"]).exits(4).silent().warns(&["is being deleted"]);
}

#[test]
fn one_account_and_the_system_take_at_most_twelve_requests() {
    let cluster = Cluster::start(bare("healthy"));
    // With positions, each storage component is queried, too.
    for (form, most) in [("table", 12), ("wide", 16), ("json", 12), ("name", 12)] {
        cluster.sandbox().requests().clear();
        cluster.run(&["status", "-o", form]).exits(0);
        let requests = cluster.sandbox().requests().entries();
        assert!(!requests.is_empty() && requests.len() <= most, "{form}: {} requests: {requests:#?}", requests.len());
        for (method, path) in &requests {
            assert!(method == "GET" && !path.contains("watch="), "{form}: {method} {path}");
            assert!(path != "/api" && path != "/apis" && !path.starts_with("/version"), "discovery: {path}");
        }
    }
    // Commands that need no cluster contact none. Only the layout may come from the cluster, unless this machine has
    // one.
    let file = cluster.file("asks-none.yaml", kubectl_synxdb::topology::layout::DEFAULT_LAYOUT);
    let file = file.to_str().unwrap();
    cluster.sandbox().requests().clear();
    for line in
        [&["version"][..], &["--help"], &["completion", "bash"], &["layout", "--layout", file], &["sandbox", "--list"]]
    {
        cluster.run(line).exits(0);
    }
    assert_eq!(cluster.sandbox().requests().entries(), []);
}

/// Many accounts are read by lists across all namespaces, which leave out what is not SynxDB's. Who may not list pods
/// there reads those of each account.
#[test]
fn many_accounts_take_as_many_requests_as_few() {
    let create = |cluster: &Cluster, resource, namespace: &str, name: &str, object| {
        cluster.store().create(Key::new(resource, namespace, name), object, false).unwrap();
    };
    let requests = |options| {
        let cluster = Cluster::start(options);
        for number in 0..12 {
            let account = format!("cloud{number:03}-613d75d5-3033-4649-b913-07f6115ec41a");
            create(&cluster, "namespaces", "", &account, json!({}));
            let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}});
            let spec = json!({"replicas": 0, "serviceName": "wh1", "selector": {"matchLabels": {"a": "b"}},
                "template": template});
            create(&cluster, "statefulsets", &account, "wh1", json!({"spec": spec}));
        }
        cluster.sandbox().requests().clear();
        let status = cluster.run(&["status", "-o", "json"]).exits(0).json();
        assert_eq!(status["namespaces"].as_array().unwrap().len(), 14);
        assert_eq!(status["members"], json!({"ready": 8, "total": 8}));
        (cluster.sandbox().requests().entries(), cluster.sandbox().requests().connections())
    };
    let (asked, connections) = requests(bare("healthy"));
    assert!(asked.len() <= 12 && connections <= 8, "{connections} connections: {asked:#?}");
    let pods: Vec<_> = asked.iter().filter(|(_, path)| path.starts_with("/api/v1/pods?")).collect();
    assert!(pods.iter().any(|(_, path)| path.contains("metadata.namespace%21%3Dkube-system")), "{asked:#?}");

    let (asked, _) = requests(Options { deny: vec![deny("list", "pods", "")], ..bare("healthy") });
    let of_accounts = |what: &str| {
        asked.iter().filter(|(_, path)| path.contains(&format!("/{what}?")) && path.contains("/namespaces/")).count()
    };
    assert_eq!((of_accounts("pods"), of_accounts("statefulsets")), (14, 0), "{asked:#?}");
}

/// It prints the layout that other commands would use, and no other.
#[test]
fn the_layout_in_use_is_printed() {
    let cluster = Cluster::read_only();
    let shipped = cluster.run(&["layout"]).exits(0).out;
    let own = format!("# ours\n{shipped}");
    let file = cluster.file("own-layout.yaml", &own);
    assert_eq!(cluster.run(&["layout", "--layout", file.to_str().unwrap()]).exits(0).out, own);
    let named = cluster.run_with(&["layout"], |command| {
        command.env("KUBECTL_SYNXDB_LAYOUT", &file);
    });
    assert_eq!(named.exits(0).out, own);
    let none = cluster.file("no-layout.yaml", "systemNamespace: 7\n");
    let refused = cluster.run(&["layout", "--layout", none.to_str().unwrap()]).silent();
    assert_ne!(refused.code, Some(0), "{}", refused.shown());
}

/// Shortly after a kubelet has stopped, its pods still report Ready, and nothing corrects them.
#[test]
fn a_silent_node_makes_its_pods_unknown() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.run(&["status"]).exits(0);
    let pod = cluster.get("pods", SYSTEM, "safekeeper-0").unwrap();
    let node = pod["spec"]["nodeName"].as_str().unwrap();
    cluster.sandbox().silence_node(node);
    // The state after some silence; the other nodes keep reporting.
    let then = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(40)).strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
    let then = then.to_string();
    cluster.update(&Key::new("leases", "kube-node-lease", node), |lease| lease["spec"]["renewTime"] = json!(then));
    let ran = cluster.run(&["status"]).exits(8).says(&["SynxDB health unknown"]);
    ran.says(&[&format!("unknown: readiness of safekeeper-0: its node {node} has not reported for")]);
    // A user who may not read Leases gets what the pods report, as before.
    let denied = Options { deny: vec![deny("list", "leases", "*")], ..bare("healthy") };
    let cluster = Cluster::start(denied);
    cluster.update(&Key::new("leases", "kube-node-lease", node), |lease| lease["spec"]["renewTime"] = json!(then));
    cluster.run(&["status"]).exits(0);
}

/// A server that accepts connections and never answers: the timeout is the duration.
#[test]
fn a_server_that_never_answers() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Holds each connection until its client gives up.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let _ = stream.unwrap().read_to_end(&mut Vec::new());
            });
        }
    });
    let cluster = Cluster::read_only();
    let server = format!("https://127.0.0.1:{port}");
    for command in [&["status"][..], &["failover", "wh9527-0", "--yes"]] {
        let mut arguments = vec!["--server", &server, "--request-timeout", "1s", "--insecure-skip-tls-verify"];
        arguments.extend(command);
        let ran = cluster.run(&arguments).silent();
        assert_eq!(ran.code, Some(1), "{}", ran.shown());
        assert!(ran.took < Duration::from_secs(20), "it took {:?}\n{}", ran.took, ran.shown());
        let error = ran.error();
        assert!(error.contains(&server), "{error}");
    }
}

/// Sources of an error are shown only for debugging.
#[test]
fn the_sources_of_an_error_are_printed_from_verbosity_6_on() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let server = format!("http://127.0.0.1:{port}");
    let status = |level: &str| {
        Running::start(plugin(home.path(), &["status", "-n", SYSTEM, "--server", &server, "-v", level])).end()
    };
    let quiet = status("5").exits(1);
    assert!(quiet.err.contains("is unreachable") && !quiet.err.contains("caused by"), "{}", quiet.shown());
    let loud = status("6").exits(1);
    assert!(loud.err.contains("caused by: ") && loud.err.contains("(os error 111)"), "{}", loud.shown());
}
