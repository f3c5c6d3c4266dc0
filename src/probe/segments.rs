//! The segments of an MPP server. Its catalog reports a dead segment as up until the failure is detected: measured on
//! Greenplum 6.24, only a dispatched query that succeeds is proof.

use std::time::Duration;
use tokio::time::Instant;

use serde::Serialize;

use super::Answer;
use super::connector::Connector;
use super::kernel::Kernel;
use super::session::{Session, number, text};
use super::sql::{Reached, Sql};
use super::sqlstate::Meaning;
use super::statements::{Access, Statement};
use super::trouble::ProbeError;
use crate::duration::after;

/// An instance of an MPP server, as its catalog has it (`gp_segment_configuration`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The part of the data that it holds; -1 is the coordinator.
    pub content: i32,
    /// `p` or `m`: its current role.
    pub role: String,
    /// Its preferred role.
    pub preferred_role: String,
    /// `s`: in sync with its mirror; `n`: not, or there is none.
    pub mode: String,
    /// `u` or `d`.
    pub status: String,
    /// Its machine.
    pub host: String,
    /// Its warehouse, if the catalog names one.
    pub warehouse: Option<String>,
}

/// How far a successful dispatched query reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatched {
    /// Primary segments that responded.
    pub answered: usize,
    /// Primary segments that should have responded, according to the catalog; `None` if it lists those of all
    /// warehouses together.
    pub expected: Option<usize>,
    /// The warehouse of the session; `None` if the server knows no warehouses and the query went to all segments.
    pub warehouse: Option<String>,
}

impl<C: Connector> Sql<C> {
    /// Logs in and selects a constant; on an MPP server, whose coordinator responds to that without any segment, one
    /// row of each primary segment. Queried once, and closed properly.
    ///
    /// # Errors
    /// Why it does not respond, as far as known.
    pub async fn ping(&self, deadline: Duration) -> Result<Reached, ProbeError> {
        let until = after(Instant::now(), deadline);
        let mut session = self.line.enter(Access::Read, until).await?;
        // In one round trip, each time: what responds after a failover need not be what responded before.
        let rows = session.run(&[Statement::Ping, Statement::IsMpp]).await?;
        let reached = match Kernel::from_rows(rows.get(1)) {
            Kernel::PostgreSql => Reached::Server,
            Kernel::Mpp => match answering(&mut session).await? {
                Some(_) => Reached::Segments,
                None => Reached::Server,
            },
        };
        session.close().await;
        Ok(reached)
    }

    /// Returns how many primary segments respond to a dispatched query; No if one does not. `None` inside a yes: its
    /// sessions have no warehouse, and nothing can be dispatched.
    pub async fn segments(&self, deadline: Duration) -> Answer<Option<Dispatched>> {
        self.query(deadline, answering).await
    }

    /// Returns the instances from the coordinator's catalog; no segment is queried.
    pub async fn instances(&self, deadline: Duration) -> Answer<Vec<Instance>> {
        self.query(deadline, instances).await
    }
}

/// Returns how many primary segments respond; an error if one does not. `None` if the session has no warehouse: then
/// there is nothing to dispatch to, which says nothing about the server. Segments that the catalog lists for other
/// warehouses are not queried and do not count.
pub(super) async fn answering(session: &mut Session) -> Result<Option<Dispatched>, ProbeError> {
    let warehouse = if session.knows_warehouses() { Some(current(session).await?) } else { None };
    if warehouse.as_ref().is_some_and(String::is_empty) {
        return Ok(None);
    }
    let answered = dispatched(session).await?;
    let expected = match &warehouse {
        None => Some(known(session).await?),
        Some(warehouse) => known_of(session, warehouse).await?,
    };
    if let Some(expected) = expected
        && answered < expected
    {
        return Err(ProbeError::new(Meaning::Down, format!("{answered} of {expected} segments responded")));
    }
    Ok(Some(Dispatched { answered, expected, warehouse }))
}

/// Returns how many segments respond to a dispatched query. It is a separate transaction: a failed one names the
/// segment.
async fn dispatched(session: &mut Session) -> Result<usize, ProbeError> {
    let answered = session.run(&[Statement::Dispatch]).await.map_err(of_dispatch)?;
    Ok(answered.first().map_or(0, Vec::len))
}

/// The warehouse that the session is in, empty for none. One that was chosen is in force: each statement makes sure of it.
async fn current(session: &mut Session) -> Result<String, ProbeError> {
    if let Some(chosen) = session.warehouse() {
        return Ok(chosen.to_owned());
    }
    let rows = session.run(&[Statement::ShowWarehouse]).await?;
    Ok(rows.first().and_then(|rows| rows.first()).map(|row| text(row, 0).to_owned()).unwrap_or_default())
}

/// Returns how many primary segments a warehouse has in the coordinator's catalog; `None` if the catalog does not tell.
async fn known_of(session: &mut Session, warehouse: &str) -> Result<Option<usize>, ProbeError> {
    if !lists_warehouses(session).await? {
        return Ok(None);
    }
    let rows = session.run(&[Statement::PrimariesOf { warehouse }]).await?;
    let row = rows.first().and_then(|rows| rows.first());
    let column = |column| row.and_then(|row| text(row, column).parse::<usize>().ok());
    match (column(0), column(1)) {
        (_, Some(0)) => Err(ProbeError::new(
            Meaning::NoWarehouse,
            format!("its sessions use warehouse {warehouse}, which is not in its catalog"),
        )),
        (Some(segments), Some(_)) => Ok(Some(segments)),
        _ => Err(ProbeError::unsure(format!("the number of segments of warehouse {warehouse} is unknown"))),
    }
}

