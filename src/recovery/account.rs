//! The end of a run: the outcome written where the record is, the canary table dropped, the account drawn up.

use super::events::{ClaimChange, Ending, Outcome};
use super::goal;
use super::run::Act;
use crate::cluster::write::Written;
use crate::error::Error;
use crate::plan::{Outcome as Recorded, Record, ReplacedClaim, Step};
use crate::topology::Topology;
use jiff::Timestamp;
use std::time::Duration;

impl Act<'_, '_> {
    /// Writes the outcome where the record is, and drops the canary table. What cannot be done is said, and changes
    /// nothing about the verdict.
    pub(super) async fn close(&mut self, ending: &Ending) {
        let outcome = match ending {
            Ending::Recovered => Recorded::Recovered,
            Ending::NotVerified | Ending::Unproven(_) => Recorded::Unproven,
            Ending::DataMissing(_) => Recorded::DataMissing,
            Ending::CatchingUp(_) => return self.left_catching_up().await,
            // Somebody may finish it: the canary table is part of what there is to find.
            Ending::TimedOut(_) | Ending::Changed(_) | Ending::Failed(_) | Ending::Interrupted => {
                return self.left_unfinished().await;
            }
        };
        let canary = self.canary.take();
        let lost = match &canary {
            Some(schema) if outcome == Recorded::DataMissing => self.run.witness.lacks_canary(schema).await,
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
            && let Err(why) = self.run.witness.drop_canary(&schema).await
        {
            self.notice(format!("schema {schema} is left: {why}"));
        }
        self.drop_superseded(outcome).await;
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
            self.notice(format!("the record was not finished: {error}"));
        }
        for (volume, uid) in self.recorded() {
            let written = self.finish_record(&volume, &uid, outcome).await;
            match written {
                Ok(Written::Done { .. }) => {}
                Ok(Written::Gone) => self.notice(format!("volume {volume} is gone: its record is lost with it")),
                Ok(Written::Changed { message, .. }) => {
                    self.notice(format!("the record on volume {volume}: {message}"))
                }
                Err(error) => self.notice(format!("the record on volume {volume} was not finished: {error}")),
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
            if let Err(why) = self.run.witness.drop_canary(&schema).await {
                self.notice(format!("schema {schema}, of an earlier run, is left: {why}"));
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
            self.notice(format!("schema {schema} is left for the run that resumes"));
        } else if let Err(why) = self.run.witness.drop_canary(&schema).await {
            self.notice(format!("schema {schema} is left: {why}"));
        }
    }

    /// The volumes that this run or an earlier one wrote this act's record on: an earlier one may have left nothing to
    /// do about some of them.
    fn recorded(&self) -> Vec<(String, String)> {
        let of_this = |text: &String| Record::parse(text).is_some_and(|record| record.id == self.run.record.id);
        let topology = self.topology();
        let before = topology.recorded.iter().filter(|volume| volume.records.iter().any(of_this));
        let before = before.map(|volume| (volume.name.clone(), volume.uid.clone()));
        let mut volumes = self.record_on.clone();
        volumes.extend(before.filter(|volume| !self.record_on.contains(volume)));
        volumes
    }

    pub(super) fn outcome(self, ending: Ending, total: Duration) -> Outcome {
        let plan = self.run.plan;
        let topology = self.topology();
        let successor = goal::successor(plan, &topology);
        let retained = |claim: &str| {
            plan.steps.iter().find_map(|step| match step {
                Step::Retain { volume, claim: of, .. } if of == claim => Some(volume.clone()),
                _ => None,
            })
        };
        let recorded = |claim: &str| {
            self.run.record.claims.iter().find(|other| other.name == claim).and_then(|other| other.volume.clone())
        };
        let claims = plan.replaced_claims.iter().map(|claim| {
            let found = successor.and_then(|(member, _)| goal::new_claim(plan, member, claim));
            let new = found.filter(|found| found.uid.as_ref() != Some(&claim.uid));
            let has = new.filter(|new| new.bound()).and_then(|new| new.volume_name.clone());
            let returned = has.filter(|has| claim.returns.as_ref().is_some_and(|back| back.volume == *has));
            ClaimChange {
                name: claim.name.clone(),
                old_uid: claim.uid.clone(),
                new_uid: new.and_then(|new| new.uid.clone()),
                retained_volume: retained(&claim.name)
                    .or_else(|| plan.resumes.as_ref().and_then(|_| recorded(&claim.name)))
                    .filter(|volume| still_kept(&topology, volume, &self.retained)),
                earlier_policy: returned.as_ref().and(withheld(&ending, claim)),
                returned_volume: returned,
            }
        });
        Outcome {
            compared_with: self.run.before.as_ref().and_then(|before| before.taken().map(str::to_owned)),
            phases: self.phases,
            total,
            old_uid: plan.target.uid.clone(),
            new_pod: successor.map(|(member, pod)| (member.name.clone(), pod.uid.clone())),
            claims: claims.collect(),
            healed: self.healed,
            restarts: self.settling.restarts(),
            restarted: self.settling.restarted(),
            proof: self.proof,
            done: self.done,
            notices: self.notices,
            reachability: Vec::new(),
            accept: None,
            undo: None,
            ending,
        }
    }
}

/// Whether a run that comes after an unfinished one looks for the canary table: it does for one that an earlier run wrote,
/// or the failover that is undone, whatever this one did; and for one of this run once anything was changed.
fn is_looked_for_again(wrote: bool, changed: bool) -> bool {
    !wrote || changed
}

/// Whether a volume that was to be retained is there and would outlive its claim: what the plan meant to keep is one thing,
/// what there is in the end another. Where volumes cannot be read, only what this run retained by the server's word is
/// known to be kept.
fn still_kept(topology: &Topology, volume: &str, retained: &[String]) -> bool {
    match topology.recorded.iter().find(|recorded| recorded.name == volume) {
        Some(recorded) => recorded.reclaim_policy == "Retain",
        None => topology.unread_volumes().is_some() && retained.iter().any(|name| name == volume),
    }
}

/// The reclaim policy that a volume which came back had before and does not get again: without a proof that it holds what it
/// should, another disk may still be the right one, and nothing is given up. `None` where it has it again, or will once the
/// act is finished.
fn withheld(ending: &Ending, claim: &ReplacedClaim) -> Option<String> {
    let unproven = matches!(ending, Ending::NotVerified | Ending::Unproven(_) | Ending::DataMissing(_));
    let policy = claim.returns.as_ref()?.reclaim_policy.clone();
    policy.filter(|policy| unproven && policy != "Retain")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Returns;
    use crate::testing::{snapshot, unreadable};
    use crate::topology::{Layout, build};

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

    /// What the plan meant to keep is not kept for that.
    #[test]
    fn only_what_is_known_to_be_kept_is_said_to_be() {
        let world = |policy: &str, volume: &str, readable: bool| {
            let yaml = format!(
                "
namespace: a
volumes: [{{name: {volume}, class: standard, policy: {policy}}}]
records: [{{id: f1, pod: wh1-0, age: 9, claims: [{{name: c, uid: u, volume: pv-1, policy: Delete}}]}}]"
            );
            let mut snapshot = snapshot(&[&yaml]);
            if !readable {
                snapshot.volumes = unreadable("persistentvolumes", None);
            }
            build(&snapshot, &Layout::shipped().unwrap())
        };
        let now = ["pv-1".to_owned()];
        for (topology, retained, expected) in [
            (world("Retain", "pv-1", true), &[][..], true),
            (world("Retain", "pv-1", true), &now[..], true),
            // Retaining it was denied, or somebody set it back.
            (world("Delete", "pv-1", true), &[], false),
            (world("Delete", "pv-1", true), &now, false),
            // It is gone.
            (world("Retain", "pv-2", true), &now, false),
            // Nobody can look: only the server's own word counts.
            (world("Retain", "pv-1", false), &[], false),
            (world("Retain", "pv-1", false), &now, true),
        ] {
            assert_eq!(still_kept(&topology, "pv-1", retained), expected, "{:?} {retained:?}", topology.recorded);
        }
    }

    /// A volume that came back gets its policy again by proof alone.
    #[test]
    fn what_is_not_proven_stays_on_retain() {
        let claim = |policy: Option<&str>| ReplacedClaim {
            name: "c".into(),
            uid: "u".into(),
            returns: Some(Returns {
                volume: "pv-1".into(),
                uid: "v".into(),
                reclaim_policy: policy.map(str::to_owned),
            }),
            ephemeral: false,
        };
        let why = || "why".to_owned();
        for (ending, policy, expected) in [
            (Ending::NotVerified, Some("Delete"), Some("Delete")),
            (Ending::Unproven(why()), Some("Delete"), Some("Delete")),
            (Ending::DataMissing(vec![why()]), Some("Delete"), Some("Delete")),
            (Ending::Recovered, Some("Delete"), None),
            (Ending::NotVerified, Some("Retain"), None),
            (Ending::NotVerified, None, None),
            // The run that finishes it says so.
            (Ending::TimedOut(why()), Some("Delete"), None),
            (Ending::Interrupted, Some("Delete"), None),
        ] {
            assert_eq!(withheld(&ending, &claim(policy)).as_deref(), expected, "{ending:?} {policy:?}");
        }
        let none = ReplacedClaim { returns: None, ..claim(None) };
        assert_eq!(withheld(&Ending::NotVerified, &none), None);
    }
}
