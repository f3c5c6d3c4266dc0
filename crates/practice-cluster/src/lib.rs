//! A private SynxDB-shaped Kubernetes on the loopback address: the practice cluster of `kubectl synxdb`.
//!
//! [`Sandbox::start`] gives a kubeconfig; everything else is the Kubernetes API. In order of who builds on whom:
//!
//! - [`store`]: objects, versions, watches; [`resources`]: their kinds; `plugins`: who refuses a change
//! - [`api`]: HTTP and TLS over the store
//! - `workload`: what runs in pods; `controllers`: who keeps the store as it should be
//! - [`scenarios`]: what there is at first, and what goes wrong
//!
//! It knows nothing of the plugin that uses it. On Windows there is none: `elsewhere` says so.

pub mod api;
#[cfg_attr(not(unix), allow(dead_code))]
mod certificates;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod controllers;
#[cfg(unix)]
pub use controllers::volume_match;
#[cfg(not(unix))]
mod elsewhere;
mod error;
#[cfg(unix)]
mod files;
#[cfg(unix)]
mod objects;
mod plugins;
#[cfg(unix)]
mod processes;
pub mod resources;
pub mod scenarios;
#[cfg(unix)]
mod state;
pub mod store;
mod values;
#[cfg(unix)]
mod wishes;
#[cfg(unix)]
mod workload;

pub use certificates::{CONTEXT, GROUP, USER};
#[cfg(unix)]
pub use cluster::{Options, Sandbox};
#[cfg(not(unix))]
pub use elsewhere::{Options, Sandbox};
pub use error::SandboxError;
#[cfg(unix)]
pub use workload::installation::PostgresChoice;

/// The StatefulSets of a scenario, of the default one where none is named, as its manifests have them.
///
/// # Errors
/// There is no such scenario, or a file cannot be read (a defect).
pub fn stateful_sets(scenario: Option<&str>) -> Result<Vec<serde_json::Value>, SandboxError> {
    let objects = scenarios::find(scenario.unwrap_or(scenarios::DEFAULT))?.objects()?;
    Ok(objects.into_iter().filter(|(key, _)| key.resource == "statefulsets").map(|(_, object)| object).collect())
}

/// Every scenario: name and one-line description, the default first.
///
/// # Errors
/// A scenario's file cannot be read (a defect).
pub fn scenarios() -> Result<Vec<(&'static str, String)>, SandboxError> {
    scenarios::list()
}
