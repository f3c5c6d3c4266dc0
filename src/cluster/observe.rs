//! Reads everything that runs in one namespace, or in all: what a layout can be learned from.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};

use super::Cluster;
use super::freshness::Freshness;
use super::snapshot::Read;

/// What runs, and through which ports it is reached.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Pods.
    pub pods: Read<Vec<Pod>>,
    /// StatefulSets.
    pub stateful_sets: Read<Vec<StatefulSet>>,
    /// Services.
    pub services: Read<Vec<Service>>,
}

impl Cluster {
    /// Reads what runs in a namespace, or in all of them, at the same time. Never fails as a whole; see each part.
    pub async fn observe(&self, namespace: Option<&str>, deadline: Duration) -> Observation {
        let wave = self.wave(Freshness::Cached, deadline);
        let (pods, sets, services): (Api<Pod>, Api<StatefulSet>, Api<Service>) = match namespace {
            Some(name) => (
                Api::namespaced(self.client(), name),
                Api::namespaced(self.client(), name),
                Api::namespaced(self.client(), name),
            ),
            None => (Api::all(self.client()), Api::all(self.client()), Api::all(self.client())),
        };
        let all = ListParams::default;
        let (pods, stateful_sets, services) = futures::join!(
            wave.list(pods, "pods", namespace, all()),
            wave.list(sets, "statefulsets", namespace, all()),
            wave.list(services, "services", namespace, all()),
        );
        Observation { pods, stateful_sets, services }
    }
}
