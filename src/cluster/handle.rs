//! The connection that everything else in this folder goes over.

use std::fmt;
use std::time::Duration;

use super::spares::Spares;
use super::tempo::Tempo;

/// A connection to one Kubernetes API server, as one user. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: kube::Client,
    pub(super) context: String,
    pub(super) namespace: Option<String>,
    pub(super) server: String,
    /// `--request-timeout`, if it was given; a day for 0, which is no limit, and for more than that.
    pub(super) request_timeout: Option<Duration>,
    pub(super) spares: Spares,
    pub(super) tempo: Tempo,
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

    /// Returns the time limit of a request whose own limit is `deadline`: `--request-timeout`, if it was given, replaces
    /// every limit for what goes through the API server, the shorter and the longer ones.
    pub fn limit(&self, deadline: Duration) -> Duration {
        self.request_timeout.unwrap_or(deadline)
    }

    /// Returns the time limit of what takes several requests, or several round trips through a tunnel: `deadline`, or
    /// `--request-timeout` if that is longer. A short one does not cut off what a database needs.
    pub fn lengthened(&self, deadline: Duration) -> Duration {
        self.limit(deadline).max(deadline)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("context", &self.context).field("server", &self.server).finish_non_exhaustive()
    }
}
