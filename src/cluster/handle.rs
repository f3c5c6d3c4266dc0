//! The connection that everything else in this folder goes over.

use std::fmt;
use std::time::Duration;

use super::spares::Spares;

/// A connection to one Kubernetes API server, as one user. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: kube::Client,
    pub(super) context: String,
    pub(super) namespace: Option<String>,
    pub(super) server: String,
    /// `None` if `--request-timeout=0` disabled the limit.
    pub(super) request_timeout: Option<Duration>,
    pub(super) spares: Spares,
}

impl Cluster {
    /// The kubeconfig's current context; `in-cluster` inside a pod, `--server` if only that was given.
    pub fn context_name(&self) -> &str {
        &self.context
    }

    /// The namespace of `--namespace`, or else of the context (inside a pod: the pod's). `None` if neither sets one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The API server's address, such as `https://10.0.0.1:6443`.
    pub fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Returns `deadline`, or `--request-timeout` if that is shorter.
    pub(super) fn at_most(&self, deadline: Duration) -> Duration {
        self.request_timeout.map_or(deadline, |limit| limit.min(deadline))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("context", &self.context).field("server", &self.server).finish_non_exhaustive()
    }
}
