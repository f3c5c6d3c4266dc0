//! `status -w` through the real binary: which changes it reports, when, in which format, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::process::{Running, Signal};
use crate::support::terminal::Terminal;
use crate::support::{ACCOUNT, Cluster, bare};
use practice_cluster::Options;
use practice_cluster::api::Rule;
use practice_cluster::store::{DeleteOptions, Key};
use serde_json::{Value, json};

const OTHER: &str = "cloud008-513d75d5-3033-4649-b913-07f6115ec41a";

fn healthy() -> Cluster {
    Cluster::start(bare("healthy"))
}

/// Starts it with arguments as in a shell, without quotes.
fn watches(cluster: &Cluster, arguments: &str) -> Running {
    Running::start(cluster.plugin(&arguments.split_whitespace().collect::<Vec<_>>()))
}

fn delete_node(cluster: &Cluster) {
    cluster.store().delete(&Key::new("pods", ACCOUNT, "wh9527-0"), &DeleteOptions::default()).unwrap();
}

#[test]
fn each_change_is_a_line_without_a_terminal() {
    let cluster = healthy();
    let mut lines = watches(&cluster, "status -w");
    lines.line_with("SynxDB is healthy: 8 of 8 pods ready");
    lines.line_with(&format!("{ACCOUNT}/wh9527-0  Running 1/1"));
    let mut documents = watches(&cluster, "status -w -n cloud007 -o json");
    let document = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    assert_eq!(document(&documents.line_with("{"))["health"], "healthy");
    let mut filled = watches(&cluster, "status -w -o jsonpath={.health}");
    filled.line_with("healthy");
    let mut rows = watches(&cluster, "status -w --no-headers wh9527-0");
    rows.line_with("wh9527-0");

    delete_node(&cluster);
    lines.line_with("SynxDB is degraded");
    lines.line_with(&format!("{ACCOUNT}/wh9527-0  Terminating"));
    lines.line_with("SynxDB is healthy");
    let is = |line: &str, health| document(line)["health"] == health;
    documents.line_that("a degraded document", |line| is(line, "degraded"));
    documents.line_that("a healthy document", |line| is(line, "healthy"));
    filled.line_with("degraded");
    filled.line_with("healthy");
    rows.line_that("a row of the terminating pod", |line| line.contains("Terminating"));
    let row = rows.line_that("a row of the new pod", |line| line.contains("Running") && line.contains("1/1"));
    assert_eq!(row.split_whitespace().count(), 9, "{row}");

    for running in [lines, documents, filled, rows] {
        running.signal(Signal::INT);
        let ended = running.end();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    }
}

#[test]
fn a_terminal_is_updated_in_place_and_restored() {
    let cluster = healthy();
    let mut terminal = Terminal::start(cluster.plugin(&["status", "-w"]));
    terminal.expect("SynxDB is healthy: 8 of 8 pods ready");
    terminal.expect("wh9527-0");
    delete_node(&cluster);
    terminal.expect("SynxDB is degraded");
    terminal.expect("Terminating");
    terminal.expect("SynxDB is healthy");
    terminal.send(crate::support::terminal::key::CTRL_C);
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.screen);
    // In place: the screen has one verdict, and one table for each namespace.
    assert_eq!(left.screen.matches("SynxDB is").count(), 1, "{}", left.screen);
    assert_eq!(left.screen.matches("COMPONENT").count(), 2, "{}", left.screen);
    assert!(left.cursor_shown && left.echo);
}

/// Like any other program in a pipe whose reader has exited.
#[test]
fn it_ends_with_its_reader() {
    let cluster = healthy();
    let plugin = cluster.plugin(&["status", "-w"]);
    let mut piped = std::process::Command::new("sh");
    piped.args(["-c", "\"$0\" \"$@\" | head -n 1"]).arg(plugin.get_program()).args(plugin.get_args());
    piped.env_clear().envs(plugin.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut piped = Running::start(piped);
    piped.line_with("SynxDB is healthy");
    delete_node(&cluster);
    assert_eq!(piped.end().err, "");
}

/// A new account is included, and a deleted one is dropped.
#[test]
fn accounts_come_and_go() {
    let cluster = healthy();
    let mut lines = watches(&cluster, "status -w -o json");
    lines.line_with("wh9527-0");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHER}});
    cluster.store().create(Key::new("namespaces", "", OTHER), namespace, false).unwrap();
    let line = lines.line_with(OTHER);
    let document: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(document["namespaces"].as_array().unwrap().len(), 3, "{document:#}");
    lines.signal(Signal::TERM);
    assert_eq!(lines.end().code, Some(0));
}

/// Without permission to watch, the state is unknown, which is no success.
#[test]
fn what_it_may_not_read_is_unknown() {
    let denied = Rule {
        verbs: vec!["list".to_owned(), "watch".to_owned()],
        resources: vec!["persistentvolumeclaims".to_owned()],
        namespaces: vec!["*".to_owned()],
        subresource: None,
    };
    let cluster = Cluster::start(Options { deny: vec![denied], ..bare("healthy") });
    let mut lines = watches(&cluster, "status -w");
    lines.line_with("SynxDB health unknown");
    lines.signal(Signal::INT);
    assert_eq!(lines.end().code, Some(8));
}
