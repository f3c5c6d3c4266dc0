//! The position of each storage component, in two numbers: the position itself, and what it lacks of the committed WAL.

use super::facts::TimelineId;
use super::reading::Reading;
use super::readings::{Readings, committed};
use std::collections::BTreeMap;

/// A component's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The furthest position of its active timelines, in bytes of WAL; `None` if none is active.
    pub lsn: Option<u64>,
    /// Bytes of committed WAL that it lacks, of all active timelines together; `None` if that is unknown.
    pub lag: Option<u64>,
}

/// Positions by `namespace/pod`, or why one is unknown. Empty if none was queried.
pub(crate) type Positions = BTreeMap<String, Result<Position, String>>;

/// Returns the position of each component of a namespace.
pub(crate) fn positions(namespace: &str, readings: &Readings) -> Positions {
    let safekeepers: Vec<&Reading> = readings.safekeepers.iter().collect();
    let committed = committed(&safekeepers);
    let lag = |at: &dyn Fn(&TimelineId) -> Option<u64>| {
        let known = safekeepers.iter().any(|one| one.safekeeper().is_some());
        let lags = committed.iter().filter_map(|(id, furthest)| Some(furthest.lsn.saturating_sub(at(id)?)));
        known.then(|| lags.sum::<u64>())
    };
    let of = |reading: &Reading| {
        if let Some((_, facts)) = reading.safekeeper() {
            let lsn = facts.timelines.values().filter_map(|wal| wal.flush_lsn).max();
            // The bytes of what it does not have, or does not report, are unknown.
            let unknown = facts.idle_unread().is_some()
                || facts.lists_all() && committed.keys().any(|id| facts.wal(id).is_none());
            let lag = lag(&|id| facts.wal(id)?.flush_lsn).filter(|_| !unknown);
            return Ok(Position { lsn, lag });
        }
        if let Some(facts) = reading.pageserver() {
            let lsn = facts.timelines.values().filter_map(|layers| layers.last_record_lsn).max();
            return Ok(Position { lsn, lag: lag(&|id| facts.layers(id)?.last_record_lsn) });
        }
        Err(reading.unread().unwrap_or_else(|| "its metrics belong to another component".to_owned()))
    };
    let all = readings.safekeepers.iter().chain(&readings.pageservers);
    all.map(|reading| (format!("{namespace}/{}", reading.pod), of(reading))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Idle;
    use crate::storage::examples::{ps, readings, sk};

    #[test]
    fn each_is_measured_by_the_furthest() {
        let level = |id| sk(id).timeline("aa/11", 100, 100, 1).timeline("bb/22", 50, 50, 1);
        let behind = level(2).timeline("aa/11", 90, 90, 1).timeline("bb/22", 20, 20, 1);
        let mut all = readings([level(1), behind, level(3).unread()]);
        all.pageservers.push(ps(2).timeline("aa/11", 70, 60).reading());
        let found = positions("n", &all);
        let at = |lsn, lag| Ok(Position { lsn: Some(lsn), lag: Some(lag) });
        assert_eq!(found["n/safekeeper-0"], at(100, 0));
        assert_eq!(found["n/safekeeper-1"], at(90, 40));
        assert_eq!(found["n/safekeeper-2"], Err("/metrics returned 401 Unauthorized".to_owned()));
        assert_eq!(found["n/pageserver-0"], at(70, 30));
        let idle = positions("n", &readings([sk(1).total(3)]));
        assert_eq!(idle["n/safekeeper-0"], Ok(Position { lsn: None, lag: Some(0) }));
        // A timeline that it does not have, and idle ones that it does not report: their size is unknown.
        for idle in [Idle::Listed, Idle::Unread("the token is refused".into())] {
            let found = positions("n", &readings([level(1), sk(2).timeline("aa/11", 100, 100, 1).total(2).idle(idle)]));
            assert_eq!(found["n/safekeeper-1"], Ok(Position { lsn: Some(100), lag: None }));
        }
        // Without a safekeeper, the committed position is unknown.
        let alone = Readings { pageservers: vec![ps(1).timeline("aa/11", 70, 60).reading()], ..Readings::default() };
        assert_eq!(positions("n", &alone)["n/pageserver-0"], Ok(Position { lsn: Some(70), lag: None }));
    }
}
