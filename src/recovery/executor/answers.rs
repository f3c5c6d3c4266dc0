//! The last phase: the component responds, and its data is intact, while the new pod stays. Both must hold at one
//! moment, and the pod must have stayed long enough by then: it is queried the whole time, so that waiting does not
//! delay verification.

use super::state::Executor;
use crate::duration::{self, after};
use crate::plan::settle_time;
use crate::recovery::events::{Ending, Event, Phase, PhaseEnd};
use crate::recovery::goal::{self, Progress};
use crate::recovery::prover::Confirmation;
use crate::topology::Topology;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Pauses between two queries of a component that does not respond yet.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The pause for a component that responds and catches up.
const CATCHING_UP_PAUSE: Duration = Duration::from_secs(5);

/// The state of the new pod.
enum PodState {
    /// It is not Ready, or not known to be: why.
    Not(String),
    /// It is Ready, and will have been long enough at this time unless it is interrupted: what is waited for.
    Until(Instant, String),
    /// It has stayed long enough.
    Stays,
}

/// Returns the last answer as the beginning of a sentence, before what is waited for.
fn last_answer(answer: Option<&Confirmation>, then: &str) -> String {
    match answer {
        Some(Confirmation::Confirmed { .. }) => format!("it responds, {then}"),
        Some(Confirmation::Missing(_)) => format!("it responds, but data is missing, {then}"),
        Some(Confirmation::Unknowable(why)) => format!("{why}, {then}"),
        // The rest of the sentence says that it does not respond.
        Some(Confirmation::NotYet(_) | Confirmation::CatchingUp(_)) | None => String::new(),
    }
}

