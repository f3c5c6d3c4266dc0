//! The real binary, run on a practice cluster that this process holds: what it printed and how it ended on one side, the
//! cluster's own objects on the other.

#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod run;

pub use cluster::{ACCOUNT, CLAIMS, Cluster, RECORD, SYSTEM, VOLUMES, bare, full, is_ready, uid};
pub use run::{LIMIT, Ran, Running, machine, normal, plugin, schemas, unwrapped};
