//! What all controllers share.

use super::events::Recorder;
use super::images::Images;
use super::pace::Pace;
use crate::scenarios::{Race, Scenario};
use crate::store::Store;
use crate::sync::lock;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Whether pods that replace an earlier one of their name become Ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplacedPods {
    /// All do.
    #[default]
    BecomeReady,
    /// Those that start from now on do not.
    StayUnready,
    /// Those that start from now on do; those that do not yet stay as they are.
    BecomeReadyFromNowOn,
}

/// What all controllers share.
#[derive(Clone)]
pub(crate) struct Context {
    /// The objects.
    pub(crate) store: Arc<Store>,
    /// Who writes Events.
    pub(crate) events: Arc<Recorder>,
    /// The container images on the machines.
    pub(crate) images: Arc<Images>,
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
    /// Which replaced pods become Ready.
    pub(crate) replaced_pods: watch::Receiver<ReplacedPods>,
    /// Ends everything.
    pub(crate) shutdown: CancellationToken,
}

impl Context {
    /// Whether the scenario still owes a pod of that name its creation on a claim that is being deleted.
    pub(crate) fn race_due(&self, namespace: &str, pod: &str) -> bool {
        self.scenario.create_pods_on_terminating_claims == Race::Once
            && !lock(&self.raced).contains(&(namespace.to_owned(), pod.to_owned()))
    }

    /// Remembers that it happened.
    pub(crate) fn race_done(&self, namespace: &str, pod: &str) {
        lock(&self.raced).insert((namespace.to_owned(), pod.to_owned()));
    }
}
