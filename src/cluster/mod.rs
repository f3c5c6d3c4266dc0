//! The only production code that talks to Kubernetes.
pub mod permission;
pub mod snapshot;
