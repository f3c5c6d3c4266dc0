//! What the value of an argument names: data on the argument, for those who complete it.

use clap::builder::ArgExt;

/// What the value of an argument names, where a list of all such things can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// A pod of a component.
    Pod,
    /// Pods, workloads or components.
    Targets,
    /// A pod, or `meta` for the metadata proxy.
    Endpoint,
    /// Pods as `history` knows them.
    Past,
    /// An act that can be undone, or a pod that one is of.
    Undoable,
    /// An act whose volumes are kept.
    Kept,
    /// A pod that takes SQL, as `NAMESPACE/POD`.
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
