//! Safekeepers and pageservers that do not come back as they were, or misbehave: what they report decides. A ConfigMap,
//! which a container reads when it starts, defines how they misbehave.

use crate::member::Before;
use crate::world::{SYSTEM, World, is_not_relied_on, named};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

const SAFEKEEPERS: [&str; 3] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"];

/// While bytes arrive, nothing is missing: at the timeout it is catching up, and the printed command succeeds.
#[test]
fn a_safekeeper_that_fetches_wal_is_catching_up_and_is_waited_for() {
    let world = World::alone();
    let _slow = world.storage(&json!({"safekeeper": {"rate": 1_000_000}}), &["safekeeper-0"]);
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    let ran = world.run(&["failover", "safekeeper-0", "--yes", "--start-over", "--timeout", "10s"]).exits(8);
    assert!(ran.out.starts_with("Catching up: safekeeper-0 is Ready after "), "{}", ran.shown());
    let ran = ran.says(&["bytes of 1 timeline left", "B/s, about", "Nothing is missing so far."]);
    assert!(!ran.out.contains("undo"), "{}", ran.shown());
    before.is_kept("catchingUp");
    world.run(&["history", "-n", SYSTEM]).exits(0).says(&["catching up"]);
    world.run(&["status", "-n", SYSTEM]).exits(8).says(&["was still catching up", "next: kubectl synxdb failover"]);
    // Until then, no other one may be replaced: neither by what it reports, nor by the records.
    let next = world.run(&["failover", "safekeeper-1", "--yes", "--dry-run=client"]).exits(4);
    assert!(next.error().contains("was still catching up"), "{}", next.shown());
    let next = world.run(&["failover", "pageserver-0", "--yes", "--dry-run=client"]).exits(4);
    assert!(next.error().contains("two storage components would be down at once"), "{}", next.shown());

    let resume = ran.resume();
    let mut arguments: Vec<&str> = resume.iter().map(String::as_str).collect();
    arguments.push("--yes");
    let ran = world.run(&arguments).exits(0);
    assert!(ran.out.starts_with("Recovered: safekeeper-0 in "), "{}", ran.shown());
    ran.says(&["status endpoint OK: WAL of 1 timeline"]);
    before.is_recovered();
    world.run(&[&["verify"], &SAFEKEEPERS[..]].concat()).exits(0).says(&["1 timeline flushed by a quorum"]);
}

/// What the others lack is measured in bytes, whatever the age of their disks.
#[test]
fn a_lagging_safekeeper_blocks_the_failover_of_another() {
    let world = World::alone();
    let _behind = world.storage_now(&json!({"safekeeper-1": {"lag": 5_300_000}}), &["safekeeper-1"]);
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    for keep in [&[][..], &["--keep-pvc"]] {
        let ran = world.run(&[&["failover", "safekeeper-0", "--yes", "--start-over"], keep].concat()).exits(4);
        assert!(ran.error().contains("safekeeper-1 lacks WAL: 5,300,000 bytes behind on timeline "), "{}", ran.shown());
        ran.warns(&["only 1 of 3 safekeepers would remain (quorum is 2)", "--allow quorum-loss"]);
    }
    assert_eq!(Before::of(&world, SYSTEM, "safekeeper-0").uid, before.uid);
    let wide = world.run(&["status", "-n", SYSTEM, "-o", "wide"]).exits(0).says(&["LSN", "LAG-BYTES"]);
    let row = wide.out.lines().find(|row| row.contains(" safekeeper-1 ")).unwrap();
    assert_eq!(row.split_whitespace().next_back(), Some("5300000"), "{}", wide.shown());
    // It may be replaced itself: the two others have all of it.
    world.run(&["failover", "safekeeper-1", "--yes", "--start-over", "--dry-run=client"]).exits(0);
    world.run(&[&["verify"], &SAFEKEEPERS[..]].concat()).exits(0).says(&["safekeeper-1 is 5,300,000 bytes behind"]);
}

