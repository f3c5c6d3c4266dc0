//! What happens to a change after the API server has understood it, and before it is stored: absent fields get their
//! defaults, and plugins may refuse it (ValidatingAdmissionPolicy, LimitRange, Pod Security, ResourceQuota). Pure:
//! objects in, a completed object or a refusal out.
//!
//! The store calls it for every creation, so that it also holds for what controllers create; the API calls it for
//! updates and deletions.

mod chain;
mod change;
mod defaults;
mod limit_range;
mod pod_security;
mod policies;
pub(crate) mod quotas;

pub(crate) use chain::refusal;
pub use change::Refusal;
pub(crate) use change::{AdmissionRequest, Operation};
pub(crate) use defaults::{admit, defaults};
pub(crate) use policies::unknown_expression;

#[cfg(test)]
mod tests;
