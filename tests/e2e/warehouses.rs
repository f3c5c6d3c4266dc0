//! Accounts with several warehouses, and suspended ones: each warehouse is independent, and what is scaled to 0 is
//! neither healthy nor degraded.

use crate::member::Before;
use crate::world::{Account, World, stays_ready};
use serde_json::{Value, json};

const FIRST: &str = "wh9527";
const SECOND: &str = "wh9528";

/// Creates an account with two warehouses of one node each.
fn two_warehouses<'w>(world: &'w World, case: &str) -> Account<'w> {
    world.account(case, |objects| {
        objects.set(FIRST)["spec"]["replicas"] = json!(1);
        objects.copied(FIRST, SECOND);
    })
}

/// Scales StatefulSets to 0, and waits until their pods are gone.
fn suspend(account: &Account<'_>, sets: &[&str]) {
    for set in sets {
        account.patch_set(set, &json!({"spec": {"replicas": 0}}));
    }
    account.world.until(&account.pods(), Default::default(), "the pods of what is suspended are gone", |pods| {
        !pods.keys().any(|pod| sets.iter().any(|set| pod.strip_prefix(set).is_some_and(|rest| rest.starts_with('-'))))
    });
}

/// Removes the node of the second warehouse; no new one starts.
fn second_breaks(account: &Account<'_>) {
    let set = account.world.get(&account.sets(), SECOND).unwrap();
    let mut containers = serde_json::to_value(set.spec.template.spec.unwrap().containers).unwrap();
    containers[0]["image"] = json!("synxdb/no-such-image:0");
    containers[0]["imagePullPolicy"] = json!("Never");
    account.patch_set(SECOND, &json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    let node = format!("{SECOND}-0");
    account.world.until(
        &account.pods(),
        Default::default(),
        "the second warehouse's node is another one, and not Ready",
        |pods| {
            pods.get(&node).is_some_and(|pod| {
                let image = pod.spec.as_ref().and_then(|spec| spec.containers[0].image.as_deref());
                image == Some("synxdb/no-such-image:0") && !stays_ready(pod)
            })
        },
    );
}

/// Returns the results of these checks, as `member check: result`.
#[track_caller]
fn results(report: &Value, kind: &str) -> Vec<String> {
    let of_kind = |check: &&Value| check["check"] == json!(kind);
    let line = |check: &Value| format!("{}: {}", check["member"].as_str().unwrap(), check["result"].as_str().unwrap());
    report["checks"].as_array().unwrap().iter().filter(of_kind).map(line).collect()
}

/// It does not wait for another warehouse, and is not verified by one.
#[test]
fn a_node_is_verified_in_its_own_warehouse_alone() {
    let world = World::shared();
    let account = two_warehouses(&world, "two");
    let report = account.run(&["verify", "-o", "json"]).exits(0).json();
    assert_eq!(results(&report, "segments"), ["wh9527: passed", "wh9528: passed"]);

    second_breaks(&account);
    let report = account.run(&["verify", "-o", "json"]).exits(7).json();
    let segments = results(&report, "segments");
    assert_eq!(segments[0], "wh9527: passed");
    assert_ne!(segments[1], "wh9528: passed");
    account
        .run(&["verify", "wh9527-0"])
        .exits(0)
        .says(&["1 primary segment responded to a dispatched query in warehouse wh9527"]);

    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let plan = account.run(&["failover", "wh9527-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    assert_eq!(
        plan["verification"]["warehouse"],
        json!({"name": FIRST, "nodes": 1, "onlyWarehouse": false, "nodesVerified": true}),
        "{plan:#}"
    );
    let measured = plan["probes"]["databases"].as_array().unwrap();
    assert!(measured.iter().all(|one| one["warehouse"] == json!(FIRST)), "{measured:#?}");
    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(0);
    ran.says(&["verified by SQL", "canary table intact; every segment of warehouse wh9527 responded"]);
    before.is_recovered();

    // The same query for the other one has no answer, and the first warehouse's does not count.
    let ran = account.run(&["failover", "wh9528-0", "--yes", "--timeout", "8s"]);
    assert!([Some(4), Some(6), Some(8)].contains(&ran.code), "{}", ran.shown());
    assert!(!ran.out.contains("Recovered"), "{}", ran.shown());
}

/// The account's other parts keep their health, and no operation is possible without a pod.
#[test]
fn a_suspended_warehouse_is_neither_healthy_nor_degraded() {
    let world = World::shared();
    let account = two_warehouses(&world, "rests");
    suspend(&account, &[SECOND]);
    let said =
        format!("suspended: warehouse wh9528 of account {}: StatefulSet wh9528 is scaled to 0", account.namespace);
    let ran = account.run(&["status"]).exits(0).says(&[&said, "wh9528 0/0 Suspended"]);
    assert!(ran.out.starts_with("SynxDB is healthy: 2 of 2 pods ready"), "{}", ran.shown());
    let status = account.run(&["status", "-o", "json"]).exits(0).json();
    assert_eq!(status["health"], "healthy");
    let suspended = json!([{"namespace": account.namespace, "warehouse": SECOND, "statefulSets": [SECOND]}]);
    assert_eq!(status["suspended"], suspended);
    assert_eq!(status["namespaces"][0]["suspended"], false);
    let rows = account.run(&["status", "--no-headers"]).exits(0);
    assert!(rows.out.lines().any(|row| row.contains("wh9528") && row.contains("Suspended")), "{}", rows.shown());

    let report = account.run(&["verify", "-o", "json"]).exits(0).json();
    assert_eq!(results(&report, "segments"), ["wh9527: passed"]);
    assert_eq!(results(&report, "nodes"), ["wh9527: passed", "wh9528: skipped"]);
    for name in ["wh9528-0", "wh9528"] {
        let ran = account.run(&["failover", name, "--yes"]).exits(4).silent();
        let what =
            format!("warehouse wh9528 of account {} is suspended: there is no pod to fail over", account.namespace);
        ran.warns(&[&what, "nothing was changed", "next: kubectl synxdb status -n"]);
    }
    account.run(&["status", SECOND]).exits(0).says(&["SynxDB is suspended"]);
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: "]);

    // With both suspended, sessions are still accepted, but nothing is on segments.
    suspend(&account, &[FIRST]);
    let ran = account.run(&["status"]).exits(0).says(&["warehouse wh9527 of account", "warehouse wh9528 of account"]);
    assert!(ran.out.starts_with("SynxDB is healthy: 1 of 1 pods ready"), "{}", ran.shown());
    let report = account.run(&["verify", "-o", "json"]).exits(0).json();
    for (kind, expected) in
        [("connection", "passed"), ("segments", "skipped"), ("write", "skipped"), ("spread", "skipped")]
    {
        assert_eq!(results(&report, kind), [format!("cloudberry-proxy-0: {expected}")], "{kind}");
    }
}

#[test]
fn a_suspended_account_is_neither_healthy_nor_degraded() {
    let world = World::shared();
    let account = world.account("suspended", |objects| objects.set(FIRST)["spec"]["replicas"] = json!(1));
    let file = world.home().join("before.json");
    account.run(&["verify", "--save", file.to_str().unwrap()]).exits(0);
    suspend(&account, &["cloudberry-proxy", FIRST]);
    let said = format!("suspended: account {}: all of its 2 StatefulSets are scaled to 0", account.namespace);
    for arguments in [&["status"][..], &["status", "-o", "wide"]] {
        let ran =
            account.run(arguments).exits(0).says(&["SynxDB is suspended: nothing runs, and nothing is wrong", &said]);
        assert!(ran.err.is_empty(), "{}", ran.shown());
    }
    let status = account.run(&["status", "-o", "json"]).exits(0).json();
    assert_eq!((&status["health"], &status["members"]), (&json!("suspended"), &json!({"ready": 0, "total": 0})));
    assert_eq!(status["namespaces"][0]["suspended"], true);
    assert_eq!(status["suspended"][0]["warehouse"], Value::Null);

    // Nothing is verified, and nothing failed.
    let ran = account.run(&["verify"]).exits(8).says(&["Unverified: nothing could be checked", "suspended"]);
    assert!(!ran.out.contains("failed"), "{}", ran.shown());
    let ran = account.run(&["verify", "--against", file.to_str().unwrap()]).exits(8);
    ran.says(&["it is in the baseline, but suspended: nothing could be compared"]);
    for name in ["wh9527-0", "cloudberry-proxy-0"] {
        let ran = account.run(&["failover", name, "--yes"]).exits(4).silent();
        let what = format!("account {} is suspended: there is no pod to fail over", account.namespace);
        ran.warns(&[&what, "nothing was changed"]);
    }
    // Resumed, it is an ordinary account.
    for set in ["cloudberry-proxy", FIRST] {
        account.patch_set(set, &json!({"spec": {"replicas": 1}}));
    }
    world.until(&account.pods(), Default::default(), "the account is resumed", |pods| {
        pods.len() == 2 && pods.values().all(stays_ready)
    });
    account.run(&["verify", "--against", file.to_str().unwrap()]).exits(0);
}
