//! A pod that repeatedly becomes Ready for a few seconds and then crashes has not recovered.

use crate::member::Before;
use crate::support::Ran;
use crate::trouble::{account, containers, with_containers};
use crate::world::{Account, World};
use serde_json::json;
use std::time::Duration;

/// Makes new pods of wh9527 become Ready, and crash some seconds later, again and again.
fn let_them_crash(account: &Account<'_>) {
    let mut bad = containers(account);
    bad[0]["livenessProbe"] = json!({"tcpSocket": {"port": 1}, "initialDelaySeconds": 3, "periodSeconds": 1,
        "timeoutSeconds": 1, "failureThreshold": 1});
    account.patch_set("wh9527", &with_containers(&bad));
}

/// Returns the second to last command in a run's output: the undo.
fn undo(ran: &Ran) -> Vec<String> {
    let mut lines = ran.out.lines().filter_map(|line| line.strip_prefix("next: kubectl synxdb undo "));
    let line = lines.next().unwrap_or_else(|| panic!("no undo is named\n{}", ran.shown()));
    std::iter::once("undo").chain(line.split_whitespace()).map(str::to_owned).collect()
}

#[track_caller]
fn run(world: &World, command: &[String], more: &[&str]) -> Ran {
    let words: Vec<&str> = command.iter().map(String::as_str).chain(more.iter().copied()).collect();
    world.run(&words)
}

/// As typed, without a settle time.
#[test]
fn a_pod_that_crashes_after_it_was_ready_never_recovers() {
    let world = World::shared();
    let account = account(&world, "crashes");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let good = containers(&account);
    let_them_crash(&account);
    let ran = account.run(&["failover", "wh9527-0", "--yes", "--settle", "5s", "--timeout", "25s"]).exits(6);
    let ran = ran.says(&["Timed out: wh9527-0 has not recovered", "restarts: ", "restarted", "exit code"]);
    assert!(ran.took < Duration::from_secs(40), "{}", ran.shown());

    // Once new pods stay, the retained disk can be restored.
    account.patch_set("wh9527", &with_containers(&good));
    run(&world, &undo(&ran), &["--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    let back = Before::of(&world, &account.namespace, "wh9527-0");
    assert_eq!(back.claims["data-wh9527-0"].volume, before.claims["data-wh9527-0"].volume);
}

/// The same in numbers, for programs.
#[test]
fn restarts_are_reported_in_json() {
    let world = World::shared();
    let account = account(&world, "restarts");
    let_them_crash(&account);
    let ran = account.run(&["failover", "wh9527-0", "--yes", "--settle", "5s", "--timeout", "20s", "-o", "json"]);
    let documents = ran.exits(6).json_lines();
    let result = documents.iter().find(|document| document["kind"] == "FailoverResult").unwrap();
    assert!(result["restarts"].as_u64().is_some_and(|times| times >= 1), "{result:#}");
    assert!(result["undo"].as_str().is_some_and(|undo| undo.starts_with("kubectl synxdb undo ")), "{result:#}");
}

/// An undo that ends in a crash loop prints how to proceed: the undo of the undo.
#[test]
fn an_undo_that_ends_in_a_crash_loop_can_be_undone() {
    let world = World::shared();
    let account = account(&world, "crashing-undo");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0);
    let between = Before::of(&world, &account.namespace, "wh9527-0");
    let good = containers(&account);
    let_them_crash(&account);
    let target = format!("{}/wh9527-0", account.namespace);
    let ran = world.run(&["undo", &target, "--yes", "--settle", "5s", "--timeout", "20s"]).exits(6);
    let ran = ran.says(&["Timed out: wh9527-0 has not recovered", "restarts: "]);
    let volume = |before: &Before<'_>| before.claims["data-wh9527-0"].volume.clone();
    assert_eq!(volume(&Before::of(&world, &account.namespace, "wh9527-0")), volume(&before));

    account.patch_set("wh9527", &with_containers(&good));
    run(&world, &undo(&ran), &["--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    assert_eq!(volume(&Before::of(&world, &account.namespace, "wh9527-0")), volume(&between));
}

/// The default is five seconds.
#[test]
fn a_pod_must_stay_for_some_seconds() {
    let world = World::shared();
    let account = account(&world, "stays");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let ran = account.run(&["failover", "wh9527-0", "--yes", "--settle", "5s"]).exits(0);
    assert!(ran.took >= Duration::from_secs(5), "{}", ran.shown());
    ran.warns(&["wait until the new pod has been Ready for 5 s"]).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// Available, not only Ready: the StatefulSet's own setting also applies.
#[test]
fn min_ready_seconds_are_waited_for() {
    let world = World::shared();
    let account = world.account("available", |objects| {
        objects.set("wh9527")["spec"]["minReadySeconds"] = json!(4);
    });
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let ran = account.run(&["failover", "wh9527-0", "--yes", "--settle", "0s"]).exits(0);
    assert!(ran.took >= Duration::from_secs(4), "{}", ran.shown());
    ran.says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}
