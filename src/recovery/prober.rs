//! Probes databases independently for as long as a run lasts: a small query several times a second, over a separate
//! stream, with a deadline that includes the login. A database has at most one probe in flight, and one that hung gets
//! a pause: a coordinator that hangs keeps a process for every abandoned login.
//!
//! Probing starts while the plan is made, so that it does not delay the run. While the prompt is open it continues
//! slowly: so the last state of a database is known when the run begins, however long that took.

use super::availability::{Attempt, AttemptOutcome, Availability, Downtime};
use crate::cluster::Cluster;
use crate::cluster::tunnel::{NoTunnel, Tunnel};
use crate::duration::after;
use crate::plan::{ProbeTarget, Probes};
use crate::probe::sqlstate::Meaning;
use crate::probe::{Login, Sql, SqlTarget};
use crate::probe::{ProbeError, connector::Connector};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Time limit of one probe, login and query. With a longer `--request-timeout` it is longer, too: the first probe shows
/// how long the way to the database is.
const DEADLINE: Duration = Duration::from_secs(2);
/// How much longer than the fastest response so far a probe may take, where the way is slow.
const SLOWER: u32 = 4;
/// How long the run waits for the first probes.
const FIRST: Duration = Duration::from_secs(1);
/// Most probes in flight: each has its own connection to the API server.
const AT_ONCE: usize = 16;
/// Interval of probes while the prompt is open.
const WHILE_ASKED: Duration = Duration::from_secs(1);

/// Databases that are being probed. Dropping it ends all probes.
pub(crate) struct Prober {
    clock: Instant,
    begun: Option<Duration>,
    pace: watch::Sender<Pace>,
    tasks: JoinSet<()>,
    asked: Vec<Asked>,
}

/// How often to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Nothing is changed yet: only the last result will matter.
    Waiting,
    /// The run is in progress.
    Running,
    /// It is over: one last probe if the last one failed.
    Closing,
}

struct Asked {
    target: ProbeTarget,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    first: watch::Receiver<bool>,
    task: AbortHandle,
}

/// A connection to a database, how far it got, and a second way to the API server.
pub(crate) struct Way<C> {
    sql: Sql<C>,
    state: State,
    control: Control,
}

/// Whether the API server, through which all connections to databases lead, responds within this time.
pub(crate) type Control = Box<dyn Fn(Duration) -> BoxFuture<'static, bool> + Send + Sync>;

/// How far the last probe got, reported by the connector.
#[derive(Clone, Default)]
pub(crate) struct State(Arc<Mutex<Progress>>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    /// Not beyond the common start.
    #[default]
    Nothing,
    /// The pod does not exist, or does not run.
    NoPod,
    /// A stream to the pod.
    Pod,
}

impl State {
    fn set(&self, reached: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reached;
    }

    fn get(&self) -> Progress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tunnels that report how far they got.
pub(crate) struct Tunnels {
    cluster: Cluster,
    target: ProbeTarget,
    state: State,
}

impl Connector for Tunnels {
    type Stream = Tunnel;

