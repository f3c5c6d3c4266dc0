//! Support for tests: practice clusters, the real program as a process or in a terminal, its output, and limits.

#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used)]

mod cluster;
pub mod machine;
pub mod practice;
pub mod process;
pub mod relay;
mod run;
pub mod schemas;
pub mod terminal;
pub mod v1alpha1;

pub use cluster::{ACCOUNT, CLAIMS, Cluster, RECORD, SYSTEM, VOLUMES, bare, full, is_ready, uid};
pub use run::{LIMIT, Ran, Running, normal, plugin, unwrapped};
