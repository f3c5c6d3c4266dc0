//! What is in a server's databases, so that it can be seen afterwards whether it is still there. Catalog only: names
//! and estimates. Rows are counted only where a table is known to be small, because a warehouse holds petabytes.

use std::time::Duration;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Answer;
use super::segments::answering;
use super::session::{Connector, Session, Trouble, number, text};
use super::sql::{Kernel, Sql, introduction, once_more};

/// Most databases looked into.
const MOST_DATABASES: usize = 50;

/// Most tables listed in a database.
const MOST_TABLES: usize = 1000;

/// Most tables counted in a database.
const MOST_COUNTS: usize = 100;

/// Largest table whose rows are counted, in bytes on disk.
const SMALL: u64 = 4 << 20;

/// How long counting may take in all databases together.
const COUNTING: Duration = Duration::from_secs(5);

/// Databases looked into at once.
const AT_ONCE: usize = 4;

/// What was in a server at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ServerContents"))]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// As `version()` says it, up to its platform.
    pub version: String,
    /// Kind of server.
    pub kernel: Kernel,
    /// Databases one can connect to, templates left out, in the order of their names' bytes.
    pub databases: Vec<Database>,
    /// Whether there are more than the 50 that were looked into.
    pub truncated: bool,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its tables.
    pub tables: Listing,
}

/// A database's tables, or why they are not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Listing {
    /// The catalog was read.
    Known(Tables),
    /// It was not.
    Unknown(String),
}

/// The tables of a database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tables {
    /// How many there are.
    pub total: u64,
    /// Whether there are more than the 1,000 that are listed.
    pub truncated: bool,
    /// By schema and name, in the order of their bytes.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The planner's estimate (`reltuples`) of its rows; -1 or 0 where it was never analyzed. Not a fact about rows.
    pub estimated_rows: f64,
    /// The planner's estimate (`relpages`) of its size, in blocks.
    pub pages: u64,
    /// Rows counted. Absent where they were not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
}

impl Table {
    /// `schema.name`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// A listed table's way to be counted.
struct Candidate {
    index: usize,
    oid: u32,
}

impl<C: Connector> Sql<C> {
    /// Takes the baseline. A database that cannot be looked into is Unknown beside the others; an answer that is not
    /// a yes means that the server itself could not be asked, or that a segment of an MPP server does not answer: its
    /// catalog alone goes on listing what a dead segment held.
    ///
    /// On an MPP server rows are counted only in tables that were analyzed: the size of another is only known by asking
    /// every segment, once for each table.
    pub async fn baseline(&self, deadline: Duration) -> Answer<Baseline> {
        match self.baseline_of(None, deadline).await {
            Ok(baseline) => Answer::Yes(baseline),
            Err(trouble) => trouble.into(),
        }
    }

    /// The same, with all that is known of why there is none: whether the login was refused. Where a database is named,
    /// the baseline has that one alone, or none where there is no such database.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn baseline_of(&self, only: Option<&str>, deadline: Duration) -> Result<Baseline, Trouble> {
        let until = Instant::now() + deadline;
        once_more(|| self.take(only, until)).await
    }

    /// Names of the databases that can be entered, one more than are looked into at most.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn databases(&self, deadline: Duration) -> Result<Vec<String>, Trouble> {
        let mut session = self.line.open(&self.line.target().database, Instant::now() + deadline).await?;
        let names = names(&mut session, None).await?;
        session.close().await;
        Ok(names)
    }

    async fn take(&self, only: Option<&str>, until: Instant) -> Result<Baseline, Trouble> {
        let mut session = self.line.open(&self.line.target().database, until).await?;
        let who = introduction(&mut session).await?;
        if who.kernel == Kernel::Mpp {
            answering(&mut session).await?;
        }
        let mut names = names(&mut session, only).await?;
        session.close().await;
        let truncated = names.len() > MOST_DATABASES;
        names.truncate(MOST_DATABASES);
        let counting_ends = (Instant::now() + COUNTING).min(until);
        let looked = names.into_iter().map(|name| async move {
            let tables = match self.tables(&name, who.kernel, until, counting_ends).await {
                Ok(tables) => Listing::Known(tables),
                Err(trouble) => Listing::Unknown(trouble.reason),
            };
            Database { name, tables }
        });
        let databases = futures::stream::iter(looked).buffered(AT_ONCE).collect().await;
        Ok(Baseline { version: who.version, kernel: who.kernel, databases, truncated })
    }

    async fn tables(
        &self,
        database: &str,
        kernel: Kernel,
        until: Instant,
        counting_ends: Instant,
    ) -> Result<Tables, Trouble> {
        let mut session = self.line.open(database, until).await?;
        let (mut tables, candidates) = list(&mut session, kernel).await?;
        session.close().await;
        if !candidates.is_empty() {
            // A session of its own, because its statement timeout is what is left for counting.
            if let Ok(mut session) = self.line.open(database, counting_ends).await {
                count(&mut session, kernel, &mut tables, &candidates).await;
                session.close().await;
            }
        }
        Ok(tables)
    }
}

