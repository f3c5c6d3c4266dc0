//! A case, carried out: the practice cluster, the failover and its undos, and after each run the command that it names.

use super::case::{Case, Storage, Trouble};
use super::run::{LIMIT, Stage};
use super::scenario;
use super::world::{CLAIMS, History, Meddled, Told, VOLUMES, is_ready, text};
use practice_cluster::api::faults::Applied;
use practice_cluster::store::{Key, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::Value;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// `--timeout` in seconds, with trouble and without.
const WITH_TROUBLE: u64 = 20;
const WITHOUT: u64 = 90;
/// The same where it waits for what never comes.
const IN_VAIN: u64 = 4;
/// Most runs after the first one of an act.
const MORE_RUNS: usize = 4;
/// Volumes that somebody makes where there were too few.
const RELIEF: u32 = 16;

/// All that is known of a case when it is over.
pub(crate) struct Story {
    /// Every run, in the order in which they began.
    pub(crate) runs: Vec<Told>,
    /// The failover, and then its undos.
    pub(crate) acts: Vec<Action>,
    pub(crate) history: History,
    pub(crate) applied: Vec<Applied>,
    pub(crate) meddled: Meddled,
}

/// A failover or an undo, with all runs that it took.
#[derive(Debug)]
pub(crate) struct Action {
    /// Of an undo: what it takes back.
    pub(crate) undoes: Option<String>,
    /// Claims, and the volumes that an undo is to bring back to them.
    pub(crate) returns: Vec<(String, String)>,
    /// Its runs among those of the case.
    pub(crate) runs: Range<usize>,
    /// Whether nothing went wrong, with it or before it, but that the cluster took its time.
    pub(crate) calm: bool,
    /// Whether it was given up for a new failover.
    pub(crate) given_up: bool,
    /// Version of the store when it was over.
    pub(crate) end: u64,
}

/// Carries out a case.
///
/// # Errors
/// The cluster is not ready in time, or the plugin does not end: in words.
pub(crate) async fn carry_out(case: &Case) -> Result<Story, String> {
    let scenario = serde_json::from_value(scenario::of(case)).map_err(|error| error.to_string())?;
    let options = Options { custom: Some(scenario), postgres: PostgresChoice::None, ..Options::default() };
    let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
    let told = match timeout(LIMIT, ready(case, &sandbox)).await {
        Ok(()) => story(case, &sandbox).await,
        Err(_) => Err(format!("the practice cluster is not ready within {LIMIT:?}")),
    };
    sandbox.stop().await;
    told
}

/// All pods that can become Ready are: those that an ordered set keeps behind one that cannot are not waited for.
async fn ready(case: &Case, sandbox: &Sandbox) {
    let down = case.topology.down.filter(|_| !case.topology.parallel);
    let Some(down) = down else {
        let _ = sandbox.ready().await;
        return;
    };
    let store = sandbox.store();
    let wanted =
        1 + case.topology.accounts.iter().map(|nodes| 1 + usize::from(*nodes)).sum::<usize>() + usize::from(down);
    loop {
        let since = store.version();
        let pods = store.list("pods", None).0;
        let running = |pod: &&Arc<Value>| text(pod, "/metadata/name") == format!("safekeeper-{down}");
        let runs = pods.iter().find(running).is_some_and(|pod| text(pod, "/status/phase") == "Running");
        if runs && pods.iter().filter(|pod| is_ready(pod)).count() == wanted {
            return;
        }
        if let Ok(mut watcher) = store.watch(since) {
            watcher.next().await;
        }
    }
}

async fn story(case: &Case, sandbox: &Sandbox) -> Result<Story, String> {
    let store = sandbox.store();
    let (history, since) = History::of(store);
    let history = Arc::new(Mutex::new(history));
    let mut watcher = store.watch(since).map_err(|error| format!("{error:?}"))?;
    let recorder = tokio::spawn({
        let history = history.clone();
        async move {
            while let Some(change) = watcher.next().await {
                lock(&history).add(change);
            }
        }
    });
    let home = || tempfile::tempdir().map_err(|error| error.to_string());
    let homes = [home()?, home()?];
    let mutations = sandbox.faults().mutations();
    let homes = [homes[0].path(), homes[1].path()];
    let mut teller = Teller {
        stage: Stage { case, sandbox, homes, mutations, meddled: Meddled::default() },
        runs: Vec::new(),
        acts: Vec::new(),
    };
    teller.tell().await?;
    let Teller { stage, runs, acts } = teller;
    let last = store.version();
    // The recorder is a moment behind.
    while lock(&history).latest() < last {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    recorder.abort();
    let history = std::mem::replace(&mut *lock(&history), History::of(store).0);
    Ok(Story { runs, acts, history, applied: sandbox.faults().applied(), meddled: stage.meddled })
}

/// Carries out one act after the other.
struct Teller<'s> {
    stage: Stage<'s>,
    runs: Vec<Told>,
    acts: Vec<Action>,
}

impl Teller<'_> {
    async fn tell(&mut self) -> Result<(), String> {
        let case = self.stage.case;
        self.act(None, Vec::new(), &case.failover).await?;
        let mut undone = 0;
        // What is missing is said to be on the volume that was set aside.
        let at_least = [Trouble::default()];
        let is_missing = case.undos.is_empty() && self.last().verdict() == "dataMissing";
        for trouble in if is_missing { &at_least[..] } else { &case.undos } {
            let Some((id, returns)) = self.undoable() else { break };
            self.act(Some(id), returns, trouble).await?;
            undone += 1;
        }
        if undone == 0 && self.last().verdict() == "timedOut" && case.is_short() && !case.in_vain() {
            self.relieve();
            self.follow(true).await?;
        }
        Ok(())
    }

    /// The latest run of the operator.
    fn last(&self) -> &Told {
        let own = self.runs.iter().rev().find(|run| !run.second);
        own.expect("an act begins with a run")
    }

    fn store(&self) -> &Arc<Store> {
        self.stage.sandbox.store()
    }

    /// How long a failover may take.
    fn timeout(&self, undoes: bool, otherwise: u64) -> u64 {
        let case = self.stage.case;
        let vain = case.in_vain() || (case.is_short() && !undoes);
        if vain { IN_VAIN } else { otherwise }
    }

    /// Carries out a failover, or the undo of that act, with trouble first, until there is nothing left to do.
    async fn act(
        &mut self,
        undoes: Option<String>,
        returns: Vec<(String, String)>,
        trouble: &Trouble,
    ) -> Result<(), String> {
        let (case, first) = (self.stage.case, self.runs.len());
        // What somebody deleted at the end of the last act may still be on its way.
        let calm = trouble.is_none() && self.stage.meddled.is_none();
        let time = self.timeout(undoes.is_some(), if calm { WITHOUT } else { WITH_TROUBLE });
        let words = undoes.as_ref().map_or_else(|| case.failover(time), |id| case.undo(id, time));
        let faults = self.stage.sandbox.faults();
        trouble.faults.iter().for_each(|befalls| faults.add(befalls.rule()));
        trouble.refused.iter().for_each(|refused| faults.add(refused.rule()));
        let told = self.stage.run(words, trouble).await?;
        self.runs.extend(told);
        self.stage.sandbox.faults().clear();
        // Somebody loses patience.
        let ended = self.last().is_finished() || self.last().is_refused();
        let given_up = trouble.gives_up && undoes.is_some() && !ended;
        let end = self.store().version();
        self.acts.push(Action { undoes, returns, runs: first..self.runs.len(), calm, given_up, end });
        if given_up {
            let words = case.anew(self.timeout(false, WITHOUT));
            self.again(words).await?;
        }
        self.follow(false).await
    }

    /// Runs what each run names as the next command, with nothing in its way, until there is nothing left to do. What it
    /// waited for in vain has come if it is `relieved`.
    async fn follow(&mut self, relieved: bool) -> Result<(), String> {
        let case = self.stage.case;
        let (first, calm) = (self.act_now().runs.start, self.act_now().calm);
        for number in 0..MORE_RUNS {
            let own = self.runs[first..].iter().filter(|run| !run.second).count();
            if !(relieved && number == 0) && is_final(self.last(), own > 1 || calm) {
                break;
            }
            let undoes = self.last().arguments.first().is_some_and(|verb| verb == "undo");
            let time = if relieved { WITHOUT } else { self.timeout(undoes, WITHOUT) };
            let words = match self.last().next() {
                Some(words) => case.asked(words, time),
                // As it was typed, and with all the time that it needs.
                None => {
                    let mut words = self.last().arguments.clone();
                    words.retain(|word| !word.starts_with("--timeout"));
                    words.push(format!("--timeout={time}s"));
                    words
                }
            };
            self.again(words).await?;
        }
        Ok(())
    }

    async fn again(&mut self, words: Vec<String>) -> Result<(), String> {
        let told = self.stage.run(words, &Trouble::default()).await?;
        self.runs.extend(told);
        let (runs, end) = (self.runs.len(), self.store().version());
        let act = self.acts.last_mut().expect("an act has begun");
        (act.runs.end, act.end) = (runs, end);
        Ok(())
    }

    fn act_now(&self) -> &Action {
        self.acts.last().expect("an act has begun")
    }

    /// The act to take back, if it set aside all that it replaced, and what is to come back then.
    fn undoable(&self) -> Option<(String, Vec<(String, String)>)> {
        let last = self.last();
        let case = self.stage.case;
        let in_vain = last.verdict() == "timedOut" && case.is_short() && !case.in_vain();
        if !last.is_finished() && !in_vain {
            return None;
        }
        let id = last.plan()?["id"].clone();
        let begun = self.runs.iter().filter_map(|run| run.line("Plan")).find(|(_, plan)| plan["id"] == id);
        let (_, plan) = begun?;
        let store = self.store();
        let steps = plan["steps"].as_array().into_iter().flatten().filter(|step| step["action"] == "retain");
        let returns: Vec<(String, String)> =
            steps.map(|step| (text(step, "/claim").to_owned(), text(step, "/volume").to_owned())).collect();
        let replaced = plan["replacedClaims"].as_array().map_or(0, Vec::len);
        // Those of claims that somebody deleted meanwhile may be on their way out.
        let kept = |volume: &str| {
            let volume = store.get(&Key::new(VOLUMES, "", volume));
            volume.is_some_and(|volume| text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Retain")
        };
        let all = !returns.is_empty() && returns.len() == replaced && returns.iter().all(|(_, volume)| kept(volume));
        // One that is bound to its claim is in place: an act of somebody else's took this one back.
        let in_place = |(claim, volume): &(String, String)| {
            let claim = store.get(&Key::new(CLAIMS, case.command.namespace.as_str(), claim.as_str()));
            claim.is_some_and(|claim| text(&claim, "/spec/volumeName") == volume)
        };
        (all && !returns.iter().any(in_place)).then(|| (id.as_str().unwrap_or_default().to_owned(), returns))
    }

    /// Somebody makes the volumes that were missing.
    fn relieve(&self) {
        let case = self.stage.case;
        debug_assert_ne!(case.topology.storage, Storage::Provisioned);
        for number in 1000..1000 + RELIEF {
            let volume = scenario::volume(case, number);
            let key = Key::new(VOLUMES, "", text(&volume, "/metadata/name"));
            let _ = self.store().create(key, volume, false);
        }
    }
}

/// Whether nothing is left to be done by running it again: it is finished, or a run that nothing disturbed was refused
/// for good or waited in vain.
fn is_final(run: &Told, undisturbed: bool) -> bool {
    let refused = run.is_refused() && run.next().is_none();
    run.is_finished() || undisturbed && run.code.is_some() && (refused || run.verdict() == "timedOut")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
