//! The latest requests, for tests that count them.

use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::watch;

/// The latest requests, oldest first, for tests that count them.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: Mutex<VecDeque<(String, String)>>,
    /// How many there were.
    count: watch::Sender<u64>,
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

    /// Forgets all requests.
    pub fn clear(&self) {
        lock(&self.entries).clear();
    }
}
