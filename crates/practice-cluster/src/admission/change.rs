//! A requested change, and why it is refused.

use crate::key::Key;
use crate::resources;
use serde_json::Value;
use std::sync::Arc;

/// A refusal, in a real server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub code: u16,
    /// `Forbidden`, or `Invalid`.
    pub reason: &'static str,
    /// All of the message.
    pub message: String,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

/// A requested change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionRequest<'a> {
    pub(crate) operation: Operation,
    pub(crate) key: &'a Key,
    /// The object as it would be stored, or as it is before its deletion.
    pub(crate) object: &'a Value,
    /// Whether it is a dry run.
    pub(crate) dry_run: bool,
}

/// The objects of a kind; in a namespace, or all.
pub(crate) type List<'l> = &'l dyn Fn(&'static str, Option<&str>) -> Vec<Arc<Value>>;

/// Returns `pods "x" is forbidden: …`.
pub(super) fn forbidden(key: &Key, why: &str) -> String {
    let group = resources::by_plural(key.resource).map(|resource| resource.group).unwrap_or_default();
    format!("{} \"{}\" is forbidden: {why}", resources::qualified(key.resource, group), key.name)
}