/// Databases that can be entered, or the one of this name.
async fn names(session: &mut Session, only: Option<&str>) -> Result<Vec<String>, Trouble> {
    let which = only.map(|name| format!("AND datname = {}", literal(name))).unwrap_or_default();
    let statement = format!(
        "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate {which}
         ORDER BY datname COLLATE \"C\" LIMIT {}",
        MOST_DATABASES + 1
    );
    let rows = session.run(&statement).await?;
    Ok(rows.iter().flatten().map(|row| text(row, 0).to_owned()).collect())
}

/// Tables of users: no system schema, nothing temporary, not our own canary.
const USER_TABLES: &str = "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('information_schema', 'gp_toolkit')
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT LIKE 'kubectl\\_synxdb\\_%'";

async fn list(session: &mut Session, kernel: Kernel) -> Result<(Tables, Vec<Candidate>), Trouble> {
    let statements = format!(
        "SELECT count(*) {USER_TABLES};
         SELECT n.nspname, c.relname, c.reltuples, c.relpages, c.relkind, c.oid,
                c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint {USER_TABLES}
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\" LIMIT {MOST_TABLES};"
    );
    let rows = session.run(&statements).await?;
    let [total, listed] = rows.as_slice() else {
        return Err(Trouble::unsure("the server's answer has another number of results than the question"));
    };
    let total = total.first().and_then(|row| number(row, 0)).unwrap_or(0);
    let mut tables = Vec::with_capacity(listed.len());
    let mut candidates = Vec::new();
    // A server that is asked for so many may still send more.
    for (index, row) in listed.iter().take(MOST_TABLES).enumerate() {
        let pages = number(row, 3).unwrap_or(0);
        let bytes = number(row, 6).unwrap_or(u64::MAX);
        // `relpages` is 0 until a table is analyzed; an MPP server would have to ask its segments for the size then.
        let small = bytes <= SMALL && (kernel == Kernel::PostgreSql || pages > 0);
        tables.push(Table {
            schema: text(row, 0).to_owned(),
            name: text(row, 1).to_owned(),
            estimated_rows: text(row, 2).parse().unwrap_or(-1.0),
            pages,
            rows: None,
        });
        let oid = text(row, 5).parse();
        // A partitioned table has no rows of its own; its partitions are listed too.
        if let (Ok(oid), "r", true) = (oid, text(row, 4), small) {
            candidates.push(Candidate { index, oid });
        }
    }
    candidates.truncate(MOST_COUNTS);
    let truncated = total > tables.len() as u64;
    Ok((Tables { total, truncated, tables }, candidates))
}

/// Counts what is small *now*: a table may have grown since it was analyzed, or never have been (on an MPP server the
/// statement's timeout alone bounds that). What cannot be counted (locked, dropped, no time left) stays uncounted.
async fn count(session: &mut Session, kernel: Kernel, tables: &mut Tables, candidates: &[Candidate]) {
    let statements: Vec<String> = candidates
        .iter()
        .map(|Candidate { index, oid }| {
            let table = &tables.tables[*index];
            let (schema, name) = (quoted(&table.schema), quoted(&table.name));
            let rows = format!("SELECT count(*) FROM ONLY {schema}.{name}");
            match kernel {
                // The inner query is run only where the condition holds.
                Kernel::PostgreSql => {
                    format!("SELECT CASE WHEN pg_catalog.pg_relation_size({oid}) <= {SMALL} THEN ({rows}) END")
                }
                Kernel::Mpp => rows,
            }
        })
        .collect();
    let answers = session.run_each(&statements).await;
    for (Candidate { index, .. }, answer) in candidates.iter().zip(answers) {
        tables.tables[*index].rows = answer.ok().and_then(|rows| rows.first().and_then(|row| number(row, 0)));
    }
}

/// A name as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
