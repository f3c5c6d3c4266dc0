//! The only production code that talks to Kubernetes. No other module knows a `Client`.
//!
//! - `connect`: kubectl's own flags, files and environment -> `Cluster`; `kubeconfig_names`: the names in the files
//! - `everywhere`: what there is in all namespaces, by metadata
//! - `observe`: what a layout can be learned from
//! - `read`: one parallel wave of lists -> `snapshot::Snapshot`; `across`: many namespaces by few lists; `list` and
//!   `list_json`: a list whose objects are decoded as they arrive; `lean`: what is kept of them
//! - `permission`: what the user may do
//! - `watch`: the same, kept up to date; `multi_watch`: several namespaces
//! - `write`: the few mutations, each with a precondition; `annotations`: several annotations of a volume in one
//! - `lease_lock`: the `lease` that prevents other failovers in the same namespace
//! - `spares`: connections that are opened before they are needed
//! - `tunnel`: a stream to a pod's port; `forward`: many of them behind a `listener`, to the current pod
//! - `foreign`: messages of other programs that code has to distinguish
//! - `pods`: pods kept up to date, and nothing else; `secret`: one value of a Secret; `config_map`: one of a
//!   ConfigMap

mod across;
pub(crate) mod annotations;
mod body_limit;
mod client;
pub(crate) mod config_map;
pub(crate) mod connect;
mod credential;
mod everywhere;
mod failure;
pub(crate) mod files;
mod foreign;
pub(crate) mod forward;
mod framing;
mod freshness;
mod handle;
mod kubeconfig;
mod kubeconfig_names;
mod lean;
pub(crate) mod lease;
pub(crate) mod lease_lock;
mod list;
mod list_json;
pub(crate) mod listener;
pub(crate) mod multi_watch;
pub(crate) mod observe;
mod options;
mod patience;
pub(crate) mod permission;
pub(crate) mod pods;
pub(crate) mod process;
pub(crate) mod programs;
mod proxy;
pub(crate) mod read;
mod request_errors;
mod secret;
pub mod snapshot;
mod spares;
mod transport;
pub(crate) mod tries;
pub(crate) mod tunnel;
pub(crate) mod watch;
mod watch_cache;
mod wave;
pub(crate) mod write;

#[cfg(test)]
mod compression_tests;
#[cfg(test)]
mod testing;

pub use failure::{cut, error_text};
pub(crate) use framing::PortError;
pub use freshness::Freshness;
pub use handle::Cluster;
pub use kubeconfig_names::{ContextEntry, Entries};
pub use lease::{Holder, LEASE, LeaseState};
pub use lease_lock::{LeaseGuard, LeaseRequest, ObservedLease};
pub use multi_watch::Survey;
pub use options::{ConnectOptions, Environment, parse_request_timeout};
pub use permission::{Allowed, Permission};
pub use read::ReadRequest;
pub use secret::SecretValue;
pub use tries::{Trial, Tried};
pub use tunnel::Tunnel;
pub use watch::{Connection, Watch, WatchRequest};
pub use write::Written;
