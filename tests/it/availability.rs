//! Outages of databases during a failover, on a practice cluster with real PostgreSQL: databases that should stay do,
//! others come back, and an unexpected interruption is reported.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, Cluster, LIMIT, Ran, Running, SYSTEM, bare, full, is_ready, unwrapped};
use practice_cluster::ReplacedPods;
use practice_cluster::store::{DeleteOptions, Key};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

const PROXY: &str = "cloudberry-proxy-0";

/// Returns what was measured of each database: `namespace/pod` and the row, in order.
fn reachability(ran: &Ran) -> Vec<(String, Value)> {
    let result = ran.json_lines().pop().unwrap();
    assert_eq!(result["kind"], "FailoverResult", "{}", ran.shown());
    let name =
        |row: &Value| [&row["namespace"], &row["pod"]].map(|part| part.as_str().unwrap_or("?").to_owned()).join("/");
    result["availability"].as_array().unwrap().iter().map(|row| (name(row), row.clone())).collect()
}

fn names(rows: &[(String, Value)]) -> Vec<&str> {
    rows.iter().map(|(name, _)| name.as_str()).collect()
}

fn number(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or_else(|| panic!("{field}: {row:#}"))
}

#[track_caller]
fn stayed(row: &Value) {
    assert!(number(row, "attempts") > 0 && row["attempts"] == row["answered"], "{row:#}");
    for field in ["firstFailureMs", "firstSuccessAfterMs", "longestOutageMs", "reason", "notMeasuredReason"] {
        assert_eq!(row[field], Value::Null, "{row:#}");
    }
    assert_eq!(
        (&row["unexpectedOutage"], &row["stillUnavailable"], &row["answeredBefore"]),
        (&json!(false), &json!(false), &json!(true))
    );
}

#[track_caller]
fn away_and_back(row: &Value) {
    assert!(0 < number(row, "answered") && number(row, "answered") < number(row, "attempts"), "{row:#}");
    let (left, back) = (number(row, "firstFailureMs"), number(row, "firstSuccessAfterMs"));
    let gap = number(row, "longestOutageMs");
    assert!(gap > 0 && left < back && gap <= back, "{row:#}");
    assert_eq!((&row["stillUnavailable"], &row["answeredBefore"]), (&json!(false), &json!(true)), "{row:#}");
    assert!(row["reason"].is_string() && row["notMeasuredReason"].is_null(), "{row:#}");
}

/// Waits until the account's proxy is gone and the plugin has noticed: the first of its next probes may have begun
/// earlier, the later ones have not.
fn is_away(cluster: &Cluster) {
    let key = Key::new("pods", ACCOUNT, PROXY);
    cluster.until("the proxy is away", |store| store.get(&key).is_none_or(|pod| !is_ready(&pod)));
    tried(cluster, 4);
}

/// Waits for so many more of the plugin's tries to reach the account's proxy.
fn tried(cluster: &Cluster, times: usize) {
    let path = format!("/namespaces/{ACCOUNT}/pods/{PROXY}/portforward");
    cluster.block_on(async {
        let tried = tokio::time::timeout(LIMIT, cluster.sandbox().requests().next(times, &path));
        tried.await.expect("the plugin tries again");
    });
}

/// Fails over a member, and returns the probes of the plan and what was measured.
fn measured(cluster: &Cluster, arguments: &[&str]) -> (Value, Vec<(String, Value)>) {
    let ran = cluster.run(&[&["failover", "--yes", "-o", "json"], arguments].concat()).exits(0);
    (ran.json_lines().remove(0)["probes"].clone(), reachability(&ran))
}

fn both_proxies() -> (String, String) {
    (format!("{SYSTEM}/{PROXY}"), format!("{ACCOUNT}/{PROXY}"))
}

