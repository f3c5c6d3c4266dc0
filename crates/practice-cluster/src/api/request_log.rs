//! The latest requests, for tests that count them.

use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::Mutex;

/// The latest requests, oldest first, for tests that count them.
#[derive(Debug, Default)]
pub struct RequestLog(Mutex<VecDeque<(String, String)>>);

impl RequestLog {
    /// How many are kept.
    const KEPT: usize = 10_000;

    pub(super) fn record(&self, method: &str, path: &str) {
        let mut log = lock(&self.0);
        if log.len() == Self::KEPT {
            log.pop_front();
        }
        log.push_back((method.to_owned(), path.to_owned()));
    }

    /// Method, and path with query, of each request since the last [`RequestLog::clear`].
    pub fn entries(&self) -> Vec<(String, String)> {
        lock(&self.0).iter().cloned().collect()
    }

    /// Forgets all requests.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}
