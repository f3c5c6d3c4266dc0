//! Kinds of database server.

use serde::{Deserialize, Serialize};
use tokio_postgres::SimpleQueryRow;

/// Kinds of database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Kernel {
    /// A Cloudberry or Greenplum kernel, which dispatches to segments.
    #[serde(rename = "mpp", alias = "MPP")]
    Mpp,
    /// Plain PostgreSQL: checks of segments are skipped, not passed.
    #[serde(rename = "postgresql", alias = "PostgreSQL")]
    PostgreSql,
}

impl Kernel {
    /// Returns the kind from the rows of [`Statement::IsMpp`](super::statements).
    pub(super) fn from_rows(rows: Option<&Vec<SimpleQueryRow>>) -> Self {
        if rows.is_none_or(Vec::is_empty) { Self::PostgreSql } else { Self::Mpp }
    }
}