impl Executor<'_, '_> {
    /// Phase 6. No result says that the pod is Ready before it has stayed.
    pub(super) async fn answers(&mut self) -> Result<Ending, Ending> {
        let phase = Phase::Verify;
        let started = Instant::now();
        (self.tell)(Event::Started(phase));
        let skipped = self.run.prover.skipped();
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = match &skipped {
                Some(_) => None,
                None => Some(self.confirm().await?),
            };
            // The current state counts, not that at the time of the query.
            self.watch.catch_up();
            let topology = self.observe();
            let standing = self.standing(&topology);
            self.catching_up = match &answer {
                Some(Confirmation::CatchingUp(left)) if !matches!(standing, PodState::Not(_)) => Some(left.clone()),
                _ => None,
            };
            let (wake, waits, late) = match (answer, standing) {
                (Some(Confirmation::CatchingUp(left)), PodState::Until(..) | PodState::Stays) => {
                    let waits = format!("catching up: {left}");
                    (None, waits.clone(), waits)
                }
                (Some(Confirmation::NotYet(why)), PodState::Until(..) | PodState::Stays) => {
                    let late = format!("the pod is Ready, but it does not respond: {why}");
                    (None, why, late)
                }
                (answer, PodState::Not(why)) => {
                    let waits = format!("{}{why}", last_answer(answer.as_ref(), "and then "));
                    (None, waits.clone(), waits)
                }
                (answer, PodState::Until(then, why)) => {
                    let waits = format!("{}{why}", last_answer(answer.as_ref(), ""));
                    (Some(then), waits.clone(), format!("it did not stay Ready long enough: {waits}"))
                }
                (Some(Confirmation::Confirmed { proof, whole }), PodState::Stays) => {
                    let detail = if whole { "verified" } else { "verified, as far as it could be compared" };
                    self.end_phase(phase, PhaseEnd::After(started.elapsed(), detail.into()));
                    self.proof = Some(proof);
                    return Ok(Ending::Recovered);
                }
                (Some(Confirmation::Missing(missing)), PodState::Stays) => {
                    return Err(self.failed(phase, "data is missing".into(), Ending::DataMissing(missing)));
                }
                (Some(Confirmation::Unknowable(why)), PodState::Stays) => {
                    return Err(self.failed(phase, why.clone(), Ending::Unverified(why)));
                }
                (None, PodState::Stays) => {
                    let reason = skipped.unwrap_or_default();
                    self.end_phase(phase, PhaseEnd::Skipped(reason.clone()));
                    return Ok(if self.run.plan.verify { Ending::Unverified(reason) } else { Ending::Replaced });
                }
            };
            (self.tell)(Event::Detail(phase, waits.clone()));
            self.pause((waits, late), wake, &mut pause).await?;
        }
    }

    /// Queries once, for as long as there is time.
    async fn confirm(&mut self) -> Result<Confirmation, Ending> {
        let phase = Phase::Verify;
        let ready_for = self.settling.ready_for(Instant::now()).unwrap_or_default();
        let asked = tokio::select! {
            biased;
            () = self.run.interrupt.cancelled() => None,
            () = sleep_until(self.deadline) => Some(None),
            answer = self.run.prover.confirm(self.run.before.as_ref(), self.canary.as_deref(), ready_for) => Some(Some(answer)),
        };
        match asked {
            Some(Some(answer)) => Ok(answer),
            Some(None) => {
                let waits = "it has not answered the last query".to_owned();
                let late = format!("the pod is Ready, but {waits}");
                Err(self.too_late(waits, &late))
            }
            None => Err(self.failed(phase, "interrupted".into(), Ending::Interrupted)),
        }
    }

    /// Waits until another query is worthwhile: a moment, or until the pod has stayed or is known not to have.
    async fn pause(
        &mut self,
        (waits, late): (String, String),
        wake: Option<Instant>,
        pause: &mut Duration,
    ) -> Result<(), Ending> {
        let phase = Phase::Verify;
        let settling = wake.is_some();
        let wake = wake.unwrap_or_else(|| after(Instant::now(), *pause));
        tokio::select! {
            biased;
            () = self.run.interrupt.cancelled() => Err(self.failed(phase, "interrupted".into(), Ending::Interrupted)),
            () = sleep_until(self.deadline) => Err(self.too_late(waits, &late)),
            changed = self.watch.changed(), if settling => match changed {
                Ok(_) => Ok(()),
                Err(error) => Err(self.failed(phase, error.to_string(), Ending::Failed(error))),
            },
            () = sleep_until(wake) => {
                if !settling {
                    // Days, if there is much to fetch.
                    let longest = if self.catching_up.is_some() { CATCHING_UP_PAUSE } else { LONGEST_PAUSE };
                    *pause = pause.saturating_mul(2).min(longest);
                }
                Ok(())
            }
        }
    }

    /// Handles the end of the time. A component that makes progress until then is not unavailable: it is catching up.
    fn too_late(&mut self, waits: String, late: &str) -> Ending {
        let ending = match self.catching_up.take() {
            Some(left) => Ending::CatchingUp(left),
            None => Ending::TimedOut(self.late(late)),
        };
        self.failed(Phase::Verify, waits, ending)
    }

    fn standing(&self, topology: &Topology) -> PodState {
        let plan = self.run.plan;
        match goal::ready(plan, topology) {
            Progress::Reached => {}
            Progress::Waiting(why) | Progress::Misbound(why) => return PodState::Not(why),
            Progress::Trapped(trap) => return PodState::Not(format!("its pod is waiting for claim {}", trap.claim)),
        }
        // The last observation may be outdated.
        if let Some(outage) = self.watch.outage() {
            return PodState::Not(outage.to_string());
        }
        let Some((member, pod)) = goal::successor(plan, topology) else {
            return PodState::Not("the new pod is gone".into());
        };
        let needed = settle_time(self.run.settle, topology.component_of(member), Some(pod));
        let now = Instant::now();
        match (self.settling.ready_for(now), self.settling.ripe(needed)) {
            (Some(time), _) if time >= needed => PodState::Stays,
            (_, Some(ripe)) => {
                let restarted = self.settling.restarted().map(|how| format!("; {how}")).unwrap_or_default();
                let needed = duration::format(needed);
                PodState::Until(ripe, format!("{} must stay Ready for {needed}{restarted}", member.name))
            }
            _ => PodState::Not("the new pod is not Ready".into()),
        }
    }
}
