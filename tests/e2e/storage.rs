//! Safekeepers and pageservers as they are: what their pages say of a new disk, in both worlds.

use crate::world::{SYSTEM, World};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::json;

const ACTIVE: &str = "pageserver_tenant_states_count{state=\"Active\"}";

#[test]
fn a_new_disk_of_a_safekeeper_is_filled_by_its_peers() {
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
fn one_that_lags_is_ready_and_behind() {
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
    drop(settings);
}

/// The log that safekeepers hold is the metadata proxy's.
#[test]
fn another_start_of_the_metadata_proxy_is_another_term() {
    let world = World::alone();
    let terms =
        || ["safekeeper-0", "safekeeper-1", "safekeeper-2"].map(|pod| world.metric(pod, "safekeeper_acceptor_term")[0]);
    let before = terms();
    assert!(before.iter().all(|term| *term == before[0]), "{before:?}");
    world.replace_storage("cloudberry-proxy-0", false);
    assert_eq!(terms(), before.map(|term| term + 1));
}

/// What is idle has no position in the metrics; the timelines' own pages tell it to one who shows the token.
#[test]
fn with_a_token_idle_timelines_are_verified() {
    const SAFEKEEPERS: [&str; 3] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"];
    const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.e30.cHJhY3RpY2U";
    const WRONG: &str = "eyJhbGciOiJFZERTQSJ9.e30.d3Jvbmc";
    let world = World::alone();
    let idle = json!({"token": TOKEN, "idle": 1});
    let lagging = json!({"token": TOKEN, "idle": 1, "lag": 5_300_000});
    let settings = json!({"safekeeper-0": idle, "safekeeper-1": lagging, "safekeeper-2": idle});
    let behaving = world.storage(&settings, &SAFEKEEPERS);
    SAFEKEEPERS.iter().for_each(|pod| world.replace_storage(pod, false));
    world.create(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "page-token", "namespace": SYSTEM},
        "stringData": {"token": format!("{TOKEN}\n")},
    }));
    let file = |name: &str, token: &str| {
        let path = world.home().join(name);
        std::fs::write(&path, format!("{token}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (file("token", TOKEN), file("wrong", WRONG));
    let verify = |token: &[&str]| world.run(&[&["verify", "-v", "9"], &SAFEKEEPERS[..], token].concat());
    let failover = |token: &[&str]| {
        world.run(&[&["failover", "safekeeper-0", "--yes", "--anew", "--dry-run=client"], token].concat())
    };
    let behind = "5,300,000 bytes behind on timeline ";

    // Only their number is known.
    let ran = verify(&[]).says(&["1 timeline, all idle"]);
    assert!(!ran.out.contains(behind), "{}", ran.shown());
    failover(&[]).exits(0);
    for token in [["--page-token-file", &right], ["--page-token-secret", "page-token/token"]] {
        let ran = verify(&token).exits(0).says(&["safekeeper-1 is 5,300,000 bytes behind on timeline "]);
        assert!(!format!("{}{}", ran.out, ran.err).contains(TOKEN), "{}", ran.shown());
        let ran = failover(&token).exits(4);
        assert!(ran.error().contains(&format!("safekeeper-1 is short: {behind}")), "{}", ran.shown());
    }
    let wide = world.run(&["status", "-n", SYSTEM, "-o", "wide", "--page-token-file", &right]).exits(0);
    let row = wide.out.lines().find(|row| row.contains(" safekeeper-1 ")).unwrap();
    assert_eq!(row.split_whitespace().next_back(), Some("5300000"), "{}", wide.shown());

    // One that is refused, or cannot be had, is told, and nothing passes for it.
    let ran = verify(&["--page-token-file", &wrong]).exits(8);
    let ran = ran.says(&["/v1/tenant/timeline answers 403 Forbidden: the token is refused"]);
    assert!(!format!("{}{}", ran.out, ran.err).contains(WRONG), "{}", ran.shown());
    // Where another one has just got a disk, what is not known counts against it.
    let all_the_same = ["--page-token-file", &wrong, "--allow", "quorum-loss", "--confirm", "safekeeper-0"];
    failover(&all_the_same).exits(0).says(&["committed WAL is unknown", "the token is refused"]);
    let ran = verify(&["--page-token-secret", "page-token/other"]).exits(8);
    ran.says(&["the token was not read: Secret page-token in namespace synxdb-system has no key"]);
    let secrets = world.within::<Secret>(SYSTEM);
    world.block_on(secrets.delete("page-token", &DeleteParams::default())).unwrap();
    drop(behaving);
}
