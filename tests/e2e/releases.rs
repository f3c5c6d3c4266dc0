//! Another release of SynxDB: its labels and names, its layout, and what no rule matches.

use crate::member::Before;
use crate::world::{Account, AwaitIn, FE_TEAM, Rule, SYSTEM, World, named};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

const COMPONENT: &str = "enterprise.dbaas/component";
const MAP: &str = "kubectl-synxdb-layout";

/// Returns a set of one idle pod with these labels.
fn idle(namespace: &str, name: &str, labels: &Value, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": namespace},
        "spec": {"serviceName": name, "replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image}]}}},
    })
}

fn members(status: &Value, namespace: &str) -> Vec<(String, String, Option<String>)> {
    let spaces = status["namespaces"].as_array().unwrap();
    let space = spaces.iter().find(|space| space["name"] == namespace).unwrap_or_else(|| panic!("{status:#}"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let members = space["members"].as_array().unwrap().iter();
    members
        .map(|one| (text(&one["name"]).unwrap(), text(&one["component"]).unwrap(), text(&one["warehouse"])))
        .collect()
}

#[test]
fn an_account_of_another_release_is_found_by_its_labels_and_verified() {
    let world = World::alone();
    let status = world.run(&["status", "-o", "json"]).exits(0).json();
    let (coordinator, node) = ("fe-team-coord-0", "wh-1-segment-0");
    assert_eq!(
        members(&status, FE_TEAM),
        [
            (coordinator.to_owned(), "coordinator".to_owned(), None),
            (node.to_owned(), "warehouse-node".to_owned(), Some("wh-1".to_owned())),
        ]
    );
    world.run(&["verify", "-n", FE_TEAM, "--read-only"]).exits(0);
    for (target, pod) in [("coordinator", coordinator), (node, node)] {
        let before = Before::of(&world, FE_TEAM, pod);
        let recovered = format!("Recovered: {pod}");
        world.run(&["failover", target, "-n", FE_TEAM, "--yes"]).exits(0).says(&[&recovered]);
        before.is_recovered();
    }
}

/// A label or a name that no rule matches: unknown, with namespace, pod, and the next command.
#[test]
fn what_resembles_synxdb_and_matches_no_rule_is_unknown() {
    let world = World::shared();
    let account = world.account("no-rule", |_| {});
    account.run(&["status"]).exits(0);
    account.run(&["layout", "check"]).exits(0).says(&["The layout fits", "wh9527-0"]);
    let namespace = account.namespace.as_str();
    for (name, labels, why) in [
        ("catalog", json!({COMPONENT: "catalog"}), "label enterprise.dbaas/component=catalog"),
        ("safekeeper", json!({"app": "x"}), "named like a SynxDB component"),
    ] {
        let (pod, sets): (String, Api<StatefulSet>) = (format!("{name}-0"), account.sets());
        world.create(&idle(namespace, name, &labels, "synxdb/pause:4.0.0"));
        world.until(&account.pods(), named(&pod), "it is there", |pods| pods.contains_key(&pod));
        let what = format!("pod {pod} in namespace {namespace}: {why}");
        let ran = account.run(&["status"]).exits(8).says(&["SynxDB health unknown", &what]);
        ran.says(&[&format!("next: kubectl synxdb layout check -n {namespace}")]);
        let status = account.run(&["status", "-o", "json"]).exits(8).json();
        let [found] = status["unrecognized"].as_array().unwrap().as_slice() else { panic!("{status:#}") };
        assert_eq!((&found["namespace"], &found["pods"]), (&json!(namespace), &json!([pod])));
        account.run(&["verify", "--read-only"]).exits(8).says(&[&pod]);
        let check = account.run(&["layout", "check", "-o", "json"]).exits(8).json();
        let pods = check["pods"].as_array().unwrap();
        let found = pods.iter().find(|one| one["name"] == pod.as_str()).unwrap();
        assert_eq!((&check["fits"], &found["fit"]), (&json!(false), &json!("unrecognized")));
        sets.delete(name, &DeleteParams::default()).await_in(&world).unwrap();
        world.until(&account.pods(), named(&pod), "it is gone", |pods| !pods.contains_key(&pod));
    }
    account.run(&["status"]).exits(0);
}

/// Recognized by labels or by name alone: an account that never came up is not healthy.
#[test]
fn an_account_whose_pods_all_fail_to_pull_their_image_is_not_healthy() {
    let world = World::alone();
    world.run(&["status"]).exits(0);
    let uuid = uuid::Uuid::new_v4().simple().to_string();
    let none = "synxdb-none/none:0";
    for (labels, code, words) in [
        (json!({COMPONENT: "warehouse", "enterprise.dbaas/name": "etl"}), 8, "SynxDB is degraded"),
        (json!({"app": "x"}), 8, "SynxDB health unknown"),
    ] {
        let namespace = format!("e2e-team-{}", &uuid[..8]);
        let account = world.empty_account(&namespace);
        world.create(&idle(&namespace, "x", &labels, none));
        world.until(&account.pods(), named("x-0"), "its image cannot be pulled", |pods| {
            let text = serde_json::to_string(&pods.get("x-0").map(|pod| &pod.status)).unwrap();
            text.contains("ImagePullBackOff") || text.contains("ErrImagePull")
        });
        let ran = world.run(&["status"]).exits(code).says(&[words, &namespace]);
        ran.says(&["x-0"]);
        gone(&world, account);
    }
    world.run(&["status"]).exits(0);
}

/// A namespace of any name belongs to an account by its pods' labels. Anyone who can label a pod can cause that: it
/// gets no password until the user names it.
#[test]
fn an_account_by_labels_alone_is_listed_and_gets_no_password() {
    let world = World::alone();
    let account = world.empty_account("e2e-sales");
    let mut sets: Vec<Value> = serde_saphyr::from_multiple(World::FE_TEAM_MANIFEST).unwrap();
    sets.retain(|object| object["kind"] != "Namespace");
    for object in &mut sets {
        object["metadata"]["namespace"] = json!("e2e-sales");
        world.create(object);
    }
    let sets = account.sets().list(&Default::default()).await_in(&world).unwrap();
    account.ready(&sets.items);
    let status = world.run(&["status", "-o", "json"]).exits(0).json();
    assert_eq!(members(&status, "e2e-sales").len(), 2, "{status:#}");
    let mut forward =
        world.plugin(&["forward", "e2e-sales/fe-team-coord-0", "--port", "0", "--psql", "--", "-Atc", "select 1"]);
    forward.env("PGPASSWORD", "open sesame");
    // Named in the target, which is the user's decision.
    let _ = world.start_command(forward).end();
    let ran = world.run(&["verify", "--read-only", "-o", "json"]);
    let checks = ran.json()["checks"].clone();
    let about = |namespace: &str| {
        let checks = checks.as_array().unwrap().iter();
        checks.filter(|check| check["namespace"] == namespace).map(ToString::to_string).collect::<String>()
    };
    if world.password().is_some() {
        // The practice cluster's servers require a password, and none was given.
        assert_eq!(ran.code, Some(8), "{}", ran.shown());
        assert!(about("e2e-sales").contains("by its labels alone"), "{}", ran.shown());
    }
    world.run(&["verify", "--read-only", "-n", "e2e-sales"]).exits(0);
    let bound = world.run(&["rbac", "--for", "status", "--subject-group", "dba"]).exits(0);
    assert!(!bound.out.contains("e2e-sales") && bound.err.contains("e2e-sales"), "{}", bound.shown());
    gone(&world, account);
}

/// The cluster's own layout applies unless this machine has one, and is never ignored silently.
#[test]
fn the_clusters_own_layout_is_used() {
    let world = World::alone();
    let maps: Api<ConfigMap> = world.within(SYSTEM);
    let shipped = world.run(&["layout"]).exits(0).warns(&["layout: shipped with the plugin"]).out;
    let put = |text: &str| {
        let _ = maps.delete(MAP, &DeleteParams::default()).await_in(&world);
        world.create(&json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": MAP, "namespace": SYSTEM}, "data": {"layout.yaml": text}}));
    };
    // Without a rule for pageservers.
    let own =
        shipped.replace("- role: pageserver\n    workload: pageserver", "- role: pageserver\n    workload: other");
    put(&own);
    let from = format!("ConfigMap {SYSTEM}/{MAP}");
    assert_eq!(world.run(&["layout"]).exits(0).warns(&[&from]).out, own);
    world.run(&["status", "-o", "wide"]).exits(8).says(&[&from, "pageserver-0"]);
    let status = world.run(&["status", "-o", "json"]).exits(8).json();
    assert_eq!(status["layout"]["configMap"], json!(format!("{SYSTEM}/{MAP}")));
    world.run(&["failover", "pageserver-0", "--yes"]).exits(4).warns(&["pageserver-0"]);
    // This machine's layout takes precedence.
    let file = world.home().join("shipped.yaml");
    std::fs::write(&file, &shipped).unwrap();
    world.run(&["status", "--layout", file.to_str().unwrap()]).exits(0);
    let folder = world.home().join(".config/kubectl-synxdb");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(&file, folder.join("layout.yaml")).unwrap();
    world.run(&["status", "-o", "wide"]).exits(0).says(&["layout.yaml"]);
    std::fs::remove_file(folder.join("layout.yaml")).unwrap();
    // A user who may not read it gets the default one, which -v reports.
    let rules = ["pods", "persistentvolumeclaims", "statefulsets.apps", "namespaces", "persistentvolumes"];
    let user = world.user(SYSTEM, &[Rule { namespace: None, resources: &rules, verbs: &["list"] }]);
    let mut command = world.plugin(&["status", "-v", "1"]);
    command.env("KUBECONFIG", &user.kubeconfig);
    world.start_command(command).end().exits(0).warns(&["layout: shipped with the plugin", "configmaps", "forbidden"]);
    // An invalid one stops every command, which names its place.
    for text in ["systemNamespaces: x", "systemNamespace: x\naccountNamespaces: ['(']\nsystem: []\naccount: []"] {
        put(text);
        for arguments in [&["status"][..], &["failover", "wh9527-0", "--yes"], &["verify"], &["layout"]] {
            let ran = world.run(arguments).exits(1).silent();
            ran.warns(&[&from, &format!("next: kubectl edit configmap {MAP} -n {SYSTEM}")]);
        }
    }
    world.run(&["status", "--layout", file.to_str().unwrap()]).exits(0);
    maps.delete(MAP, &DeleteParams::default()).await_in(&world).unwrap();
    world.run(&["status"]).exits(0);
}

/// A layout learned from a cluster matches it.
#[test]
fn a_learned_layout_matches() {
    let world = World::alone();
    let learned = world.run(&["layout", "learn"]).exits(0).out;
    let file = world.home().join("learned.yaml");
    std::fs::write(&file, &learned).unwrap();
    let file = file.to_str().unwrap();
    let check = world.run(&["--layout", file, "layout", "check", "-o", "json"]).exits(0).json();
    assert_eq!((&check["fits"], &check["layout"]["source"]), (&json!(true), &json!("flag")), "{learned}");
    let shipped = world.run(&["status", "-o", "json"]).exits(0).json();
    let same = world.run(&["--layout", file, "status", "-o", "json"]).exits(0).json();
    assert_eq!(shipped["members"], same["members"], "{learned}");
    assert_eq!(members(&shipped, FE_TEAM), members(&same, FE_TEAM), "{learned}");
    // For one namespace, by a user who may read no other.
    let rules = ["pods", "statefulsets.apps", "services"];
    let user = world.user(FE_TEAM, &[Rule { namespace: Some(FE_TEAM), resources: &rules, verbs: &["list"] }]);
    let run = |arguments: &[&str]| {
        let mut command = world.plugin(arguments);
        command.env("KUBECONFIG", &user.kubeconfig);
        world.start_command(command).end()
    };
    run(&["layout", "learn"]).exits(4).silent().warns(&["pods", "layout learn -n NAMESPACE"]);
    let one = run(&["layout", "learn", "-n", FE_TEAM]).exits(0).out;
    assert!(one.contains("role: coordinator") && one.contains(COMPONENT), "{one}");
}

/// Waits until an account's namespace is gone, as the next case expects.
fn gone(world: &World, account: Account<'_>) {
    let namespace = account.namespace.clone();
    account.end();
    let all: Api<k8s_openapi::api::core::v1::Namespace> = world.cluster_wide();
    world.until(&all, named(&namespace), "the namespace is gone", |found| !found.contains_key(&namespace));
}
