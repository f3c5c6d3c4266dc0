//! How long databases are away during a failover, on a practice cluster with real PostgreSQL: what is promised to stay
//! stays, what is not comes back, and a broken promise is told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, Cluster, LIMIT, Ran, Running, SYSTEM, bare, full, is_ready, unwrapped};
use practice_cluster::Options;
use practice_cluster::store::{DeleteOptions, Key};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

const PROXY: &str = "cloudberry-proxy-0";

/// What was measured of each database: `namespace/pod` and the row, in order.
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

/// The product's promise, component by component.
#[test]
fn each_component_keeps_its_promise() {
    let cluster = Cluster::start(full("healthy"));
    let (system, account) = (format!("{SYSTEM}/{PROXY}"), format!("{ACCOUNT}/{PROXY}"));
    let run = |arguments: &[&str]| {
        let ran = cluster.run(&[&["failover", "--yes", "-o", "json"], arguments].concat()).exits(0);
        (ran.json_lines().remove(0)["probes"].clone(), reachability(&ran))
    };

    for target in ["safekeeper-0", "pageserver-0"] {
        let (plan, rows) = run(&[target]);
        assert_eq!(names(&rows), [&*system, &*account], "{target}");
        for (_, row) in &rows {
            stayed(row);
            assert_eq!(row["expected"], "noInterruption");
        }
        assert_eq!(plan["databases"].as_array().unwrap().len(), 2);
    }

    // The accounts' are measured, too, and nothing is promised of them.
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

    // Others are asked by name, from wherever the reading was narrowed to; none at all where none is to be.
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

    // A dry run says what would be asked, and asks nothing.
    cluster.sandbox().requests().clear();
    let dry_run = ["failover", "safekeeper-0", "--dry-run", "--anew", "--allow", "quorum-loss"];
    let ran = cluster.run(&dry_run).exits(0);
    ran.says(&["SQL is asked 5 times a second meanwhile", &format!("stays {system}"), &format!("stays {account}")]);
    let asked = cluster.sandbox().requests().entries();
    assert!(!asked.iter().any(|(_, path)| path.contains(&format!("{PROXY}/portforward"))), "{asked:#?}");

    // In words.
    let ran = cluster.run(&["failover", "wh9527-0", "--yes", "--anew"]).exits(0);
    assert!(
        ran.says(&[&format!("SQL on every segment on {account} was unreachable for ")]).err.contains("briefly away")
    );
    let again = ["failover", "safekeeper-0", "--anew", "--yes"];
    let ran = cluster.run(&[&again, &all_the_same[..], &["safekeeper-0"]].concat()).exits(0);
    let told = unwrapped(&ran.out);
    let stayed = regex::Regex::new(r"SQL (?:on every segment )?stayed reachable \((\d+) of (\d+)\) on (\S+)").unwrap();
    let told: Vec<[&str; 3]> = stayed.captures_iter(&told).map(|found| found.extract().1).collect();
    assert!(told.iter().all(|[answered, asked, _]| answered == asked && *asked != "0"), "{told:?}");
    assert_eq!(told.iter().map(|told| told[2]).collect::<Vec<_>>(), [&*system, &*account], "{}", ran.shown());
    for namespace in [SYSTEM, ACCOUNT] {
        no_session_is_left(&cluster, namespace);
    }
}

/// Servers learn of a client's end a moment after it; those of questions that were cut off, too.
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

/// Somebody takes an account's proxy away while a safekeeper is replaced: that is not what was promised.
#[test]
fn a_broken_promise_is_a_finding() {
    let cluster = Cluster::start(Options { replaced_pod_ready_seconds: Some(3.0), ..full("slow-start") });
    let mut running = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"]));
    running.until_warns("containers with unready status");
    cluster.store().delete(&Key::new("pods", ACCOUNT, PROXY), &DeleteOptions::default()).unwrap();
    let ran = running.end().exits(0).says(&[
        "Recovered: safekeeper-0 is back",
        &format!("SQL on every segment on {ACCOUNT}/{PROXY} was unreachable for "),
        "finding: it should stay reachable while a safekeeper is replaced",
    ]);
    assert_eq!(ran.out.matches("finding:").count(), 1, "{}", ran.shown());
    assert!(unwrapped(&ran.out).contains(&format!("on {SYSTEM}/{PROXY}")), "{}", ran.shown());
}

