//! Runs a controller: a queue without duplicates, timers, and a fresh look after the watch fell behind.

use super::context::Context;
use super::controller::{Controller, Requeue};
use crate::objects;
use crate::store::{Change, Key};
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// Runs a controller until the sandbox stops.
pub(crate) async fn run(mut controller: impl Controller, context: Context) {
    let Context { store, shutdown, mut manager_stopped, .. } = context;
    let in_manager = controller.in_manager();
    while !shutdown.is_cancelled() {
        let mut queue = Queue::default();
        let since = store.version();
        for kind in controller.kinds() {
            for object in store.list(kind, None).0 {
                queue.add(controller.concerned(&objects::key(kind, &object), &object));
            }
        }
        // Expired already: look at everything again.
        let Ok(mut watcher) = store.watch(since) else { continue };
        loop {
            while let Some(key) = queue.take(Instant::now()) {
                if in_manager && *manager_stopped.borrow() {
                    // Its sender lives as long as the sandbox.
                    let runs = manager_stopped.wait_for(|stopped| !stopped);
                    if shutdown.run_until_cancelled(runs).await.is_none() {
                        return;
                    }
                }
                if let Requeue::After(delay) = controller.reconcile(&key) {
                    queue.later(key, Instant::now() + delay);
                }
                // Let others see the change before the next one is made, and see a stop.
                tokio::task::yield_now().await;
                if shutdown.is_cancelled() {
                    return;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                change = watcher.next() => match change {
                    Some(Change { key, object, before, .. }) => {
                        queue.add(controller.concerned(&key, &object));
                        if let Some(before) = before {
                            queue.add(controller.concerned(&key, &before));
                        }
                    }
                    None => break,
                },
                () = queue.due() => {}
            }
        }
    }
}

/// Keys to look at, each once; and keys to look at later.
#[derive(Default)]
struct Queue {
    ready: VecDeque<Key>,
    later: BTreeMap<Key, Instant>,
}

impl Queue {
    fn add(&mut self, keys: Vec<Key>) {
        for key in keys {
            if !self.ready.contains(&key) {
                self.ready.push_back(key);
            }
        }
    }

    /// The soonest time counts.
    fn later(&mut self, key: Key, at: Instant) {
        let slot = self.later.entry(key).or_insert(at);
        *slot = at.min(*slot);
    }

    fn take(&mut self, now: Instant) -> Option<Key> {
        let due: Vec<Key> = self.later.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in &due {
            self.later.remove(key);
        }
        self.add(due);
        self.ready.pop_front()
    }

    /// Resolves when the next timer is due; never without timers.
    async fn due(&self) {
        match self.later.values().min() {
            Some(at) => tokio::time::sleep_until(*at).await,
            None => std::future::pending().await,
        }
    }
}
