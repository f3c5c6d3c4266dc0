//! What was there before and is not there after. Pure.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use super::baseline::{Baseline, Database, Listing, Table, Tables};

/// Tables of a missing database that are named.
const NAMED: usize = 10;

/// Something that was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Missing {
    /// A database.
    Database {
        /// Its name.
        database: String,
        /// How many tables it had, where known.
        tables: Option<u64>,
    },
    /// A table.
    Table {
        /// Its database.
        database: String,
        /// `schema.name`.
        table: String,
        /// How many rows it had, where counted.
        rows: Option<u64>,
    },
    /// Rows of a table: both numbers are counted.
    Rows {
        /// Its database.
        database: String,
        /// `schema.name`.
        table: String,
        /// Rows before.
        before: u64,
        /// Rows after: fewer.
        after: u64,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { database, tables: None } => write!(f, "database {database} is missing"),
            Self::Database { database, tables: Some(tables) } => {
                write!(f, "database {database} is missing ({})", counted(*tables, "table"))
            }
            Self::Table { database, table, rows: None } => write!(f, "{database}: table {table} is missing"),
            Self::Table { database, table, rows: Some(rows) } => {
                write!(f, "{database}: table {table} is missing ({})", counted(*rows, "row"))
            }
            Self::Rows { database, table, before, after } => {
                write!(f, "{database}: table {table} has {}, had {before}", counted(*after, "row"))
            }
        }
    }
}

impl Missing {
    /// Returns its name, as `--accept-missing` takes it: `DATABASE`, or `DATABASE/SCHEMA.TABLE`.
    pub fn name(&self) -> String {
        match self {
            Self::Database { database, .. } => escaped(database),
            Self::Table { database, table, .. } | Self::Rows { database, table, .. } => {
                format!("{}/{}", escaped(database), escaped(table))
            }
        }
    }
}

/// Returns a name in which every character is harmless on a terminal, and none is a slash: all but letters, digits, spaces
/// and `_-.$` are written as `%XX`, byte by byte.
pub fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_alphanumeric() || "_-.$ ".contains(character) {
            text.push(character);
        } else {
            let mut bytes = [0; 4];
            text.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    text
}

/// `1 table`, `2 tables`.
pub fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// What came of comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What is missing; anything here means that verification failed.
    pub missing: Vec<Missing>,
    /// What was known before and could not be read afterwards, each a line.
    pub unknown: Vec<String>,
    /// What the lists' bounds, or the baseline itself, leave out of the comparison, each a line.
    pub beyond: Vec<String>,
    /// Databases that are there again.
    pub databases: usize,
    /// Tables that are there again.
    pub tables: usize,
    /// Tables whose rows were counted before and after, and are at least as many.
    pub counted: usize,
}

/// Compares. More of anything is fine, since databases are alive; estimates are never compared.
pub fn compare(before: &Baseline, after: &Baseline) -> Comparison {
    let mut comparison = Comparison::default();
    let now: HashMap<&str, &Database> =
        after.databases.iter().map(|database| (database.name.as_str(), database)).collect();
    for database in &before.databases {
        match now.get(database.name.as_str()) {
            Some(found) => {
                comparison.databases += 1;
                comparison.database(&database.name, &database.tables, &found.tables);
            }
            None if after.truncated && after.databases.last().is_some_and(|last| database.name > last.name) => {
                comparison.beyond.push(format!("database {}: beyond what was listed afterwards", database.name));
            }
            None => {
                let tables = match &database.tables {
                    Listing::Known(tables) => Some(tables.total),
                    Listing::Unknown(_) => None,
                };
                comparison.missing.push(Missing::Database { database: database.name.clone(), tables });
                if let Listing::Known(tables) = &database.tables {
                    comparison.missing.extend(tables.tables.iter().take(NAMED).map(|table| Missing::Table {
                        database: database.name.clone(),
                        table: table.qualified(),
                        rows: table.rows,
                    }));
                }
            }
        }
    }
    if before.truncated {
        let looked = before.databases.len();
        comparison.beyond.push(format!("databases: only the first {looked} were listed beforehand"));
    }
    comparison
}

