//! The five scenarios of the product's failover page: one command each, and all evidence for it.

use crate::member::{Before, all_the_same};
use crate::support::Ran;
use crate::world::{ACCOUNT, SYSTEM, World};

/// Fails over a member, and checks all evidence in the cluster.
#[track_caller]
fn recovers<'w>(world: &'w World, namespace: &str, pod: &str, target: &str, claims: usize) -> (Before<'w>, Ran) {
    let before = Before::of(world, namespace, pod);
    assert_eq!(before.claims.len(), claims);
    // On a real Kubernetes, an earlier case may have failed it over just now.
    let ran = world.run(&[&["failover", target, "--yes", "--start-over"], &all_the_same(pod)[..]].concat()).exits(0);
    assert!(ran.out.starts_with(&format!("Recovered: {pod} in ")), "{}", ran.shown());
    before.is_recovered();
    let new = Before::of(world, namespace, pod);
    let ran = ran.says(&[&format!("old UID {} new UID {}", before.uid, new.uid)]);
    let mut told = ran.clone();
    for (name, old) in &before.claims {
        let new = &new.claims[name].uid;
        told = told.says(&[&format!("claim {name} old UID {} new UID {new}", old.uid), &old.volume]);
    }
    (before, ran)
}

#[test]
fn the_metadata_proxy_is_back_with_its_tables() {
    let world = World::alone();
    let tables = world.cloudmeta();
    let (_, ran) = recovers(&world, SYSTEM, "cloudberry-proxy-0", "synxdb-system/cloudberry-proxy-0", 1);
    ran.says(&["verified by SQL", "canary table intact"]);
    assert_eq!(world.cloudmeta(), tables);
    nothing_is_left(&world, SYSTEM);
}

#[test]
fn a_safekeeper_is_back() {
    let world = World::alone();
    let (_, ran) = recovers(&world, SYSTEM, "safekeeper-0", "safekeeper-0", 1);
    ran.says(&["status endpoint OK: "]);
}

#[test]
fn the_pageserver_is_back_on_two_new_disks() {
    let world = World::alone();
    let (_, ran) = recovers(&world, SYSTEM, "pageserver-0", "pageserver-0", 2);
    ran.says(&["status endpoint OK: "]);
}

#[test]
fn the_warehouse_proxy_is_back_with_its_rows() {
    let world = World::alone();
    let rows = world.projects(ACCOUNT);
    assert_eq!(rows.len(), 3, "{rows:?}");
    let (_, ran) = recovers(&world, ACCOUNT, "cloudberry-proxy-0", "cloud007/cloudberry-proxy-0", 1);
    ran.says(&["verified by SQL", "canary table intact"]);
    assert_eq!(world.projects(ACCOUNT), rows);
    nothing_is_left(&world, ACCOUNT);
}

#[test]
fn a_warehouse_node_is_back_and_so_is_its_accounts_data() {
    let world = World::alone();
    let rows = world.projects(ACCOUNT);
    let (_, ran) = recovers(&world, ACCOUNT, "wh9527-0", "cloud007/wh9527-0", 1);
    ran.says(&["verified by SQL", "canary table intact"]);
    assert_eq!(world.projects(ACCOUNT), rows);
    nothing_is_left(&world, ACCOUNT);
}

/// Asserts that the canary table and its schema are gone.
#[track_caller]
fn nothing_is_left(world: &World, namespace: &str) {
    let canaries = "select nspname from pg_namespace where nspname like 'kubectl_synxdb%'";
    assert_eq!(world.query((namespace, "cloudberry-proxy-0"), "postgres", canaries), Vec::<String>::new());
}
