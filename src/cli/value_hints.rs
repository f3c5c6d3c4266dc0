//! What the value of an argument names: data on the argument, for completion.

use clap::builder::ArgExt;

/// What the value of an argument names, if it can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// A pod of a component.
    Pod,
    /// Pods, workloads or components.
    Targets,
    /// A pod, or `meta` for the metadata proxy.
    Endpoint,
    /// Pods in the history.
    Past,
    /// An operation that can be undone, or its pod.
    Undoable,
    /// An operation with retained volumes.
    Kept,
    /// A pod that accepts SQL, as `NAMESPACE/POD`.
    Database,
    /// A namespace.
    Namespace,
    /// A context of the kubeconfig.
    Context,
    /// A cluster of the kubeconfig.
    Cluster,
    /// A user of the kubeconfig.
    User,
    /// A database of a server.
    Catalog,
    /// A scenario of the practice cluster.
    Scenario,
    /// A kind of document.
    Kind,
}

impl ArgExt for Names {}
