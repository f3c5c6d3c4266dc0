//! The contents of a server's databases, so that a later comparison shows whether they are still present: names of
//! relations from the catalog, and rows of small tables. A warehouse holds petabytes, so everything is limited: what is
//! past the limits is compared by totals and by a digest of its names.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::kernel::Kernel;

/// Most databases listed, in the order of their names' bytes.
pub(super) const MOST_DATABASES: usize = 50;

/// Most relations listed in a database.
pub(super) const MOST_TABLES: usize = 1000;

/// Most tables counted in a database, besides those that were counted before.
pub(super) const MOST_COUNTS: usize = 100;

/// Largest table whose rows are counted, in bytes on disk.
pub(super) const SMALL: u64 = 4 << 20;

/// The contents of a server at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ServerContents"))]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// As `version()` returns it, up to its platform.
    pub version: String,
    /// Kind of server.
    pub kernel: Kernel,
    /// When it was taken, RFC 3339. Absent if that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub taken: Option<String>,
    /// Databases that accept connections, without `template0` and `template1`, in the order of their names' bytes. Of
    /// more than 50 the first 50, and those of the baseline that this one is compared with.
    pub databases: Vec<Database>,
    /// How many databases there are. Absent if that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether there are more databases than are listed.
    pub truncated: bool,
    /// Whether each database that the other baseline names was looked for by its name.
    #[serde(skip)]
    pub sought: bool,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Database {
    /// Its name; bytes that are not valid UTF-8 are written as `\xHH`.
    pub name: String,
    /// Its tables and other relations.
    pub tables: Listing,
}

/// A database's relations, or why they are unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Listing {
    /// The catalog was read.
    Known(Tables),
    /// The catalog was not read.
    Unknown(String),
    /// The catalog cannot be read: the server reports damage, or a segment does not have it.
    Damaged(String),
}

/// The relations of a database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tables {
    /// How many tables there are, including partitioned ones.
    pub total: u64,
    /// How many relations there are of each kind. Absent if that was not recorded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, schemars(extend("propertyNames" = RelationKind::words())))]
    pub totals: BTreeMap<RelationKind, u64>,
    /// Whether there are more relations than are listed.
    pub truncated: bool,
    /// Sorted by schema and name, in the order of their bytes. Of more than 1,000 the first 1,000, and those of the
    /// baseline that this one is compared with.
    pub tables: Vec<Table>,
    /// Of all relations up to the newest one, listed or not. Absent if the server computes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Of all relations up to the newest one of the other baseline.
    #[serde(skip)]
    pub digest_then: Option<Digest>,
    /// Whether each relation that the other baseline names was looked for by its name.
    #[serde(skip)]
    pub sought: bool,
}

/// A count and a sum over the names of many relations: two equal digests are of the same names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// OID of the newest relation that is included: later ones have larger OIDs.
    pub newest: u32,
    /// How many relations are included.
    pub relations: u64,
    /// Sum of the first 60 bits of the MD5 of each name.
    pub names: String,
}

/// Kinds of relation whose names are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum RelationKind {
    /// A table, or a partition of one.
    #[default]
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// A materialized view.
    MaterializedView,
    /// A view.
    View,
    /// A sequence.
    Sequence,
    /// A foreign table.
    ForeignTable,
}

impl RelationKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Table, Self::PartitionedTable, Self::MaterializedView, Self::View, Self::Sequence, Self::ForeignTable];

    /// `pg_class.relkind`.
    pub(super) fn code(self) -> char {
        match self {
            Self::Table => 'r',
            Self::PartitionedTable => 'p',
            Self::MaterializedView => 'm',
            Self::View => 'v',
            Self::Sequence => 'S',
            Self::ForeignTable => 'f',
        }
    }

    /// Returns the kind of this `relkind`.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| code.chars().eq([kind.code()]))
    }

    /// Returns whether it is called a table in messages, as a partitioned one is.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::PartitionedTable)
    }

    /// The schema of their names in documents.
    #[cfg(test)]
    fn words() -> serde_json::Value {
        serde_json::json!({ "enum": Self::ALL })
    }

    fn is_plain(&self) -> bool {
        *self == Self::Table
    }
}

