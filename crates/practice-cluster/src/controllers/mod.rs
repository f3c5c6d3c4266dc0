//! The practice cluster's controllers: each watches the store and brings it closer to the desired state, as
//! Kubernetes' own controllers do through the API.
//!
//! A controller is a [`Controller`]: which objects a change concerns, and what to do about one of them. [`run`] does
//! the rest: a queue without duplicates, timers for what really takes time, and a fresh look at everything whenever the
//! watch fell behind.

mod context;
mod controller;
pub(crate) mod ephemeral;
pub(crate) mod events;
pub(crate) mod images;
mod known_volumes;
pub(crate) mod kubelet;
mod node_affinity;
pub(crate) mod nodes;
mod pace;
pub(crate) mod pod_garbage;
pub(crate) mod pod_start;
pub(crate) mod pod_status;
pub(crate) mod pod_worker;
pub(crate) mod protection;
pub(crate) mod quotas;
pub(crate) mod readiness;
pub(crate) mod revision;
pub(crate) mod rollout;
mod runner;
pub(crate) mod scheduler;
pub(crate) mod service_accounts;
pub(crate) mod stateful_set;
pub(crate) mod taints;
mod tolerations;
pub mod volume_match;
mod volume_objects;
pub(crate) mod volumes;

pub(crate) use context::Context;
pub use context::ReplacedPods;
pub(crate) use controller::{Controller, Requeue};
pub(crate) use pace::Pace;
pub(crate) use runner::run;
