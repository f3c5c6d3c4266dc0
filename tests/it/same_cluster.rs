//! A pasted command acts on the cluster that the one before was run on, whatever the current context is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::machine::needs;
use crate::support::process::PLUGIN;
use crate::support::{Cluster, Ran, Running, SYSTEM, bare};
use practice_cluster::Options;
use practice_cluster::api::Rule;
use practice_cluster::store::Key;
use serde_json::json;
use std::process::Command;

/// Names that mean something to a shell.
const CONTEXT: &str = "prod;touch x";
const FILE: &str = "k$(id) 8s";

/// Runs a line in a shell, in the home folder, with the plugin as a command of kubectl.
fn pasted(cluster: &Cluster, line: &str) -> Ran {
    let plugins = cluster.home().join("bin");
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(plugins).chain(std::env::split_paths(&path))).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).env_clear().env("HOME", cluster.home()).env("PATH", path).current_dir(cluster.home());
    // The current context leads nowhere.
    shell.env("KUBECONFIG", cluster.home().join("staging"));
    Running::start(shell).end()
}

/// Returns the commands that a result suggests, without their notes.
fn suggested(ran: &Ran) -> Vec<String> {
    let lines = ran.out.lines().chain(ran.err.lines()).map(str::trim_start);
    let commands = lines.filter_map(|line| line.strip_prefix("next: "));
    commands.map(|line| line.split("    (").next().unwrap().to_owned()).collect()
}

#[test]
fn a_pasted_command_acts_on_the_same_cluster() {
    needs("kubectl");
    let denied = Rule {
        verbs: vec!["delete".to_owned()],
        resources: vec!["pods".to_owned()],
        namespaces: vec![SYSTEM.to_owned()],
        subresource: None,
    };
    let cluster = Cluster::start(Options { deny: vec![denied], ..bare("healthy") });
    let plugins = cluster.home().join("bin");
    std::fs::create_dir(&plugins).unwrap();
    std::os::unix::fs::symlink(PLUGIN, plugins.join("kubectl-synxdb")).unwrap();
    let mut config = cluster.kubeconfig();
    config["contexts"][0]["name"] = CONTEXT.into();
    config["clusters"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "staging", "cluster": {"server": "https://127.0.0.1:1"}}));
    config["contexts"].as_array_mut().unwrap().push(json!({"name": "staging", "context": {"cluster": "staging"}}));
    config["current-context"] = "staging".into();
    cluster.file(FILE, &config.to_string());
    cluster.file("staging", &config.to_string());

    cluster.file("layout", kubectl_synxdb::topology::layout::DEFAULT_LAYOUT);
    // Something to advise.
    cluster.update(&Key::new("pods", SYSTEM, "safekeeper-1"), |pod| {
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    });

    let mut commands = Vec::new();
    for words in [
        &["status"][..],
        &["status", "nosuch"],
        &["status", "-n", "nosuch"],
        &["failover", "nosuch"],
        &["failover", "cloudberry-proxy-0"],
        &["failover", "safekeeper-1", "--yes", "--dry-run", "--allow", "storage-class"],
        &["undo", "nosuch"],
        &["undo"],
        &["release", "nosuch"],
        &["forward", "nosuch"],
        &["verify", "nosuch"],
    ] {
        let ran = cluster.run_with(
            &[words, &["--context", CONTEXT, "--kubeconfig", FILE, "--layout", "layout"]].concat(),
            |plugin| {
                plugin.env_remove("KUBECONFIG");
            },
        );
        assert!(!ran.shown().contains("127.0.0.1:1 "), "{}", ran.shown());
        commands.extend(suggested(&ran));
    }
    commands.sort();
    commands.dedup();
    let placeholders = ["NAME", "FILE"];
    commands.retain(|line| !placeholders.iter().any(|word| line.contains(word)));
    let local = |line: &String| line == "kubectl synxdb layout" || line == "kubectl synxdb status --sandbox";
    for (program, number) in [("kubectl synxdb ", 6), ("kubectl auth ", 0)] {
        let those = commands.iter().filter(|line| line.starts_with(program) && !local(line));
        assert!(those.count() > number, "{program}: {commands:#?}");
    }
    for line in commands.iter().filter(|line| !local(line)) {
        let requests = cluster.sandbox().requests().entries().len();
        let ran = pasted(&cluster, line);
        let shown = format!("{line}\n{}", ran.shown());
        assert!(!shown.contains("127.0.0.1:1"), "it acts on the current context\n{shown}");
        assert_ne!(ran.code, Some(2), "it cannot be pasted\n{shown}");
        let reaches = cluster.sandbox().requests().entries().len() > requests || line.starts_with("kubectl config ");
        assert!(reaches, "no request came\n{shown}");
    }
    assert!(!cluster.home().join("x").exists(), "a name was run as a command");
}
