//! What machines read, as types: a file a family. Their doc comments are the descriptions in the JSON Schemas, and in
//! docs/output.md.
//!
//! A field is absent only if its description says so, and null only if the schema has it. Adding a field keeps
//! [`API_VERSION`]; renaming one, dropping one or changing what it means takes another.

mod availability;
mod envelope;
mod error;
mod forward;
mod history;
mod kind;
mod layout;
mod operation;
mod sandbox;
#[cfg(test)]
mod schemas;
mod status;
#[cfg(test)]
mod tests;
mod verification;
mod version;

pub use crate::api_version::API_VERSION;
use envelope::millis;
pub use envelope::{Unknown, document};
pub use error::Error;
pub use forward::Forward;
pub use history::{History, Release};
pub use kind::Kind;
pub use layout::{LayoutCheck, LayoutInForce};
pub use operation::{Event, OperationResult};
pub use sandbox::{Sandbox, Scenarios};
pub use status::Status;
#[cfg(test)]
pub(super) use tests::valid;
pub use verification::Verification;
pub use version::{SchemaList, Version};