impl Comparison {
    /// Whether nothing is missing. What is unknown is no evidence of either.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    fn database(&mut self, name: &str, before: &Listing, after: &Listing) {
        match (before, after) {
            (Listing::Unknown(reason), _) => {
                self.beyond.push(format!("{name}: its tables were not known beforehand: {reason}"));
            }
            (Listing::Known(_), Listing::Unknown(reason)) => {
                self.unknown.push(format!("{name}: its tables could not be read afterwards: {reason}"));
            }
            (Listing::Known(before), Listing::Known(after)) => self.tables(name, before, after),
        }
    }

    fn tables(&mut self, name: &str, before: &Tables, after: &Tables) {
        let key = |table: &Table| (table.schema.clone(), table.name.clone());
        let now: HashMap<_, &Table> = after.tables.iter().map(|table| (key(table), table)).collect();
        let last = after.tables.last().map(key);
        let mut beyond = 0;
        for table in &before.tables {
            let place = || (name.to_owned(), table.qualified());
            match now.get(&key(table)) {
                Some(found) => {
                    self.tables += 1;
                    self.rows(place(), table.rows, found.rows);
                }
                // Both lists are in the order of bytes, so what sorts before the end was looked for.
                None if after.truncated && last.as_ref().is_none_or(|last| key(table) > *last) => beyond += 1,
                None => {
                    let (database, table_name) = place();
                    self.missing.push(Missing::Table { database, table: table_name, rows: table.rows });
                }
            }
        }
        if beyond > 0 {
            self.beyond.push(format!("{name}: {beyond} tables are beyond what was listed afterwards"));
        }
        if before.truncated {
            let listed = before.tables.len();
            self.beyond
                .push(format!("{name}: only the first {listed} of {} tables were listed beforehand", before.total));
        }
    }

    fn rows(&mut self, (database, table): (String, String), before: Option<u64>, after: Option<u64>) {
        match (before, after) {
            (Some(before), Some(after)) if after < before => {
                self.missing.push(Missing::Rows { database, table, before, after });
            }
            (Some(_), Some(_)) => self.counted += 1,
            (Some(_), None) => self.unknown.push(format!("{database}: rows of {table} could not be counted again")),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::sql::Kernel;

    fn table(name: &str, rows: Option<u64>) -> Table {
        Table { schema: "public".to_owned(), name: name.to_owned(), estimated_rows: 1e9, pages: 0, rows }
    }

    fn known(tables: Vec<Table>) -> Listing {
        Listing::Known(Tables { total: tables.len() as u64, truncated: false, tables })
    }

    fn baseline(databases: Vec<(&str, Listing)>) -> Baseline {
        let databases =
            databases.into_iter().map(|(name, tables)| Database { name: name.to_owned(), tables }).collect();
        Baseline { version: "PostgreSQL 14".to_owned(), kernel: Kernel::PostgreSql, databases, truncated: false }
    }

    fn lines(comparison: &Comparison) -> Vec<String> {
        comparison.missing.iter().map(ToString::to_string).collect()
    }

    /// A name is of one thing only, and can be pasted.
    #[test]
    fn a_name_is_of_one_thing() {
        let database = |name: &str| Missing::Database { database: name.into(), tables: None }.name();
        let table = |database: &str, table: &str| {
            Missing::Table { database: database.into(), table: table.into(), rows: None }.name()
        };
        assert_eq!((database("test_db"), table("test_db", "public.t")), ("test_db".into(), "test_db/public.t".into()));
        assert_eq!((database("a/b"), table("a", "b")), ("a%2Fb".into(), "a/b".into()));
        assert_eq!(
            (database("100%"), database("a b"), database("数据")),
            ("100%25".into(), "a b".into(), "数据".into())
        );
        assert_eq!(database("a\u{1b}[2J'\u{202e}"), "a%1B%5B2J%27%E2%80%AE");
    }

    #[test]
    fn the_same_and_more_are_complete() {
        let before = baseline(vec![("test_db", known(vec![table("projects", Some(3)), table("big", None)]))]);
        assert_eq!(
            compare(&before, &before),
            Comparison { databases: 1, tables: 2, counted: 1, ..Comparison::default() }
        );
        let more = vec![table("projects", Some(4)), table("big", Some(1)), table("new", None)];
        let after = baseline(vec![("new_db", known(Vec::new())), ("test_db", known(more))]);
        let comparison = compare(&before, &after);
        assert!(comparison.is_complete() && comparison.unknown.is_empty(), "{comparison:?}");
    }

    #[test]
    fn what_is_missing_is_named_with_its_numbers() {
        let before = baseline(vec![
            ("gone", known(vec![table("t", None)])),
            ("hidden", Listing::Unknown("locked".to_owned())),
            ("test_db", known(vec![table("a", Some(3)), table("b", Some(3)), table("c", None), table("d", Some(1))])),
        ]);
        let after = baseline(vec![
            ("hidden", known(Vec::new())),
            ("test_db", known(vec![table("b", Some(1)), table("d", Some(0))])),
        ]);
        let comparison = compare(&before, &after);
        assert_eq!(
            lines(&comparison),
            [
                "database gone is missing (1 table)",
                "gone: table public.t is missing",
                "test_db: table public.a is missing (3 rows)",
                "test_db: table public.b has 1 row, had 3",
                "test_db: table public.c is missing",
                "test_db: table public.d has 0 rows, had 1",
            ]
        );
        assert_eq!(comparison.beyond, ["hidden: its tables were not known beforehand: locked"]);
        assert!(comparison.unknown.is_empty(), "what was not known before is no reason to doubt what is there after");
        assert_eq!((comparison.databases, comparison.tables, comparison.counted), (2, 2, 0));
    }

    #[test]
    fn what_could_not_be_read_again_is_unknown_and_not_missing() {
        let before = baseline(vec![("db", known(vec![table("a", Some(3))])), ("other", known(vec![table("a", None)]))]);
        let after =
            baseline(vec![("db", known(vec![table("a", None)])), ("other", Listing::Unknown("late".to_owned()))]);
        let comparison = compare(&before, &after);
        assert!(comparison.is_complete());
        assert_eq!(
            comparison.unknown,
            ["db: rows of public.a could not be counted again", "other: its tables could not be read afterwards: late"]
        );
    }

    #[test]
    fn beyond_the_end_of_a_bounded_list_nothing_is_called_missing() {
        let bounded = |names: &[&str], total| {
            let tables = names.iter().map(|name| table(name, None)).collect();
            Listing::Known(Tables { total, truncated: true, tables })
        };
        let before = baseline(vec![("db", bounded(&["b", "c", "z"], 9))]);
        let after = baseline(vec![("db", bounded(&["a", "b", "d"], 10))]);
        let comparison = compare(&before, &after);
        assert_eq!(lines(&comparison), ["db: table public.c is missing"]);
        assert_eq!((comparison.unknown.len(), comparison.beyond.len()), (0, 2), "{:?}", comparison.beyond);

        let mut after = baseline(vec![("a", known(Vec::new()))]);
        after.truncated = true;
        let comparison = compare(&before, &after);
        assert!(comparison.is_complete() && comparison.beyond[0].contains("database db"), "{comparison:?}");
    }
}
