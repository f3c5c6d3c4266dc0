//! The practice cluster's controllers: each watches the store and brings it closer to what is wished for, as
//! Kubernetes' own do through the API.
//!
//! A controller is a [`Controller`]: which objects a change concerns, and what to do about one of them. [`run`] does the
//! rest: a queue without duplicates, timers for what really takes time, and a fresh look at everything whenever the
//! watch fell behind.

pub(crate) mod ephemeral;
pub(crate) mod events;
pub(crate) mod images;
pub(crate) mod kubelet;
pub(crate) mod nodes;
pub(crate) mod pod_garbage;
pub(crate) mod pod_start;
pub(crate) mod pod_status;
pub(crate) mod pod_worker;
pub(crate) mod protection;
pub(crate) mod quotas;
pub(crate) mod readiness;
pub(crate) mod revision;
pub(crate) mod rollout;
pub(crate) mod scheduler;
pub(crate) mod service_accounts;
pub(crate) mod stateful_set;
pub(crate) mod taints;
pub mod volume_match;
pub(crate) mod volumes;

use crate::objects;
use crate::scenarios::Scenario;
use crate::store::{Change, Key, Store};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long things take that take time in a real cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Making a volume.
    pub(crate) provision: Duration,
    /// Removing one.
    pub(crate) reclaim: Duration,
    /// From a pod being scheduled to its containers being started: attach, mount, network.
    pub(crate) set_up: Duration,
    /// Ending a container that has no process of its own to wait for.
    pub(crate) tear_down: Duration,
    /// Before a protection finalizer is removed: the controller asks the API server once more who uses the claim.
    pub(crate) protection: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        let ms = Duration::from_millis;
        Pace { provision: ms(120), reclaim: ms(120), set_up: ms(200), tear_down: ms(120), protection: ms(100) }
    }
}

/// What all controllers share.
#[derive(Clone)]
pub(crate) struct Context {
    /// The objects.
    pub(crate) store: Arc<Store>,
    /// Who writes Events.
    pub(crate) events: Arc<events::Recorder>,
    /// The container images on the machines.
    pub(crate) images: Arc<images::Images>,
    /// How to misbehave.
    pub(crate) scenario: Arc<Scenario>,
    /// How long things take.
    pub(crate) pace: Pace,
    /// Folder that holds a folder per volume.
    pub(crate) volumes: PathBuf,
    /// Pods that were created on claims being deleted, as the scenario wants: namespace and name.
    pub(crate) raced: Arc<Mutex<HashSet<(String, String)>>>,
    /// Whether the controller manager is stopped: all controllers but the scheduler and the kubelets.
    pub(crate) manager_stopped: watch::Receiver<bool>,
    /// Ends everything.
    pub(crate) shutdown: CancellationToken,
}

impl Context {
    /// Whether the scenario still owes a pod of that name its creation on a claim that is being deleted.
    pub(crate) fn race_due(&self, namespace: &str, pod: &str) -> bool {
        self.scenario.create_pods_on_terminating_claims == crate::scenarios::Race::Once
            && !self
                .raced
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&(namespace.to_owned(), pod.to_owned()))
    }

    /// Remembers that it happened.
    pub(crate) fn race_done(&self, namespace: &str, pod: &str) {
        self.raced.lock().unwrap_or_else(PoisonError::into_inner).insert((namespace.to_owned(), pod.to_owned()));
    }
}

/// When to look at an object again, though nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requeue {
    /// When something changes.
    Never,
    /// After that time at the latest.
    After(Duration),
}

/// One controller.
pub(crate) trait Controller: Send + 'static {
    /// Kinds to look through at the start.
    fn kinds(&self) -> &'static [&'static str];
    /// Objects that a change of `object` (which is, or was, at `key`) concerns.
    fn concerned(&self, key: &Key, object: &Value) -> Vec<Key>;
    /// Looks at an object, which may be gone, and does what is next.
    fn reconcile(&mut self, key: &Key) -> Requeue;
    /// Whether the controller manager runs it, so that it stops with that.
    fn in_manager(&self) -> bool {
        true
    }
}

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