/// The half minute after an account was suspended: its timeline has left the metrics of one safekeeper only.
#[test]
fn a_timeline_that_becomes_idle_is_not_missing() {
    let world = World::alone();
    let suspending = world.storage_now(&json!({"safekeeper-0": {"idle": 1}}), &SAFEKEEPERS);
    let all = [&["verify", "pageserver-0"], &SAFEKEEPERS[..]].concat();
    world.run(&all).exits(0).says(&["1 timeline flushed by a quorum"]);
    world.run(&["failover", "safekeeper-1", "--yes", "--start-over", "--dry-run=client"]).exits(0);
    let ran = world.run(&["failover", "safekeeper-0", "--yes", "--start-over"]).exits(0);
    ran.says(&["1 timeline, all idle"]);
    suspending.end();
    let _idle = world.storage_now(&json!({"safekeeper": {"idle": 1}}), &SAFEKEEPERS);
    world.run(&all).exits(0).says(&["1 timeline, all idle"]);
    // The count is there, and each timeline is idle: one without timelines did not come back.
    let ran = world.run(&["failover", "safekeeper-2", "--yes", "--start-over"]).exits(0);
    ran.says(&["1 timeline, all idle"]);
}

/// Without its metrics, its content is unknown, and nothing is verified.
#[test]
fn a_safekeeper_without_readable_metrics_is_unverified() {
    let world = World::alone();
    let secret = world.storage_now(&json!({"safekeeper": {"metrics": "unauthorized"}}), &SAFEKEEPERS);
    // If another one just got a new disk, unreadable state does not count as caught up.
    let all_the_same = ["--yes", "--allow", "quorum-loss", "--confirm", "safekeeper-0"];
    let ran = world.run(&[&["failover", "safekeeper-0", "--start-over"], &all_the_same[..]].concat()).exits(8);
    assert!(ran.out.starts_with("Unverified: safekeeper-0 is Ready after "), "{}", ran.shown());
    is_not_relied_on(&ran.says(&["/metrics returned 401"]).err);
    world.run(&[&["verify"], &SAFEKEEPERS[..]].concat()).exits(8).says(&["no safekeeper's metrics can be read"]);
    secret.end();
    // Their reports count again, and show that the unverified one is intact.
    world.run(&["failover", "safekeeper-1", "--yes", "--start-over", "--dry-run=client"]).exits(0);
}

/// Active tenants are not enough: none of them has a timeline, and remote storage is empty.
#[test]
fn a_pageserver_that_comes_back_empty_has_not_recovered() {
    let world = World::alone();
    for (settings, lines) in [
        (json!({"pageserver": {"attach": 0}}), ["active tenants: 0 of 1 before", "timeline "]),
        (json!({"pageserver": {"bucket": "empty"}}), ["active timelines: 0 of ", "it has nothing there"]),
    ] {
        let empty = world.storage(&settings, &["pageserver-0"]);
        let before = Before::of(&world, SYSTEM, "pageserver-0");
        let ran = world.run(&["failover", "pageserver-0", "--yes", "--start-over"]).exits(7);
        assert!(ran.out.starts_with("Data missing: pageserver-0 is Ready after "), "{}", ran.shown());
        let undo = ran.says(&lines).resume();
        assert_eq!(undo[0], "undo");
        before.is_kept("dataMissing");
        world.run(&["verify", "pageserver-0"]).exits(7);
        empty.lift();
        let undo: Vec<&str> = undo.iter().map(String::as_str).chain(["--yes"]).collect();
        world.run(&undo).exits(0).says(&["Recovered: pageserver-0 in "]);
        world.run(&[&["verify", "pageserver-0"], &SAFEKEEPERS[..]].concat()).exits(0);
        empty.end();
    }
}

/// It was down, so there is no baseline: the safekeepers determine what there is.
#[test]
fn a_pageserver_that_was_down_is_compared_with_the_safekeepers() {
    let world = World::alone();
    let silent = world.storage(&json!({"pageserver": {"controller": "silent"}}), &["pageserver-0"]);
    let before = Before::of(&world, SYSTEM, "pageserver-0");
    let pods = world.within::<Pod>(SYSTEM);
    world.block_on(pods.delete("pageserver-0", &DeleteParams::default())).unwrap();
    world.until(&pods, named("pageserver-0"), "pageserver-0 waits for its controller", |pods| {
        pods.get("pageserver-0").is_some_and(|pod| pod.metadata.uid.as_ref() != Some(&before.uid))
    });
    // While it does not answer, it is loading, not unreachable.
    let ran = world.run(&["failover", "pageserver-0", "--yes", "--start-over", "--timeout", "20s"]).exits(6);
    assert!(!ran.out.contains("missing"), "{}", ran.shown());
    silent.lift();
    let ran = world.run(&["failover", "pageserver-0", "--yes", "--start-over"]).exits(0);
    ran.says(&["status endpoint OK: 1 active tenant, "]);
}

