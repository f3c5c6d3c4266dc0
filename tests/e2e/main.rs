//! One set of cases for two kinds of cluster: the practice cluster inside the binary and, if `SYNXDB_E2E_KUBECONFIG`
//! names a kubeconfig, a real Kubernetes with the same manifests. Only `world` knows the differences; everything is set
//! up and inspected through the API.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod answer_variations;
mod answers;
mod availability;
mod checks;
mod claims;
mod concurrent_actors;
mod forward;
mod hostile;
mod kubectl;
mod lease;
mod login;
mod member;
mod names;
mod rbac;
mod records;
mod releases;
mod reservations;
mod scenarios;
mod secrets;
mod settle;
mod soak;
mod storage;
mod storage_failover;
mod storage_https;
mod storage_token;
mod strangers;
mod terminating_namespace;
mod trouble;
mod undo;
mod users;
mod verify;
mod volumes;
mod warehouses;
mod watch_story;
mod world;
