//! Finds what was present before and is missing after. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::baseline::{Baseline, Database, Listing, RelationKind, Table, Tables, Uncounted};
use crate::text::{counted, first_few};

/// Tables of a missing database that are named.
const NAMED: usize = 10;

/// Something that was present before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Missing {
    /// A database.
    Database {
        /// Its name.
        database: String,
        /// How many tables it had, if known.
        tables: Option<u64>,
    },
    /// Databases, in addition to those that are named.
    FewerDatabases {
        /// How many there were.
        before: u64,
        /// How many there are: fewer.
        after: u64,
    },
    /// A table or another relation.
    Table {
        /// Its database.
        database: String,
        /// What it was.
        relation: RelationKind,
        /// `schema.name`.
        table: String,
        /// How many rows it had, if counted.
        rows: Option<u64>,
    },
    /// Relations, in addition to those that are named.
    FewerTables {
        /// Their database.
        database: String,
        /// Their kind.
        relation: RelationKind,
        /// How many there were.
        before: u64,
        /// How many there are: fewer.
        after: u64,
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
    /// A table or a whole database exists, but the server cannot read it.
    Damaged {
        /// Its database.
        database: String,
        /// `schema.name`; none for the whole database.
        table: Option<String>,
        /// The server's message.
        reason: String,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { database, tables: None } => write!(f, "database {database} is missing"),
            Self::Database { database, tables: Some(tables) } => {
                write!(f, "database {database} is missing ({})", counted(*tables, "table"))
            }
            Self::FewerDatabases { before, after } => write!(f, "{}, {before} before", counted(*after, "database")),
            Self::Table { database, relation, table, rows: None } => {
                write!(f, "{database}: {relation} {table} is missing")
            }
            Self::Table { database, relation, table, rows: Some(rows) } => {
                write!(f, "{database}: {relation} {table} is missing ({})", counted(*rows, "row"))
            }
            Self::FewerTables { database, relation, before, after } => {
                write!(f, "{database}: {}, {before} before", counted(*after, &relation.to_string()))
            }
            Self::Rows { database, table, before, after } => {
                write!(f, "{database}: table {table} has {}, had {before}", counted(*after, "row"))
            }
            Self::Damaged { database, table: Some(table), reason } => {
                write!(f, "{database}: table {table} cannot be read: {reason}")
            }
            Self::Damaged { database, table: None, reason } => {
                write!(f, "database {database} cannot be read: {reason}")
            }
        }
    }
}

impl Missing {
    /// Returns its name, as `--accept-missing` takes it: `DATABASE`, `DATABASE/SCHEMA.TABLE`, `DATABASE/*` for tables
    /// that are known only by their number, or `*` for such databases.
    pub fn name(&self) -> String {
        match self {
            Self::FewerDatabases { .. } => "*".to_owned(),
            Self::Database { database, .. } | Self::Damaged { database, table: None, .. } => escaped(database),
            Self::FewerTables { database, .. } => format!("{}/*", escaped(database)),
            Self::Table { database, table, .. }
            | Self::Rows { database, table, .. }
            | Self::Damaged { database, table: Some(table), .. } => {
                format!("{}/{}", escaped(database), escaped(table))
            }
        }
    }
}

/// Returns a name in which every character is harmless on a terminal, and none is a slash: all but letters, digits, spaces
/// and `_-.$` are written as `%XX`, byte by byte.
pub(crate) fn escaped(name: &str) -> String {
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

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What is missing or damaged; anything here means that verification failed.
    pub missing: Vec<Missing>,
    /// What was known before and could not be read afterwards, one line each.
    pub unknown: Vec<String>,
    /// What the comparison excludes because of the lists' limits, or of the baseline itself, one line each.
    pub beyond: Vec<String>,
    /// Databases that are present again.
    pub databases: usize,
    /// Databases whose relations were listed before and after.
    pub listed: usize,
    /// Tables that are present again, including unlisted ones if a digest confirms them.
    pub tables: u64,
    /// Tables whose rows were counted before and after, and are at least as many.
    pub counted: usize,
}

