//! One row written before a failover and read after it: proof that what was committed is still there.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::Answer;
use super::session::{Connector, Trouble, text};
use super::sql::Sql;

/// The database that every server has.
const DATABASE: &str = "postgres";

/// A canary's place. It is decided before anything is written, so that a plan can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    schema: String,
    id: String,
}

/// What became of writing a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed.
    Written,
    /// It is not, for this reason; nothing is left behind.
    NotWritten(String),
}

impl Canary {
    /// What the names of our schemas begin with.
    pub const PREFIX: &str = "kubectl_synxdb_";

    /// For this id: lower-case letters, digits and underscores, at most 40. Anything else is replaced by `_`.
    pub fn new(id: &str) -> Self {
        let id: String = id
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' })
            .take(40)
            .collect();
        Self { schema: format!("{}{id}", Self::PREFIX), id }
    }

    /// Where it is written: `postgres: table kubectl_synxdb_….canary`.
    pub fn place(&self) -> String {
        format!("{DATABASE}: table {}.canary", self.schema)
    }

    /// Its schema in database `postgres`.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Writes it, where the server accepts writes: a schema, a table, a row, in one transaction.
    pub async fn write<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Outcome {
        match self.try_write(sql, Instant::now() + deadline).await {
            Ok(None) => Outcome::Written,
            Ok(Some(reason)) => Outcome::NotWritten(reason),
            Err(trouble) => Outcome::NotWritten(trouble.reason),
        }
    }

    async fn try_write<C: Connector>(&self, sql: &Sql<C>, until: Instant) -> Result<Option<String>, Trouble> {
        let mut session = sql.line.open(DATABASE, until).await?;
        let rows = session
            .run("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')")
            .await?;
        if let Some(row) = rows.first().and_then(|rows| rows.first()) {
            if text(row, 0) == "t" {
                return Ok(Some("the server is in recovery, and read-only".to_owned()));
            }
            if text(row, 1) == "on" {
                return Ok(Some("the server is set to read-only transactions".to_owned()));
            }
        }
        let Self { schema, id } = self;
        // Several statements in one message are one transaction.
        session
            .run(&format!(
                "CREATE SCHEMA {schema};
                 CREATE TABLE {schema}.canary (id int, written text);
                 INSERT INTO {schema}.canary VALUES (1, '{id}');"
            ))
            .await?;
        session.close().await;
        Ok(None)
    }

    /// Whether it is still there: No means that something committed was lost.
    pub async fn check<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Answer<()> {
        match self.read(sql, Instant::now() + deadline).await {
            Ok(true) => Answer::Yes(()),
            Ok(false) => Answer::No(format!("{}: its row is missing", self.place())),
            Err(trouble) if lost(&trouble) => Answer::No(format!("{} is missing", self.place())),
            // Not answering is not losing.
            Err(trouble) => Answer::Unknown(trouble.reason),
        }
    }

    async fn read<C: Connector>(&self, sql: &Sql<C>, until: Instant) -> Result<bool, Trouble> {
        let mut session = sql.line.open(DATABASE, until).await?;
        let rows = session.run(&format!("SELECT written FROM {}.canary WHERE id = 1", self.schema)).await?;
        session.close().await;
        Ok(rows.iter().flatten().any(|row| text(row, 0) == self.id))
    }

    /// Removes it; it may be gone already. Only what is ours: a schema that holds anything else stays.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn drop<C: Connector>(&self, sql: &Sql<C>, deadline: Duration) -> Result<(), String> {
        let until = Instant::now() + deadline;
        let removed = async {
            let mut session = sql.line.open(DATABASE, until).await?;
            let schema = &self.schema;
            session.run(&format!("DROP TABLE IF EXISTS {schema}.canary; DROP SCHEMA IF EXISTS {schema};")).await?;
            session.close().await;
            Ok(())
        };
        removed.await.map_err(|trouble: Trouble| trouble.reason)
    }
}

fn lost(trouble: &Trouble) -> bool {
    [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::INVALID_CATALOG_NAME]
        .iter()
        .any(|state| trouble.is(state))
}
