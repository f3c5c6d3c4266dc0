//! One set of cases for two kinds of cluster: the practice cluster inside the binary and, if `SYNXDB_E2E_KUBECONFIG`
//! names a kubeconfig, a real Kubernetes with the same manifests. Only `world` knows the differences; everything is set
//! up and inspected through the API.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod answers;
mod answers_more;
mod checks;
mod claims;
mod forward;
mod going;
mod hostile;
mod kubectl;
mod lease;
mod login;
mod member;
mod names;
mod others;
mod rbac;
mod reach;
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
mod story;
mod strangers;
mod trouble;
mod undo;
mod users;
mod verify;
mod volumes;
mod warehouses;
mod world;
