//! Does a database server answer, with everything behind it?

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

/// SQLSTATEs of an MPP server that lost a process of its own and has replaced it by the next try: "failed to acquire
/// resources on one or more segments", and the internal error that may follow it.
const ONCE_MORE: [&str; 2] = ["58M01", "XX000"];

/// What an answering server said of itself.
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
    /// Whether external tables, which run programs and call other servers when they are read, are among the ordinary ones
    /// in the catalog: on Greenplum before 7, whose PostgreSQL is older than 12.
    pub(super) fn has_external_storage(&self) -> bool {
        self.kernel == Kernel::Mpp && self.version_number.is_none_or(|number| number < 120_000)
    }
}

/// What a ping asked, and so what its answer proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Reached {
    /// A constant: the server takes sessions. All that can be asked of a server that is no MPP server, and of one in a session
    /// that is in no warehouse.
    Server,
    /// A dispatched query: every primary segment of an MPP server, or of the session's warehouse, answers.
    Segments,
}

/// Asks a server by SQL. Keeps in mind which databases hung, so use one for as long as the questions belong together.
pub struct Sql<C = Tunnels> {
    pub(super) line: Connection<C>,
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
        Self { line: Connection::new(connector, target) }
    }

    /// Logs in, and asks the server who it is. That it answers says nothing of its segments: see
    /// [`Sql::segments`](super::segments).
    pub async fn introduction(&self, deadline: Duration) -> Answer<Introduction> {
        self.query(deadline, introduction).await
    }

    /// Logs in and asks, once more where an MPP server has just lost a process of its own.
    pub(super) async fn query<T>(
        &self,
        deadline: Duration,
        question: impl AsyncFn(&mut Session) -> Result<T, ProbeError>,
    ) -> Answer<T> {
        let until = Instant::now() + deadline;
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

    /// Until when nothing is asked, where the last question hung: sooner it would be told so.
    pub fn paused_until(&self) -> Option<Instant> {
        self.line.paused_until(&self.line.entered())
    }
}

/// Asks, and once more on a new connection where an MPP server has just lost a process of its own.
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