/// What was seen until then is told, however it ends.
#[test]
fn interrupted_late_and_resumed() {
    let cluster = Cluster::start(Options { replaced_pod_ready_seconds: Some(6.0), ..full("slow-start") });
    let target = format!("{ACCOUNT}/{PROXY}");
    let mut running = Running::start(cluster.plugin(&["failover", &target, "--yes"]));
    running.until_warns("containers with unready status");
    running.signal(Signal::INT);
    let ran = running
        .end()
        .exits(130)
        .says(&[&format!("SQL on every segment on {target} was unreachable for "), ", and still is ("]);
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    let ran = cluster.run(&[&resume[..], &["--yes", "-o", "json"]].concat()).exits(0);
    let rows = reachability(&ran);
    let row = &rows[0].1;
    assert_eq!(
        (&row["answeredBefore"], &row["stillUnavailable"], &row["unexpectedOutage"]),
        (&json!(false), &json!(false), &json!(false))
    );
    assert!(number(row, "firstSuccessAfterMs") > 0 && row["firstFailureMs"] == 0, "{row:#}");

    let ran = cluster.run(&["failover", &target, "--anew", "--yes", "--timeout", "3s", "-o", "json"]).exits(6);
    let rows = reachability(&ran);
    assert_eq!((&rows[0].1["stillUnavailable"], &rows[0].1["firstSuccessAfterMs"]), (&json!(true), &Value::Null));
    assert!(number(&rows[0].1, "longestOutageMs") > 0, "{:#}", rows[0].1);
    cluster.until("the proxy is ready again", |store| {
        store.get(&Key::new("pods", ACCOUNT, PROXY)).is_some_and(|pod| is_ready(&pod))
    });
}

#[test]
fn what_is_not_measured_is_said() {
    let cluster = Cluster::start(bare("healthy"));
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0);
    let whose = format!("SQL was not measured on {SYSTEM}/{PROXY}, {ACCOUNT}/{PROXY}: ");
    let ran = ran.says(&[&whose, "PostgreSQL is not installed here"]).warns(&["not measured"]);
    assert!(!ran.out.contains("reachable"), "{}", ran.shown());
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes", "--anew", "-o", "json"]).exits(0);
    let rows = reachability(&ran);
    assert_eq!(rows.len(), 2);
    for (_, row) in rows {
        assert_eq!(
            (&row["attempts"], &row["unexpectedOutage"], &row["expected"]),
            (&json!(0), &json!(false), &Value::Null)
        );
        assert!(row["notMeasuredReason"].as_str().unwrap().contains("PostgreSQL is not installed here"), "{row:#}");
    }
    // It is planned all the same.
    cluster.run(&["failover", "safekeeper-1", "--dry-run"]).exits(0).says(&["Reachability", "not measured"]);
}

#[test]
fn a_probe_that_cannot_be_is_refused_before_anything_is_changed() {
    let cluster = Cluster::read_only();
    for (probe, words) in [
        ("cloudberry-proxy-0", "names no namespace"),
        ("nowhere/cloudberry-proxy-0", "there is no such namespace"),
        ("cloud007/no-such-0", "is no SynxDB member"),
        ("cloud007/wh9527-0", "takes no SQL: it is a warehouse node"),
    ] {
        let ran = cluster.run(&["failover", "safekeeper-0", "--yes", "--probe", probe]).exits(2).silent();
        assert!(ran.err.contains(words), "{}", ran.shown());
    }
    cluster.run(&["failover", "safekeeper-0", "--probe", "a/b", "--no-probe"]).exits(2).silent();
}
