//! A practice cluster in the test process, and its content.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use practice_cluster::{Options, Sandbox};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub(crate) const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

/// A practice cluster that is stopped when dropped.
pub(crate) struct Practice {
    runtime: tokio::runtime::Runtime,
    sandbox: Option<Sandbox>,
}

impl Practice {
    /// Starts one, and waits until its pods are ready.
    pub(crate) fn start(scenario: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(async {
            let state_root = super::machine::state_root();
            let options = Options { scenario: scenario.to_owned(), state_root, ..Options::default() };
            let sandbox = Sandbox::start(options).await.unwrap();
            super::machine::needs_postgresql(sandbox.notices());
            tokio::time::timeout(super::process::LIMIT, sandbox.ready())
                .await
                .expect("the pods are not ready")
                .unwrap();
            sandbox
        });
        Self { runtime, sandbox: Some(sandbox) }
    }

    /// Returns the healthy one that tests share if they change nothing; it stops with the last of them.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Practice>> = Mutex::new(Weak::new());
        // A test that failed while it started one has left nothing inconsistent.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start("healthy"));
            *shared = Arc::downgrade(&started);
            started
        })
    }

    fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        self.sandbox().kubeconfig()
    }

    pub(crate) fn passfile(&self) -> &Path {
        self.sandbox().passfile()
    }

    pub(crate) fn password(&self) -> &str {
        self.sandbox().password()
    }

    /// Returns the paths of the API's requests, the oldest first.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.sandbox().requests().entries().into_iter().map(|(_, path)| path).collect()
    }

    /// Returns everything that a failover changes: pods and claims with their UIDs, volumes with policy and
    /// annotations.
    pub(crate) fn world(&self) -> BTreeMap<String, String> {
        let store = self.sandbox().store();
        let mut world = BTreeMap::new();
        for resource in ["pods", "persistentvolumeclaims", "persistentvolumes"] {
            for object in store.list(resource, None).0 {
                let metadata = &object["metadata"];
                world.insert(
                    format!("{resource} {}/{}", metadata["namespace"], metadata["name"]),
                    format!(
                        "{} {} {} {}",
                        metadata["uid"],
                        metadata["deletionTimestamp"],
                        metadata["annotations"],
                        object["spec"]["persistentVolumeReclaimPolicy"]
                    ),
                );
            }
        }
        world
    }

    /// Returns the UID of a pod.
    pub(crate) fn pod_uid(&self, namespace: &str, name: &str) -> String {
        let key = practice_cluster::store::Key::new("pods", namespace, name);
        self.sandbox().store().get(&key).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.runtime.block_on(sandbox.stop());
        }
    }
}