impl fmt::Display for RelationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::PartitionedTable => "partitioned table",
            Self::MaterializedView => "materialized view",
            Self::View => "view",
            Self::Sequence => "sequence",
            Self::ForeignTable => "foreign table",
        })
    }
}

/// A table or another relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The kind. Absent for a table.
    #[serde(default, rename = "relation", skip_serializing_if = "RelationKind::is_plain")]
    pub kind: RelationKind,
    /// The planner's estimate (`reltuples`) of its rows; -1 or 0 if it was never analyzed. Not a count.
    pub estimated_rows: f64,
    /// The planner's estimate (`relpages`) of its size, in blocks.
    pub pages: u64,
    /// Counted rows of a table or materialized view. Absent if they were not to be counted, or could not be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Whether counting stopped at the earlier number of rows. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Why its rows could not be counted. Absent if they were, or were not to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
}

/// Why rows could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Uncounted {
    /// The time ran out, another session holds a lock, or the role may not read it: its rows are unknown.
    Unknown(String),
    /// The server cannot read it; the server's own message.
    Damaged(String),
}

impl Table {
    /// Returns `schema.name`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Returns why the server cannot read it, if it cannot.
    pub fn damage(&self) -> Option<&str> {
        match &self.uncounted {
            Some(Uncounted::Damaged(why)) => Some(why),
            Some(Uncounted::Unknown(_)) | None => None,
        }
    }
}

impl Baseline {
    /// Returns this baseline, with the contents from `before` of each database that could not be read this time.
    pub fn or_before(mut self, before: &Self) -> Self {
        for database in &mut self.databases {
            if let (Listing::Unknown(_), Some(known)) = (&database.tables, before.database(&database.name))
                && let Listing::Known(_) = &known.tables
            {
                database.tables = known.tables.clone();
            }
        }
        self
    }

    /// Returns the database of this name.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name == name)
    }
}

impl Database {
    /// Returns its relations, if they are known.
    pub fn known(&self) -> Option<&Tables> {
        match &self.tables {
            Listing::Known(tables) => Some(tables),
            Listing::Unknown(_) | Listing::Damaged(_) => None,
        }
    }

    /// Returns what the server cannot read of it: one line each.
    pub fn damage(&self) -> Vec<String> {
        match &self.tables {
            Listing::Damaged(why) => vec![format!("{}: {why}", self.name)],
            Listing::Unknown(_) => Vec::new(),
            Listing::Known(tables) => {
                let damaged = tables.tables.iter().filter_map(|table| Some((table, table.damage()?)));
                damaged
                    .map(|(table, why)| format!("{}: {} {}: {why}", self.name, table.kind, table.qualified()))
                    .collect()
            }
        }
    }
}

/// Values for tests.
#[cfg(test)]
pub(crate) mod examples {
    use super::*;

    /// A table in schema `public`.
    pub(crate) fn table(name: &str, rows: Option<u64>) -> Table {
        Table {
            schema: "public".to_owned(),
            name: name.to_owned(),
            kind: RelationKind::Table,
            estimated_rows: 1e9,
            pages: 0,
            rows,
            at_least: false,
            uncounted: None,
        }
    }

    /// All relations of a database.
    pub(crate) fn tables(tables: Vec<Table>) -> Tables {
        let mut totals: BTreeMap<RelationKind, u64> = BTreeMap::new();
        for table in &tables {
            *totals.entry(table.kind).or_default() += 1;
        }
        let total = tables.iter().filter(|table| table.kind.is_table()).count() as u64;
        Tables { total, totals, truncated: false, tables, digest: None, digest_then: None, sought: false }
    }

    /// All databases of a plain PostgreSQL 14.
    pub(crate) fn baseline(databases: Vec<(&str, Listing)>) -> Baseline {
        let total = Some(databases.len() as u64);
        let database = |(name, tables): (&str, Listing)| Database { name: name.to_owned(), tables };
        let databases = databases.into_iter().map(database).collect();
        let version = "PostgreSQL 14".to_owned();
        Baseline { version, kernel: Kernel::PostgreSql, taken: None, databases, total, truncated: false, sought: false }
    }
}
