//! What an API server refuses to store: invalid names, missing fields, changes to immutable fields. Pure.
//!
//! Each finding is (field, message), worded as `k8s.io/kubernetes/pkg/apis/core/validation` does.

mod annotations;
mod changes;
mod findings;
mod new_objects;
mod roles;
mod set_selector;
mod templates;

pub(super) use changes::update;
pub(super) use findings::Findings;
pub(super) use new_objects::creation;

#[cfg(test)]
mod tests;
