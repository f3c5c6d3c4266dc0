//! Checks that a database server responds, with everything behind it.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::Answer;
use super::connector::{Connector, SqlTarget, Tunnels};
use super::kernel::Kernel;
use super::session::{Connection, Session, number, text};
use super::statements::{Access, Statement};
use super::trouble::ProbeError;
use crate::cluster::Cluster;
use crate::duration::after;

/// SQLSTATEs of an MPP server that lost one of its processes and has replaced it by the next attempt: "failed to
/// acquire resources on one or more segments", and the internal error that may follow it.
const ONCE_MORE: [&str; 2] = ["58M01", "XX000"];

/// What a responding server reports about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// As `version()` returns it, up to its platform.
    pub version: String,
    /// Kind of server.
    pub kernel: Kernel,
    /// Its version as a number, 150018 for 15.18; that of the PostgreSQL that a kernel is built on.
    pub version_number: Option<u64>,
    /// Whether it is in recovery (a standby), and so read-only.
    pub in_recovery: bool,
}

impl Introduction {
    /// Whether the catalog lists external tables, which run programs and call other servers when read, among the
    /// ordinary ones: on Greenplum before 7, whose PostgreSQL is older than 12.
    pub(super) fn has_external_storage(&self) -> bool {
        self.kernel == Kernel::Mpp && self.version_number.is_none_or(|number| number < 120_000)
    }
}

/// What a ping queried, and therefore what its response proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Reached {
    /// A constant: the server accepts sessions. This is all that a plain PostgreSQL server can be asked, or a server
    /// whose session has no warehouse.
    Server,
    /// A dispatched query: every primary segment of an MPP server, or of the session's warehouse, responds.
    Segments,
}

/// Queries a server by SQL. Remembers which databases hung, so keep it for as long as the queries belong together.
pub struct Sql<C = Tunnels> {
    pub(super) line: Connection<C>,
}

impl Sql {
    /// Connects over tunnels to the target's pod. A pod that was replaced under the same name is the same target.
    pub fn over(cluster: &Cluster, target: SqlTarget) -> Self {
        Self::with(Tunnels::to(cluster, &target), target)
    }
}

impl<C: Connector> Sql<C> {
    /// Connects over any connector.
    pub fn with(connector: C, target: SqlTarget) -> Self {
        Self { line: Connection::new(connector, target) }
    }

    /// Logs in, and asks the server who it is. A response says nothing about its segments: see
    /// `Sql::segments`.
    pub async fn introduction(&self, deadline: Duration) -> Answer<Introduction> {
        self.query(deadline, introduction).await
    }

    /// Logs in and queries, again if an MPP server has just lost one of its processes.
    pub(super) async fn query<T>(
        &self,
        deadline: Duration,
        question: impl AsyncFn(&mut Session) -> Result<T, ProbeError>,
    ) -> Answer<T> {
        let until = after(Instant::now(), deadline);
        let asked = once_more(async || {
            let mut session = self.line.enter(Access::Read, until).await?;
            let told = question(&mut session).await?;
            session.close().await;
            Ok(told)
        });
        match asked.await {
            Ok(told) => Answer::Yes(told),
            Err(trouble) => trouble.into(),
        }
    }

    /// Returns until when no query is sent after the last one hung: an earlier one would be refused.
    pub fn paused_until(&self) -> Option<Instant> {
        self.line.paused_until(&self.line.entered())
    }
}

/// Queries, and again on a new connection if an MPP server has just lost one of its processes.
pub(super) async fn once_more<T>(ask: impl AsyncFn() -> Result<T, ProbeError>) -> Result<T, ProbeError> {
    let lost = |trouble: &ProbeError| trouble.code.as_deref().is_some_and(|code| ONCE_MORE.contains(&code));
    match ask().await {
        Err(trouble) if lost(&trouble) => ask().await,
        answer => answer,
    }
}

/// Asks a server who it is, in one round trip.
pub(super) async fn introduction(session: &mut Session) -> Result<Introduction, ProbeError> {
    let rows = session.run(&[Statement::Version, Statement::IsMpp, Statement::State]).await?;
    let first = |statement: usize| rows.get(statement).and_then(|rows| rows.first());
    let version = first(0).map(|row| text(row, 0)).unwrap_or("");
    Ok(Introduction {
        version: version.split(" on ").next().unwrap_or(version).to_owned(),
        kernel: Kernel::from_rows(rows.get(1)),
        version_number: first(0).and_then(|row| number(row, 1)),
        in_recovery: first(2).is_some_and(|row| text(row, 0) == "t"),
    })
}

#[cfg(test)]
#[cfg(unix)]
#[path = "sql_tests.rs"]
mod tests;
