//! An API server that freezes, goes away, or is far away, while the plugin works: what is not known is said to be unknown,
//! nothing is booked as an outage of a database, and everything goes on when it is back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::process::{Running, Signal};
use crate::support::relay::Relay;
use crate::support::terminal::{Terminal, key};
use crate::support::{ACCOUNT, Cluster, Ran, SYSTEM, VOLUMES, bare, full};
use practice_cluster::ReplacedPods;
use practice_cluster::api::faults::{Fault, Rule, WatchEnd};
use serde_json::Value;
use std::time::{Duration, Instant};

fn relay(cluster: &Cluster, round_trip: Duration) -> Relay {
    let kubeconfig = cluster.kubeconfig();
    Relay::to(kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap(), round_trip)
}

fn near(cluster: &Cluster) -> Relay {
    relay(cluster, Duration::ZERO)
}

/// Starts the plugin through the relay.
fn start(cluster: &Cluster, relay: &Relay, arguments: &[&str]) -> Running {
    Running::start(cluster.plugin(&[arguments, &["--server", &relay.server()]].concat()))
}

fn interrupted(running: Running) -> Ran {
    running.signal(Signal::INT);
    running.end()
}

/// Frozen or cut: as a line, as a document, as rows and on a terminal, within the request timeout, with the time of the last
/// response; and healthy again when it is back.
#[test]
fn a_watched_status_is_unknown_while_the_api_is_away() {
    let cluster = Cluster::start(bare("healthy"));
    let limit = ["--request-timeout", "4s"];
    for frozen in [true, false] {
        let relay = near(&cluster);
        let watch = |more: &[&str]| start(&cluster, &relay, &[&["status", "-w"][..], more, &limit].concat());
        let (mut lines, mut documents) = (watch(&[]), watch(&["-o", "json"]));
        let (mut rows, mut names) = (watch(&["--no-headers"]), watch(&["-o", "name"]));
        let server = relay.server();
        let mut terminal =
            Terminal::start(cluster.plugin(&[&["status", "-w", "--server", &server][..], &limit].concat()));
        lines.line_with("SynxDB is healthy");
        documents.line_with("healthy");
        rows.line_with("wh9527-0");
        names.line_with("pod/wh9527-0");
        terminal.expect("SynxDB is healthy");
        let began = Instant::now();
        if frozen {
            relay.freeze()
        } else {
            relay.cut()
        }

        lines.line_with("SynxDB health unknown: 8 of 8 pods ready");
        let line = lines.line_with("unknown: current state: the API server has not responded since ");
        assert!(line.contains(" UTC"), "{line}");
        // The limit, and a second to tell an outage from a cut.
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        let document: Value = serde_json::from_str(&documents.line_with("unknown")).unwrap();
        assert_eq!(document["health"], "unknown");
        let unknown = &document["unknown"][0];
        assert!(unknown["reason"].as_str().unwrap().contains("has not responded since"), "{unknown}");
        rows.line_with("has not responded since");
        names.line_with("has not responded since");
        terminal.expect("SynxDB health unknown");
        terminal.expect("has not responded since");
        terminal.send(key::CTRL_C);
        assert_eq!(terminal.end().code, 8);
        for running in [documents, rows, names] {
            assert_eq!(interrupted(running).code, Some(8));
        }
        relay.thaw();
        lines.line_with("SynxDB is healthy");
        assert_eq!(interrupted(lines).code, Some(0));
    }
}

