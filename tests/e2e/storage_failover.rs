//! Safekeepers and pageservers that do not come back as they were, or are not as they should be: what their own pages say
//! decides. How they misbehave is said in a ConfigMap, which a container reads when it starts.

use crate::member::Before;
use crate::world::{SYSTEM, World, named, stays_ready};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

const SAFEKEEPERS: [&str; 3] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"];

/// The members that were started with these settings; in the end they start again without.
struct Misbehaving<'w> {
    world: &'w World,
    restarted: Vec<&'static str>,
}

/// Members that start from now on behave like this; these start at once.
fn misbehave<'w>(world: &'w World, settings: &Value, restart: &[&'static str]) -> Misbehaving<'w> {
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "storage-stand-in"}, "data": {"settings": settings.to_string()},
    }))
    .unwrap();
    world.block_on(world.within::<ConfigMap>(SYSTEM).create(&PostParams::default(), &map)).unwrap();
    let of = Misbehaving { world, restarted: restart.to_vec() };
    of.restart();
    of
}

impl Misbehaving<'_> {
    /// From now on members start as they should.
    fn ends(&self) {
        let maps = self.world.within::<ConfigMap>(SYSTEM);
        self.world.block_on(maps.delete("storage-stand-in", &DeleteParams::default())).unwrap();
    }

    fn restart(&self) {
        for pod in &self.restarted {
            let pods = self.world.within::<Pod>(SYSTEM);
            let old = self.world.pod(SYSTEM, pod).metadata.uid;
            self.world.block_on(pods.delete(pod, &DeleteParams::default())).unwrap();
            self.world.until(&pods, named(pod), &format!("{pod} is Ready again"), |pods| {
                pods.get(*pod).is_some_and(|pod| pod.metadata.uid != old && stays_ready(pod))
            });
        }
    }
}

impl Drop for Misbehaving<'_> {
    fn drop(&mut self) {
        let maps = self.world.within::<ConfigMap>(SYSTEM);
        let gone = self.world.block_on(maps.delete("storage-stand-in", &DeleteParams::default()));
        drop(gone);
        if !std::thread::panicking() {
            return self.restart();
        }
        // Other cases come after one that failed.
        for pod in &self.restarted {
            let pods = self.world.within::<Pod>(SYSTEM);
            drop(self.world.block_on(pods.delete(pod, &DeleteParams::default())));
        }
    }
}

/// While bytes come nothing is missing: at the time limit it is catching up, and the command that it names ends well.
#[test]
fn a_safekeeper_that_fetches_wal_is_catching_up_and_is_waited_for() {
    let world = World::alone();
    let slow = misbehave(&world, &json!({"safekeeper": {"rate": 1_000_000}}), &[]);
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    let ran = world.run(&["failover", "safekeeper-0", "--yes", "--anew", "--timeout", "10s"]).exits(8);
    assert!(ran.out.starts_with("Catching up: safekeeper-0 is Ready after "), "{}", ran.shown());
    let ran = ran.says(&["bytes of 1 timeline left", "B/s, about", "Nothing is missing so far."]);
    assert!(!ran.out.contains("undo"), "{}", ran.shown());
    before.is_kept("catching-up");
    world.run(&["history", "-n", SYSTEM]).exits(0).says(&["catching up"]);
    world.run(&["status", "-n", SYSTEM]).exits(8).says(&["was still catching up", "try kubectl synxdb failover"]);
    // Meanwhile no other one goes: neither by what it says, nor by what is on record.
    let next = world.run(&["failover", "safekeeper-1", "--yes", "--dry-run=client"]).exits(4);
    assert!(next.error().contains("was still catching up"), "{}", next.shown());
    let next = world.run(&["failover", "pageserver-0", "--yes", "--dry-run=client"]).exits(4);
    assert!(next.error().contains("two storage components would be away at once"), "{}", next.shown());

    let resume = ran.resume();
    let mut arguments: Vec<&str> = resume.iter().map(String::as_str).collect();
    arguments.push("--yes");
    let ran = world.run(&arguments).exits(0);
    assert!(ran.out.starts_with("Recovered: safekeeper-0 is back after "), "{}", ran.shown());
    ran.says(&["its status page answers: WAL of 1 timeline"]);
    before.is_recovered();
    world.run(&[&["verify"], &SAFEKEEPERS[..]].concat()).exits(0).says(&["1 timeline flushed by a majority"]);
    drop(slow);
}

/// What the others lack is measured, in bytes, however old their disks are.
#[test]
fn a_safekeeper_beside_one_that_lags_is_refused() {
    let world = World::alone();
    let behind = misbehave(&world, &json!({"safekeeper-1": {"lag": 5_300_000}}), &["safekeeper-1"]);
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    for keep in [&[][..], &["--keep-pvc"]] {
        let ran = world.run(&[&["failover", "safekeeper-0", "--yes", "--anew"], keep].concat()).exits(4);
        assert!(ran.error().contains("safekeeper-1 is short: 5,300,000 bytes behind on timeline "), "{}", ran.shown());
        ran.warns(&["1 of 3 safekeepers would be left, and a majority is 2", "--allow quorum-loss"]);
    }
    assert_eq!(Before::of(&world, SYSTEM, "safekeeper-0").uid, before.uid);
    let wide = world.run(&["status", "-n", SYSTEM, "-o", "wide"]).exits(0).says(&["LSN", "LAG-BYTES"]);
    let row = wide.out.lines().find(|row| row.contains(" safekeeper-1 ")).unwrap();
    assert_eq!(row.split_whitespace().next_back(), Some("5300000"), "{}", wide.shown());
    // It itself may go: the two others have all of it.
    world.run(&["failover", "safekeeper-1", "--yes", "--anew", "--dry-run=client"]).exits(0);
    world.run(&[&["verify"], &SAFEKEEPERS[..]].concat()).exits(0).says(&["safekeeper-1 is 5,300,000 bytes behind"]);
    drop(behind);
}

