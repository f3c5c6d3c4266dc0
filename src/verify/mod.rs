//! Verifies an installation: what to query, what the answers mean, and what is missing since a baseline.
//!
//! `verify` reports it; `failover` takes its baseline and its proof from the same evidence.
//!
//! - [`targets`]: a topology in, the targets to query out
//! - [`inspect`]: queries them
//! - [`servers`], [`status_pages`]: what their answers mean
//! - [`evidence`]: what a component holds, and what is missing afterwards; [`saved`]: the same in a file; [`stored`]:
//!   the same in the cluster
//! - [`mod@check`] has the verdicts

pub mod check;
pub mod evidence;
pub mod inspect;
pub mod saved;
pub mod servers;
pub mod status_pages;
pub mod stored;
pub mod targets;

#[cfg(test)]
mod v1alpha1_tests;

pub use check::{CheckKind, Judgement, VerifyCheck, VerifyVerdict, verdict};
pub use evidence::{Difference, Evidence, compared_pages, difference, storage_kind};
pub use inspect::{Inspection, Options, inspect};
pub use saved::{Coverage, Saved};
pub use stored::StoredBaseline;
pub use targets::{VerifyTarget, subjects};
