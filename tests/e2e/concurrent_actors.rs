//! Other users who act at the same time, and machines that fail.

use crate::member::Before;
use crate::support::terminal::Terminal;
use crate::world::{AwaitIn, World, named, stays_ready};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;

/// The plan is for a pod that no longer exists, so it is not carried out.
#[test]
fn a_pod_replaced_during_the_prompt_is_left_alone() {
    let world = World::shared();
    let account = world.account("other-operator", |_| {});
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let mut terminal = Terminal::start(account.plugin(&["failover", "wh9527-0"]));
    terminal.expect(&format!("Fail over {}/wh9527-0?", account.namespace));
    account.pods().delete("wh9527-0", &DeleteParams::default()).await_in(&world).unwrap();
    world.until(&account.pods(), named("wh9527-0"), "another pod is Ready", |pods| {
        pods.get("wh9527-0").is_some_and(|pod| pod.metadata.uid.as_ref() != Some(&before.uid) && stays_ready(pod))
    });
    let now = Before::of(&world, &account.namespace, "wh9527-0");
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 4, "{}", left.text);
    for words in ["Cluster changed: no longer as planned", &now.uid, "Nothing was deleted.", "next: "] {
        assert!(left.text.contains(words), "no {words:?}\n{}", left.text);
    }
    now.is_unchanged();
    before.claims_are_unchanged();
}

/// Only people can verify that a machine is off: nothing is forced, and the output names the way out.
#[test]
fn on_a_lost_node_nothing_is_forced() {
    let world = World::alone();
    let account = world.account("lost-node", |_| {});
    // The proxy's baseline is stored, in case it is on that node, too.
    account.run(&["verify"]).exits(0);
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let lost = world.lose_node(&before.node);

    // If it was the only node, there is none for the new pod.
    let all_the_same = ["--allow", "unusable-node", "--confirm", "wh9527-0"];
    let ran =
        account.run(&[&["failover", "wh9527-0", "--yes", "--timeout", "15s"], &all_the_same[..]].concat()).exits(6);
    let node = &before.node;
    let ran = ran.warns(&[&format!("node {node} is not Ready"), "nothing is force-deleted"]).says(&[
        &format!("the old pod is Terminating, and its node {node} is not Ready"),
        &format!("kubectl taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
    ]);
    before.is_not_forced();

    // Once the machine is back, its kubelet releases the old pod, and the operation is completed.
    lost.comes_back();
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    world.run(&[&resume[..], &["--yes"]].concat()).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// The API server restarts in the middle, which ends every watch and every forward.
#[test]
fn a_restart_of_the_api_server_is_survived() {
    let world = World::alone();
    let account = world.account("api-restart", |_| {});
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let running = world.start_command(account.plugin(&["failover", "wh9527-0", "--yes"]));
    world.until(&account.pods(), named("wh9527-0"), "the old pod is being deleted", |pods| {
        let is_old = |pod: &Pod| pod.metadata.uid.as_ref() == Some(&before.uid);
        !pods.get("wh9527-0").is_some_and(|pod| is_old(pod) && pod.metadata.deletion_timestamp.is_none())
    });
    world.restart_api_server();
    let mut ran = running.end();
    if ran.code != Some(0) {
        // What it could not complete can be resumed.
        let resume = ran.resume();
        let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
        ran = world.run(&[&resume[..], &["--yes"]].concat());
    }
    ran.exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}