/// The half minute after an account was suspended: its timeline has left the metrics of one safekeeper only.
#[test]
fn a_timeline_that_becomes_idle_is_not_missing() {
    let world = World::alone();
    let suspending = misbehave(&world, &json!({"safekeeper-0": {"idle": 1}}), &SAFEKEEPERS);
    let all = [&["verify", "pageserver-0"], &SAFEKEEPERS[..]].concat();
    world.run(&all).exits(0).says(&["1 timeline flushed by a majority"]);
    world.run(&["failover", "safekeeper-1", "--yes", "--anew", "--dry-run=client"]).exits(0);
    let ran = world.run(&["failover", "safekeeper-0", "--yes", "--anew"]).exits(0);
    ran.says(&["1 timeline, all idle"]);
    drop(suspending);
    let idle = misbehave(&world, &json!({"safekeeper": {"idle": 1}}), &SAFEKEEPERS);
    world.run(&all).exits(0).says(&["1 timeline, all idle"]);
    // The number is there, and each timeline is idle: one that has none did not come back.
    let ran = world.run(&["failover", "safekeeper-2", "--yes", "--anew"]).exits(0);
    ran.says(&["1 timeline, all idle"]);
    drop(idle);
}

/// Without its metrics nothing is known of what it holds, and nothing is proven.
#[test]
fn a_safekeeper_whose_metrics_cannot_be_read_is_not_proven() {
    let world = World::alone();
    let secret = misbehave(&world, &json!({"safekeeper": {"metrics": "unauthorized"}}), &SAFEKEEPERS);
    // Where another one has just got a disk, what cannot be read is not known to be fetched.
    let all_the_same = ["--yes", "--allow", "quorum-loss", "--confirm", "safekeeper-0"];
    let ran = world.run(&[&["failover", "safekeeper-0", "--anew"], &all_the_same[..]].concat()).exits(8);
    assert!(ran.out.starts_with("Not proven: safekeeper-0 is Ready after "), "{}", ran.shown());
    ran.says(&["/metrics answers 401"]).warns(&["have all committed WAL is unknown"]);
    world.run(&[&["verify"], &SAFEKEEPERS[..]].concat()).exits(8).says(&["no safekeeper's metrics can be read"]);
    drop(secret);
    // What they say counts again, and what was not proven is whole by it.
    world.run(&["failover", "safekeeper-1", "--yes", "--anew", "--dry-run=client"]).exits(0);
}

/// Active tenants are not enough: none of them has a timeline, and nothing is in remote storage.
#[test]
fn a_pageserver_that_comes_back_empty_has_not_recovered() {
    let world = World::alone();
    for (settings, lines) in [
        (json!({"pageserver": {"attach": 0}}), ["active tenants: 0 of 1 before", "timeline "]),
        (json!({"pageserver": {"bucket": "empty"}}), ["active timelines: 0 of 1 before", "it has nothing there"]),
    ] {
        let empty = misbehave(&world, &settings, &[]);
        let before = Before::of(&world, SYSTEM, "pageserver-0");
        let ran = world.run(&["failover", "pageserver-0", "--yes", "--anew"]).exits(7);
        assert!(ran.out.starts_with("Not recovered: pageserver-0 is Ready after "), "{}", ran.shown());
        let undo = ran.says(&lines).resume();
        assert_eq!(undo[0], "undo");
        before.is_kept("data-missing");
        world.run(&["verify", "pageserver-0"]).exits(7);
        empty.ends();
        let undo: Vec<&str> = undo.iter().map(String::as_str).chain(["--yes"]).collect();
        world.run(&undo).exits(0).says(&["Recovered: pageserver-0 is back"]);
        world.run(&[&["verify", "pageserver-0"], &SAFEKEEPERS[..]].concat()).exits(0);
    }
}

/// It was down, so there is no baseline: the safekeepers say what there is.
#[test]
fn a_pageserver_that_was_down_is_held_to_what_the_safekeepers_have() {
    let world = World::alone();
    let silent = misbehave(&world, &json!({"pageserver": {"controller": "silent"}}), &[]);
    let before = Before::of(&world, SYSTEM, "pageserver-0");
    let pods = world.within::<Pod>(SYSTEM);
    world.block_on(pods.delete("pageserver-0", &DeleteParams::default())).unwrap();
    world.until(&pods, named("pageserver-0"), "pageserver-0 waits for its controller", |pods| {
        pods.get("pageserver-0").is_some_and(|pod| pod.metadata.uid.as_ref() != Some(&before.uid))
    });
    // It is loading for as long as it is silent, and not away.
    let ran = world.run(&["failover", "pageserver-0", "--yes", "--anew", "--timeout", "8s"]).exits(6);
    assert!(!ran.out.contains("missing"), "{}", ran.shown());
    silent.ends();
    let ran = world.run(&["failover", "pageserver-0", "--yes", "--anew"]).exits(0);
    ran.says(&["its status page answers: 1 active tenant, 1 timeline"]);
}
