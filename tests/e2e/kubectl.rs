//! Through kubectl itself, like users run it.

use crate::member::Before;
use crate::support::Ran;
use crate::support::machine::needs;
use crate::support::process::PLUGIN;
use crate::world::{Account, World};
use std::path::Path;
use std::process::Command;

/// Runs kubectl, with the plugin's folder on its PATH.
fn kubectl(account: &Account<'_>, arguments: &[&str]) -> Ran {
    let mut path = Path::new(PLUGIN).parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = Command::new(needs("kubectl"));
    let world = account.world;
    command.args(arguments).args(["-n", &account.namespace]).current_dir(world.home());
    command.env_clear().env("PATH", path).env("HOME", world.home()).env("KUBECONFIG", world.kubeconfig());
    command.envs(world.passfile().map(|passfile| ("PGPASSFILE", passfile)));
    world.start_command(command).end()
}

#[test]
fn kubectl_runs_the_plugin() {
    let world = World::shared();
    let account = world.account("kubectl", |_| {});
    kubectl(&account, &["synxdb", "status"]).exits(0).says(&["wh9527-0", "cloudberry-proxy-0"]);
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    kubectl(&account, &["synxdb", "failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
    // kubectl confirms the new UID that the plugin prints.
    let said = kubectl(&account, &["get", "pod", "wh9527-0", "-o", "jsonpath={.metadata.uid}"]).exits(0);
    assert_eq!(Some(said.out), world.pod(&account.namespace, "wh9527-0").metadata.uid);
    kubectl(&account, &["synxdb", "status"]).exits(0);
    kubectl(&account, &["synxdb", "status", "missing-0"]).exits(1);
}
