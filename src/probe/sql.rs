//! Does a database server answer, with everything behind it?

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Answer;
use super::session::{Connector, Line, Session, SqlTarget, Trouble, Tunnels, text};
use crate::cluster::Cluster;

/// SQLSTATEs of an MPP server that lost a process of its own and has replaced it by the next try: "failed to acquire
/// resources on one or more segments", and the internal error that may follow it.
const ONCE_MORE: [&str; 2] = ["58M01", "XX000"];

/// Kinds of database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kernel {
    /// A Cloudberry or Greenplum kernel, which dispatches to segments.
    #[serde(rename = "MPP")]
    Mpp,
    /// Plain PostgreSQL: what asks segments is skipped, not passed.
    #[serde(rename = "PostgreSQL")]
    PostgreSql,
}

/// What an answering server said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// As `version()` says it, up to its platform.
    pub version: String,
    /// Kind of server.
    pub kernel: Kernel,
    /// Whether it is in recovery (a standby), and so read-only.
    pub in_recovery: bool,
    /// How many primary segments answered a dispatched query; `None` where there are no segments to ask.
    pub segments: Option<usize>,
    /// From the first byte to the last answer.
    #[serde(skip)]
    pub took: Duration,
}

/// Asks a server by SQL. Keeps in mind which databases hung, so use one for as long as the questions belong together.
pub struct Sql<C = Tunnels> {
    pub(super) line: Line<C>,
}

/// What [`Sql::introduction`] found.
pub(super) struct Introduction {
    pub(super) version: String,
    pub(super) kernel: Kernel,
    pub(super) in_recovery: bool,
}

impl Sql {
    /// Over tunnels to the target's pod. A pod that was replaced under the same name is the same target.
    pub fn over(cluster: &Cluster, target: SqlTarget) -> Self {
        Self::with(Tunnels::to(cluster, &target), target)
    }
}

impl<C: Connector> Sql<C> {
    /// Over any connector.
    pub fn with(connector: C, target: SqlTarget) -> Self {
        Self { line: Line::new(connector, target) }
    }

    /// Logs in, asks something simple, and on an MPP server asks every primary segment: a dispatched query that
    /// succeeds is the only proof, since the catalog goes on calling a dead segment up.
    pub async fn answers(&self, deadline: Duration) -> Answer<Answered> {
        let started = Instant::now();
        let until = tokio::time::Instant::now() + deadline;
        match once_more(|| self.ask(until)).await {
            Ok(answered) => Answer::Yes(Answered { took: started.elapsed(), ..answered }),
            Err(trouble) => trouble.into(),
        }
    }

    /// Logs in and asks for a constant: whether the server takes sessions, whatever is behind it. Asked once, and ended
    /// politely.
    ///
    /// # Errors
    /// Why it does not answer, as far as known.
    pub async fn ping(&self, deadline: Duration) -> Result<(), Trouble> {
        let until = tokio::time::Instant::now() + deadline;
        let mut session = self.line.open(&self.line.target().database, until).await?;
        session.run("SELECT 1").await?;
        session.close().await;
        Ok(())
    }

    /// Until when nothing is asked, where the last question hung: sooner it would be told so.
    pub fn left_alone(&self) -> Option<tokio::time::Instant> {
        self.line.left_alone(&self.line.target().database)
    }

    async fn ask(&self, until: tokio::time::Instant) -> Result<Answered, Trouble> {
        let mut session = self.line.open(&self.line.target().database, until).await?;
        let Introduction { version, kernel, in_recovery } = introduction(&mut session).await?;
        let segments = match kernel {
            Kernel::PostgreSql => None,
            Kernel::Mpp => Some(segments(&mut session).await?),
        };
        session.close().await;
        Ok(Answered { version, kernel, in_recovery, segments, took: Duration::ZERO })
    }
}

/// Asks, and once more on a new connection where an MPP server has just lost a process of its own.
pub(super) async fn once_more<T, F>(ask: impl Fn() -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let lost = |trouble: &Trouble| trouble.code.as_deref().is_some_and(|code| ONCE_MORE.contains(&code));
    match ask().await {
        Err(trouble) if lost(&trouble) => ask().await,
        answer => answer,
    }
}

/// Asks a server who it is, in one round trip. 11 is `pg_catalog`'s OID, on every server: a user's table of that name
/// makes no MPP server.
pub(super) async fn introduction(session: &mut Session) -> Result<Introduction, Trouble> {
    let rows = session
        .run(
            "SELECT version();
             SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'gp_segment_configuration' AND relnamespace = 11;
             SELECT pg_catalog.pg_is_in_recovery();",
        )
        .await?;
    let [version, mpp, recovery] = rows.as_slice() else {
        return Err(Trouble::unsure("the server's answer has another number of results than the question"));
    };
    let version = version.first().map(|row| text(row, 0)).unwrap_or("");
    Ok(Introduction {
        version: version.split(" on ").next().unwrap_or(version).to_owned(),
        kernel: if mpp.is_empty() { Kernel::PostgreSql } else { Kernel::Mpp },
        in_recovery: recovery.first().is_some_and(|row| text(row, 0) == "t"),
    })
}

/// How many primary segments answer; an error where one does not.
pub(super) async fn segments(session: &mut Session) -> Result<usize, Trouble> {
    // One row per primary. Each in a transaction of its own: a failed dispatch says which segment it was.
    let answering = session.run("SELECT gp_segment_id, count(*) FROM gp_dist_random('pg_class') GROUP BY 1").await?;
    let answering = answering.first().map_or(0, Vec::len);
    let known = session
        .run("SELECT count(DISTINCT content) FROM pg_catalog.gp_segment_configuration WHERE content >= 0")
        .await?;
    let known: usize =
        known.first().and_then(|rows| rows.first()).and_then(|row| text(row, 0).parse().ok()).unwrap_or(0);
    if answering < known {
        let reason = format!("{answering} of {known} segments answered");
        return Err(Trouble { certain: true, reason, code: None, hung: false });
    }
    Ok(answering)
}

#[cfg(test)]
#[cfg(unix)]
#[path = "sql_tests.rs"]
mod tests;
