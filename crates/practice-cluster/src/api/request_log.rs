//! The latest requests, for tests that count them.

use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The latest requests, oldest first, for tests that count them.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: Mutex<VecDeque<(String, String)>>,
    /// How many there were.
    count: watch::Sender<u64>,
    /// Connections that were established.
    connections: watch::Sender<u64>,
    /// Open connections without a request.
    unused: watch::Sender<u64>,
}

/// A connection without a request.
pub(super) struct Unused(Arc<RequestLog>);

impl Drop for Unused {
    fn drop(&mut self) {
        self.0.unused.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl RequestLog {
    /// How many are kept.
    const KEPT: usize = 10_000;

    pub(super) fn record(&self, method: &str, path: &str) {
        let mut log = lock(&self.entries);
        if log.len() == Self::KEPT {
            log.pop_front();
        }
        log.push_back((method.to_owned(), path.to_owned()));
        // Under the lock: the count and the entries agree.
        self.count.send_modify(|count| *count += 1);
    }

    /// Counts a connection, which is unused until the result is dropped.
    pub(super) fn connected(self: &Arc<Self>) -> Unused {
        self.connections.send_modify(|count| *count += 1);
        self.unused.send_modify(|count| *count += 1);
        Unused(self.clone())
    }

    /// How many TLS connections were established since the last [`RequestLog::clear`], used or not.
    pub fn connections(&self) -> u64 {
        *self.connections.borrow()
    }

    /// Waits until so many connections are open on which nothing was sent yet.
    pub async fn unused(&self, count: u64) {
        // The sender is ours.
        let _ = self.unused.subscribe().wait_for(|unused| *unused == count).await;
    }

    /// Method, and path with query, of each request since the last [`RequestLog::clear`].
    pub fn entries(&self) -> Vec<(String, String)> {
        lock(&self.entries).iter().cloned().collect()
    }

    /// Waits for so many requests from now on whose path has this in it.
    pub async fn next(&self, mut times: usize, part: &str) {
        let mut count = self.count.subscribe();
        let mut seen = *count.borrow_and_update();
        while times > 0 {
            // The sender is ours.
            let _ = count.changed().await;
            let log = lock(&self.entries);
            let now = *count.borrow_and_update();
            let new = usize::try_from(now - seen).unwrap_or(usize::MAX);
            times = times.saturating_sub(log.iter().rev().take(new).filter(|(_, p)| p.contains(part)).count());
            seen = now;
        }
    }

    /// Forgets all requests and connections.
    pub fn clear(&self) {
        lock(&self.entries).clear();
        self.connections.send_replace(0);
    }
}
