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

pub(crate) mod check;
pub(crate) mod evidence;
pub(crate) mod inspect;
pub(crate) mod saved;
pub(crate) mod servers;
pub(crate) mod status_pages;
pub(crate) mod stored;
pub(crate) mod targets;

#[cfg(test)]
mod v1alpha1_tests;

pub(crate) use check::{CheckKind, Judgement, VerifyCheck, VerifyVerdict, verdict};
pub(crate) use evidence::{Difference, Evidence, compared_pages, difference, storage_kind};
pub(crate) use inspect::{Inspection, Options, inspect};
pub(crate) use saved::{Coverage, Saved};
pub(crate) use stored::StoredBaseline;
pub(crate) use targets::{VerifyTarget, subjects};
