//! All SQL that the plugin sends, in one list.
//!
//! A database is full of other people's objects, and an administrator's session must not run them: an unqualified
//! function or operator is looked up along `search_path`, and an exact match in `public` beats an inexact one in
//! `pg_catalog` (CVE-2018-1058). Therefore, in every statement here
//!
//! - functions, types, collations and operators are written with `pg_catalog`, and casts are explicit;
//! - names of users' objects are quoted identifiers with their schema, and values are literals that no setting changes;
//! - `IN`, `LIKE` and `BETWEEN` are not used, since their operators cannot be qualified.
//!
//! [`Session`](super::session::Session) sends nothing else, and sends it with [`guard`] before it. Nothing here needs
//! more than PostgreSQL 9.4, on which Greenplum 6 is built, except if a statement takes the server's version.
//! `statements_tests.rs` attacks each of [`Statement::examples`].

use std::fmt::Write;

use super::baseline::RelationKind;

/// Most instances read of an MPP server's catalog: clusters have some hundreds of segments.
const MOST_INSTANCES: usize = 20_000;

/// What a statement does, and therefore what its session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// It only reads: its transaction is read-only.
    Read,
    /// It writes the plugin's own schema.
    Write,
}

/// The table whose rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted<'s> {
    pub(super) schema: &'s str,
    pub(super) name: &'s str,
    pub(super) oid: u32,
}

/// The prefix of the plugin's schemas.
pub(super) const CANARY_PREFIX: &str = "kubectl_synxdb_";

/// A prime, so that the values of a canary's rows differ from row to row.
pub(super) const MODULUS: u64 = 1_000_003;

