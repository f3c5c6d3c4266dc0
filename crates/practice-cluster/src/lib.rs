//! A private SynxDB-shaped Kubernetes on the loopback address: the practice cluster of `kubectl synxdb`.
//!
//! [`Sandbox::start`] gives a kubeconfig; everything else is the Kubernetes API. Each of these builds on those above
//! it:
//!
//! - [`resources`]: the kinds of object; `admission`: defaults and refusals; [`store`]: objects, versions, watches
//! - [`api`]: HTTP and TLS over the store
//! - `workload`: what runs in pods; `controllers`: they bring the store to its desired state
//! - [`scenarios`]: the initial objects, and what goes wrong
//!
//! It does not depend on the plugin that uses it. It does not exist on Windows: see `unsupported`.

mod admission;
pub mod api;
#[cfg_attr(not(unix), allow(dead_code))]
mod certificates;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod controllers;
#[cfg(unix)]
pub use controllers::{ReplacedPods, volume_match};
mod error;
#[cfg(unix)]
mod files;
mod key;
#[cfg_attr(not(unix), allow(dead_code))]
mod objects;
#[cfg(unix)]
mod processes;
mod quantity;
#[cfg(unix)]
mod readiness;
mod resources;
pub mod scenarios;
#[cfg(unix)]
mod state;
pub mod store;
mod sync;
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
