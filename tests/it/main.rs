//! The real program, as a process, on practice clusters and without one: its output, its exit codes, and what it leaves
//! in the cluster; and the rules of the repository. One module per concern.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod as_kubectl;
mod availability;
mod bad_input;
mod checks;
#[allow(dead_code, reason = "the practice cluster asks more of it")]
#[path = "../support/circles.rs"]
mod circles;
mod cluster_on_sandbox;
mod completion;
mod dist;
mod documentation;
mod documents;
mod earlier_version;
mod ephemeral;
mod failover;
mod forged;
mod forward;
mod generated;
mod glossary;
#[cfg(target_os = "linux")]
mod hostile_api;
#[cfg(target_os = "linux")]
mod hostile_memory;
mod killed;
mod layers;
mod lease;
#[cfg(target_os = "linux")]
mod local_users;
mod output_page;
mod prompts;
mod reservations;
mod same_cluster;
#[cfg(target_os = "linux")]
mod sandbox_command;
mod security_page;
mod setup;
mod sick_api;
mod status;
mod stored_baseline;
mod undo;
mod verify;
mod watch;
mod with_kubectl;
