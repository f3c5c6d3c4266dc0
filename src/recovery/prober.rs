//! Asks databases, each by itself, for as long as a run lasts: a small query several times a second, over a stream of its
//! own, login and all within a deadline. A database has never more than one question outstanding, and one that hung is
//! left alone for a while: a coordinator that hangs keeps a process for every login that was given up.
//!
//! It begins while the plan is made, so that confirming costs no time. While a question to the user is open it goes on,
//! slowly: how a database answered last is then known at the moment the run begins, however long that took.

use super::availability::{Attempt, AttemptOutcome, Availability, Downtime};
use crate::cluster::Cluster;
use crate::cluster::tunnel::{NoTunnel, Tunnel};
use crate::plan::{ProbeTarget, Probes};
use crate::probe::sqlstate::Meaning;
use crate::probe::{Login, Sql, SqlTarget};
use crate::probe::{ProbeError, connector::Connector};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// One question, login and query.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the run is held up for the first answers.
const FIRST: Duration = Duration::from_secs(1);
/// Most questions outstanding: each has its own connection to the API server.
const AT_ONCE: usize = 16;
/// Between two questions while the user is asked, start to start.
const WHILE_ASKED: Duration = Duration::from_secs(1);

/// Databases that are being asked. Nothing goes on once it is dropped.
pub struct Prober {
    clock: Instant,
    begun: Option<Duration>,
    pace: watch::Sender<Pace>,
    tasks: JoinSet<()>,
    asked: Vec<Asked>,
}

/// How often to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Nothing is changed yet: only the last answer will matter.
    Waiting,
    /// The run is on.
    Running,
    /// It is over: one last question where the last one was not answered.
    Closing,
}

struct Asked {
    target: ProbeTarget,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    first: watch::Receiver<bool>,
    task: AbortHandle,
}

/// A way to a database, and what is known of it.
pub(crate) struct Way<C> {
    sql: Sql<C>,
    state: State,
}

/// How far the last question got, told by the connector.
#[derive(Clone, Default)]
pub(crate) struct State(Arc<Mutex<Progress>>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    /// No further than where all start.
    #[default]
    Nothing,
    /// There is no such pod, or it does not run.
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

/// Tunnels that say how far they got.
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

/// The pod's own trouble without what every question has in common; otherwise all of it.
fn no_tunnel_text(no: &NoTunnel) -> String {
    match no.error.why.as_slice() {
        why @ [_, ..] if no.is_the_pods() => why.join(": "),
        _ => no.error.to_string(),
    }
}

impl Prober {
    /// Begins to ask all of these over tunnels, each with its namespace's login.
    pub fn over(cluster: &Cluster, probes: &Probes, logins: &HashMap<String, Login>) -> Self {
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
            Way { sql, state }
        };
        Self::start(probes, DEADLINE, way)
    }

    pub(crate) fn start<C: Connector + 'static>(
        probes: &Probes,
        deadline: Duration,
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
                deadline,
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

    /// Waits until each database was asked once, or for a second.
    pub async fn first(&mut self) {
        let each = self.asked.iter_mut().map(|asked| asked.first.wait_for(|ended| *ended));
        let _ = tokio::time::timeout(FIRST, futures::future::join_all(each)).await;
    }

    /// Goes on with those that are still to be asked.
    pub fn keep(&mut self, probes: &Probes) {
        self.asked.retain(|asked| {
            let kept = probes.databases.contains(&asked.target);
            if !kept {
                asked.task.abort();
            }
            kept
        });
    }

    /// The run begins: from now on it counts.
    pub fn begin(&mut self) {
        self.begun = Some(self.clock.elapsed());
        self.pace.send_replace(Pace::Running);
    }

    /// The run is over. Where it came to its end (`ended_well`), a question that is outstanding may end, and a database
    /// that did not answer is asked once more; otherwise, or when the user wants to stop, all ends at once.
    pub async fn end(mut self, ended_well: bool, interrupt: &CancellationToken) -> Vec<Availability> {
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

/// Asks one database.
struct ProbeLoop<C> {
    way: Way<C>,
    deadline: Duration,
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
            let outcome = self.way.attempt(self.deadline).await;
            drop(turn);
            let answered = matches!(outcome, AttemptOutcome::Answered(_));
            self.note(Attempt { started: started - self.clock, ended: self.clock.elapsed(), outcome });
            if last || !self.wait(started, answered).await {
                return;
            }
        }
    }

    fn note(&self, attempt: Attempt) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
        self.first.send_replace(true);
    }

    /// Waits until it is time to ask again; false when it is not to be.
    async fn wait(&mut self, started: Instant, answered: bool) -> bool {
        loop {
            let paused_until = self.way.sql.paused_until();
            let every = match *self.pace.borrow_and_update() {
                Pace::Waiting => self.every.max(WHILE_ASKED),
                Pace::Running => self.every,
                Pace::Closing => return !answered && paused_until.is_none(),
            };
            let next = paused_until.into_iter().fold(started + every, Instant::max);
            tokio::select! {
                () = sleep_until(next) => return true,
                changed = self.pace.changed() => if changed.is_err() { return false },
            }
        }
    }
}

impl<C: Connector> Way<C> {
    async fn attempt(&self, deadline: Duration) -> AttemptOutcome {
        let trouble = match self.sql.ping(deadline).await {
            Ok(reached) => return AttemptOutcome::Answered(reached),
            Err(trouble) => trouble,
        };
        let told = match self.state.get() {
            Progress::Nothing => false,
            Progress::NoPod => true,
            // A login that does not fit, or a server that is full, says nothing of sessions that it has; and whether a
            // stream that breaks broke at the database or on the way is unknown.
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
