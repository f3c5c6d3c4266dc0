//! `kubectl synxdb`: fail over SynxDB v4 components on Kubernetes, and prove that they are back.
pub mod cluster;
pub mod error;
#[cfg(test)]
mod testing;
pub mod topology;
