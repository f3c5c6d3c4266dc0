//! A small table that is written before and read after: it proves that committed data is still present and, on an MPP
//! server, that a write reaches every segment.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::Answer;
use super::connector::Connector;
use super::kernel::Kernel;
use super::session::{Session, number, text};
use super::sql::{Sql, once_more};
use super::sqlstate::Meaning;
use super::statements::{Access, CANARY_PREFIX, MODULUS, Statement};
use super::trouble::ProbeError;
use crate::duration::after;

/// Rows on plain PostgreSQL.
const ROWS: u64 = 100;

/// Rows on an MPP server: enough that each of some hundreds of primary segments gets its share (5013 and 4987 on two,
/// measured on Greenplum 6.24).
const ROWS_ON_SEGMENTS: u64 = 10_000;

/// A canary's name, and the database that it must be in, if that matters. It is chosen before anything is written, so
/// that a plan can show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    database: Option<String>,
    schema: String,
    id: String,
}

/// A canary that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its rows.
    pub rows: u64,
}

/// Why a canary was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotWritten {
    /// What that means for the server.
    pub meaning: Meaning,
    /// The reason in one line.
    pub reason: String,
    /// Whether it may have been written all the same: no response came, and not an error.
    pub may_be_there: bool,
}

impl From<ProbeError> for NotWritten {
    fn from(trouble: ProbeError) -> Self {
        // What a server rejects with an error it has not done: all statements are one transaction.
        Self { meaning: trouble.meaning, may_be_there: trouble.code.is_none(), reason: trouble.reason }
    }
}

/// How a canary's rows are distributed over an MPP server's primary segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Primary segments that hold some of its rows.
    pub holding: usize,
    /// All primary segments, or those of the session's warehouse.
    pub primaries: usize,
}

impl Canary {
    /// The prefix of the plugin's schemas.
    pub const PREFIX: &str = CANARY_PREFIX;

    /// Returns the canary for this ID: lower-case letters, digits and underscores, at most 40. Anything else is
    /// replaced by `_`. It is written to the login database, usually `postgres`, which holds no user data.
    pub fn new(id: &str) -> Self {
        let id: String = id
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' })
            .take(40)
            .collect();
        Self { database: None, schema: format!("{}{id}", Self::PREFIX), id }
    }

    /// Returns the canary restricted to one database.
    pub fn in_database(self, database: &str) -> Self {
        Self { database: Some(database.to_owned()), ..self }
    }

    /// Returns where it is written: `postgres: table kubectl_synxdb_….canary`.
    pub fn place<C: Connector>(&self, sql: &Sql<C>) -> String {
        format!("{}: table {}.canary", self.database(sql), self.schema)
    }

    /// Returns the database that it is in, as far as known.
    pub fn database<C: Connector>(&self, sql: &Sql<C>) -> String {
        self.database.clone().unwrap_or_else(|| sql.line.entered())
    }

    /// Returns its schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Writes it, if the server accepts writes: a schema, a table, its rows, in one transaction.
    ///
    /// # Errors
    /// Why it was not written, and whether it may be there.
    pub async fn write<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Result<Written, NotWritten> {
        let until = after(Instant::now(), deadline);
        once_more(|| self.try_write(sql, until)).await.map_err(NotWritten::from)?
    }

    async fn try_write<C: Connector>(
        &self,
        sql: &Sql<C>,
        until: Instant,
    ) -> Result<Result<Written, NotWritten>, ProbeError> {
        let mut session = match &self.database {
            Some(database) => sql.line.open(database, Access::Write, until).await?,
            None => sql.line.enter(Access::Write, until).await?,
        };
        let asked = session.run(&[Statement::State, Statement::IsMpp]).await?;
        if let Some(row) = asked.first().and_then(|rows| rows.first()) {
            let not = |reason: &str| NotWritten {
                meaning: Meaning::NotAllowed,
                reason: reason.to_owned(),
                may_be_there: false,
            };
            if text(row, 0) == "t" {
                return Ok(Err(not("the server is in recovery (read-only)")));
            }
            if text(row, 1) == "on" {
                return Ok(Err(not("the server defaults to read-only transactions")));
            }
        }
        let rows = rows(Kernel::from_rows(asked.get(1)));
        let fill = Statement::Fill { schema: &self.schema, rows, seed: self.seed() };
        // Several statements in one message are one transaction.
        session
            .run(&[
                Statement::CreateSchema { schema: &self.schema },
                Statement::CreateTable { schema: &self.schema },
                fill,
            ])
            .await?;
        if self.database.is_none() {
            sql.line.wrote(&session);
        }
        session.close().await;
        Ok(Ok(Written { rows }))
    }

