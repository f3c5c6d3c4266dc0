//! Spare connections to the API server: TCP and TLS are done, and nothing was sent. A forward keeps some, so that a new
//! client of the database waits for neither. The pod and the database learn nothing of them.
//!
//! A spare is read all the time: a server that closes it, or sends something unasked, ends it. kube-apiserver closes a
//! connection without a request after 32 s (`ReadHeaderTimeout`), so spares are replaced before.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Service, ServiceExt};

/// How old spares become.
#[derive(Clone, Copy)]
pub(super) struct Ages {
    /// Age at which a spare is replaced.
    oldest: Duration,
    /// A spare that a server ends earlier than this is only replaced when one is needed: it does not tolerate spares.
    young: Duration,
}

/// For an API server.
pub(super) const AGES: Ages = Ages { oldest: Duration::from_secs(25), young: Duration::from_secs(5) };

/// Decides how many spares there are. A connection through a proxy has none.
#[derive(Clone, Default)]
pub(super) struct Spares(Option<Arc<dyn Control>>);

trait Control: Send + Sync {
    fn keep(&self, count: usize);
    fn discard(&self) -> bool;
}

impl Spares {
    /// Keeps so many from now on.
    pub(super) fn keep(&self, count: usize) {
        if let Some(control) = &self.0 {
            control.keep(count);
        }
    }

    /// Closes all spares, and opens others; returns whether there were any. For when a connection has failed: they may
    /// have died unnoticed, as on a laptop that slept, or belong to a former identity.
    pub(super) fn discard(&self) -> bool {
        self.0.as_ref().is_some_and(|control| control.discard())
    }
}

/// A connector that hands out spares if there are any.
pub(super) struct WithSpares<C: Service<Uri>>(Arc<Pool<C>>);

impl<C: Service<Uri>> Clone for WithSpares<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What connectors have in common.
pub(super) trait Connector:
    Service<Uri, Response: Read + Unpin + Send + 'static, Error: Into<BoxError>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<C> Connector for C where
    C: Service<Uri, Response: Read + Unpin + Send + 'static, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

struct Pool<C: Service<Uri>> {
    connector: C,
    server: Uri,
    ages: Ages,
    state: Mutex<State<C::Response>>,
    myself: Weak<Self>,
}

struct State<S> {
    /// How many are wanted.
    count: usize,
    idle: VecDeque<Spare<S>>,
    /// How many are being opened.
    opening: usize,
    /// Number of the next spare.
    next: u64,
    /// How often all were discarded: one that was being opened then is discarded, too.
    discarded: u64,
}

/// A connection that waits: it is sent to the one who asks.
struct Spare<S> {
    number: u64,
    ask: oneshot::Sender<oneshot::Sender<S>>,
}

/// Lets `connector` keep spare connections to a server.
pub(super) fn with_spares<C: Connector>(connector: C, server: Uri, ages: Ages) -> (WithSpares<C>, Spares) {
    let state = State { count: 0, idle: VecDeque::new(), opening: 0, next: 0, discarded: 0 };
    let state = Mutex::new(state);
    let pool = Arc::new_cyclic(|myself| Pool { connector, server, ages, state, myself: myself.clone() });
    (WithSpares(pool.clone()), Spares(Some(pool)))
}

impl<C: Connector> Service<Uri> for WithSpares<C> {
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let pool = self.0.clone();
        async move {
            while let Some(spare) = pool.take(&server) {
                let (reply, stream) = oneshot::channel();
                // It may have ended in the meantime.
                if spare.ask.send(reply).is_ok()
                    && let Ok(stream) = stream.await
                {
                    pool.fill();
                    return Ok(stream);
                }
            }
            pool.fill();
            pool.connector.clone().oneshot(server).await.map_err(Into::into)
        }
        .boxed()
    }
}

impl<C: Service<Uri>> Pool<C> {
    fn state(&self) -> MutexGuard<'_, State<C::Response>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the newest spare: it will live longest.
    fn take(&self, server: &Uri) -> Option<Spare<C::Response>> {
        if server.authority() != self.server.authority() {
            return None;
        }
        self.state().idle.pop_back()
    }
}

impl<C: Connector> Pool<C> {
    /// Opens what is missing.
    fn fill(&self) {
        let (missing, discarded) = {
            let mut state = self.state();
            let missing = state.count.saturating_sub(state.idle.len() + state.opening);
            state.opening += missing;
            (missing, state.discarded)
        };
        for _ in 0..missing {
            let Some(pool) = self.myself.upgrade() else { return };
            tokio::spawn(async move {
                let opened = pool.connector.clone().oneshot(pool.server.clone()).await;
                pool.opened(opened.ok(), discarded);
            });
        }
    }

    /// Takes in a connection that was begun after so many discards. One that could not be opened is tried again when one
    /// is needed.
    fn opened(&self, stream: Option<C::Response>, discarded: u64) {
        let mut state = self.state();
        if state.discarded != discarded {
            return;
        }
        state.opening = state.opening.saturating_sub(1);
        let Some(stream) = stream.filter(|_| state.idle.len() < state.count) else { return };
        let (ask, asked) = oneshot::channel();
        let number = state.next;
        state.next += 1;
        state.idle.push_back(Spare { number, ask });
        tokio::spawn(wait(stream, asked, (number, self.ages.oldest), self.myself.clone()));
    }

    fn ended(&self, number: u64, age: Duration) {
        self.state().idle.retain(|spare| spare.number != number);
        if age >= self.ages.young {
            self.fill();
        }
    }
}

impl<C: Connector> Control for Pool<C> {
    fn keep(&self, count: usize) {
        {
            let mut state = self.state();
            state.count = count;
            state.idle.truncate(count);
        }
        self.fill();
    }

    fn discard(&self) -> bool {
        let idle = {
            let mut state = self.state();
            state.discarded += 1;
            state.opening = 0;
            std::mem::take(&mut state.idle)
        };
        self.fill();
        !idle.is_empty()
    }
}

/// Holds a connection until it is asked for, ends, or is too old.
async fn wait<C: Connector>(
    mut stream: C::Response,
    mut asked: oneshot::Receiver<oneshot::Sender<C::Response>>,
    (number, oldest): (u64, Duration),
    pool: Weak<Pool<C>>,
) {
    let opened = Instant::now();
    let end = poll_fn(|cx| {
        let mut byte = [0];
        Pin::new(&mut stream).poll_read(cx, ReadBuf::new(&mut byte).unfilled()).map(drop)
    });
    tokio::select! {
        biased;
        () = end => {}
        to = &mut asked => {
            if let Ok(to) = to {
                // The one who asked may have left.
                let _ = to.send(stream);
            }
            return;
        }
        () = sleep(oldest) => {}
    }
    drop(stream);
    if let Some(pool) = pool.upgrade() {
        pool.ended(number, opened.elapsed());
    }
}

#[cfg(test)]
#[path = "spares_tests.rs"]
mod tests;