    async fn connect(&self, deadline: Duration) -> Result<Tunnel, ProbeError> {
        self.state.set(Progress::Nothing);
        let ProbeTarget { namespace, pod, endpoint, .. } = &self.target;
        let opened = self.cluster.try_tunnel(namespace, pod, endpoint.port, deadline).await;
        self.state.set(match &opened {
            Ok(_) => Progress::Pod,
            Err(no) if no.is_the_pods() => Progress::NoPod,
            Err(_) => Progress::Nothing,
        });
        opened.map_err(|no| ProbeError::unsure(no_tunnel_text(&no)))
    }
}

/// Returns the pod's own error without the part that all probes have in common; otherwise the whole error.
fn no_tunnel_text(no: &NoTunnel) -> String {
    match no.error.why.as_slice() {
        why @ [_, ..] if no.is_the_pods() => why.join(": "),
        _ => no.error.to_string(),
    }
}

impl Prober {
    /// Starts to probe all of these over tunnels, each with its namespace's login.
    pub(crate) fn over(cluster: &Cluster, probes: &Probes, logins: &HashMap<String, Login>) -> Self {
        let way = |target: &ProbeTarget| {
            let state = State::default();
            let login = logins.get(&target.namespace).cloned().unwrap_or_default();
            let connector = Tunnels { cluster: cluster.clone(), target: target.clone(), state: state.clone() };
            let sql = Sql::with(
                connector,
                SqlTarget {
                    namespace: target.namespace.clone(),
                    pod: target.pod.clone(),
                    port: target.endpoint.port,
                    user: login.user().unwrap_or(&target.endpoint.user).to_owned(),
                    login,
                    database: target.endpoint.database.clone(),
                    otherwise: vec![target.endpoint.logins().0],
                    warehouse: target.warehouse.clone(),
                },
            );
            let control = cluster.clone();
            let control: Control = Box::new(move |limit| {
                let control = control.clone();
                async move { control.responds(limit).await }.boxed()
            });
            Way { sql, state, control }
        };
        Self::start(probes, (DEADLINE, cluster.lengthened(DEADLINE)), way)
    }

    /// Starts to probe; `deadlines` are the shortest and the longest time limit of a probe.
    pub(crate) fn start<C: Connector + 'static>(
        probes: &Probes,
        deadlines: (Duration, Duration),
        way: impl Fn(&ProbeTarget) -> Way<C>,
    ) -> Self {
        let (clock, every) = (Instant::now(), probes.every());
        let pace = watch::Sender::new(Pace::Waiting);
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        let mut asked = Vec::new();
        for target in &probes.databases {
            let attempts = Arc::new(Mutex::new(Vec::new()));
            let (tell, first) = watch::channel(false);
            let probe_loop = ProbeLoop {
                way: way(target),
                deadlines,
                fastest: None,
                clock,
                every,
                pace: pace.subscribe(),
                turns: turns.clone(),
                attempts: attempts.clone(),
                first: tell,
            };
            let task = tasks.spawn(probe_loop.run());
            asked.push(Asked { target: target.clone(), attempts, first, task });
        }
        Self { clock, begun: None, pace, tasks, asked }
    }

    /// Waits until each database was probed once, or for a second.
    pub(crate) async fn first(&mut self) {
        let each = self.asked.iter_mut().map(|asked| asked.first.wait_for(|ended| *ended));
        let _ = tokio::time::timeout(FIRST, futures::future::join_all(each)).await;
    }

    /// Continues only with these databases.
    pub(crate) fn keep(&mut self, probes: &Probes) {
        self.asked.retain(|asked| {
            let kept = probes.databases.contains(&asked.target);
            if !kept {
                asked.task.abort();
            }
            kept
        });
    }

    /// Marks the beginning of the run: from now on it counts.
    pub(crate) fn begin(&mut self) {
        self.begun = Some(self.clock.elapsed());
        self.pace.send_replace(Pace::Running);
    }

    /// Marks the end of the run. If it came to its end (`ended_well`), a probe in flight may finish, and a database
    /// that did not respond is probed again; otherwise, or when the user interrupts, all probes end at once.
    pub(crate) async fn end(mut self, ended_well: bool, interrupt: &CancellationToken) -> Vec<Availability> {
        let ended = self.clock.elapsed();
        let begun = self.begun.unwrap_or(ended);
        if ended_well {
            self.pace.send_replace(Pace::Closing);
            let all = async { while self.tasks.join_next().await.is_some() {} };
            tokio::select! {
                biased;
                () = interrupt.cancelled() => {}
                () = all => {}
            }
        }
        self.tasks.shutdown().await;
        let measured = self.asked.into_iter().map(|Asked { target, attempts, .. }| {
            let attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
            Availability::measured(target, Downtime::of(&attempts, begun, ended))
        });
        measured.collect()
    }
}

