//! What every document has.

use super::{API_VERSION, Kind};
use crate::topology::Gap;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// What every document begins with, and what follows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'b, B> {
    api_version: &'static str,
    kind: Kind,
    #[serde(flatten)]
    body: &'b B,
}

/// A whole document.
pub fn document(kind: Kind, body: &impl Serialize) -> Value {
    // Plain data: nothing in it that JSON has no form for.
    serde_json::to_value(Document { api_version: API_VERSION, kind, body }).unwrap_or_default()
}

/// Something that should be known and is not.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unknown<'a> {
    /// What, in words: `pods in namespace synxdb-system`.
    pub what: String,
    /// Why, in words.
    pub reason: &'a str,
}

impl<'a> From<&'a Gap> for Unknown<'a> {
    fn from(gap: &'a Gap) -> Self {
        Self { what: gap.part.to_string(), reason: &gap.why }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
