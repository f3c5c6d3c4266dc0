//! Carries out a case: the practice cluster, the failover and its undos, and after each run the command that it prints.

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

/// `--timeout` in seconds, with and without faults.
const WITH_TROUBLE: u64 = 20;
const WITHOUT: u64 = 90;
/// The same if the awaited object never comes.
const IN_VAIN: u64 = 4;
/// The maximum number of runs after the first one of an operation.
const MORE_RUNS: usize = 4;
/// Volumes created by hand if there were too few.
const RELIEF: u32 = 16;

/// Everything known about a finished case.
pub(crate) struct Story {
    /// Every run, by start time.
    pub(crate) runs: Vec<Told>,
    /// The failover, followed by its undos.
    pub(crate) acts: Vec<Action>,
    pub(crate) history: History,
    pub(crate) applied: Vec<Applied>,
    pub(crate) meddled: Meddled,
}

/// A failover or an undo, with all of its runs.
#[derive(Debug)]
pub(crate) struct Action {
    /// For an undo: the operation that it undoes.
    pub(crate) undoes: Option<String>,
    /// Claims, and the volumes that an undo should restore for them.
    pub(crate) returns: Vec<(String, String)>,
    /// Its runs among those of the case.
    pub(crate) runs: Range<usize>,
    /// Whether nothing went wrong, during it or before, apart from slow controllers.
    pub(crate) calm: bool,
    /// Whether it was abandoned for a new failover.
    pub(crate) given_up: bool,
    /// Version of the store at its end.
    pub(crate) end: u64,
}

/// Carries out a case.
///
/// # Errors
/// The cluster is not ready in time, or the plugin does not end.
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

/// Waits until all pods are Ready that can be: not those that an ordered set creates after one that cannot.
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
    // The recorder lags by a moment.
    while lock(&history).latest() < last {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    recorder.abort();
    let history = std::mem::replace(&mut *lock(&history), History::of(store).0);
    Ok(Story { runs, acts, history, applied: sandbox.faults().applied(), meddled: stage.meddled })
}

/// Carries out one operation after the other.
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
        // The retained volume is reported to have the missing data.
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

    /// Returns the operator's latest run.
    fn last(&self) -> &Told {
        let own = self.runs.iter().rev().find(|run| !run.second);
        own.expect("an act begins with a run")
    }

    fn store(&self) -> &Arc<Store> {
        self.stage.sandbox.store()
    }

    /// Returns the timeout of an operation.
    fn timeout(&self, undoes: bool, otherwise: u64) -> u64 {
        let case = self.stage.case;
        let vain = case.in_vain() || (case.is_short() && !undoes);
        if vain { IN_VAIN } else { otherwise }
    }

    /// Carries out a failover, or the undo of that operation, with faults first, until it is final.
    async fn act(
        &mut self,
        undoes: Option<String>,
        returns: Vec<(String, String)>,
        trouble: &Trouble,
    ) -> Result<(), String> {
        let (case, first) = (self.stage.case, self.runs.len());
        // A deletion by hand at the end of the last operation may still be in progress.
        let calm = trouble.is_none() && self.stage.meddled.is_none();
        let time = self.timeout(undoes.is_some(), if calm { WITHOUT } else { WITH_TROUBLE });
        let words = undoes.as_ref().map_or_else(|| case.failover(time), |id| case.undo(id, time));
        let faults = self.stage.sandbox.faults();
        trouble.faults.iter().for_each(|befalls| faults.add(befalls.rule()));
        trouble.refused.iter().for_each(|refused| faults.add(refused.rule()));
        let told = self.stage.run(words, trouble).await?;
        self.runs.extend(told);
        self.stage.sandbox.faults().clear();
        // The operator loses patience.
        let ended = self.last().is_finished() || self.last().is_refused();
        let given_up = trouble.gives_up && undoes.is_some() && !ended;
        let end = self.store().version();
        self.acts.push(Action { undoes, returns, runs: first..self.runs.len(), calm, given_up, end });
        if given_up {
            let words = case.new_failover(self.timeout(false, WITHOUT));
            self.again(words).await?;
        }
        self.follow(false).await
    }

    /// Runs the command that each run prints, without faults, until it is final. If `relieved`, missing objects were
    /// created.
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
                Some(words) => case.scripted(words, time),
                // As it was typed, with enough time.
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

    /// Returns the operation to undo, if it retained everything that it replaced, and what should be restored.
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
        // Volumes of claims that were deleted by hand may be on their way out.
        let kept = |volume: &str| {
            let volume = store.get(&Key::new(VOLUMES, "", volume));
            volume.is_some_and(|volume| text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Retain")
        };
        let all = !returns.is_empty() && returns.len() == replaced && returns.iter().all(|(_, volume)| kept(volume));
        // A volume that is bound to its claim is in place: another user's operation restored it.
        let in_place = |(claim, volume): &(String, String)| {
            let claim = store.get(&Key::new(CLAIMS, case.command.namespace.as_str(), claim.as_str()));
            claim.is_some_and(|claim| text(&claim, "/spec/volumeName") == volume)
        };
        (all && !returns.iter().any(in_place)).then(|| (id.as_str().unwrap_or_default().to_owned(), returns))
    }

    /// Creates the missing volumes by hand.
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

/// Whether running it again would change nothing: it is finished, or an undisturbed run was refused for good or waited
/// in vain.
fn is_final(run: &Told, undisturbed: bool) -> bool {
    let refused = run.is_refused() && run.next().is_none();
    run.is_finished() || undisturbed && run.code.is_some() && (refused || run.verdict() == "timedOut")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
