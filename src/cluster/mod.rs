//! The only production code that talks to Kubernetes. No other module knows a `Client`.
//!
//! - [`connect`]: kubectl's own flags, files and environment -> [`Cluster`]; `kubeconfig_names`: the names in the files
//! - `everywhere`: what there is in all namespaces, by metadata
//! - [`observe`]: what a layout can be learned from
//! - [`read`]: one parallel wave of lists -> [`snapshot::Snapshot`]; [`permission`]: what the user may do
//! - [`watch`]: the same, kept up to date; [`multi_watch`]: several namespaces
//! - [`write`]: the few mutations, each with a precondition; [`annotations`]: several annotations of a volume in one
//! - [`lease_lock`]: the [`lease`] that prevents other failovers in the same namespace
//! - [`tunnel`]: a stream to a pod's port; [`forward`]: many of them behind a [`listener`], to the current pod
//! - `foreign`: messages of other programs that code has to distinguish
//! - [`pods`]: pods kept up to date, and nothing else; `secret`: one value of a Secret; [`config_map`]: one of a
//!   ConfigMap

pub mod annotations;
mod body_limit;
mod client;
pub mod config_map;
pub mod connect;
mod credential;
mod everywhere;
mod failure;
pub mod files;
mod foreign;
pub mod forward;
mod framing;
mod handle;
mod kubeconfig;
mod kubeconfig_names;
pub mod lease;
pub mod lease_lock;
pub mod listener;
pub mod multi_watch;
pub mod observe;
mod options;
mod patience;
pub mod permission;
pub mod pods;
pub mod process;
pub mod programs;
mod proxy;
pub mod read;
mod request_errors;
mod secret;
pub mod snapshot;
mod transport;
pub mod tries;
pub mod tunnel;
pub mod watch;
mod watch_cache;
pub mod write;

#[cfg(test)]
mod testing;

pub use failure::{cut, error_text};
pub(crate) use framing::PortError;
pub use handle::Cluster;
pub use kubeconfig_names::{ContextEntry, Entries};
pub use lease::{Holder, LEASE, LeaseState};
pub use lease_lock::{LeaseGuard, LeaseRequest, ObservedLease};
pub use multi_watch::Survey;
pub use options::{ConnectOptions, Environment, parse_request_timeout};
pub use permission::{Allowed, Permission};
pub use read::{Freshness, ReadRequest};
pub use secret::SecretValue;
pub use tries::{Trial, Tried};
pub use tunnel::Tunnel;
pub use watch::{Connection, Watch, WatchRequest};
pub use write::Written;