async fn lists_warehouses(session: &mut Session) -> Result<bool, ProbeError> {
    if !session.knows_warehouses() {
        return Ok(false);
    }
    let rows = session.run(&[Statement::ListsWarehouses]).await?;
    Ok(rows.first().is_some_and(|rows| !rows.is_empty()))
}

/// Checks that each primary segment's catalog has at least as many user tables as the coordinator's, in the database of
/// the session. A segment that returned with an empty disk has none, while the coordinator's catalog is complete.
pub(super) async fn hold_the_tables(session: &mut Session) -> Result<(), ProbeError> {
    let mut last = Ok(());
    // Again: another session may have created a table between the two queries.
    for _ in 0..2 {
        let expected = session.run(&[Statement::TablesOnCoordinator]).await?;
        let expected = expected.first().and_then(|rows| rows.first()).and_then(|row| number(row, 0)).unwrap_or(0);
        let held = session.run(&[Statement::TablesOnSegments]).await.map_err(of_dispatch)?;
        let primaries = self::expected(session).await?;
        last = compare_tables(expected, held.iter().flatten().map(|row| (text(row, 0), number(row, 1))), primaries);
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Compares what each segment holds with the coordinator's number. A segment that holds none has no row.
fn compare_tables<'r>(
    expected: u64,
    held: impl Iterator<Item = (&'r str, Option<u64>)>,
    primaries: usize,
) -> Result<(), ProbeError> {
    let held: Vec<_> = held.collect();
    let short = held.iter().find(|(_, number)| number.is_none_or(|number| number < expected));
    let why = match short {
        Some((segment, number)) => {
            format!("segment {segment} has {} of {expected} tables in its catalog", number.unwrap_or(0))
        }
        None if expected > 0 && held.len() < primaries => {
            let without = primaries - held.len();
            format!("{without} of {primaries} segments have none of the {expected} tables in their catalog")
        }
        None => return Ok(()),
    };
    Err(ProbeError::new(Meaning::Damaged, why))
}

/// Classifies a failed dispatched query. The coordinator accepted the login and understood the query, so an error that
/// would blame the client comes from a segment: it has no such database, or no such table.
/// blame us comes from a segment: it has no such database, or no such table.
fn of_dispatch(trouble: ProbeError) -> ProbeError {
    match trouble.meaning {
        Meaning::NoDatabase | Meaning::OurRequest if trouble.code.is_some() => {
            ProbeError { meaning: Meaning::Damaged, ..trouble }
        }
        _ => trouble,
    }
}

/// Returns how many primary segments should respond to a query of this session: those of its warehouse, or all. If the
/// catalog does not distinguish warehouses, it is the number that did respond.
pub(super) async fn expected(session: &mut Session) -> Result<usize, ProbeError> {
    if !session.knows_warehouses() {
        return known(session).await;
    }
    let warehouse = current(session).await?;
    if warehouse.is_empty() {
        return Err(ProbeError::new(Meaning::NoWarehouse, "its sessions have no warehouse"));
    }
    match known_of(session, &warehouse).await? {
        Some(known) => Ok(known),
        None => dispatched(session).await,
    }
}

/// Returns how many primary segments there are.
async fn known(session: &mut Session) -> Result<usize, ProbeError> {
    let known = session.run(&[Statement::Primaries]).await?;
    let number = known.first().and_then(|rows| rows.first()).and_then(|row| text(row, 0).parse().ok());
    number.ok_or_else(|| ProbeError::unsure("the number of segments is unknown"))
}

async fn instances(session: &mut Session) -> Result<Vec<Instance>, ProbeError> {
    let warehouses = lists_warehouses(session).await?;
    let rows = session.run(&[Statement::Instances { warehouses }]).await?;
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
            warehouse: Some(column(row, 6)).filter(|name| !name.is_empty()),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_with_fewer_tables_than_the_coordinator_is_damaged() {
        for (expected, held, primaries, why) in [
            (3, &[("0", 3), ("1", 3)][..], 2, None),
            // A table was created in the meantime.
            (3, &[("0", 4), ("1", 4)], 2, None),
            (0, &[], 2, None),
            (3, &[("0", 3), ("1", 2)], 2, Some("segment 1 has 2 of 3 tables in its catalog")),
            (3, &[("0", 3)], 2, Some("1 of 2 segments have none of the 3 tables in their catalog")),
            (3, &[], 2, Some("2 of 2 segments have none of the 3 tables in their catalog")),
        ] {
            let held_by = held.iter().map(|(segment, number)| (*segment, Some(*number)));
            let compared = compare_tables(expected, held_by, primaries);
            let expected = why.map(|why| ProbeError::new(Meaning::Damaged, why));
            assert_eq!(compared.err(), expected, "{held:?}");
        }
    }

    #[test]
    fn what_a_segment_lacks_is_not_our_fault() {
        let trouble = |code: &str| ProbeError {
            code: Some(code.to_owned()),
            ..ProbeError::new(super::super::sqlstate::meaning(code), "")
        };
        for (code, meaning) in [
            ("3D000", Meaning::Damaged),
            ("42P01", Meaning::Damaged),
            ("58M01", Meaning::Down),
            ("57014", Meaning::Busy),
            ("42501", Meaning::NotAllowed),
        ] {
            assert_eq!(of_dispatch(trouble(code)).meaning, meaning, "{code}");
        }
    }
}
