//! The end of a run: the outcome is written to the record, and the canary table is dropped.

use super::state::Executor;
use crate::cluster::write::Written;
use crate::error::Error;
use crate::plan::{Record, RecordedOutcome};
use crate::recovery::events::Ending;
use jiff::Timestamp;

impl Executor<'_, '_> {
    /// Writes the outcome to the record, and drops the canary table. Failures are reported, and do not change the
    /// verdict.
    pub(super) async fn close(&mut self, ending: &Ending) {
        let outcome = match ending {
            Ending::Recovered => RecordedOutcome::Recovered,
            Ending::Replaced | Ending::Unverified(_) => RecordedOutcome::Unverified,
            Ending::DataMissing(_) => RecordedOutcome::DataMissing,
            Ending::CatchingUp(_) => return self.left_catching_up().await,
            // A later run may finish it: the canary table is part of what it verifies.
            Ending::TimedOut(_) | Ending::ClusterChanged(_) | Ending::Failed(_) | Ending::Interrupted => {
                return self.left_unfinished().await;
            }
        };
        let canary = self.canary.take();
        let lost = match &canary {
            Some(schema) if outcome == RecordedOutcome::DataMissing => self.run.prover.lacks_canary(schema).await,
            _ => false,
        };
        // A row on the deleted volume cannot be dropped here: an undo will find it.
        if !lost {
            self.run.record.canary = None;
        }
        self.run.record.outcome = outcome;
        self.run.record.finished = Some(Timestamp::now().to_string());
        // Once everything was found again, the baseline need not be kept forever.
        if outcome == RecordedOutcome::Recovered {
            self.run.record.set_baseline(None);
        }
        self.write_outcome(outcome).await;
        // Only now: if this run is killed before, the next one searches for the row.
        if let Some(schema) = canary.filter(|_| !lost)
            && let Err(why) = self.run.prover.drop_canary(&schema).await
        {
            self.notice(format!("schema {schema} was not dropped: {why}"));
        }
        self.drop_superseded(outcome).await;
        if outcome == RecordedOutcome::Recovered {
            self.settle_left_open().await;
        }
    }

    /// Marks the records of earlier operations as settled. Otherwise an old one would be the newest as soon as this
    /// record is deleted with its volumes, and count as unfinished again.
    async fn settle_left_open(&mut self) {
        for earlier in std::mem::take(&mut self.run.left_open) {
            let (in_journal, _) = self.run.journal.records();
            for mut record in in_journal.into_iter().filter(|record| record.id == earlier.id) {
                record.superseded_by = Some(self.run.record.id.clone());
                if let Err(error) = self.run.journal.write(&record) {
                    self.notice(format!("could not settle the record of {}: {error}", earlier.id));
                }
            }
            for (volume, uid) in self.recorded(&earlier.id) {
                match self.settle_record(&volume, &uid, &earlier.id).await {
                    Ok(Written::Done { .. } | Written::Gone) => {}
                    Ok(Written::Changed { message, .. }) => {
                        self.notice(format!("the record of {} on volume {volume}: {message}", earlier.id));
                    }
                    Err(error) => {
                        self.notice(format!(
                            "could not settle the record of {} on volume {volume}: {error}",
                            earlier.id
                        ));
                    }
                }
            }
        }
    }

    /// Leaves a run that can be resumed like any unfinished one; the record tells what it waits for.
    async fn left_catching_up(&mut self) {
        self.run.record.outcome = RecordedOutcome::CatchingUp;
        self.write_outcome(RecordedOutcome::CatchingUp).await;
        self.left_unfinished().await;
    }

    /// Writes the current record to every place that has it.
    async fn write_outcome(&mut self, outcome: RecordedOutcome) {
        if self.run.plan.journal.is_some()
            && let Err(error) = self.run.journal.write(&Record { healed: self.healed, ..self.run.record.clone() })
        {
            self.notice(format!("could not update the record: {error}"));
        }
        for (volume, uid) in self.own_volumes() {
            let written = self.finish_record(&volume, &uid, outcome).await;
            match written {
                Ok(Written::Done { .. }) => {}
                Ok(Written::Gone) => self.notice(format!("volume {volume} is gone, and its record with it")),
                Ok(Written::Changed { message, .. }) => {
                    self.notice(format!("the record on volume {volume}: {message}"))
                }
                Err(error) => self.notice(format!("could not update the record on volume {volume}: {error}")),
            }
        }
    }

    /// Drops the canary tables of runs that this one superseded. They are dropped from the component's current data; a
    /// retained volume keeps its own.
    async fn drop_superseded(&mut self, outcome: RecordedOutcome) {
        if outcome != RecordedOutcome::Recovered {
            return;
        }
        for schema in std::mem::take(&mut self.run.superseded) {
            if let Err(why) = self.run.prover.drop_canary(&schema).await {
                self.notice(format!("schema {schema} of an earlier run was not dropped: {why}"));
            }
        }
    }

    /// Writes the outcome on a volume. A restored volume that is verified gets its original reclaim policy back.
    async fn finish_record(&mut self, volume: &str, uid: &str, outcome: RecordedOutcome) -> Result<Written, Error> {
        let returns = self.run.record.claims.iter().filter_map(|claim| claim.returns.as_ref());
        let policy = returns.filter(|back| back.uid == uid).find_map(|back| back.reclaim_policy.clone());
        let policy = policy.filter(|_| outcome == RecordedOutcome::Recovered);
        self.write_record(volume, uid, policy.as_deref()).await
    }

    /// Keeps the canary table for a later run that may finish this one.
    async fn left_unfinished(&mut self) {
        let Some(schema) = self.canary.take() else { return };
        if is_looked_for_again(self.wrote_canary, !self.done.is_empty()) {
            self.notice(format!("schema {schema} is kept for the resumed run"));
        } else if let Err(why) = self.run.prover.drop_canary(&schema).await {
            self.notice(format!("schema {schema} was not dropped: {why}"));
        }
    }

    /// Returns the volumes that carry this operation's record, from this run or an earlier one: an earlier one may have
    /// left nothing to do for some of them.
    fn own_volumes(&self) -> Vec<(String, String)> {
        let mut volumes = self.record_on.clone();
        let before = self.recorded(&self.run.record.id);
        volumes.extend(before.into_iter().filter(|volume| !self.record_on.contains(volume)));
        volumes
    }

    /// Returns the volumes that carry the record of this operation: name and UID.
    fn recorded(&self, id: &str) -> Vec<(String, String)> {
        let of_it = |text: &String| Record::parse(text).is_some_and(|record| record.id == id);
        let topology = self.topology();
        let volumes = topology.recorded.iter().filter(|volume| volume.records.iter().any(of_it));
        volumes.map(|volume| (volume.name.clone(), volume.uid.clone())).collect()
    }
}

/// Returns whether a run after this unfinished one searches for the canary table: it does for one of an earlier run, or
/// of the failover that is being undone, whatever this run did; and for one of this run once anything was changed.
fn is_looked_for_again(wrote: bool, changed: bool) -> bool {
    !wrote || changed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that is dropped while a later run searches for it would count as lost data.
    #[test]
    fn the_canary_table_stays_for_a_later_run_that_searches_for_it() {
        for (wrote, changed, expected) in [
            // Nothing was changed: no run will resume it.
            (true, false, false),
            (true, true, true),
            // It resumes or undoes: the row belongs to an earlier run, and only waiting may have been left.
            (false, false, true),
            (false, true, true),
        ] {
            assert_eq!(is_looked_for_again(wrote, changed), expected, "{wrote} {changed}");
        }
    }
}
