//! The only production code that talks to Kubernetes. No other module knows a `Client`.
//!
//! - `connect`: kubectl's own flags, files and environment -> `Cluster`; `kubeconfig_names`: the names in the files
//! - `yaml` -> `kubeconfig_file` -> `kubeconfig`: what the files say, and what of it is in use; `identity`: as whom
//! - `client`: requests on connections, which `connector` opens (through a `proxy`, with TLS); `server_certificate` and
//!   `client_certificate`: who the two sides are; `pem`: how both are written
//! - `credential`: what each request is signed with, from a file or an `exec_plugin`, if `kuberc` allows that
//! - `everywhere`: what there is in all namespaces, by metadata
//! - `observe`: what a layout can be learned from
//! - `read`: one parallel wave of lists -> `snapshot::Snapshot`; `across`: many namespaces by few lists; `list` and
//!   `list_json`: a list whose objects are decoded as they arrive; `lean`: what is kept of them, `packed` if they are many
//! - `permission`: what the user may do
//! - `watch`: the same, kept up to date; `multi_watch`: several namespaces; `liveness`: whether the server still responds;
//!   `watch_pace`: how often a watch is opened
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
mod client_certificate;
pub(crate) mod config_map;
pub(crate) mod connect;
mod connector;
mod credential;
mod everywhere;
mod exec_plugin;
mod failure;
pub(crate) mod files;
mod foreign;
pub(crate) mod forward;
mod framing;
mod freshness;
mod handle;
mod identity;
mod kubeconfig;
mod kubeconfig_file;
mod kubeconfig_names;
mod kuberc;
mod lean;
pub(crate) mod lease;
pub(crate) mod lease_lock;
mod list;
mod list_json;
pub(crate) mod listener;
mod liveness;
pub(crate) mod multi_watch;
pub(crate) mod observe;
mod options;
mod packed;
mod patience;
mod pem;
pub(crate) mod permission;
pub(crate) mod pods;
pub(crate) mod process;
pub(crate) mod programs;
mod proxy;
pub(crate) mod read;
mod request_errors;
mod secret;
mod server_certificate;
pub mod snapshot;
mod spares;
mod tempo;
mod transport;
pub(crate) mod tries;
pub(crate) mod tunnel;
mod url;
pub(crate) mod watch;
mod watch_cache;
mod watch_pace;
mod wave;
pub(crate) mod write;
mod yaml;

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
pub use liveness::{Connection, Outage, OutageKind};
pub use multi_watch::Survey;
pub use options::{ConnectOptions, Environment, parse_request_timeout};
pub use permission::{Allowed, Permission};
pub use read::ReadRequest;
pub use secret::SecretValue;
pub(crate) use server_certificate::{in_time, signed_by_key};
pub use tries::{Trial, Tried};
pub use tunnel::Tunnel;
pub use watch::{Watch, WatchRequest};
pub use write::Written;