/// Compares two baselines. More of anything is fine, since databases are in use; estimates are never compared.
pub fn compare(before: &Baseline, after: &Baseline) -> Comparison {
    let mut comparison = Comparison::default();
    let now: HashMap<&str, &Database> =
        after.databases.iter().map(|database| (database.name.as_str(), database)).collect();
    let mut not_entered = Vec::new();
    let mut missing = 0;
    for database in &before.databases {
        if let Listing::Unknown(reason) = &database.tables {
            not_entered.push(format!("{} ({reason})", database.name));
        }
        match now.get(database.name.as_str()) {
            Some(found) => {
                comparison.databases += 1;
                comparison.database(&database.name, &database.tables, &found.tables);
            }
            None if beyond_the_list(after, &database.name) => {
                comparison.beyond.push(format!("database {}: past the limit of the list afterwards", database.name));
            }
            None => {
                missing += 1;
                let tables = database.known();
                let name = &database.name;
                comparison
                    .missing
                    .push(Missing::Database { database: name.clone(), tables: tables.map(|tables| tables.total) });
                let tables = tables.map(|tables| tables.tables.as_slice()).unwrap_or_default();
                let tables = tables.iter().filter(|table| table.kind.is_table());
                comparison.missing.extend(tables.take(NAMED).map(|table| lost(name, table)));
            }
        }
    }
    if let (Some(total), Some(after)) = (before.total, after.total)
        && total > after.saturating_add(missing)
        && before.truncated
    {
        comparison.missing.push(Missing::FewerDatabases { before: total, after });
    }
    let all = before.databases.len();
    if !not_entered.is_empty() {
        let number = not_entered.len();
        comparison.beyond.push(format!(
            "{number} of {} could not be opened before: {}",
            counted(all as u64, "database"),
            first_few(&not_entered)
        ));
    }
    if before.truncated {
        comparison.beyond.push(format!(
            "only the first {all} of {} databases were listed before",
            before.total.map_or_else(|| "more".to_owned(), |total| total.to_string())
        ));
    }
    comparison
}

/// Returns whether a database may exist although a truncated list does not show it and it was not searched for by name.
fn beyond_the_list(after: &Baseline, name: &str) -> bool {
    after.truncated && !after.sought && after.databases.last().is_some_and(|last| name > last.name.as_str())
}

fn lost(database: &str, table: &Table) -> Missing {
    Missing::Table { database: database.to_owned(), relation: table.kind, table: table.qualified(), rows: table.rows }
}