/// Two with the same identity count as one, and the status endpoint shows it without metrics, too.
#[test]
fn a_safekeeper_with_the_identity_of_another_one_has_not_recovered() {
    let world = World::alone();
    let secret = json!({"metrics": "unauthorized"});
    let settings = json!({"safekeeper": secret, "safekeeper-0": {"metrics": "unauthorized", "id": 2}});
    let _twins = world.storage_now(&settings, &SAFEKEEPERS);
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    let all_the_same = ["--yes", "--allow", "quorum-loss", "--confirm", "safekeeper-0", "--timeout", "90s"];
    let ran = world.run(&[&["failover", "safekeeper-0", "--start-over"], &all_the_same[..]].concat()).exits(7);
    ran.says(&["Data missing: safekeeper-0 ", "an identity of its own: safekeeper-1 also has id 2"]);
    before.is_kept("dataMissing");
}

/// 1,200 timelines of 60 tenants, and over 16 MiB of the pageserver's metrics: nothing is truncated.
#[test]
fn each_of_many_timelines_is_compared() {
    let world = World::alone();
    let all = [&SAFEKEEPERS[..], &["pageserver-0"]].concat();
    let _many = world.storage_now(&json!({"computes": {"tenants": 60, "timelines": 20}}), &all);
    let verify = [&["verify"], &all[..]].concat();
    let ran = world.run(&verify).exits(0).says(&["1200 timelines flushed by a quorum", "60 tenants active"]);
    assert!(!ran.out.contains("were not checked"), "{}", ran.shown());
    for (pod, there) in
        [("safekeeper-0", "WAL of 1200 timelines"), ("pageserver-0", "60 active tenants, 1200 timelines")]
    {
        let before = Before::of(&world, SYSTEM, pod);
        let ran = world.run(&["failover", pod, "--yes", "--start-over"]).exits(0).says(&["Recovered: ", there]);
        assert!(!ran.out.contains("were not checked"), "{}", ran.shown());
        before.is_recovered();
    }
}

/// An old disk has no memory of later votes: restored, it could vote twice in a term.
#[test]
fn the_undo_of_a_safekeeper_after_later_votes_is_high_risk() {
    let world = World::alone();
    let _disks = world.storage(&json!({}), &["safekeeper-0"]);
    world.run(&["failover", "safekeeper-0", "--yes", "--start-over"]).exits(0);
    let term = world.metric("safekeeper-1", "safekeeper_acceptor_term")[0];
    let dry = ["undo", "safekeeper-0", "--yes", "--dry-run=client"];
    let ran = world.run(&dry).exits(0);
    assert!(!ran.out.contains("vote twice"), "{}", ran.shown());
    world.replace_storage("cloudberry-proxy-0", false);
    assert_eq!(world.metric("safekeeper-1", "safekeeper_acceptor_term"), [term + 1]);
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    let ran = world.run(&["undo", "safekeeper-0", "--yes"]).exits(4);
    for part in
        ["the old disk could vote twice", &format!("term {} of timeline ", term + 1), &format!("earlier {term}")]
    {
        assert!(ran.error().contains(part), "{}", ran.shown());
    }
    ran.warns(&["--allow quorum-loss"]);
    assert_eq!(Before::of(&world, SYSTEM, "safekeeper-0").uid, before.uid);
    // The user confirms the risk with the pod's name.
    let all_the_same = ["--allow", "quorum-loss", "--confirm", "safekeeper-0"];
    let ran = world.run(&[&["undo", "safekeeper-0"], &all_the_same[..]].concat()).exits(0);
    ran.says(&["Recovered: safekeeper-0 in "]).warns(&["the old disk could vote twice"]);
}