/// The product's promise for each component.
#[test]
fn each_component_keeps_its_promise() {
    let cluster = Cluster::start(full("healthy"));
    let (system, account) = both_proxies();
    let run = |arguments: &[&str]| measured(&cluster, arguments);

    for target in ["safekeeper-0", "pageserver-0"] {
        let (plan, rows) = run(&[target]);
        assert_eq!(names(&rows), [&*system, &*account], "{target}");
        for (_, row) in &rows {
            stayed(row);
            assert_eq!(row["expected"], "noInterruption");
        }
        assert_eq!(plan["databases"].as_array().unwrap().len(), 2);
    }

    // The accounts' databases are measured, too, without any promise.
    let (_, rows) = run(&[&system]);
    assert_eq!(names(&rows), [&*system, &*account]);
    away_and_back(&rows[0].1);
    stayed(&rows[1].1);
    assert_eq!((&rows[0].1["expected"], &rows[1].1["expected"]), (&json!("briefInterruption"), &json!("none")));
    assert_eq!(rows[0].1["unexpectedOutage"], false);

    for target in ["cloud007/cloudberry-proxy-0", "wh9527-0"] {
        let (_, rows) = run(&[target]);
        assert_eq!(names(&rows), [&*account], "{target}");
        away_and_back(&rows[0].1);
        assert_eq!(
            (&rows[0].1["expected"], &rows[0].1["unexpectedOutage"]),
            (&json!("briefInterruption"), &json!(false))
        );
    }
}

/// Others are probed by name, whatever the scope; with `--no-probe`, none.
#[test]
fn probes_are_selected_by_name() {
    let cluster = Cluster::start(full("healthy"));
    let (system, account) = both_proxies();
    let run = |arguments: &[&str]| measured(&cluster, arguments);
    let (plan, rows) = run(&["wh9527-1", "-n", "cloud007", "--probe", "synxdb-system/cloudberry-proxy-0"]);
    assert_eq!(names(&rows), [&*system]);
    stayed(&rows[0].1);
    assert_eq!((&rows[0].1["expected"], &plan["databases"][0]["pod"]), (&json!("none"), &json!(PROXY)));
    let all_the_same = ["--allow", "quorum-loss", "--confirm"];
    let (_, rows) =
        run(&[&["safekeeper-1", "-n", SYSTEM, "--no-verify"], &all_the_same[..], &["safekeeper-1"]].concat());
    assert_eq!(names(&rows), [&*system, &*account], "the accounts depend on it, wherever one looks");
    let (plan, rows) = run(&[&["safekeeper-2", "--no-probe"], &all_the_same[..], &["safekeeper-2"]].concat());
    assert_eq!((plan, rows), (json!({"databases": [], "notMeasured": []}), vec![]));
}

/// A dry run shows what would be probed, and probes nothing.
#[test]
fn a_dry_run_probes_nothing() {
    let cluster = Cluster::start(full("healthy"));
    let (system, account) = both_proxies();
    cluster.sandbox().requests().clear();
    let ran = cluster.run(&["failover", "safekeeper-0", "--dry-run"]).exits(0);
    ran.says(&["one query every 200 ms", &format!("no outage {system}"), &format!("no outage {account}")]);
    let asked = cluster.sandbox().requests().entries();
    assert!(!asked.iter().any(|(_, path)| path.contains(&format!("{PROXY}/portforward"))), "{asked:#?}");
}

#[test]
fn outages_are_reported_as_text() {
    let cluster = Cluster::start(full("healthy"));
    let (system, account) = both_proxies();
    let ran = cluster.run(&["failover", "wh9527-0", "--yes"]).exits(0);
    assert!(ran.says(&[&format!("SQL on every segment on {account} outage ")]).err.contains("brief outage"));
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0);
    let told = unwrapped(&ran.out);
    let stayed =
        regex::Regex::new(r"SQL (?:on every segment )?on (\S+): no outage \((\d+) of (\d+) probes succeeded\)")
            .unwrap();
    let told: Vec<[&str; 3]> = stayed.captures_iter(&told).map(|found| found.extract().1).collect();
    assert!(told.iter().all(|[_, answered, asked]| answered == asked && *asked != "0"), "{told:?}");
    assert_eq!(told.iter().map(|told| told[0]).collect::<Vec<_>>(), [&*system, &*account], "{}", ran.shown());
    for namespace in [SYSTEM, ACCOUNT] {
        no_session_is_left(&cluster, namespace);
    }
}

