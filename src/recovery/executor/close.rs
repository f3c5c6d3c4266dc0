//! The end of a run: the outcome is written where the record is, and the canary table is dropped.

use super::state::Executor;
use crate::cluster::write::Written;
use crate::error::Error;
use crate::plan::{Outcome as Recorded, Record};
use crate::recovery::events::Ending;
use jiff::Timestamp;

impl Executor<'_, '_> {
    /// Writes the outcome where the record is, and drops the canary table. What cannot be done is said, and changes
    /// nothing about the verdict.
    pub(super) async fn close(&mut self, ending: &Ending) {
        let outcome = match ending {
            Ending::Recovered => Recorded::Recovered,
            Ending::Replaced | Ending::Unverified(_) => Recorded::Unverified,
            Ending::DataMissing(_) => Recorded::DataMissing,
            Ending::CatchingUp(_) => return self.left_catching_up().await,
            // Somebody may finish it: the canary table is part of what there is to find.
            Ending::TimedOut(_) | Ending::ClusterChanged(_) | Ending::Failed(_) | Ending::Interrupted => {
                return self.left_unfinished().await;
            }
        };
        let canary = self.canary.take();
        let lost = match &canary {
            Some(schema) if outcome == Recorded::DataMissing => self.run.prover.lacks_canary(schema).await,
            _ => false,
        };
        // A row that is on the volume that went is not here to be dropped: an undo will find it.
        if !lost {
            self.run.record.canary = None;
        }
        self.run.record.outcome = outcome;
        self.run.record.finished = Some(Timestamp::now().to_string());
        // What was all found again need not be kept for ever.
        if outcome == Recorded::Recovered {
            self.run.record.set_baseline(None);
        }
        self.write_outcome(outcome).await;
        // Only now: a run that is killed before looks for the row when it is run again.
        if let Some(schema) = canary.filter(|_| !lost)
            && let Err(why) = self.run.prover.drop_canary(&schema).await
        {
            self.notice(format!("schema {schema} was not dropped: {why}"));
        }
        self.drop_superseded(outcome).await;
        if outcome == Recorded::Recovered {
            self.settle_left_open().await;
        }
    }

    /// Writes on the records of earlier acts that they are settled. Without it an old one would be the newest as soon as
    /// this one's record goes with its volumes, and be called unfinished again.
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

    /// It is gone on with like any run that is unfinished, and the record says what it waits for.
    async fn left_catching_up(&mut self) {
        self.run.record.outcome = Recorded::CatchingUp;
        self.write_outcome(Recorded::CatchingUp).await;
        self.left_unfinished().await;
    }

    /// Writes the record as it is now wherever it is.
    async fn write_outcome(&mut self, outcome: Recorded) {
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

    /// Drops what runs left that were given up for this one. It is dropped from what the component holds now; a volume that
    /// was set aside keeps its own.
    async fn drop_superseded(&mut self, outcome: Recorded) {
        if outcome != Recorded::Recovered {
            return;
        }
        for schema in std::mem::take(&mut self.run.superseded) {
            if let Err(why) = self.run.prover.drop_canary(&schema).await {
                self.notice(format!("schema {schema} of an earlier run was not dropped: {why}"));
            }
        }
    }

    /// Writes the outcome on a volume. One that came back and is whole gets the reclaim policy again that it had before
    /// it was first set aside.
    async fn finish_record(&mut self, volume: &str, uid: &str, outcome: Recorded) -> Result<Written, Error> {
        let returns = self.run.record.claims.iter().filter_map(|claim| claim.returns.as_ref());
        let policy = returns.filter(|back| back.uid == uid).find_map(|back| back.reclaim_policy.clone());
        let policy = policy.filter(|_| outcome == Recorded::Recovered);
        self.write_record(volume, uid, policy.as_deref()).await
    }

    /// Somebody may finish it: the canary table is part of what there is to find.
    async fn left_unfinished(&mut self) {
        let Some(schema) = self.canary.take() else { return };
        if is_looked_for_again(self.wrote_canary, !self.done.is_empty()) {
            self.notice(format!("schema {schema} is kept for the resumed run"));
        } else if let Err(why) = self.run.prover.drop_canary(&schema).await {
            self.notice(format!("schema {schema} was not dropped: {why}"));
        }
    }

    /// The volumes that this run or an earlier one wrote this act's record on: an earlier one may have left nothing to
    /// do about some of them.
    fn own_volumes(&self) -> Vec<(String, String)> {
        let mut volumes = self.record_on.clone();
        let before = self.recorded(&self.run.record.id);
        volumes.extend(before.into_iter().filter(|volume| !self.record_on.contains(volume)));
        volumes
    }

    /// The volumes that carry the record of this act: name and UID.
    fn recorded(&self, id: &str) -> Vec<(String, String)> {
        let of_it = |text: &String| Record::parse(text).is_some_and(|record| record.id == id);
        let topology = self.topology();
        let volumes = topology.recorded.iter().filter(|volume| volume.records.iter().any(of_it));
        volumes.map(|volume| (volume.name.clone(), volume.uid.clone())).collect()
    }
}

/// Whether a run that comes after an unfinished one looks for the canary table: it does for one that an earlier run wrote,
/// or the failover that is undone, whatever this one did; and for one of this run once anything was changed.
fn is_looked_for_again(wrote: bool, changed: bool) -> bool {
    !wrote || changed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that is dropped while a run will look for it would count as lost data.
    #[test]
    fn the_canary_table_stays_for_whoever_looks_for_it() {
        for (wrote, changed, expected) in [
            // Nothing was changed: nobody will go on.
            (true, false, false),
            (true, true, true),
            // It resumes, or undoes: the row is an earlier run's, and only waiting may have been left.
            (false, false, true),
            (false, true, true),
        ] {
            assert_eq!(is_looked_for_again(wrote, changed), expected, "{wrote} {changed}");
        }
    }
}
