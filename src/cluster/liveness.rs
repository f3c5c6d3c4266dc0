//! Whether the API server responds, and whether its watches work. A watch is silent both when nothing changes and when the
//! server has stopped, so a server that has sent nothing for a while is asked for one object. Nothing else is polled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::BoxError;

use super::Cluster;
use super::body_limit::Within;
use super::failure::Failure;
use super::transport::is_watch;

/// How long the server may be silent without `--request-timeout`: half of it until it is asked, half for its answer.
const SILENCE: Duration = Duration::from_secs(10);

/// Longest time without a sign of life before the server is asked.
const ASKED_AFTER: Duration = Duration::from_secs(5);

/// Longest time that a silent server gets with `--request-timeout=0`, which sets no limit of its own.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// How long a watch must last to count as working if it sends nothing.
const LASTING: Duration = Duration::from_secs(1);

/// Whether the API server responds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It responds, and its watches work.
    Up,
    /// It does not; retried with back-off.
    Away(Outage),
}

/// A time without current data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the server last sent anything that was of use.
    pub since: Instant,
    /// The same by the clock.
    pub time: Timestamp,
    /// What does not work.
    pub what: OutageKind,
    /// The reason.
    pub reason: String,
}

/// The outages of a connection, as they begin.
pub struct Outages {
    connection: watch::Receiver<Connection>,
    asked: bool,
}

impl Outages {
    pub(super) fn of(connection: watch::Receiver<Connection>) -> Self {
        Self { connection, asked: false }
    }

    /// Waits for the next one; the first time, one that has begun already counts. `None` if nothing is watched any more.
    pub async fn next(&mut self) -> Option<Outage> {
        loop {
            if std::mem::replace(&mut self.asked, true) {
                self.connection.changed().await.ok()?;
            }
            if let Connection::Away(outage) = &*self.connection.borrow_and_update() {
                return Some(outage.clone());
            }
        }
    }
}

/// What does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// The server does not respond.
    Server,
    /// It responds, but changes of this kind of object cannot be followed.
    Watch(&'static str),
}

/// Observes the requests of several streams.
#[derive(Clone)]
pub(super) struct Liveness(Arc<Shared>);

struct Shared {
    limit: Duration,
    state: Mutex<State>,
    connection: watch::Sender<Connection>,
}

struct State {
    heard: (Instant, Timestamp),
    /// Why the last request failed, if it did.
    silent: Option<String>,
    /// Streams whose requests fail.
    broken: BTreeMap<u64, Broken>,
    streams: u64,
}

struct Broken {
    resource: &'static str,
    since: (Instant, Timestamp),
    reason: String,
    /// Since when a watch has been open again.
    open: Option<Instant>,
}

/// The task that asks a silent server. Ends when dropped.
pub(super) struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cluster {
    /// Returns whether the API server, and not something before it, responds to a request within `deadline`.
    pub async fn responds(&self, deadline: Duration) -> bool {
        let Ok(request) = Request::get("/version").body(Vec::new()) else { return false };
        let asked = tokio::time::timeout(deadline, self.client().request_text(request)).await;
        match asked {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => is_the_servers(&Failure::of(error)),
            Err(_) => false,
        }
    }
}

/// Returns whether a failure is the API server's own response.
fn is_the_servers(failure: &Failure) -> bool {
    failure.code != 0 && !matches!(failure.code, 502..=504)
}

fn now() -> (Instant, Timestamp) {
    (Instant::now(), Timestamp::now())
}

