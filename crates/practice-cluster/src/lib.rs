//! A private SynxDB-shaped Kubernetes on the loopback address: the practice cluster of `kubectl synxdb`.
//!
//! [`Sandbox::start`] gives a kubeconfig; everything else is the Kubernetes API. In order of who builds on whom:
//!
//! - [`store`]: objects, versions, watches; [`resources`]: their kinds; `plugins`: who refuses a change
//! - [`api`]: HTTP and TLS over the store
//! - `workload`: what runs in pods; `controllers`: who keeps the store as it should be
//! - [`scenarios`]: what there is at first, and what goes wrong
//!
//! It knows nothing of the plugin that uses it. On Windows there is none: `unsupported` says so.

mod admission;
pub mod api;
#[cfg_attr(not(unix), allow(dead_code))]
mod certificates;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod controllers;
#[cfg(unix)]
pub use controllers::volume_match;
mod error;
#[cfg(unix)]
mod files;
mod key;
#[cfg(unix)]
mod objects;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod readiness;
pub mod resources;
pub mod scenarios;
#[cfg(unix)]
mod state;
pub mod store;
#[cfg(unix)]
mod unprivileged;
#[cfg(not(unix))]
mod unsupported;
mod values;
#[cfg(unix)]
mod workload;

pub use certificates::{CONTEXT, GROUP, USER};
#[cfg(unix)]
pub use cluster::{Options, Sandbox};
pub use error::SandboxError;
pub use scenarios::{list as scenarios, stateful_sets};
#[cfg(not(unix))]
pub use unsupported::{Options, Sandbox};
#[cfg(unix)]
pub use workload::installation::PostgresChoice;
