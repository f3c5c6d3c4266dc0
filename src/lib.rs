//! `kubectl synxdb`: fail over SynxDB v4 components on Kubernetes, and prove that they are back.
pub mod cli;
pub mod cluster;
pub mod error;
pub mod plan;
pub mod recovery;
#[cfg(test)]
mod testing;
pub mod render;
pub mod topology;