impl Liveness {
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self::within(cluster.limit(SILENCE).min(LONGEST_SILENCE))
    }

    fn within(limit: Duration) -> Self {
        let state = State { heard: now(), silent: None, broken: BTreeMap::new(), streams: 0 };
        Self(Arc::new(Shared { limit, state: Mutex::new(state), connection: watch::channel(Connection::Up).0 }))
    }

    /// Follows whether the server responds.
    pub(super) fn connection(&self) -> watch::Receiver<Connection> {
        self.0.connection.subscribe()
    }

    /// Starts to ask the server for the object at `path` whenever it is silent.
    pub(super) fn heartbeat(&self, client: Client, path: String) -> Heartbeat {
        let liveness = self.clone();
        Heartbeat(tokio::spawn(async move { liveness.beat(&client, &path).await }))
    }

    async fn beat(&self, client: &Client, path: &str) {
        let pause = ASKED_AFTER.min(self.0.limit.mul_f64(0.5));
        let answer = self.0.limit.saturating_sub(pause);
        loop {
            let quiet = self.state().heard.0.elapsed();
            let waited = {
                let state = self.state();
                state.silent.is_some() || !state.broken.is_empty()
            };
            if quiet < pause {
                // A watch that is open again works once it has lasted.
                let next = if waited { LASTING.min(pause) } else { pause.saturating_sub(quiet) };
                tokio::time::sleep(next.max(Duration::from_millis(10))).await;
                self.tell(&self.state());
                continue;
            }
            let Ok(request) = Request::get(path).body(Vec::new()) else { return };
            let asked = tokio::time::timeout(answer, client.request_text(request)).await;
            match asked {
                Ok(Ok(_)) => self.heard(),
                Ok(Err(error)) => self.answered(&Failure::of(error)),
                Err(_) => self.silent(Failure::timed_out(answer).reason),
            }
            if self.state().silent.is_some() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the server sent something.
    fn heard(&self) {
        let mut state = self.state();
        state.heard = now();
        state.silent = None;
        self.tell(&state);
    }

    /// Records a failure: a response, too, unless it comes from something before the server.
    fn answered(&self, failure: &Failure) {
        if is_the_servers(failure) {
            self.heard();
        } else {
            self.silent(failure.reason.clone());
        }
    }

    fn silent(&self, reason: String) {
        let mut state = self.state();
        state.silent = Some(reason);
        self.tell(&state);
    }

    /// Publishes what follows from the state, if that is another outage or none any more.
    fn tell(&self, state: &State) {
        let lasting = |broken: &&Broken| {
            let works = broken.open.is_some_and(|open| open.elapsed() >= LASTING);
            !works && broken.since.0.elapsed() >= self.0.limit
        };
        let next = match (&state.silent, state.broken.values().find(lasting)) {
            (Some(reason), _) => {
                let (since, time) = state.heard;
                Connection::Away(Outage { since, time, what: OutageKind::Server, reason: reason.clone() })
            }
            (None, Some(Broken { resource, since: (since, time), reason, .. })) => Connection::Away(Outage {
                since: *since,
                time: *time,
                what: OutageKind::Watch(resource),
                reason: reason.clone(),
            }),
            (None, None) => Connection::Up,
        };
        self.0.connection.send_if_modified(|current| {
            let same = match (&*current, &next) {
                (Connection::Up, Connection::Up) => true,
                // Its reason may change from attempt to attempt: that is no news.
                (Connection::Away(known), Connection::Away(new)) => known.what == new.what,
                _ => false,
            };
            if !same {
                *current = next;
            }
            !same
        });
    }

    /// Returns the observer of one stream of objects.
    pub(super) fn stream(&self, resource: &'static str) -> StreamLiveness {
        let mut state = self.state();
        state.streams = state.streams.wrapping_add(1);
        StreamLiveness { all: self.clone(), resource, id: state.streams }
    }

    /// Observes every response, and every piece of a watch.
    pub(super) fn observing(&self, inner: Client) -> Client {
        let (liveness, namespace) = (self.clone(), inner.default_namespace().to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (liveness, inner) = (liveness.clone(), inner.clone());
            let observed = async move {
                let watches = is_watch(&request);
                let answer = inner.send(request).await;
                match &answer {
                    Ok(response) if matches!(response.status().as_u16(), 502..=504) => {
                        liveness.silent(format!("it responded {}", response.status()));
                    }
                    Ok(_) => liveness.heard(),
                    Err(error) => liveness.answered(&Failure::read(error)),
                }
                answer.map(|response| response.map(|body| if watches { liveness.noting(body) } else { plain(body) }))
            };
            Box::pin(observed)
        });
        Client::new(service, namespace)
    }

    fn noting(&self, body: Body) -> Within {
        let liveness = self.clone();
        let frames = BodyStream::new(body).inspect(move |frame| {
            if frame.is_ok() {
                liveness.heard();
            }
        });
        StreamBody::new(frames).map_err(BoxError::from).boxed_unsync()
    }
}

fn plain(body: Body) -> Within {
    body.map_err(BoxError::from).boxed_unsync()
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, what, reason, .. } = self;
        let time = time.strftime("%H:%M:%S UTC");
        match what {
            OutageKind::Server => write!(f, "the API server has not responded since {time} ({reason})"),
            OutageKind::Watch(resource) => write!(f, "changes of {resource} are unknown since {time} ({reason})"),
        }
    }
}

/// Whether one stream's requests succeed.
#[derive(Clone)]
pub(super) struct StreamLiveness {
    all: Liveness,
    resource: &'static str,
    id: u64,
}

impl StreamLiveness {
    /// Records that the stream is up to date.
    pub(super) fn works(&self) {
        let mut state = self.all.state();
        if state.broken.remove(&self.id).is_some() {
            self.all.tell(&state);
        }
    }

    /// Records that a watch has been opened: it works if it lasts.
    pub(super) fn opened(&self) {
        if let Some(broken) = self.all.state().broken.get_mut(&self.id) {
            broken.open = Some(Instant::now());
        }
    }

    /// Records a failure that may pass.
    pub(super) fn fails(&self, reason: &str) {
        let mut state = self.all.state();
        let lasted =
            state.broken.get(&self.id).is_some_and(|known| known.open.is_some_and(|open| open.elapsed() >= LASTING));
        if lasted {
            state.broken.remove(&self.id);
        }
        let (resource, since) = (self.resource, now());
        let broken = state.broken.entry(self.id).or_insert_with(|| Broken {
            resource,
            since,
            reason: String::new(),
            open: None,
        });
        (broken.reason, broken.open) = (reason.to_owned(), None);
        self.all.tell(&state);
    }

    /// Records how a request ended.
    pub(super) fn answered(&self, answer: &kube::Result<Response<Body>>, watches: bool) {
        match answer {
            Ok(response) if response.status().is_success() => {
                if watches {
                    self.opened()
                } else {
                    self.works()
                }
            }
            // A lasting refusal is part of the result.
            Ok(response) if matches!(response.status().as_u16(), 401 | 403 | 404 | 410) => self.works(),
            Ok(response) => self.fails(&format!("the server responded {}", response.status())),
            Err(error) => self.fails(&Failure::read(error).reason),
        }
    }
}