/// Returns the time limit of the next probe: as short as the way to the database allows, so that an outage is noticed.
fn time_limit(fastest: Option<Duration>, (shortest, longest): (Duration, Duration)) -> Duration {
    fastest.map_or(longest, |fastest| fastest.saturating_mul(SLOWER)).min(longest).max(shortest)
}

/// Probes one database.
struct ProbeLoop<C> {
    way: Way<C>,
    deadlines: (Duration, Duration),
    /// The shortest time of a response.
    fastest: Option<Duration>,
    clock: Instant,
    every: Duration,
    pace: watch::Receiver<Pace>,
    turns: Arc<Semaphore>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    first: watch::Sender<bool>,
}

impl<C: Connector> ProbeLoop<C> {
    async fn run(mut self) {
        loop {
            let turn = self.turns.clone().acquire_owned().await;
            let last = *self.pace.borrow_and_update() == Pace::Closing;
            let started = Instant::now();
            let outcome = self.way.attempt(time_limit(self.fastest, self.deadlines)).await;
            drop(turn);
            let answered = matches!(outcome, AttemptOutcome::Answered(_));
            if answered {
                let took = started.elapsed();
                self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
            }
            self.note(Attempt { started: started.duration_since(self.clock), ended: self.clock.elapsed(), outcome });
            if last || !self.wait(started, answered).await {
                return;
            }
        }
    }

    fn note(&self, attempt: Attempt) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
        self.first.send_replace(true);
    }

    /// Waits until the next probe is due; returns false if there is none.
    async fn wait(&mut self, started: Instant, answered: bool) -> bool {
        loop {
            let paused_until = self.way.sql.paused_until();
            let every = match *self.pace.borrow_and_update() {
                Pace::Waiting => self.every.max(WHILE_ASKED),
                Pace::Running => self.every,
                Pace::Closing => return !answered && paused_until.is_none(),
            };
            let next = paused_until.into_iter().fold(after(started, every), Instant::max);
            tokio::select! {
                () = sleep_until(next) => return true,
                changed = self.pace.changed() => if changed.is_err() { return false },
            }
        }
    }
}

impl<C: Connector> Way<C> {
    async fn attempt(&self, deadline: Duration) -> AttemptOutcome {
        // A probe that takes long may wait for the API server: then that does not respond to others either.
        let mut control = pin!(async {
            tokio::time::sleep(deadline.mul_f64(0.5)).await;
            (self.control)(deadline).await
        });
        let mut ping = pin!(self.sql.ping(deadline));
        let mut passable = None;
        let answer = loop {
            tokio::select! {
                biased;
                responds = &mut control, if passable.is_none() => passable = Some(responds),
                answer = &mut ping => break answer,
            }
        };
        let trouble = match answer {
            Ok(reached) => return AttemptOutcome::Answered(reached),
            Err(trouble) => trouble,
        };
        if trouble.meaning == Meaning::Late && self.state.get() == Progress::Pod && passable != Some(true) {
            return AttemptOutcome::Unknown("the API server, which the probe goes through, did not respond".into());
        }
        let told = match self.state.get() {
            Progress::Nothing => false,
            Progress::NoPod => true,
            // A rejected login, or a full server, says nothing about existing sessions; and whether a broken stream
            // broke at the database or on the way is unknown.
            Progress::Pod => match trouble.meaning {
                Meaning::Down | Meaning::Damaged | Meaning::Starting | Meaning::Late => true,
                Meaning::Busy
                | Meaning::LoginRefused
                | Meaning::NotAllowed
                | Meaning::NoDatabase
                | Meaning::OurRequest
                | Meaning::NoWarehouse
                | Meaning::Unknown => false,
            },
        };
        if told { AttemptOutcome::Failed(trouble.reason) } else { AttemptOutcome::Unknown(trouble.reason) }
    }
}

#[cfg(test)]
#[path = "prober_tests.rs"]
mod tests;
