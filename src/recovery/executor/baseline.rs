//! The baseline right before the first change, and the canary row that is searched for afterwards.

use super::state::Executor;
use crate::plan::{Action, ComparedWith, Proof};
use crate::recovery::prover::NoEvidence;
use crate::verify::difference;
use crate::verify::inspect::QUESTION;
use tokio::time::Instant;

impl Executor<'_, '_> {
    pub(super) async fn write_canary(&mut self) {
        // A resumed run searches for the row that the first run wrote.
        self.canary.clone_from(&self.run.record.canary);
        let Proof::Sql { canary: Some(schema), .. } = &self.run.plan.proof else { return };
        if self.canary.is_some() {
            return;
        }
        let schema = schema.clone();
        match self.run.prover.write_canary(&schema).await {
            Ok(()) => {
                self.run.record.canary = Some(schema.clone());
                self.canary = Some(schema);
                self.wrote_canary = true;
            }
            Err(reason) => self.notice(format!("canary table not written: {reason}")),
        }
    }

    /// Takes the baseline again. The plan's baseline was taken before the prompt: what was dropped while the user read
    /// the plan is not a loss. Not if an earlier run took it, or it is a stored one.
    pub(super) async fn take_baseline_again(&mut self) {
        let plan = self.run.plan;
        let fresh = matches!(plan.baseline, ComparedWith::Fresh { .. }) && plan.resumes.is_none();
        let Some(before) = self.run.before.take_if(|_| fresh && plan.act == Action::Failover && plan.deletes()) else {
            return;
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.run.prover.collect_evidence(Some(&before), self.run.cluster.lengthened(QUESTION).min(left)).await {
            Ok(now) => {
                let gone = difference(&before, &now).missing;
                if !gone.is_empty() {
                    self.notice(format!("since the plan was made: {}", gone.join("; ")));
                }
                let now = now.or_before(&before);
                self.run.record.set_baseline(serde_json::to_value(&now).ok());
                self.run.before = Some(now);
            }
            Err(silence) => {
                let why = match silence {
                    NoEvidence::NotAsked => "it was not queried".to_owned(),
                    NoEvidence::Because(why) | NoEvidence::LoginRefused(why) | NoEvidence::NoWarehouse(why) => why,
                };
                self.notice(format!("using the plan's baseline; it could not be taken again: {why}"));
                self.run.before = Some(before);
            }
        }
    }
}