/// A statement: one SQL command, one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement<'s> {
    /// A constant: whether sessions are accepted.
    Ping,
    /// `version()`, the version as a number.
    Version,
    /// Returns a row on an MPP server only.
    IsMpp,
    /// Whether the server is in recovery, and whether new transactions are read-only.
    State,
    /// Databases that accept connections: OID, name in hexadecimal, number of all of them. The first `most`, and those
    /// that are named.
    Databases { most: usize, named: &'s [&'s str] },
    /// OID of the database that the session is in.
    Here,
    /// Number of relations by kind, and the newest OID of each.
    Totals,
    /// Relations: schema and name in hexadecimal, rows and pages as estimated, kind, OID, bytes as estimated, whether they
    /// can be counted.
    Relations { most: usize, external_storage: bool },
    /// The same of these, by schema and name.
    RelationsNamed { named: &'s [(&'s str, &'s str)], external_storage: bool },
    /// Number of relations that are not newer than `newest`, and a sum of their names' hashes.
    Digest { newest: u32 },
    /// Rows of a table that is at most so many bytes large now, and whether it is. If it is larger: at most `otherwise` rows,
    /// or NULL.
    CountSmall { table: Counted<'s>, bytes: u64, otherwise: Option<u64> },
    /// Rows of a table, at most `most`.
    CountUpTo { table: Counted<'s>, most: u64 },
    /// Rows of a table.
    Count { table: Counted<'s> },
    /// Of an MPP server, dispatched: a row of each primary segment.
    Dispatch,
    /// The warehouse of the session, empty for none. A server without warehouses does not know the setting (SQLSTATE
    /// 42704).
    ShowWarehouse,
    /// Of an MPP server that knows warehouses: returns a row if its catalog assigns segments to warehouses.
    ListsWarehouses,
    /// Of an MPP server: number of primary segments in the coordinator's catalog.
    Primaries,
    /// The same of one warehouse, and the number of warehouses of this name (0 or 1).
    PrimariesOf { warehouse: &'s str },
    /// Of an MPP server: instances in the coordinator's catalog; with their warehouse if the catalog tells it.
    Instances { warehouses: bool },
    /// Of an MPP server, dispatched: number of users' tables in each segment's catalog of this database.
    TablesOnSegments,
    /// Of an MPP server: the same number in the coordinator's catalog.
    TablesOnCoordinator,
    /// Creates the canary's schema.
    CreateSchema { schema: &'s str },
    /// Creates the canary table.
    CreateTable { schema: &'s str },
    /// Writes the canary's rows.
    Fill { schema: &'s str, rows: u64, seed: u64 },
    /// Number of the canary's rows, and two sums over them.
    ReadCanary { schema: &'s str },
    /// Of an MPP server: number of the canary's rows by segment.
    SpreadOfCanary { schema: &'s str },
    /// Drops the canary table, if it exists.
    DropTable { schema: &'s str },
    /// Drops the canary's schema, if it exists and is empty.
    DropSchema { schema: &'s str },
}

impl Statement<'_> {
    /// Returns what its session may do.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::CreateSchema { .. }
            | Self::CreateTable { .. }
            | Self::Fill { .. }
            | Self::DropTable { .. }
            | Self::DropSchema { .. } => Access::Write,
            Self::Ping
            | Self::Version
            | Self::IsMpp
            | Self::State
            | Self::Databases { .. }
            | Self::Here
            | Self::Totals
            | Self::Relations { .. }
            | Self::RelationsNamed { .. }
            | Self::Digest { .. }
            | Self::CountSmall { .. }
            | Self::CountUpTo { .. }
            | Self::Count { .. }
            | Self::Dispatch
            | Self::ShowWarehouse
            | Self::ListsWarehouses
            | Self::Primaries
            | Self::PrimariesOf { .. }
            | Self::Instances { .. }
            | Self::TablesOnSegments
            | Self::TablesOnCoordinator
            | Self::ReadCanary { .. }
            | Self::SpreadOfCanary { .. } => Access::Read,
        }
    }

    /// Returns the SQL text.
    pub(super) fn sql(&self) -> String {
        match self {
            Self::Ping => "SELECT 1".to_owned(),
            Self::Version => "SELECT pg_catalog.version(), pg_catalog.current_setting('server_version_num')".to_owned(),
            // 11 is pg_catalog's OID on every server: a user's table of that name does not make an MPP server.
            Self::IsMpp => "SELECT 1 FROM pg_catalog.pg_class AS c
                 WHERE c.relname OPERATOR(pg_catalog.=) 'gp_segment_configuration'::pg_catalog.name
                   AND c.relnamespace OPERATOR(pg_catalog.=) 11::pg_catalog.oid"
                .to_owned(),
            Self::State => "SELECT pg_catalog.pg_is_in_recovery(),
                        pg_catalog.current_setting('default_transaction_read_only')"
                .to_owned(),
            Self::Databases { most, named } => databases(*most, named),
            Self::Here => "SELECT d.oid FROM pg_catalog.pg_database AS d
                 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
                .to_owned(),
            Self::Totals => format!(
                "SELECT c.relkind, pg_catalog.count(*), pg_catalog.max(c.oid) {} GROUP BY 1",
                users_relations()
            ),
            Self::Relations { most, external_storage } => relations(*external_storage, "", &format!("LIMIT {most}")),
            Self::RelationsNamed { named, external_storage } => relations(*external_storage, &among(named), ""),
            Self::Digest { newest } => digest(*newest),
            Self::CountSmall { table, bytes, otherwise } => count_small(table, *bytes, *otherwise),
            Self::CountUpTo { table, most } => count_up_to(table, *most),
            Self::Count { table } => format!("SELECT pg_catalog.count(*) FROM ONLY {}", place(table)),
            // `gp_dist_random` is not a function but a keyword of the parser, and takes no schema.
            Self::Dispatch => "SELECT c.gp_segment_id, pg_catalog.count(*)
                 FROM gp_dist_random('pg_catalog.pg_class') AS c GROUP BY 1"
                .to_owned(),
            Self::Primaries => "SELECT pg_catalog.count(DISTINCT s.content) FROM pg_catalog.gp_segment_configuration AS s
                 WHERE s.content OPERATOR(pg_catalog.>=) 0::pg_catalog.int2"
                .to_owned(),
            // No function reads a setting that may be unknown on PostgreSQL 9.4; SHOW is not a function, and takes no
            // schema.
            Self::ShowWarehouse => "SHOW warehouse".to_owned(),
            Self::ListsWarehouses => "SELECT 1 FROM pg_catalog.pg_attribute AS a
                     JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
                 WHERE c.relnamespace OPERATOR(pg_catalog.=) 11::pg_catalog.oid
                     AND c.relname OPERATOR(pg_catalog.=) 'gp_segment_configuration'::pg_catalog.name
                     AND a.attname OPERATOR(pg_catalog.=) 'warehouseid'::pg_catalog.name
                     AND EXISTS (SELECT 1 FROM pg_catalog.pg_class AS w
                         WHERE w.relnamespace OPERATOR(pg_catalog.=) 11::pg_catalog.oid
                             AND w.relname OPERATOR(pg_catalog.=) 'gp_warehouse'::pg_catalog.name)"
                .to_owned(),
            Self::PrimariesOf { warehouse } => format!(
                "SELECT pg_catalog.count(DISTINCT s.content), pg_catalog.count(DISTINCT w.oid)
                 FROM pg_catalog.gp_warehouse AS w
                     LEFT JOIN pg_catalog.gp_segment_configuration AS s ON s.warehouseid OPERATOR(pg_catalog.=) w.oid
                         AND s.content OPERATOR(pg_catalog.>=) 0::pg_catalog.int2
                 WHERE w.warehouse_name OPERATOR(pg_catalog.=) {}::pg_catalog.text",
                literal(warehouse)
            ),
            Self::Instances { warehouses } => {
                let (column, join) = if *warehouses {
                    (
                        "w.warehouse_name",
                        "LEFT JOIN pg_catalog.gp_warehouse AS w ON w.oid OPERATOR(pg_catalog.=) s.warehouseid",
                    )
                } else {
                    ("NULL", "")
                };
                format!(
                    "SELECT s.content, s.role, s.preferred_role, s.mode, s.status, s.hostname, {column}
                     FROM pg_catalog.gp_segment_configuration AS s {join} ORDER BY 1, 3 DESC LIMIT {MOST_INSTANCES}"
                )
            }
            Self::TablesOnSegments => format!(
                "SELECT c.gp_segment_id, pg_catalog.count(*)
                 FROM gp_dist_random('pg_catalog.pg_class') AS c WHERE {PERMANENT_TABLE} GROUP BY 1"
            ),
            Self::TablesOnCoordinator => {
                format!("SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c WHERE {PERMANENT_TABLE}")
            }
            Self::CreateSchema { schema } => format!("CREATE SCHEMA {}", identifier(schema)),
            // An MPP server distributes by the first column.
            Self::CreateTable { schema } => {
                format!("CREATE TABLE {} (id pg_catalog.int8, value pg_catalog.int8)", table_of(schema))
            }
            Self::Fill { schema, rows, seed } => format!(
                "INSERT INTO {}
                 SELECT i, (i OPERATOR(pg_catalog.*) 7919::pg_catalog.int8 OPERATOR(pg_catalog.+) {seed}::pg_catalog.int8)
                     OPERATOR(pg_catalog.%) {MODULUS}::pg_catalog.int8
                 FROM pg_catalog.generate_series(1::pg_catalog.int8, {rows}::pg_catalog.int8) AS i",
                table_of(schema)
            ),
            Self::ReadCanary { schema } => format!(
                "SELECT pg_catalog.count(*), COALESCE(pg_catalog.sum(c.value), 0::pg_catalog.numeric),
                     COALESCE(pg_catalog.sum(c.id OPERATOR(pg_catalog.*) c.value), 0::pg_catalog.numeric)
                 FROM {} AS c",
                table_of(schema)
            ),
            Self::SpreadOfCanary { schema } => {
                format!("SELECT c.gp_segment_id, pg_catalog.count(*) FROM {} AS c GROUP BY 1", table_of(schema))
            }
            Self::DropTable { schema } => format!("DROP TABLE IF EXISTS {}", table_of(schema)),
            Self::DropSchema { schema } => format!("DROP SCHEMA IF EXISTS {}", identifier(schema)),
        }
    }
}

/// Fails, with SQLSTATE 22012, unless this session has the requested settings: a pooler may drop startup options
/// silently. It is sent before each statement, in the same transaction.
pub(super) fn guard(access: Access, warehouse: Option<&str>) -> String {
    let is = |setting: &str, value: &str| {
        let value = literal(value);
        format!("pg_catalog.current_setting('{setting}') OPERATOR(pg_catalog.=) {value}::pg_catalog.text")
    };
    let mut holds = is("search_path", "pg_catalog");
    if access == Access::Read {
        write!(holds, " AND {}", is("transaction_read_only", "on")).unwrap_or_default();
    }
    if let Some(warehouse) = warehouse {
        write!(holds, " AND {}", is("warehouse", warehouse)).unwrap_or_default();
    }
    format!("SELECT 1 OPERATOR(pg_catalog./) CASE WHEN {holds} THEN 1 ELSE 0 END")
}

/// SQLSTATE of a [`guard`] that fails.
pub(super) const GUARDED: &str = "22012";

/// Returns the settings of a session, as startup options. `row_security` is unknown before PostgreSQL 9.5; with it off,
/// a table with policies is an error for users who are bound by them, rather than a table whose policies run and hide
/// rows.
pub(super) fn options(
    access: Access,
    row_security: bool,
    statement_ms: u128,
    lock_ms: u128,
    warehouse: Option<&str>,
) -> String {
    let mut options = format!(
        "-c search_path=pg_catalog -c standard_conforming_strings=on -c statement_timeout={statement_ms} \
         -c lock_timeout={lock_ms}"
    );
    if row_security {
        options.push_str(" -c row_security=off");
    }
    if access == Access::Read {
        options.push_str(" -c default_transaction_read_only=on");
    }
    if let Some(warehouse) = warehouse {
        // As the server splits them: a backslash escapes what follows it.
        options.push_str(" -c warehouse=");
        for c in warehouse.chars() {
            if c.is_whitespace() || c == '\\' {
                options.push('\\');
            }
            options.push(c);
        }
    }
    options
}

/// Returns the same settings for the transaction that they begin, if a pooler accepts no startup options: a command each.
/// None of them stays in the server's session, which the pooler passes on to others.
pub(super) fn settings(access: Access, statement_ms: u128, lock_ms: u128, warehouse: Option<&str>) -> Vec<String> {
    let mut settings = vec![
        "SET LOCAL search_path = pg_catalog".to_owned(),
        "SET LOCAL standard_conforming_strings = on".to_owned(),
        format!("SET LOCAL statement_timeout = {statement_ms}"),
        format!("SET LOCAL lock_timeout = {lock_ms}"),
    ];
    if access == Access::Read {
        settings.push("SET LOCAL transaction_read_only = on".to_owned());
    }
    if let Some(warehouse) = warehouse {
        settings.push(format!("SET LOCAL warehouse = {}", literal(warehouse)));
    }
    settings.push(
        "SELECT pg_catalog.set_config('row_security', 'off', true)
         WHERE pg_catalog.current_setting('server_version_num')::pg_catalog.int4
             OPERATOR(pg_catalog.>=) 90500::pg_catalog.int4"
            .to_owned(),
    );
    settings
}

/// A permanent table that a user made: `initdb` gives out OIDs below 16384.
const PERMANENT_TABLE: &str = "c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog.\"char\"
    AND c.relpersistence OPERATOR(pg_catalog.=) 'p'::pg_catalog.\"char\"
    AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid";

/// Selects databases that accept connections and are compared. Greenplum marks `postgres` as a template, so templates
/// are excluded by name. -2 is a database whose removal was interrupted.
const OPEN_DATABASE: &str = "d.datallowconn AND d.datconnlimit OPERATOR(pg_catalog.<>) '-2'::pg_catalog.int4
    AND d.datname OPERATOR(pg_catalog.<>) ALL ('{template0,template1}'::pg_catalog.name[])";

fn databases(most: usize, named: &[&str]) -> String {
    let columns = format!("d.oid AS oid, {} AS name, {} AS sorted", bytes("d.datname"), sorted("d.datname"));
    let total = format!("(SELECT pg_catalog.count(*) FROM pg_catalog.pg_database AS d WHERE {OPEN_DATABASE}) AS total");
    let first =
        format!("(SELECT {columns} FROM pg_catalog.pg_database AS d WHERE {OPEN_DATABASE} ORDER BY 3 LIMIT {most})");
    let all = if named.is_empty() {
        first
    } else {
        let names: Vec<String> = named.iter().map(|name| format!("{}::pg_catalog.name", literal(name))).collect();
        format!(
            "{first} UNION (SELECT {columns} FROM pg_catalog.pg_database AS d WHERE {OPEN_DATABASE}
                 AND d.datname OPERATOR(pg_catalog.=) ANY (ARRAY[{}]))",
            names.join(", ")
        )
    };
    format!("SELECT found.oid, found.name, {total} FROM ({all}) AS found ORDER BY found.sorted")
}

/// Users' relations of all kinds: no system schema, nothing temporary, and not the plugin's own canary.
fn users_relations() -> String {
    format!(
        "FROM pg_catalog.pg_class AS c
             JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
         WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.\"char\"[])
             AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\"
             AND n.nspname OPERATOR(pg_catalog.<>) ALL ('{{information_schema,gp_toolkit}}'::pg_catalog.name[])
             AND pg_catalog.substr(n.nspname::pg_catalog.text, 1, 3) OPERATOR(pg_catalog.<>) 'pg_'::pg_catalog.text
             AND pg_catalog.substr(n.nspname::pg_catalog.text, 1, {}) OPERATOR(pg_catalog.<>) '{}'::pg_catalog.text",
        RelationKind::ALL.map(|kind| kind.code().to_string()).join(","),
        CANARY_PREFIX.len(),
        CANARY_PREFIX,
    )
}

/// Greenplum 6 keeps external tables among the ordinary ones, distinguished by `relstorage`: counting one runs a
/// program or calls another server.
fn relations(external_storage: bool, which: &str, limit: &str) -> String {
    let internal =
        if external_storage { " AND c.relstorage OPERATOR(pg_catalog.<>) 'x'::pg_catalog.\"char\"" } else { "" };
    format!(
        "SELECT {}, {}, c.reltuples, c.relpages, c.relkind, c.oid,
             c.relpages::pg_catalog.int8 OPERATOR(pg_catalog.*)
                 pg_catalog.current_setting('block_size')::pg_catalog.int8,
             c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,m}}'::pg_catalog.\"char\"[])
                 AND c.relpersistence OPERATOR(pg_catalog.=) 'p'::pg_catalog.\"char\"{internal}
         {}{which}
         ORDER BY {}, {} {limit}",
        bytes("n.nspname"),
        bytes("c.relname"),
        users_relations(),
        sorted("n.nspname"),
        sorted("c.relname"),
    )
}

fn among(named: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = named
        .iter()
        .map(|(schema, name)| {
            format!(
                "(n.nspname OPERATOR(pg_catalog.=) {}::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) {}::pg_catalog.name)",
                literal(schema),
                literal(name)
            )
        })
        .collect();
    format!(" AND ({})", pairs.join(" OR "))
}

/// An inner query runs only if its condition holds.
fn count_small(table: &Counted<'_>, bytes: u64, otherwise: Option<u64>) -> String {
    let small = format!(
        "pg_catalog.pg_relation_size({}::pg_catalog.oid::pg_catalog.regclass)
             OPERATOR(pg_catalog.<=) {bytes}::pg_catalog.int8",
        table.oid
    );
    let otherwise = otherwise.map(|most| format!("ELSE ({})", count_up_to(table, most))).unwrap_or_default();
    format!(
        "SELECT CASE WHEN {small} THEN (SELECT pg_catalog.count(*) FROM ONLY {}) {otherwise} END, {small}",
        place(table)
    )
}

fn count_up_to(table: &Counted<'_>, most: u64) -> String {
    format!("SELECT pg_catalog.count(*) FROM (SELECT 1 FROM ONLY {} LIMIT {most}) AS counted", place(table))
}

/// A sum, and not a hash of all names in order: it takes no memory however many there are.
fn digest(newest: u32) -> String {
    let name = format!(
        "{} OPERATOR(pg_catalog.||) '.'::pg_catalog.text OPERATOR(pg_catalog.||) {}",
        bytes("n.nspname"),
        bytes("c.relname")
    );
    format!(
        "SELECT pg_catalog.count(*),
             pg_catalog.sum(('x'::pg_catalog.text OPERATOR(pg_catalog.||)
                 pg_catalog.substr(pg_catalog.md5({name}), 1, 15))::pg_catalog.bit(60)::pg_catalog.int8)
         {} AND c.oid OPERATOR(pg_catalog.<=) {newest}::pg_catalog.oid",
        users_relations()
    )
}

/// Returns a name's bytes in hexadecimal, since a name need not be valid in any encoding, and no conversion is
/// requested.
fn bytes(column: &str) -> String {
    format!(
        "pg_catalog.encode(pg_catalog.decode(pg_catalog.replace({column}::pg_catalog.text, pg_catalog.chr(92),
             pg_catalog.repeat(pg_catalog.chr(92), 2)), 'escape'), 'hex')"
    )
}

/// Orders names by their bytes. The type `name` itself takes no collation before PostgreSQL 12.
fn sorted(column: &str) -> String {
    format!("{column}::pg_catalog.text COLLATE pg_catalog.\"C\"")
}

fn place(table: &Counted<'_>) -> String {
    format!("{}.{}", identifier(table.schema), identifier(table.name))
}

fn table_of(schema: &str) -> String {
    format!("{}.canary", identifier(schema))
}

/// Returns a name as an SQL identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text as an SQL literal that means the same whatever `standard_conforming_strings` and `backslash_quote`
/// are.
fn literal(text: &str) -> String {
    let quotes = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quotes.replace('\\', "\\\\")) } else { format!("'{quotes}'") }
}

