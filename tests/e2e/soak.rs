//! Many undos and failovers, of several accounts at once, while the controller manager stops at random or the plugin is
//! killed at random: each disk is the one that it must be, always. A few in every run; `SYNXDB_E2E_SOAK` names how many
//! are wanted (200), of eight accounts at once.

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
/// Runs of a command that is named as the way on, each of which may be disturbed again.
const MOST_RUNS: usize = 6;

/// How many are wanted in all, and how many accounts take part.
fn wanted(few: usize) -> (usize, usize) {
    let number = std::env::var(SOAK).ok().map(|number| number.parse().expect("SYNXDB_E2E_SOAK is a number"));
    number.map_or((few, 2), |number| (number, 8))
}

/// A number below that.
fn random(below: u64) -> u64 {
    u64::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(below)).unwrap()
}

fn volume_of(account: &Account<'_>) -> String {
    let claim: PersistentVolumeClaim = account.world.get(&account.claims(), CLAIM).expect("the claim is there");
    claim.spec.unwrap().volume_name.expect("the claim has a volume")
}

/// UID, reclaim policy and phase of a volume, which is there.
fn state(world: &World, name: &str) -> (String, String, String) {
    let volume = world.get(&world.cluster_wide::<PersistentVolume>(), name);
    let volume = volume.unwrap_or_else(|| panic!("volume {name} is gone"));
    let policy = volume.spec.unwrap().persistent_volume_reclaim_policy.unwrap_or_default();
    (volume.metadata.uid.unwrap(), policy, volume.status.unwrap().phase.unwrap_or_default())
}

/// Has an account for each thread, and runs `work` in all of them at once: with the account, and how often it is wanted.
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

/// Runs a command, and what it names as the way on, until it has ended well. How often it was run.
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

/// The disk that an undo puts in place is the one that was set aside, whatever the controller manager does meanwhile; the
/// other one is kept.
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

/// Killed at any moment, the same command finishes what was begun.
#[test]
#[allow(clippy::print_stderr)]
fn what_is_killed_at_random_is_finished() {
    let world = World::alone();
    let (pairs, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    at_once(&world, wanted(2), "soak-kill", |account, number| {
        let first = volume_of(account);
        let mut aside = Vec::new();
        for _ in 0..number {
            for verb in ["failover", "undo"] {
                // A new failover, also right after the undo.
                let anew: &[&str] = if verb == "failover" { &["failover", POD, "--anew"] } else { &["undo", POD] };
                let running = world.start_command(account.plugin(&[anew, &["--yes"]].concat()));
                std::thread::sleep(Duration::from_millis(random(3_000)));
                running.signal(Signal::KILL);
                let cut = running.end();
                killed.fetch_add(usize::from(cut.code.is_none()), Ordering::Relaxed);
                match newest(account) {
                    (act, outcome) if act == verb && outcome == "recovered" => {}
                    (act, outcome) if act == verb && outcome == "inProgress" => drop(to_its_end(account, &[verb, POD])),
                    // Killed before it had changed anything.
                    _ => drop(to_its_end(account, anew)),
                }
                let now = volume_of(account);
                assert_eq!(now == first, verb == "undo", "{verb}: {now}, and {first} at first\n{}", cut.shown());
                if verb == "failover" {
                    aside.push(now);
                }
            }
            pairs.fetch_add(1, Ordering::Relaxed);
            for volume in &aside {
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

/// The newest operation on record: what it is, and how it ended.
fn newest(account: &Account<'_>) -> (String, String) {
    let document = account.run(&["history", "-o", "json"]).exits(0).json();
    let text = |field: &str| document["operations"][0][field].as_str().unwrap_or_default().to_owned();
    (text("operation"), text("outcome"))
}