impl Comparison {
    /// Returns whether nothing is missing. Unknown parts prove neither.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    fn database(&mut self, name: &str, before: &Listing, after: &Listing) {
        match (before, after) {
            // Damage is a fault now, whatever the state was before: a component that cannot read its data is not
            // recovered.
            (_, Listing::Damaged(reason)) => {
                self.missing.push(Missing::Damaged { database: name.to_owned(), table: None, reason: reason.clone() });
            }
            (Listing::Damaged(reason), _) => {
                self.beyond.push(format!("{name} could not be read before: {reason}"));
            }
            // Reported for all such databases together.
            (Listing::Unknown(_), _) => {}
            (Listing::Known(_), Listing::Unknown(reason)) => {
                self.unknown.push(format!("{name}: tables could not be read afterwards: {reason}"));
            }
            (Listing::Known(before), Listing::Known(after)) => {
                self.listed += 1;
                self.tables(name, before, after);
            }
        }
    }

    fn tables(&mut self, name: &str, before: &Tables, after: &Tables) {
        let key = |table: &Table| (table.schema.clone(), table.name.clone());
        let now: HashMap<_, &Table> = after.tables.iter().map(|table| (key(table), table)).collect();
        let last = after.tables.last().map(key);
        let mut beyond = 0;
        let mut missing: BTreeMap<RelationKind, u64> = BTreeMap::new();
        for table in &before.tables {
            match now.get(&key(table)) {
                Some(found) => {
                    self.tables += u64::from(table.kind.is_table());
                    self.rows(name, table, found);
                }
                // Both lists are sorted by bytes, so what sorts before the end was searched for.
                None if after.truncated && !after.sought && last.as_ref().is_none_or(|last| key(table) > *last) => {
                    beyond += 1;
                }
                None => {
                    *missing.entry(table.kind).or_default() += 1;
                    self.missing.push(lost(name, table));
                }
            }
        }
        let listed: HashSet<_> = before.tables.iter().map(key).collect();
        for table in after.tables.iter().filter(|table| !listed.contains(&key(table))) {
            if let Some(reason) = table.damage() {
                let (database, table, reason) = (name.to_owned(), Some(table.qualified()), reason.to_owned());
                self.missing.push(Missing::Damaged { database, table, reason });
            }
        }
        if beyond > 0 {
            self.beyond.push(format!("{name}: {beyond} tables are past the limit of the list afterwards"));
        }
        if before.truncated {
            self.unlisted(name, before, after, &missing);
        }
    }

    /// Compares what is past the list: fewer of a kind is missing; otherwise the digest tells whether the names are the
    /// same.
    fn unlisted(&mut self, database: &str, before: &Tables, after: &Tables, named: &BTreeMap<RelationKind, u64>) {
        let listed = before.tables.len() as u64;
        let mut fewer = false;
        for (kind, number) in &before.totals {
            let now = after.totals.get(kind).copied().unwrap_or(0);
            if number.saturating_sub(now) > named.get(kind).copied().unwrap_or(0) {
                fewer = true;
                self.missing.push(Missing::FewerTables {
                    database: database.to_owned(),
                    relation: *kind,
                    before: *number,
                    after: now,
                });
            }
        }
        // A baseline of an earlier version has only the number of tables.
        if before.totals.is_empty()
            && before.total > named.values().fold(after.total, |all, one| all.saturating_add(*one))
        {
            fewer = true;
            self.missing.push(Missing::FewerTables {
                database: database.to_owned(),
                relation: RelationKind::Table,
                before: before.total,
                after: after.total,
            });
        }
        let all = if before.totals.is_empty() {
            before.total
        } else {
            before.totals.values().fold(0_u64, |all, one| all.saturating_add(*one))
        };
        match (&before.digest, &after.digest_then) {
            _ if fewer || !named.is_empty() => {}
            (Some(then), Some(now)) if then == now && then.relations == all => {
                let listed = before.tables.iter().filter(|table| table.kind.is_table()).count() as u64;
                self.tables += before.total.saturating_sub(listed);
            }
            (Some(then), Some(now)) if then.newest == now.newest => self.unknown.push(format!(
                "{database}: only {listed} of {all} tables and other relations were listed before, and the names of the \
                 others have changed"
            )),
            _ => self.unknown.push(format!(
                "{database}: only {listed} of {all} tables and other relations were listed before; the others cannot be \
                 compared"
            )),
        }
    }

    fn rows(&mut self, database: &str, before: &Table, after: &Table) {
        let (database, table) = (database.to_owned(), before.qualified());
        match (before.rows, after.rows, &after.uncounted) {
            (Some(before), Some(after), _) if after < before => {
                self.missing.push(Missing::Rows { database, table, before, after });
            }
            (Some(_), Some(_), _) => self.counted += 1,
            (_, None, Some(Uncounted::Damaged(reason))) => {
                self.missing.push(Missing::Damaged { database, table: Some(table), reason: reason.clone() });
            }
            (Some(_), None, Some(Uncounted::Unknown(reason))) => {
                self.unknown.push(format!("{database}: rows of {table} could not be counted again: {reason}"));
            }
            (Some(_), None, None) => {
                self.unknown.push(format!("{database}: rows of {table} could not be counted again"))
            }
            (None, _, _) => {
                if let Some(Uncounted::Unknown(reason)) = &before.uncounted {
                    self.beyond.push(format!("{database}: rows of {table} could not be counted before: {reason}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::baseline::examples::{baseline, table, tables};

    fn known(list: Vec<Table>) -> Listing {
        Listing::Known(tables(list))
    }

    fn lines(comparison: &Comparison) -> Vec<String> {
        comparison.missing.iter().map(ToString::to_string).collect()
    }

    /// A name identifies one thing only, and can be pasted.
    #[test]
    fn a_name_is_of_one_thing() {
        let database = |name: &str| Missing::Database { database: name.into(), tables: None }.name();
        let table = |database: &str, table: &str| {
            Missing::Table { database: database.into(), relation: RelationKind::Table, table: table.into(), rows: None }
                .name()
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
            Comparison { databases: 1, listed: 1, tables: 2, counted: 1, ..Comparison::default() }
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
        assert_eq!(comparison.beyond, ["1 of 3 databases could not be opened before: hidden (locked)"]);
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
            ["db: rows of public.a could not be counted again", "other: tables could not be read afterwards: late"]
        );
    }

    #[test]
    fn beyond_the_end_of_a_bounded_list_nothing_is_called_missing() {
        let bounded = |names: &[&str], total| {
            let listed = tables(names.iter().map(|name| table(name, None)).collect());
            Listing::Known(Tables { total, totals: BTreeMap::new(), truncated: true, ..listed })
        };
        let before = baseline(vec![("db", bounded(&["b", "c", "z"], 9))]);
        let after = baseline(vec![("db", bounded(&["a", "b", "d"], 10))]);
        let comparison = compare(&before, &after);
        assert_eq!(lines(&comparison), ["db: table public.c is missing"]);
        // What is past both lists was not compared, which is not a pass.
        assert_eq!((comparison.unknown.len(), comparison.beyond.len()), (0, 1), "{comparison:?}");

        let mut after = baseline(vec![("a", known(Vec::new()))]);
        after.truncated = true;
        let comparison = compare(&before, &after);
        assert!(comparison.is_complete() && comparison.beyond[0].contains("database db"), "{comparison:?}");
    }

    /// Nine tables, two of which are listed, and the digest of all names.
    fn bounded(names: &[&str], totals: u64, digest: Option<crate::probe::baseline::Digest>) -> Tables {
        let listed = tables(names.iter().map(|name| table(name, None)).collect());
        let totals_of = BTreeMap::from([(RelationKind::Table, totals)]);
        Tables { total: totals, totals: totals_of, truncated: true, digest_then: digest.clone(), digest, ..listed }
    }

    /// What is past a list is there again only if its number and all its names are: fewer of a kind is a loss, and anything
    /// else is unknown.
    #[test]
    fn what_is_past_the_list_is_known_by_its_number_and_its_digest_alone() {
        let digest = |newest: u32, relations: u64, names: &str| crate::probe::baseline::Digest {
            newest,
            relations,
            names: names.into(),
        };
        let complete = || digest(100, 9, "7");
        let changed =
            "db: only 2 of 9 tables and other relations were listed before, and the names of the others have changed";
        let open = "db: only 2 of 9 tables and other relations were listed before; the others cannot be compared";
        let fewer = "db: 8 tables, 9 before";
        let b_is_missing = "db: table public.b is missing";
        let (both, one) = (&["a", "b"][..], &["a"][..]);
        for (then, listed, totals, now, missing, unknown, tables) in [
            (Some(complete()), both, 9, Some(complete()), vec![], vec![], 9),
            (Some(complete()), both, 12, Some(complete()), vec![], vec![], 9),
            // The digest is of fewer relations than there were.
            (Some(digest(100, 8, "7")), both, 9, Some(digest(100, 8, "7")), vec![], vec![changed], 2),
            (Some(complete()), both, 9, Some(digest(100, 9, "8")), vec![], vec![changed], 2),
            (Some(complete()), both, 9, Some(digest(101, 9, "7")), vec![], vec![open], 2),
            (Some(complete()), both, 9, None, vec![], vec![open], 2),
            (None, both, 9, Some(complete()), vec![], vec![open], 2),
            (Some(complete()), both, 8, Some(complete()), vec![fewer], vec![], 2),
            // The missing one is the named one, and no second one is missing.
            (Some(complete()), one, 8, Some(digest(100, 8, "6")), vec![b_is_missing], vec![], 1),
            (
                Some(complete()),
                one,
                7,
                Some(digest(100, 7, "5")),
                vec![b_is_missing, "db: 7 tables, 9 before"],
                vec![],
                1,
            ),
        ] {
            let before = baseline(vec![("db", Listing::Known(bounded(both, 9, then.clone())))]);
            let after = Tables { sought: true, ..bounded(listed, totals, now.clone()) };
            let comparison = compare(&before, &baseline(vec![("db", Listing::Known(after))]));
            let what = format!("{then:?} {listed:?} {totals} {now:?}");
            assert_eq!(lines(&comparison), missing, "{what}");
            assert_eq!(
                (comparison.unknown.iter().map(String::as_str).collect::<Vec<_>>(), comparison.tables),
                (unknown, tables),
                "{what}"
            );
        }
    }

    /// A baseline of an earlier version has only the number of all tables: fewer of them is a loss all the same.
    #[test]
    fn fewer_tables_than_an_earlier_version_counted_are_missing() {
        let of_all = |names: &[&str], total: u64| {
            let tables = Tables { total, totals: BTreeMap::new(), sought: true, ..bounded(names, total, None) };
            baseline(vec![("db", Listing::Known(tables))])
        };
        let before = of_all(&["a", "b"], 9);
        for (listed, total, missing) in [
            (&["a", "b"][..], 9, vec![]),
            (&["a", "b"], 10, vec![]),
            (&["a", "b"], 8, vec!["db: 8 tables, 9 before"]),
            (&["a"], 8, vec!["db: table public.b is missing"]),
            (&["a"], 7, vec!["db: table public.b is missing", "db: 7 tables, 9 before"]),
        ] {
            assert_eq!(lines(&compare(&before, &of_all(listed, total))), missing, "{listed:?} {total}");
        }
    }

    /// Databases past a list are known by their number: fewer than those that are named as missing explain is a loss.
    #[test]
    fn fewer_databases_than_before_are_missing_also_past_the_list() {
        let of = |names: &[&str], total: u64| {
            let databases = names.iter().map(|name| (*name, known(Vec::new()))).collect();
            Baseline { total: Some(total), truncated: true, sought: true, ..baseline(databases) }
        };
        let before = of(&["a", "b"], 5);
        let gone = "database a is missing (0 tables)";
        for (names, total, missing) in [
            (&["a", "b"][..], 5, vec![]),
            (&["a", "b"], 6, vec![]),
            (&["a", "b"], 4, vec!["4 databases, 5 before"]),
            (&["b"], 4, vec![gone]),
            (&["b"], 3, vec![gone, "3 databases, 5 before"]),
        ] {
            assert_eq!(lines(&compare(&before, &of(names, total))), missing, "{names:?} {total}");
        }
    }

    /// Damage that appeared in a table since is a loss, whether or not it was there before, and is reported once.
    #[test]
    fn damage_in_a_table_that_was_not_listed_before_is_a_loss() {
        let damaged = |name: &str| Table {
            uncounted: Some(Uncounted::Damaged("could not open file".into())),
            ..table(name, None)
        };
        let before = baseline(vec![("db", known(vec![table("a", Some(3))]))]);
        let after = |tables| baseline(vec![("db", known(tables))]);
        let new = compare(&before, &after(vec![table("a", Some(3)), damaged("b")]));
        assert_eq!(lines(&new), ["db: table public.b cannot be read: could not open file"]);
        let old = compare(&before, &after(vec![damaged("a"), table("b", None)]));
        assert_eq!(lines(&old), ["db: table public.a cannot be read: could not open file"]);
        assert!(!new.is_complete() && !old.is_complete());
    }
}
