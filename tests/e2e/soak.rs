//! Many undos and failovers in several accounts at once, while the controller manager stops or the plugin is killed at
//! random: each disk is always the right one. A few in every run; `SYNXDB_E2E_SOAK` sets the number (200), in eight
//! accounts at once.

use crate::support::Ran;
use crate::world::{Account, World};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

const SOAK: &str = "SYNXDB_E2E_SOAK";
const POD: &str = "wh9527-0";
const CLAIM: &str = "data-wh9527-0";
/// The maximum number of runs of a resume command, each of which may be disturbed again.
const MOST_RUNS: usize = 6;

/// Returns the total number, and the number of accounts.
fn wanted(few: usize) -> (usize, usize) {
    let number = std::env::var(SOAK).ok().map(|number| number.parse().expect("SYNXDB_E2E_SOAK is a number"));
    number.map_or((few, 2), |number| (number, 8))
}

/// Returns a number below that.
fn random(below: u64) -> u64 {
    u64::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(below)).unwrap()
}

fn volume_of(account: &Account<'_>) -> String {
    let claim: PersistentVolumeClaim = account.world.get(&account.claims(), CLAIM).expect("the claim is there");
    claim.spec.unwrap().volume_name.expect("the claim has a volume")
}

/// Returns UID, reclaim policy and phase of an existing volume.
fn state(world: &World, name: &str) -> (String, String, String) {
    let volume = world.get(&world.cluster_wide::<PersistentVolume>(), name);
    let volume = volume.unwrap_or_else(|| panic!("volume {name} is gone"));
    let policy = volume.spec.unwrap().persistent_volume_reclaim_policy.unwrap_or_default();
    (volume.metadata.uid.unwrap(), policy, volume.status.unwrap().phase.unwrap_or_default())
}

/// Creates an account for each thread, and runs `work` in all of them at once, with the account and the number of
/// repetitions.
fn at_once(world: &World, (number, accounts): (usize, usize), case: &str, work: impl Fn(&Account<'_>, usize) + Sync) {
    let all: Vec<Account<'_>> = (0..accounts)
        .map(|_| {
            world.account(case, |objects| {
                objects.set("wh9527")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1.into();
            })
        })
        .collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|account| scope.spawn(|| work(account, number / accounts))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Runs a command, and the commands to resume it, until it succeeds. Returns the number of runs.
fn to_its_end(account: &Account<'_>, arguments: &[&str]) -> (Ran, usize) {
    let mut ran = account.run(&[arguments, &["--yes"]].concat());
    for run in 1..MOST_RUNS {
        if ran.code == Some(0) {
            return (ran, run);
        }
        let words = ran.resume();
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--yes"]).collect();
        ran = account.world.run(&words);
    }
    (ran.exits(0), MOST_RUNS)
}

/// An undo always restores the retained disk, whatever the controller manager does; the other one is retained.
#[test]
#[allow(clippy::print_stderr)]
fn no_undo_ends_on_the_wrong_disk() {
    let world = World::alone();
    let (undos, again) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (over, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let world = &world;
        // It stops at random, for as long as an overloaded or restarted one would.
        let meddler = scope.spawn(move || {
            let mut stops = 0;
            loop {
                match ended.recv_timeout(Duration::from_millis(500 + random(6_000))) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return stops,
                }
                let stopped = world.stop_controller_manager();
                stops += 1;
                let over = ended.recv_timeout(Duration::from_millis(random(5_000)));
                drop(stopped);
                if !matches!(over, Err(RecvTimeoutError::Timeout)) {
                    return stops;
                }
            }
        });
        at_once(world, wanted(4), "soak-undo", |account, number| {
            let first = volume_of(account);
            to_its_end(account, &["failover", POD]);
            let second = volume_of(account);
            assert_ne!(first, second);
            let uids: BTreeMap<&str, String> =
                [&first, &second].map(|name| (name.as_str(), state(world, name).0)).into_iter().collect();
            for round in 0..number {
                let (back, away) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
                let (ran, runs) = to_its_end(account, &["undo", POD]);
                undos.fetch_add(1, Ordering::Relaxed);
                again.fetch_add(runs - 1, Ordering::Relaxed);
                assert_eq!(volume_of(account), *back, "{}", ran.shown());
                let (uid, policy, phase) = state(world, back);
                assert_eq!((&uid, phase.as_str()), (&uids[back.as_str()], "Bound"), "{policy}");
                let (uid, policy, _) = state(world, away);
                assert_eq!((&uid, policy.as_str()), (&uids[away.as_str()], "Retain"), "{}", ran.shown());
            }
        });
        drop(over);
        let stops = meddler.join().unwrap();
        eprintln!(
            "{} undos, {} of them run again; the controller manager was stopped {stops} times",
            undos.load(Ordering::Relaxed),
            again.load(Ordering::Relaxed)
        );
    });
}

/// After a kill at any moment, the same command resumes the operation.
#[test]
#[allow(clippy::print_stderr)]
fn a_randomly_killed_run_can_be_resumed() {
    let world = World::alone();
    let (pairs, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    at_once(&world, wanted(2), "soak-kill", |account, number| {
        let first = volume_of(account);
        let mut retained = Vec::new();
        for _ in 0..number {
            for verb in ["failover", "undo"] {
                // A new failover, even right after the undo.
                let command: &[&str] =
                    if verb == "failover" { &["failover", POD, "--start-over"] } else { &["undo", POD] };
                let running = world.start_command(account.plugin(&[command, &["--yes"]].concat()));
                std::thread::sleep(Duration::from_millis(random(3_000)));
                running.signal(Signal::KILL);
                let cut = running.end();
                killed.fetch_add(usize::from(cut.code.is_none()), Ordering::Relaxed);
                match newest(account) {
                    (act, outcome) if act == verb && outcome == "recovered" => {}
                    (act, outcome) if act == verb && outcome == "unfinished" => drop(to_its_end(account, &[verb, POD])),
                    // Killed before it had changed anything.
                    _ => drop(to_its_end(account, command)),
                }
                let now = volume_of(account);
                assert_eq!(now == first, verb == "undo", "{verb}: {now}, and {first} at first\n{}", cut.shown());
                if verb == "failover" {
                    retained.push(now);
                }
            }
            pairs.fetch_add(1, Ordering::Relaxed);
            for volume in &retained {
                assert_eq!(state(&world, volume).1, "Retain", "{volume}");
            }
            assert_eq!(state(&world, &first).2, "Bound");
        }
    });
    eprintln!(
        "{} pairs of failover and undo, {} of the runs killed",
        pairs.load(Ordering::Relaxed),
        killed.load(Ordering::Relaxed)
    );
}

/// Returns the newest operation on record and its outcome.
fn newest(account: &Account<'_>) -> (String, String) {
    let document = account.run(&["history", "-o", "json"]).exits(0).json();
    let text = |field: &str| document["operations"][0][field].as_str().unwrap_or_default().to_owned();
    (text("operation"), text("outcome"))
}
