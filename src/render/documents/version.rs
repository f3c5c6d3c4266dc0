//! What the plugin says of itself: `version` and `schema`.

use super::Kind;
use serde::Serialize;
use serde_json::Value;

/// The plugin's version.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Version<'a> {
    /// As semantic versioning has it: `0.1.0`.
    pub version: &'a str,
}

impl Version<'static> {
    /// Of this plugin.
    pub fn own() -> Self {
        Self { version: env!("CARGO_PKG_VERSION") }
    }
}

/// Every kind of document, with its JSON Schema.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SchemaList {
    /// The kinds.
    pub schemas: Vec<SchemaOf>,
}

/// A kind of document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SchemaOf {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// What prints it, or where it is kept.
    pub printed_by: &'static str,
    /// Its JSON Schema, of draft 2020-12.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, Value>"))]
    pub schema: Value,
}

impl From<Kind> for SchemaOf {
    fn from(kind: Kind) -> Self {
        let schema = kind.parsed_schema();
        Self { name: kind.name(), description: kind.description(), printed_by: kind.printed_by(), schema }
    }
}

impl SchemaList {
    /// All that there are.
    pub fn all() -> Self {
        Self { schemas: Kind::ALL.iter().copied().map(SchemaOf::from).collect() }
    }
}
