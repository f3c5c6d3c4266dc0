//! Who may refuse a change after the API server has understood it: a ValidatingAdmissionPolicy, a LimitRange, Pod Security,
//! a ResourceQuota; asked in the order of a real server's plugins. Pure: what there is goes in, a refusal comes out.
//!
//! The store asks for every creation, so that what controllers create is refused, too; the API for updates and deletions.

mod limits;
mod pod_security;
mod policies;
mod quantity;
pub(crate) mod quotas;

pub(crate) use policies::unknown_expression;

use crate::store::Key;
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

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

/// A change that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) operation: Operation,
    pub(crate) key: &'a Key,
    /// As it would be stored, or is before it is deleted.
    pub(crate) object: &'a Value,
    /// Whether only an answer is wanted.
    pub(crate) dry_run: bool,
}

/// The objects of a kind; in a namespace, or all.
pub(crate) type List<'l> = &'l dyn Fn(&'static str, Option<&str>) -> Vec<Arc<Value>>;

/// Who is against it; `None`: nobody.
pub(crate) fn refusal(asked: &Asked<'_>, list: List<'_>) -> Option<Refusal> {
    let why = |why: String| Refusal { code: 403, reason: "Forbidden", message: forbidden(asked.key, &why) };
    if asked.operation == Operation::Create {
        let why_not = limits::refusal(asked, list).or_else(|| pod_security::refusal(asked, list));
        if let Some(reason) = why_not {
            return Some(why(reason));
        }
    }
    policies::refusal(asked, list).or_else(|| {
        let new = asked.operation == Operation::Create;
        new.then(|| quotas::refusal(asked, list)).flatten().map(why)
    })
}

/// `pods "x" is forbidden: …`
fn forbidden(key: &Key, why: &str) -> String {
    let group = crate::resources::by_plural(key.resource).map(|resource| resource.group).unwrap_or_default();
    let dot = if group.is_empty() { "" } else { "." };
    format!("{}{dot}{group} \"{}\" is forbidden: {why}", key.resource, key.name)
}

/// The items of a list in an object; none where there is no list.
fn items<'v>(object: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests;