/// Servers notice the end of a client a moment later, including those of canceled probes.
fn no_session_is_left(cluster: &Cluster, namespace: &str) {
    let count = "select count(*) from pg_stat_activity where application_name = 'kubectl-synxdb'";
    let asked = async {
        let stream = cluster.sandbox().connect(namespace, PROXY, 5432).unwrap();
        let mut config = tokio_postgres::Config::new();
        config.user("gpadmin").password(cluster.sandbox().password()).dbname("postgres");
        let (client, connection) = config.connect_raw(stream, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        while client.query_one(count, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    cluster.block_on(async { tokio::time::timeout(LIMIT, asked).await.expect("the plugin's sessions end") });
}

/// An account's proxy is deleted while a safekeeper is replaced: that breaks the promise.
#[test]
fn a_broken_promise_is_a_finding() {
    let cluster = Cluster::start(full("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let mut running = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"]));
    running.until_warns("containers with unready status");
    // It has answered before.
    tried(&cluster, 2);
    cluster.store().delete(&Key::new("pods", ACCOUNT, PROXY), &DeleteOptions::default()).unwrap();
    is_away(&cluster);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let ran = running.end().exits(0).says(&[
        "Recovered: safekeeper-0 in ",
        &format!("SQL on every segment on {ACCOUNT}/{PROXY} outage "),
        "finding: SQL should stay available while a safekeeper is replaced",
    ]);
    assert_eq!(ran.out.matches("finding:").count(), 1, "{}", ran.shown());
    assert!(unwrapped(&ran.out).contains(&format!("on {SYSTEM}/{PROXY}")), "{}", ran.shown());
}

/// What was measured until then is reported, however it ends.
#[test]
fn interrupted_late_and_resumed() {
    let cluster = Cluster::start(full("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let target = format!("{ACCOUNT}/{PROXY}");
    let mut running = Running::start(cluster.plugin(&["failover", &target, "--yes"]));
    running.until_warns("containers with unready status");
    is_away(&cluster);
    running.signal(Signal::INT);
    let ran = running.end().exits(130).says(&[&format!("SQL on every segment on {target} outage "), ", ongoing ("]);
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    let running = Running::start(cluster.plugin(&[&resume[..], &["--yes", "-o", "json"]].concat()));
    is_away(&cluster);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let ran = running.end().exits(0);
    let rows = reachability(&ran);
    let row = &rows[0].1;
    assert_eq!(
        (&row["answeredBefore"], &row["stillUnavailable"], &row["unexpectedOutage"]),
        (&json!(false), &json!(false), &json!(false))
    );
    assert!(number(row, "firstSuccessAfterMs") > 0 && row["firstFailureMs"] == 0, "{row:#}");
}

#[test]
fn a_database_still_unreachable_at_the_timeout() {
    let cluster = Cluster::start(full("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let target = format!("{ACCOUNT}/{PROXY}");
    let ran = cluster.run(&["failover", &target, "--yes", "--timeout", "15s", "-o", "json"]).exits(6);
    let rows = reachability(&ran);
    assert_eq!((&rows[0].1["stillUnavailable"], &rows[0].1["firstSuccessAfterMs"]), (&json!(true), &Value::Null));
    assert!(number(&rows[0].1, "longestOutageMs") > 0, "{:#}", rows[0].1);
}

#[test]
fn what_is_not_measured_is_reported() {
    let cluster = Cluster::start(bare("healthy"));
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0);
    let whose = format!("availability not measured on {SYSTEM}/{PROXY}, {ACCOUNT}/{PROXY}: ");
    let ran = ran.says(&[&whose, "PostgreSQL is not installed here"]).warns(&["not measured"]);
    assert!(!ran.out.contains("outage") && !ran.out.contains("reachable"), "{}", ran.shown());
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes", "--start-over", "-o", "json"]).exits(0);
    let rows = reachability(&ran);
    assert_eq!(rows.len(), 2);
    for (_, row) in rows {
        assert_eq!(
            (&row["attempts"], &row["unexpectedOutage"], &row["expected"]),
            (&json!(0), &json!(false), &Value::Null)
        );
        assert!(row["notMeasuredReason"].as_str().unwrap().contains("PostgreSQL is not installed here"), "{row:#}");
    }
    // It is planned anyway.
    cluster.run(&["failover", "safekeeper-1", "--dry-run"]).exits(0).says(&["Availability probe", "not measured"]);
}

#[test]
fn an_impossible_probe_is_rejected_before_any_change() {
    let cluster = Cluster::read_only();
    for (probe, words) in [
        ("cloudberry-proxy-0", "has no namespace"),
        ("nowhere/cloudberry-proxy-0", "namespace not found"),
        ("cloud007/no-such-0", "is not a SynxDB component"),
        ("cloud007/wh9527-0", "does not accept SQL: it is a warehouse node"),
    ] {
        let ran = cluster.run(&["failover", "safekeeper-0", "--yes", "--probe", probe]).exits(2).silent();
        assert!(ran.err.contains(words), "{}", ran.shown());
    }
    cluster.run(&["failover", "safekeeper-0", "--probe", "a/b", "--no-probe"]).exits(2).silent();
}
