//! Executes the steps of a plan, each with its precondition.

use super::state::Executor;
use crate::cluster::write::{Reservation, Written};
use crate::error::Error;
use crate::plan::{Action, PlanCheckId, Step};
use crate::recovery::events::{Ending, Event, Phase, PhaseEnd};
use crate::recovery::goal;
use std::pin::pin;
use tokio::time::Instant;

/// Returns what was done to several objects in a phase.
fn deeds(phase: Phase, act: &Action) -> &'static str {
    match phase {
        Phase::Retain if *act == Action::Failover => "volumes retained",
        Phase::Retain => "volumes retained and reserved",
        Phase::Claim => "claims deleted",
        _ => "objects deleted",
    }
}

impl Executor<'_, '_> {
    /// Executes the steps of a phase; returns what was done.
    pub(super) async fn steps<'s>(
        &mut self,
        phase: Phase,
        steps: impl Iterator<Item = &'s Step>,
    ) -> Result<Vec<String>, Ending> {
        let mut details = Vec::new();
        for step in steps {
            // Between two changes, never within one: it is known exactly what was done.
            if self.run.interrupt.is_cancelled() {
                return Err(self.failed(phase, "interrupted".into(), Ending::Interrupted));
            }
            // A run that has begun is completed up to waiting; a run that has not begun does not begin late.
            if self.done.is_empty() && Instant::now() >= self.deadline {
                let waits = "timed out before anything was changed".to_owned();
                return Err(self.failed(phase, waits.clone(), Ending::TimedOut(waits)));
            }
            if details.is_empty() {
                (self.tell)(Event::Started(phase));
            }
            if let Err(ending) = self.still_alone().await {
                return Err(self.failed(phase, "another failover may be in progress".into(), ending));
            }
            match self.step(phase, step).await {
                Ok(detail) => details.push(detail),
                Err(ending) => {
                    let why = match &ending {
                        Ending::ClusterChanged(why) => why.clone(),
                        Ending::Failed(error) => error.to_string(),
                        _ => String::new(),
                    };
                    return Err(self.failed(phase, why, ending));
                }
            }
        }
        Ok(details)
    }

    /// Returns the end of a phase of steps.
    pub(super) fn stepped(&mut self, phase: Phase, started: Instant, mut details: Vec<String>) {
        let end = if details.is_empty() {
            PhaseEnd::Skipped("nothing to do".into())
        } else {
            let detail = if details.len() == 1 {
                details.remove(0)
            } else {
                format!("{} {}", details.len(), deeds(phase, &self.run.plan.act))
            };
            PhaseEnd::After(started.elapsed(), detail)
        };
        self.end_phase(phase, end);
    }

    async fn step(&mut self, phase: Phase, step: &Step) -> Result<String, Ending> {
        let namespace = &self.run.plan.target.namespace;
        let cluster = self.run.cluster;
        let (what, written) = match step {
            Step::Retain { volume, uid, .. } => {
                let written = self.write_record(volume, uid, Some("Retain")).await;
                self.carries(volume, uid, &written);
                (format!("volume {volume}"), written)
            }
            Step::Unreserve { volume, uid, claim, released_by } => {
                let reservation = Reservation { volume, uid, namespace, claim, released_by };
                let written = self.reporting(phase, cluster.unreserve_volume(&reservation, false)).await;
                (format!("volume {volume}"), written)
            }
            Step::Reserve { volume, uid, claim, released_by } => {
                let written = self.write_record(volume, uid, None).await;
                self.carries(volume, uid, &written);
                let reservation = Reservation { volume, uid, namespace, claim, released_by };
                let written = match written {
                    Ok(Written::Done { .. }) => {
                        self.reporting(phase, cluster.reserve_volume(&reservation, false)).await
                    }
                    other => other,
                };
                (format!("volume {volume}"), written)
            }
            Step::DeleteClaim { claim, uid } => {
                let written = if self.keeps_volume_of(claim) {
                    self.reporting(phase, cluster.delete_claim(namespace, claim, uid, false)).await
                } else {
                    let not_its = self.not_its(claim);
                    let deleted = cluster.delete_unbound_claim(namespace, claim, uid, not_its.as_deref(), false);
                    self.reporting(phase, deleted).await
                };
                (format!("claim {claim}"), written)
            }
            Step::DeletePod { pod, uid } => (format!("pod {pod}"), self.delete_pod(pod, uid).await?),
        };
        let deed = match step {
            Step::Retain { .. } => "retained",
            Step::Reserve { .. } => "reserved",
            Step::Unreserve { .. } => "no longer reserved",
            Step::DeleteClaim { .. } | Step::DeletePod { .. } => "deleted",
        };
        match written.map_err(Ending::Failed)? {
            Written::Done { .. } => {
                if let Step::Retain { volume, .. } = step {
                    self.retained.push(volume.clone());
                }
                self.done.push(format!("{what} {deed}"));
                Ok(format!("{what} {deed}"))
            }
            // The client that deleted it did what was planned.
            Written::Gone if !matches!(step, Step::Retain { .. } | Step::Reserve { .. }) => {
                self.notice(format!("{what} was already gone: another client deleted it"));
                Ok(format!("{what} was already gone"))
            }
            Written::Gone => Err(Ending::ClusterChanged(format!("{what} is gone"))),
            Written::Changed { message, .. } => Err(Ending::ClusterChanged(format!("{what}: {message}"))),
        }
    }

    /// Waits for a change, and reports an API server that does not respond in the meantime.
    async fn reporting<T>(&mut self, phase: Phase, change: impl Future<Output = T>) -> T {
        let mut change = pin!(change);
        let mut outages = self.watch.outages();
        loop {
            tokio::select! {
                biased;
                done = &mut change => return done,
                Some(outage) = outages.next() => (self.tell)(Event::Detail(phase, outage.to_string())),
            }
        }
    }

    /// Deletes the pod, based on the current state: a claim that is deleted with it may have been bound to a volume
    /// since the plan was made, and would take that along. While a claim has no volume, the pod is deleted only in the
    /// version that was seen.
    async fn delete_pod(&mut self, pod: &str, uid: &str) -> Result<Result<Written, Error>, Ending> {
        let (plan, cluster) = (self.run.plan, self.run.cluster);
        let namespace = &plan.target.namespace;
        loop {
            self.watch.catch_up();
            let topology = self.topology();
            goal::nothing_else_goes(plan, &topology).map_err(Ending::ClusterChanged)?;
            let Some(version) = goal::may_get_a_volume(plan, &topology) else {
                return Ok(self.reporting(Phase::Pod, cluster.delete_pod(namespace, pod, uid, false)).await);
            };
            let deleted = cluster.delete_pod_of_version(namespace, pod, uid, &version);
            let written = self.reporting(Phase::Pod, deleted).await;
            match &written {
                // The same pod, changed: it is read again once the change has arrived.
                Ok(Written::Changed { now: Some(now), .. }) if now == uid => {}
                _ => return Ok(written),
            }
            self.watch.catch_up();
            if goal::may_get_a_volume(plan, &self.topology()).as_ref() == Some(&version) {
                self.next_change(Phase::Pod, "the pod has changed").await?;
            }
        }
    }

    /// Returns a volume that a claim of the component names and that is not bound to it.
    fn not_its(&self, claim: &str) -> Option<String> {
        let (topology, target) = (self.topology(), &self.run.plan.target);
        let member = topology.member(&target.namespace, &target.pod)?;
        let claim = member.claims.iter().find(|present| present.name == claim)?;
        claim.not_its.as_ref().map(|not_its| not_its.volume.clone())
    }

    /// Returns whether the plan retains the volume of a claim, or its loss was confirmed. Otherwise there was none.
    fn keeps_volume_of(&self, claim: &str) -> bool {
        let plan = self.run.plan;
        let retained = plan.steps.iter().any(|step| matches!(step, Step::Retain { claim: of, .. } if of == claim));
        retained || plan.checks.iter().any(|check| check.id == PlanCheckId::Retention && check.overridden)
    }

    fn carries(&mut self, volume: &str, uid: &str, written: &Result<Written, Error>) {
        if matches!(written, Ok(Written::Done { .. })) {
            self.record_on.push((volume.to_owned(), uid.to_owned()));
        }
    }

    /// If no volume carries the record, a local file does, before anything is deleted.
    pub(super) fn write_journal(&mut self) -> Result<(), Ending> {
        if self.run.plan.journal.is_none() {
            return Ok(());
        }
        let Err(error) = self.run.journal.write(&self.run.record) else {
            if crate::journal::loses_baseline(&self.run.record) {
                self.note_loss("this machine");
            }
            return Ok(());
        };
        // If the claims stay, only the record itself can be lost.
        if self.run.plan.keep_claims {
            self.notice(format!("no record was saved: {error}"));
            return Ok(());
        }
        Err(Ending::Failed(error.because("nothing was changed")))
    }
}