    /// What distinguishes this canary's values from others.
    fn seed(&self) -> u64 {
        self.id.bytes().fold(7, |seed, byte| (seed * 31 + u64::from(byte)) % MODULUS)
    }

    /// Returns what is written: the number of rows, the sum of their values, and the sum of the values weighted with
    /// their IDs.
    fn checksum(&self, rows: u64) -> [u64; 3] {
        (1..=rows).fold([rows, 0, 0], |[rows, sum, weighted], id| {
            let value = (id * 7919 + self.seed()) % MODULUS;
            [rows, sum + value, weighted + id * value]
        })
    }

    /// Checks row by row whether it is still present: No means that something committed was lost. Without a database of
    /// its own, it is searched in each that it may have been written to.
    pub async fn check<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Answer<()> {
        let until = after(Instant::now(), deadline);
        let databases = match &self.database {
            Some(database) => vec![database.clone()],
            None => sql.line.may_hold_writes(),
        };
        let mut unsure = None;
        for database in databases {
            match once_more(|| self.read(sql, &database, until)).await {
                Ok(answer) => return answer,
                Err(trouble) if lost(&trouble) => {}
                // No response is not a loss.
                Err(trouble) => {
                    unsure.get_or_insert(trouble.reason);
                }
            }
        }
        unsure.map_or_else(|| Answer::No("the canary table is missing".to_owned()), Answer::Unknown)
    }

    async fn read<C: Connector>(&self, sql: &Sql<C>, database: &str, until: Instant) -> Result<Answer<()>, ProbeError> {
        let mut session = sql.line.open(database, Access::Read, until).await?;
        let asked = session.run(&[Statement::ReadCanary { schema: &self.schema }, Statement::IsMpp]).await?;
        session.close().await;
        let Some(found) = asked.first().and_then(|rows| rows.first()) else {
            return Err(ProbeError::unsure("the server returned no row"));
        };
        let found = [0, 1, 2].map(|column| number(found, column).unwrap_or_default());
        let expected = self.checksum(rows(Kernel::from_rows(asked.get(1))));
        Ok(match found[0] {
            _ if found == expected => Answer::Yes(()),
            0 => Answer::No("the canary table's rows are missing".to_owned()),
            number if number == expected[0] => {
                Answer::No("the canary table's rows differ from those written".to_owned())
            }
            number => Answer::No(format!("the canary table has {number} rows; {} were written", expected[0])),
        })
    }

    /// Returns how it is distributed over an MPP server's primary segments, once it is written.
    pub async fn spread<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Answer<Spread> {
        let until = after(Instant::now(), deadline);
        match once_more(|| self.held(sql, until)).await {
            Ok(spread) => Answer::Yes(spread),
            Err(trouble) => trouble.into(),
        }
    }

    async fn held<C: Connector>(&self, sql: &Sql<C>, until: Instant) -> Result<Spread, ProbeError> {
        let mut session: Session = sql.line.open(&self.database(sql), Access::Read, until).await?;
        let holding = session.run(&[Statement::SpreadOfCanary { schema: &self.schema }]).await?;
        let primaries = super::segments::expected(&mut session).await?;
        session.close().await;
        Ok(Spread { holding: holding.first().map_or(0, Vec::len), primaries })
    }

    /// Removes it from each database that it may have been written to; it may be gone already. Removes only the
    /// plugin's own objects: a schema that holds anything else stays.
    ///
    /// # Errors
    /// Why it could not be removed.
    pub async fn drop<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Result<(), ProbeError> {
        let until = after(Instant::now(), deadline);
        let databases = match &self.database {
            Some(database) => vec![database.clone()],
            None => sql.line.may_hold_writes(),
        };
        let mut first = None;
        for database in databases {
            let removed = async {
                let mut session = sql.line.open(&database, Access::Write, until).await?;
                let table = Statement::DropTable { schema: &self.schema };
                session.run(&[table, Statement::DropSchema { schema: &self.schema }]).await?;
                session.close().await;
                Ok(())
            };
            match removed.await {
                Ok(()) => {}
                Err(trouble @ ProbeError { .. }) if trouble.meaning == Meaning::NoDatabase => {}
                Err(trouble) => {
                    first.get_or_insert(trouble);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }
}

fn rows(kernel: Kernel) -> u64 {
    match kernel {
        Kernel::Mpp => ROWS_ON_SEGMENTS,
        Kernel::PostgreSql => ROWS,
    }
}

fn lost(trouble: &ProbeError) -> bool {
    [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::INVALID_CATALOG_NAME]
        .iter()
        .any(|state| trouble.is(state))
}