#[cfg(test)]
impl Statement<'_> {
    /// Returns an example of each statement, in each form that it takes. The function does not compile until a new one
    /// is here.
    pub(super) fn examples(schema: &str, oid: u32) -> Vec<Statement<'_>> {
        let table = Counted { schema: "public", name: "projects", oid };
        let next = |statement: &Statement<'_>| match statement {
            Statement::Ping => Some(Statement::Version),
            Statement::Version => Some(Statement::IsMpp),
            Statement::IsMpp => Some(Statement::State),
            Statement::State => Some(Statement::Databases { most: 9, named: &[] }),
            Statement::Databases { named: [], .. } => {
                Some(Statement::Databases { most: 1, named: &["it's \\ \"odd\"", "test_db"] })
            }
            Statement::Databases { .. } => Some(Statement::Here),
            Statement::Here => Some(Statement::Totals),
            Statement::Totals => Some(Statement::Relations { most: 9, external_storage: false }),
            Statement::Relations { .. } => Some(Statement::RelationsNamed {
                named: &[("public", "projects"), ("it's \\", "o\\'dd")],
                external_storage: false,
            }),
            Statement::RelationsNamed { .. } => Some(Statement::Digest { newest: u32::MAX }),
            Statement::Digest { .. } => Some(Statement::CountSmall { table, bytes: 4 << 20, otherwise: None }),
            Statement::CountSmall { otherwise: None, .. } => {
                Some(Statement::CountSmall { table, bytes: 0, otherwise: Some(2) })
            }
            Statement::CountSmall { .. } => Some(Statement::CountUpTo { table, most: 2 }),
            Statement::CountUpTo { .. } => Some(Statement::Count { table }),
            Statement::Count { .. } => Some(Statement::Dispatch),
            Statement::Dispatch => Some(Statement::ShowWarehouse),
            Statement::ShowWarehouse => Some(Statement::ListsWarehouses),
            Statement::ListsWarehouses => Some(Statement::Primaries),
            Statement::Primaries => Some(Statement::PrimariesOf { warehouse: "it's \\ \"odd\"" }),
            Statement::PrimariesOf { .. } => Some(Statement::Instances { warehouses: false }),
            Statement::Instances { warehouses: false } => Some(Statement::Instances { warehouses: true }),
            Statement::Instances { warehouses: true } => Some(Statement::TablesOnSegments),
            Statement::TablesOnSegments => Some(Statement::TablesOnCoordinator),
            Statement::TablesOnCoordinator => Some(Statement::CreateSchema { schema }),
            Statement::CreateSchema { .. } => Some(Statement::CreateTable { schema }),
            Statement::CreateTable { .. } => Some(Statement::Fill { schema, rows: 10, seed: 3 }),
            Statement::Fill { .. } => Some(Statement::ReadCanary { schema }),
            Statement::ReadCanary { .. } => Some(Statement::SpreadOfCanary { schema }),
            Statement::SpreadOfCanary { .. } => Some(Statement::DropTable { schema }),
            Statement::DropTable { .. } => Some(Statement::DropSchema { schema }),
            Statement::DropSchema { .. } => None,
        };
        std::iter::successors(Some(Statement::Ping), next).collect()
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "statements_tests.rs"]
mod tests;
