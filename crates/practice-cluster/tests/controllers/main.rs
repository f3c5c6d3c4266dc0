//! The practice cluster's controllers and workloads: what Kubernetes' own would do, in their order, and how SynxDB's
//! components would answer.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod lifecycle;
#[path = "../../../../tests/support/machine.rs"]
mod machine;
mod namespaces;
mod nodes;
mod rollouts;
mod starts;
mod storage;
mod storage_members;
mod support;
mod volumes;
mod workloads;
