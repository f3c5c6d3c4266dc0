//! Safekeepers and pageservers without the plugin: what their endpoints report about a new disk, on both kinds of
//! cluster.

use crate::world::World;
use serde_json::json;

const ACTIVE: &str = "pageserver_tenant_states_count{state=\"Active\"}";

#[test]
fn a_safekeepers_new_disk_is_filled_by_its_peers() {
    let world = World::alone();
    let before = world.metric("safekeeper-1", "safekeeper_flush_lsn");
    assert_eq!(before.len(), 1);
    world.replace_storage("safekeeper-0", true);
    for pod in ["safekeeper-0", "safekeeper-1", "safekeeper-2"] {
        assert_eq!(world.metric(pod, "safekeeper_timelines"), [1], "{pod}");
        assert_eq!(world.metric(pod, "safekeeper_flush_lsn"), before, "{pod}");
    }
}

#[test]
fn a_safekeeper_catches_up_at_its_rate_while_it_is_ready() {
    let world = World::alone();
    let whole = world.metric("safekeeper-1", "safekeeper_flush_lsn")[0];
    let _settings = world.storage(&json!({"safekeeper-0": {"rate": 4_000_000}}), &["safekeeper-0"]);
    world.replace_storage("safekeeper-0", true);
    let mut last = world.metric("safekeeper-0", "safekeeper_flush_lsn").first().copied().unwrap_or(0);
    assert!(last < whole, "{last} of {whole}");
    let end = std::time::Instant::now() + world.limit();
    while last < whole {
        let now = world.metric("safekeeper-0", "safekeeper_flush_lsn").first().copied().unwrap_or(0);
        assert!(now >= last && std::time::Instant::now() < end, "{now} after {last}");
        last = now;
    }
}

#[test]
fn a_lagging_safekeeper_is_ready_and_behind() {
    let world = World::alone();
    let whole = world.metric("safekeeper-0", "safekeeper_flush_lsn")[0];
    let _settings = world.storage(&json!({"safekeeper-1": {"lag": 5_300_000}}), &["safekeeper-1"]);
    world.replace_storage("safekeeper-1", false);
    assert_eq!(world.metric("safekeeper-1", "safekeeper_flush_lsn"), [whole - 5_300_000]);
    assert_eq!(world.metric("safekeeper-1", "safekeeper_commit_lsn"), [whole - 5_300_000]);
}

#[test]
fn a_pageserver_on_new_disks_has_what_controller_and_bucket_give_it() {
    let world = World::alone();
    assert_eq!(world.metric("pageserver-0", ACTIVE), [1]);
    world.replace_storage("pageserver-0", true);
    assert_eq!(world.metric("pageserver-0", ACTIVE), [1]);
    assert_eq!(world.metric("pageserver-0", "pageserver_local_data_loss_suspected"), [1]);
    let record = world.metric("pageserver-0", "pageserver_last_record_lsn");
    assert_eq!(record, world.metric("safekeeper-0", "safekeeper_commit_lsn"));

    let settings = world.storage(&json!({"pageserver": {"bucket": "empty"}}), &["pageserver-0"]);
    world.replace_storage("pageserver-0", true);
    assert_eq!(world.metric("pageserver-0", ACTIVE), [1], "a tenant of which nothing is found is Active");
    assert_eq!(world.metric("pageserver-0", "pageserver_last_record_lsn"), Vec::<u64>::new());
    assert_eq!(world.metric("pageserver-0", "pageserver_remote_physical_size_global"), [0]);
    settings.end();
}

/// The WAL on safekeepers belongs to the metadata proxy.
#[test]
fn each_start_of_the_metadata_proxy_begins_a_new_term() {
    let world = World::alone();
    let terms =
        || ["safekeeper-0", "safekeeper-1", "safekeeper-2"].map(|pod| world.metric(pod, "safekeeper_acceptor_term")[0]);
    let before = terms();
    assert!(before.iter().all(|term| *term == before[0]), "{before:?}");
    world.replace_storage("cloudberry-proxy-0", false);
    assert_eq!(terms(), before.map(|term| term + 1));
}
