//! What machines are told, as types: a file a family. Their doc comments are the descriptions in the JSON Schemas, and in
//! docs/output.md.
//!
//! A field is absent only where its description says so, and null only where the schema has it. Adding a field keeps
//! [`API_VERSION`]; renaming one, dropping one or changing what it means takes another.

mod act;
mod error;
mod forward;
mod history;
mod kind;
mod layout;
mod reachability;
mod sandbox;
#[cfg(test)]
mod schemas;
mod status;
#[cfg(test)]
mod tests;
mod verification;
mod version;

pub use crate::verify::API_VERSION;
pub use act::{ActResult, Event};
pub use error::Error;
pub use forward::Forward;
pub use history::{History, Release};
pub use kind::Kind;
pub use layout::{LayoutCheck, LayoutInForce};
pub use sandbox::{Sandbox, Scenarios};
pub use status::Status;
#[cfg(test)]
pub(super) use tests::valid;
pub use verification::Verification;
pub use version::{SchemaList, Version};

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
    pub why: &'a str,
}

impl<'a> From<&'a Gap> for Unknown<'a> {
    fn from(gap: &'a Gap) -> Self {
        Self { what: gap.part.to_string(), why: &gap.why }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