/// The API server freezes while the new pod is waited for, and returns. The databases stayed all the time.
#[test]
fn a_frozen_api_during_a_failover_is_not_an_outage_of_the_databases() {
    let cluster = Cluster::start(full("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let relay = near(&cluster);
    let mut run = start(&cluster, &relay, &["failover", "safekeeper-0", "--yes", "--request-timeout", "4s"]);
    run.line_that("the wait for the new pod", |line| line.starts_with("ready "));
    // Some probes have succeeded.
    let path = format!("/namespaces/{ACCOUNT}/pods/cloudberry-proxy-0/portforward");
    cluster.block_on(cluster.sandbox().requests().next(3, &path));
    relay.freeze();
    let line = run.line_with("the API server has not responded since ");
    assert!(line.contains(" UTC") && line.contains("last seen: "), "{line}");
    // Longer than a probe may take.
    std::thread::sleep(Duration::from_secs(6));
    relay.thaw();
    run.line_that("the wait goes on", |line| line.starts_with("ready ") && !line.contains("not responded"));
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let ended = run.end().exits(0).says(&["Recovered", "not measured for"]);
    assert!(!ended.out.contains("finding:") && !ended.out.contains("outage "), "{}", ended.shown());
}

/// It stays frozen: the time is up, with the time of the last response, and the command that finishes it.
#[test]
fn a_failover_that_loses_the_api_ends_in_time() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let relay = near(&cluster);
    let arguments = ["failover", "safekeeper-0", "--yes", "--request-timeout", "2s", "--timeout", "12s"];
    let mut run = start(&cluster, &relay, &arguments);
    run.line_that("the wait for the new pod", |line| line.starts_with("ready "));
    relay.freeze();
    run.line_with("the API server has not responded since ");
    let ended = run.end().exits(6).says(&["the API server has not responded since"]);
    assert_eq!(ended.resume()[0], "failover", "{}", ended.shown());
}

/// A proxy that ends each watch at once: the failover recovers all the same, with a few requests.
#[test]
fn watches_that_end_at_once_cost_a_handful_of_requests() {
    for how in [WatchEnd::Empty, WatchEnd::NoContent, WatchEnd::Truncated] {
        let cluster = Cluster::start(bare("healthy"));
        cluster.sandbox().faults().add(Rule::on("watch", "", Fault::EndWatch(how)));
        let began = Instant::now();
        cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered"]);
        let of_pods =
            |(_, path): &&(String, String)| path.contains(&format!("/{SYSTEM}/pods?")) && path.contains("watch=");
        let opened = cluster.sandbox().requests().entries().iter().filter(of_pods).count();
        // Six in the first ten seconds, and one in five to ten seconds from then on.
        let most = 6 + began.elapsed().as_secs() / 5;
        assert!(opened as u64 <= most, "{how:?}: {opened} in {:?}", began.elapsed());
        // A forward, and a status that is watched.
        let mut status = Running::start(cluster.plugin(&["status", "-w"]));
        status.line_with("SynxDB is healthy");
        cluster.sandbox().requests().clear();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(interrupted(status).code, Some(0));
        let opened = cluster.sandbox().requests().entries().iter().filter(of_pods).count();
        assert!(opened <= 6, "{how:?}: {opened} in 3 s");
    }
}

/// Records are on volumes: without them, what was done is unknown.
#[test]
fn without_volumes_past_operations_are_unknown() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.sandbox().faults().add(Rule::on("list", VOLUMES, Fault::Refuse { code: 500, retry_after: None }));
    for arguments in [&["history"][..], &["history", "-o", "wide"], &["history", "-A"]] {
        let ran = cluster.run(arguments).exits(8).says(&["Past operations unknown", "unknown: volumes:"]);
        assert!(!ran.out.contains("No operations recorded"), "{}", ran.shown());
    }
    for arguments in [&["history", "--no-headers"][..], &["history", "-o", "name"]] {
        cluster.run(arguments).exits(8).silent().warns(&["unknown: volumes:"]);
    }
    let document = cluster.run(&["history", "-o", "json"]).exits(8).json();
    assert_eq!(document["unknown"][0]["what"].as_str().or(document["unknown"][0]["part"].as_str()), Some("volumes"));
}

/// Pods that are Ready although all their claims are gone.
#[test]
fn pods_without_their_claims_are_not_healthy() {
    let cluster = Cluster::start(bare("healthy"));
    for claim in cluster.store().list(crate::support::CLAIMS, None).0 {
        let metadata = &claim["metadata"];
        let key = practice_cluster::store::Key::new(
            crate::support::CLAIMS,
            metadata["namespace"].as_str().unwrap(),
            metadata["name"].as_str().unwrap(),
        );
        // As if the whole store had lost them: no finalizer holds them.
        let without = |object: &mut Value| {
            object["metadata"].as_object_mut().unwrap().remove("finalizers");
            Ok(())
        };
        let _ = cluster.store().update(&key, &Default::default(), false, without);
        let _ = cluster.store().delete(&key, &Default::default());
    }
    cluster.run(&["status"]).exits(8).says(&["SynxDB is degraded", "does not exist"]);
}

/// Some seconds for each connection and response, as over a bad line: the limits that are fixed otherwise follow `--request-timeout`.
#[test]
fn a_distant_api_server_needs_a_longer_timeout_and_nothing_else() {
    let cluster = Cluster::start(full("healthy"));
    let far = relay(&cluster, Duration::from_millis(1600));
    let server = far.server();
    let run = |arguments: &[&str]| {
        let plugin = cluster.plugin(&[arguments, &["--server", &server]].concat());
        Running::start_within(Duration::from_secs(300), plugin).end()
    };
    // Not within the ordinary limits, and the advice helps.
    run(&["status"]).exits(1).warns(&["--request-timeout"]);
    run(&["status", "--request-timeout", "60s"]).exits(0).says(&["SynxDB is healthy"]);
    let ran = run(&["failover", "safekeeper-0", "--yes", "--request-timeout", "60s"]).exits(0);
    ran.says(&["Recovered"]);
}

/// One source is dead, the others respond: with a long `--request-timeout`, it does not delay the rest by all of it.
#[test]
fn one_dead_source_does_not_take_all_of_a_long_timeout() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.sandbox().faults().add(Rule::on("list", VOLUMES, Fault::Delay(Duration::from_secs(3600))));
    let ran = cluster.run(&["status", "-o", "wide", "--request-timeout", "20s"]).exits(8).says(&["volumes"]);
    assert!(ran.took < Duration::from_secs(12), "{:?}", ran.took);
    let ran = cluster.run(&["status", "-o", "wide"]).exits(8).says(&["volumes", "no response within 2 s"]);
    assert!(ran.took < Duration::from_secs(10), "{:?}", ran.took);
}
