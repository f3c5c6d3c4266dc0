//! A small table written before and read after: proof that what was committed is still there, and, on an MPP server,
//! that a write reaches every segment.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::Answer;
use super::session::{Connector, Session, Trouble, number, text};
use super::sql::{Kernel, Sql, once_more};

/// The database that every server has.
pub const MAINTENANCE: &str = "postgres";

/// Rows on plain PostgreSQL.
const ROWS: u64 = 100;

/// Rows on an MPP server: so many that each of some hundreds of primary segments gets its share (5013 and 4987 of two,
/// measured on Greenplum 6.24).
const ROWS_ON_SEGMENTS: u64 = 10_000;

/// A prime, so that the values differ from row to row.
const MODULUS: u64 = 1_000_003;

/// A canary's place. It is decided before anything is written, so that a plan can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    database: String,
    schema: String,
    id: String,
}

/// A canary that is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its rows.
    pub rows: u64,
}

/// How a canary's rows lie on an MPP server's primary segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Primary segments that hold rows of it.
    pub holding: usize,
    /// Primary segments that there are.
    pub primaries: usize,
}

impl Canary {
    /// What the names of our schemas begin with.
    pub const PREFIX: &str = "kubectl_synxdb_";

    /// For this id: lower-case letters, digits and underscores, at most 40. Anything else is replaced by `_`. In
    /// database `postgres`, in which nobody keeps data.
    pub fn new(id: &str) -> Self {
        let id: String = id
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' })
            .take(40)
            .collect();
        Self { database: MAINTENANCE.to_owned(), schema: format!("{}{id}", Self::PREFIX), id }
    }

    /// The same in another database.
    pub fn in_database(self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self }
    }

    /// Where it is written: `postgres: table kubectl_synxdb_….canary`.
    pub fn place(&self) -> String {
        format!("{}: table {}.canary", self.database, self.schema)
    }

    /// Its schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Writes it, where the server accepts writes: a schema, a table, its rows, in one transaction. Where the answer is
    /// a no, nothing is left behind; where it is unknown, it may be there.
    pub async fn write<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Answer<Written> {
        let until = Instant::now() + deadline;
        match once_more(|| self.try_write(sql, until)).await {
            Ok(answer) => answer,
            Err(trouble) => trouble.into(),
        }
    }

    async fn try_write<C: Connector>(&self, sql: &Sql<C>, until: Instant) -> Result<Answer<Written>, Trouble> {
        let mut session = sql.line.open(&self.database, until).await?;
        let asked = session
            .run(&format!(
                "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only');
                 {}",
                Kernel::QUESTION
            ))
            .await?;
        if let Some(row) = asked.first().and_then(|rows| rows.first()) {
            if text(row, 0) == "t" {
                return Ok(Answer::No("the server is in recovery, and read-only".to_owned()));
            }
            if text(row, 1) == "on" {
                return Ok(Answer::No("the server is set to read-only transactions".to_owned()));
            }
        }
        let rows = rows(Kernel::told(asked.get(1)));
        let (schema, seed) = (&self.schema, self.seed());
        // Several statements in one message are one transaction. An MPP server distributes by the first column.
        session
            .run(&format!(
                "CREATE SCHEMA {schema};
                 CREATE TABLE {schema}.canary (id bigint, value bigint);
                 INSERT INTO {schema}.canary
                     SELECT i, (i * 7919 + {seed}) % {MODULUS} FROM pg_catalog.generate_series(1, {rows}) AS i;"
            ))
            .await?;
        session.close().await;
        Ok(Answer::Yes(Written { rows }))
    }

    /// What makes this canary's values its own.
    fn seed(&self) -> u64 {
        self.id.bytes().fold(7, |seed, byte| (seed * 31 + u64::from(byte)) % MODULUS)
    }

    /// Number of rows, sum of their values, sum of the values weighted with their ids: of what is written.
    fn checksum(&self, rows: u64) -> [u64; 3] {
        (1..=rows).fold([rows, 0, 0], |[rows, sum, weighted], id| {
            let value = (id * 7919 + self.seed()) % MODULUS;
            [rows, sum + value, weighted + id * value]
        })
    }

    /// Whether it is still there, row by row: No means that something committed was lost.
    pub async fn check<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Answer<()> {
        let until = Instant::now() + deadline;
        match once_more(|| self.read(sql, until)).await {
            Ok(answer) => answer,
            Err(trouble) if lost(&trouble) => Answer::No("the canary table is missing".to_owned()),
            // Not answering is not losing.
            Err(trouble) => Answer::Unknown(trouble.reason),
        }
    }

    async fn read<C: Connector>(&self, sql: &Sql<C>, until: Instant) -> Result<Answer<()>, Trouble> {
        let mut session = sql.line.open(&self.database, until).await?;
        let asked = session
            .run(&format!(
                "SELECT count(*), coalesce(sum(value), 0), coalesce(sum(id * value), 0) FROM {}.canary; {}",
                self.schema,
                Kernel::QUESTION
            ))
            .await?;
        session.close().await;
        let Some(found) = asked.first().and_then(|rows| rows.first()) else {
            return Err(Trouble::unsure("the server's answer has no row"));
        };
        let found = [0, 1, 2].map(|column| number(found, column).unwrap_or_default());
        let expected = self.checksum(rows(Kernel::told(asked.get(1))));
        Ok(match found[0] {
            _ if found == expected => Answer::Yes(()),
            0 => Answer::No("the canary table's rows are missing".to_owned()),
            number if number == expected[0] => {
                Answer::No("the canary table's rows are not those that were written".to_owned())
            }
            number => Answer::No(format!("the canary table has {number} rows, {} were written", expected[0])),
        })
    }

    /// How it lies on an MPP server's primary segments, once it is written.
    pub async fn spread<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Answer<Spread> {
        let until = Instant::now() + deadline;
        match once_more(|| self.held(sql, until)).await {
            Ok(spread) => Answer::Yes(spread),
            Err(trouble) => trouble.into(),
        }
    }

    async fn held<C: Connector>(&self, sql: &Sql<C>, until: Instant) -> Result<Spread, Trouble> {
        let mut session: Session = sql.line.open(&self.database, until).await?;
        let holding =
            session.run(&format!("SELECT gp_segment_id, count(*) FROM {}.canary GROUP BY 1", self.schema)).await?;
        let primaries = super::segments::known(&mut session).await?;
        session.close().await;
        Ok(Spread { holding: holding.first().map_or(0, Vec::len), primaries })
    }

    /// Removes it; it may be gone already. Only what is ours: a schema that holds anything else stays.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn drop<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Result<(), String> {
        let until = Instant::now() + deadline;
        let removed = async {
            let mut session = sql.line.open(&self.database, until).await?;
            let schema = &self.schema;
            session.run(&format!("DROP TABLE IF EXISTS {schema}.canary; DROP SCHEMA IF EXISTS {schema};")).await?;
            session.close().await;
            Ok(())
        };
        removed.await.map_err(|trouble: Trouble| trouble.reason)
    }
}

fn rows(kernel: Kernel) -> u64 {
    match kernel {
        Kernel::Mpp => ROWS_ON_SEGMENTS,
        Kernel::PostgreSql => ROWS,
    }
}

fn lost(trouble: &Trouble) -> bool {
    [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::INVALID_CATALOG_NAME]
        .iter()
        .any(|state| trouble.is(state))
}
