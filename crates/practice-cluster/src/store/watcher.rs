//! A place in the history.

use super::change::Change;
use super::history::State;
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// A place in the history, moving forward.
pub struct Watcher {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) notifier: watch::Receiver<u64>,
    pub(super) seen: u64,
}

impl Watcher {
    /// The next change. `None` when the store is gone, or when this watcher fell so far behind that history no
    /// longer holds its next change (answer 410 then, see [`Watcher::expired`]). Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            // Mark the notification as seen before reading: a later change notifies again.
            self.notifier.borrow_and_update();
            {
                let state = lock(&self.state);
                if self.seen < state.oldest {
                    return None;
                }
                let at = state.history.partition_point(|change| change.version <= self.seen);
                if let Some(change) = state.history.get(at) {
                    self.seen = change.version;
                    return Some(change.clone());
                }
            }
            self.notifier.changed().await.ok()?;
        }
    }

    /// Version of the last change handed out (or from which the watch started).
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The oldest version from which a watch can resume.
    pub fn oldest(&self) -> u64 {
        lock(&self.state).oldest
    }

    /// Whether history no longer holds the change after the last one handed out.
    pub fn expired(&self) -> bool {
        self.seen < lock(&self.state).oldest
    }
}
