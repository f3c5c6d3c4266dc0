//! Somebody else at work at the same time, and machines that go away.

use crate::member::Before;
use crate::support::terminal::Terminal;
use crate::world::{AwaitIn, World, named, stays_ready};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;

/// The plan is for a pod that is no more: it is not carried out.
#[test]
fn a_pod_that_somebody_else_replaced_while_it_asked_is_left_alone() {
    let world = World::shared();
    let account = world.account("somebody-else", |_| {});
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

/// Whether the machine is off is for people to find out: nothing is forced, and the way out is named.
#[test]
fn on_a_lost_node_nothing_is_forced() {
    let world = World::alone();
    let account = world.account("lost-node", |_| {});
    // What the proxy holds is known, should it be on that node, too.
    account.run(&["verify"]).exits(0);
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let lost = world.lose_node(&before.node);

    // Where it was the only node, there is none for the new pod.
    let all_the_same = ["--allow", "unusable-node", "--confirm", "wh9527-0"];
    let ran =
        account.run(&[&["failover", "wh9527-0", "--yes", "--timeout", "15s"], &all_the_same[..]].concat()).exits(6);
    let node = &before.node;
    let ran = ran.warns(&[&format!("node {node} is not Ready"), "nothing is force-deleted"]).says(&[
        &format!("the old pod is Terminating, and its node {node} is not Ready"),
        &format!("kubectl taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
    ]);
    before.is_not_forced();

    // With the machine back, its kubelet lets the old pod go, and what was begun is finished.
    lost.comes_back();
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    world.run(&[&resume[..], &["--yes"]].concat()).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// The API server goes away in the middle, and with it every watch and every forward.
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
        // What it could not see to its end it can take up again.
        let resume = ran.resume();
        let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
        ran = world.run(&[&resume[..], &["--yes"]].concat());
    }
    ran.exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}
