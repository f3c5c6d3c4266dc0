//! The segments of an MPP server. Its catalog goes on calling a dead segment up until somebody notices: measured on
//! Greenplum 6.24, only a dispatched query that succeeds is proof.

use std::time::Duration;

use serde::Serialize;

use super::Answer;
use super::session::{Connector, Session, Trouble, text};
use super::sql::Sql;

/// Most instances read of the catalog: clusters have some hundreds of segments.
const MOST_INSTANCES: usize = 20_000;

/// An instance of an MPP server, as its catalog has it (`gp_segment_configuration`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The part of the data that it holds; -1 is the coordinator.
    pub content: i32,
    /// `p` or `m`: what it does now.
    pub role: String,
    /// What it is meant to do.
    pub preferred_role: String,
    /// `s`: in sync with its mirror; `n`: not, or there is none.
    pub mode: String,
    /// `u` or `d`.
    pub status: String,
    /// Its machine.
    pub host: String,
}

impl<C: Connector> Sql<C> {
    /// How many primary segments answer a dispatched query; No where one does not.
    pub async fn segments(&self, deadline: Duration) -> Answer<usize> {
        self.ask(deadline, answering).await
    }

    /// The instances as the coordinator's catalog has them; no segment is asked.
    pub async fn instances(&self, deadline: Duration) -> Answer<Vec<Instance>> {
        self.ask(deadline, instances).await
    }
}

/// How many primary segments answer; an error where one does not.
pub(super) async fn answering(session: &mut Session) -> Result<usize, Trouble> {
    // One row per primary. Each in a transaction of its own: a failed dispatch says which segment it was.
    let answering = session.run("SELECT gp_segment_id, count(*) FROM gp_dist_random('pg_class') GROUP BY 1").await?;
    let answering = answering.first().map_or(0, Vec::len);
    let known = known(session).await?;
    if answering < known {
        return Err(Trouble::certain(format!("{answering} of {known} segments answered")));
    }
    Ok(answering)
}

/// How many primary segments there are.
pub(super) async fn known(session: &mut Session) -> Result<usize, Trouble> {
    let known = session
        .run("SELECT count(DISTINCT content) FROM pg_catalog.gp_segment_configuration WHERE content >= 0")
        .await?;
    let number = known.first().and_then(|rows| rows.first()).and_then(|row| text(row, 0).parse().ok());
    number.ok_or_else(|| Trouble::unsure("the number of segments is not known"))
}

async fn instances(session: &mut Session) -> Result<Vec<Instance>, Trouble> {
    let rows = session
        .run(&format!(
            "SELECT content, role, preferred_role, mode, status, hostname FROM pg_catalog.gp_segment_configuration
             ORDER BY content, preferred_role DESC LIMIT {MOST_INSTANCES}"
        ))
        .await?;
    let column = |row, index| text(row, index).to_owned();
    Ok(rows
        .iter()
        .flatten()
        .map(|row| Instance {
            content: text(row, 0).parse().unwrap_or(i32::MIN),
            role: column(row, 1),
            preferred_role: column(row, 2),
            mode: column(row, 3),
            status: column(row, 4),
            host: column(row, 5),
        })
        .collect())
}
