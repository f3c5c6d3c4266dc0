//! `kubectl synxdb`: fail over SynxDB v4 components on Kubernetes, and prove that they and their data are back.
//!
//! The crate's map, in the order in which data flows; a module imports modules above it only:
//!
//! - `duration`, `text`: durations, ages, plurals and lists as every text has them
//! - `suggestion`: what to do next: complete commands, and advice
//! - `error`: what went wrong, why, and what to do next
//! - `outcome`: how an operation can end: words and exit codes
//! - `api_version`: the version of what is printed, saved and kept
//! - `cli`: the command line, as types
//! - `cluster`: the only production code that talks to Kubernetes; yields a snapshot
//! - `topology`: what the snapshot means in SynxDB's terms
//! - `storage`: what safekeepers and pageservers say of themselves, and what that means for the data
//! - `plan`: what a failover will do, why it may, how it is proven
//! - `journal`: records on this machine, of what no volume can carry
//! - `probe`: asks a component itself, by SQL or by its status page
//! - `verify`: is an installation whole? what is missing since a baseline?
//! - `recovery`: runs a plan, and tells what happens
//! - `render`: values in, text out; the only writer
//! - `completion`: what a shell may offer for an unfinished command line
//! - `commands`: a file a verb; sees everything
//!
//! The practice cluster is a crate of its own (`crates/practice-cluster`), which imports none of them; the commands alone
//! import it, where the feature `sandbox` is on.

// Additions of times and durations, which panic on overflow: see `duration::after`. Integers are allowed (clippy.toml).
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub(crate) mod api_version;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod completion;
pub(crate) mod duration;
pub mod error;
pub(crate) mod journal;
pub(crate) mod outcome;
pub mod plan;
pub mod probe;
pub(crate) mod recovery;
pub mod render;
pub(crate) mod storage;
pub mod suggestion;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub mod topology;
pub(crate) mod verify;
