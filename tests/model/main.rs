//! Random failovers, with random clusters, faults and kills: whatever goes wrong, no data is lost, no output is untrue,
//! and running it again finishes it.
//!
//! `SYNXDB_MODEL_CASES` is the number of cases, `SYNXDB_MODEL_SEED` runs a single seed, `SYNXDB_MODEL_START` is the
//! first seed, `SYNXDB_MODEL_UNDOS` the minimum number of undos after each failover, `SYNXDB_MODEL_AT_ONCE` the number
//! of concurrent cases, and `SYNXDB_MODEL_BINARY` another build of the plugin. A failure prints everything known about
//! its case.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod case;
mod draw;
mod judge;
mod run;
mod scenario;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod world;

use case::{Case, Other};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use story::Story;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Cases in an ordinary run of the tests.
const CASES: u64 = 100;
/// Concurrent cases: most of a case's time is waiting.
const AT_ONCE: usize = 32;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// The result of a case.
#[derive(Default)]
struct Judged {
    /// Words that are counted.
    words: Vec<String>,
    /// What does not hold, with everything known about the case.
    wrong: Option<String>,
    /// Whether the machine was too busy for its cluster to answer in time: no fault delays an answer that long.
    late: bool,
}

async fn outcome(seed: u64, undos: usize) -> Judged {
    let case = Case::of(seed, undos);
    match story::carry_out(&case).await {
        // Outside of the time of other cases' clusters.
        Ok(story) => tokio::task::spawn_blocking(move || judged(&case, &story)).await.expect("it does not panic"),
        Err(why) => {
            let words = vec!["not carried out".to_owned()];
            Judged { words, wrong: Some(format!("{why}\n{case:#?}")), late: false }
        }
    }
}

fn judged(case: &Case, story: &Story) -> Judged {
    let words = counted(case, story);
    let found = judge::violations(case, story);
    if found.is_empty() {
        return Judged { words, ..Judged::default() };
    }
    let runs: Vec<String> = story.runs.iter().map(world::Told::in_words).collect();
    let told = format!(
        "{}\n{case:#?}\n{}\n{}\n  acts: {:#?}\n  befallen: {:?}",
        found.join("\n"),
        runs.join("\n"),
        story.history.in_words(),
        story.acts,
        story.applied
    );
    Judged { words, wrong: Some(told), late: story.runs.iter().any(world::Told::is_late) }
}

/// Returns what a case is an example of.
fn counted(case: &Case, story: &Story) -> Vec<String> {
    let mut words = Vec::new();
    for (number, act) in story.acts.iter().enumerate() {
        let last = story.runs[act.runs.clone()].iter().rev().find(|run| !run.second);
        let verdict = last.map(|run| run.verdict()).filter(|verdict| !verdict.is_empty()).unwrap_or("refused");
        let what = match number {
            0 => "failover".to_owned(),
            1 => "undo".to_owned(),
            _ => "undo of undo".to_owned(),
        };
        words.push(format!("{what}: {verdict}"));
        words.extend(act.given_up.then(|| "undo given up for a new failover".to_owned()));
    }
    let troubles = std::iter::once(&case.failover).chain(&case.undos).take(story.acts.len());
    for trouble in troubles {
        words.extend(trouble.refused.map(|refused| format!("server refuses to {} {}", refused.verb, refused.resource)));
        words.extend(trouble.others.iter().map(|(_, other)| match other {
            Other::Runs(what) => format!("second operator: {what:?}"),
            Other::DeletesPod => "another user deletes the pod".to_owned(),
            Other::DeletesClaims => "another user deletes the claims".to_owned(),
            Other::RestartsApi(_) => "API server restarts".to_owned(),
            Other::StopsManager(_) => "controller manager is stopped".to_owned(),
        }));
    }
    words.extend((case.knobs.lag > 0.0).then(|| "volume controller is behind".to_owned()));
    words.extend(case.topology.ephemeral.then(|| "ephemeral volumes".to_owned()));
    words.push(format!("storage: {:?}", case.topology.storage));
    words.extend(story.runs.iter().filter(|run| run.killed).map(|_| "runs killed".to_owned()));
    words
}

#[test]
fn whatever_goes_wrong() {
    let one = number("SYNXDB_MODEL_SEED");
    let start = number("SYNXDB_MODEL_START").unwrap_or(1);
    let seeds = one.map_or(start..start + number("SYNXDB_MODEL_CASES").unwrap_or(CASES), |seed| seed..seed + 1);
    let count = seeds.end - seeds.start;
    let undos = number("SYNXDB_MODEL_UNDOS").unwrap_or(0) as usize;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let began = Instant::now();
    let (mut ways, mut failed, mut late) = (BTreeMap::<String, u64>::new(), Vec::new(), Vec::new());
    let mut note = |seed: u64, Judged { words, wrong, .. }: Judged| {
        for word in words {
            *ways.entry(word).or_default() += 1;
        }
        if let Some(wrong) = wrong {
            eprintln!("---- SYNXDB_MODEL_SEED={seed} cargo test --test model\n{wrong}\n");
            failed.push(seed);
        }
    };
    runtime.block_on(async {
        let at_once = number("SYNXDB_MODEL_AT_ONCE").map_or(AT_ONCE, |at_once| at_once as usize);
        let permits = Arc::new(Semaphore::new(at_once));
        let mut cases = JoinSet::new();
        for seed in seeds {
            let permits = permits.clone();
            cases.spawn(async move {
                let _permit = permits.acquire_owned().await;
                (seed, outcome(seed, undos).await)
            });
        }
        while let Some(ended) = cases.join_next().await {
            match ended.unwrap() {
                (seed, judged) if judged.late => late.push(seed),
                (seed, judged) => note(seed, judged),
            }
        }
        // What happened then was due to the machine. Alone, each case has enough time.
        for seed in &late {
            note(*seed, outcome(*seed, undos).await);
        }
    });
    for (word, times) in &ways {
        eprintln!("{times:6} {word}");
    }
    eprintln!("{count} cases in {:.0} s, {} of them twice: {late:?}", began.elapsed().as_secs_f64(), late.len());
    failed.sort_unstable();
    assert!(failed.is_empty(), "{} of {count} cases: seeds {failed:?}", failed.len());
    // Otherwise it tries nothing.
    if one.is_none() && count >= CASES {
        let kinds = ["failover: recovered", "failover: dataMissing", "failover: unverified", "failover: refused"];
        let others = ["undo: recovered", "undo of undo: recovered", "runs killed", "undo given up", "second operator"];
        for kind in kinds.into_iter().chain(others) {
            assert!(ways.keys().any(|way| way.contains(kind)), "no case of this kind: {kind}");
        }
    }
}
