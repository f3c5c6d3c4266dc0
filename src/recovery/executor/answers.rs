//! The last phase: the component answers, and what was there before is there, while the new pod stays. Both must hold at
//! one moment, and the pod must have stayed for long enough by then: it is asked all the while, so that the wait costs the
//! proof nothing.

use super::state::Executor;
use crate::plan::settle_time;
use crate::recovery::events::{Ending, Event, Phase, PhaseEnd};
use crate::recovery::goal::{self, Progress};
use crate::recovery::prover::Answer;
use crate::topology::Topology;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Pauses between two questions to a component that does not answer yet.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The same to one that answers and catches up.
const CATCHING_UP_PAUSE: Duration = Duration::from_secs(5);

/// How the new pod stands.
enum Standing {
    /// It is not Ready, or not known to be: why.
    Not(String),
    /// It is Ready, and will have been so for long enough then, unless it is interrupted: what is waited for.
    Until(Instant, String),
    /// It has stayed for long enough.
    Stays,
}

/// What was heard last, before what is waited for all the same.
fn heard(answer: Option<&Answer>, then: &str) -> String {
    match answer {
        Some(Answer::Confirmed { .. }) => format!("it answers, {then}"),
        Some(Answer::Missing(_)) => format!("it answers, and something is missing, {then}"),
        Some(Answer::Unknowable(why)) => format!("{why}, {then}"),
        // That it does not answer follows.
        Some(Answer::NotYet(_) | Answer::CatchingUp(_)) | None => String::new(),
    }
}

impl Executor<'_, '_> {
    /// Phase 6. No ending says that the pod is Ready before it has stayed.
    pub(super) async fn answers(&mut self) -> Result<Ending, Ending> {
        let phase = Phase::Answers;
        let started = Instant::now();
        (self.tell)(Event::Started(phase));
        let skipped = self.run.prover.skipped();
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = match &skipped {
                Some(_) => None,
                None => Some(self.ask().await?),
            };
            // What is true now counts, not what was when the question was asked.
            self.watch.catch_up();
            let topology = self.look();
            let standing = self.standing(&topology);
            self.catching_up = match &answer {
                Some(Answer::CatchingUp(left)) if !matches!(standing, Standing::Not(_)) => Some(left.clone()),
                _ => None,
            };
            let (wake, waits, late) = match (answer, standing) {
                (Some(Answer::CatchingUp(left)), Standing::Until(..) | Standing::Stays) => {
                    let waits = format!("catching up: {left}");
                    (None, waits.clone(), waits)
                }
                (Some(Answer::NotYet(why)), Standing::Until(..) | Standing::Stays) => {
                    let late = format!("the pod is Ready, and it does not answer: {why}");
                    (None, why, late)
                }
                (answer, Standing::Not(why)) => {
                    let waits = format!("{}{why}", heard(answer.as_ref(), "and then "));
                    (None, waits.clone(), waits)
                }
                (answer, Standing::Until(then, why)) => {
                    let waits = format!("{}{why}", heard(answer.as_ref(), ""));
                    (Some(then), waits.clone(), format!("it did not stay Ready in time: {waits}"))
                }
                (Some(Answer::Confirmed { proof, whole }), Standing::Stays) => {
                    let detail = if whole { "it answers, and all is there" } else { "it answers, as far as compared" };
                    self.end_phase(phase, PhaseEnd::After(started.elapsed(), detail.into()));
                    self.proof = Some(proof);
                    return Ok(Ending::Recovered);
                }
                (Some(Answer::Missing(missing)), Standing::Stays) => {
                    return Err(self.failed(phase, "something is missing".into(), Ending::DataMissing(missing)));
                }
                (Some(Answer::Unknowable(why)), Standing::Stays) => {
                    return Err(self.failed(phase, why.clone(), Ending::Unverified(why)));
                }
                (None, Standing::Stays) => {
                    let reason = skipped.unwrap_or_default();
                    self.end_phase(phase, PhaseEnd::Skipped(reason.clone()));
                    return Ok(if self.run.plan.verify { Ending::Unverified(reason) } else { Ending::Replaced });
                }
            };
            (self.tell)(Event::Detail(phase, waits.clone()));
            self.pause((waits, late), wake, &mut pause).await?;
        }
    }

    /// Asks once, for as long as there is time.
    async fn ask(&mut self) -> Result<Answer, Ending> {
        let phase = Phase::Answers;
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
                let waits = "it has not answered the last question".to_owned();
                let late = format!("the pod is Ready, and {waits}");
                Err(self.too_late(waits, &late))
            }
            None => Err(self.failed(phase, "interrupted".into(), Ending::Interrupted)),
        }
    }

    /// Waits until it is worth asking again: a moment, or until the pod has stayed or is known not to have.
    async fn pause(
        &mut self,
        (waits, late): (String, String),
        wake: Option<Instant>,
        pause: &mut Duration,
    ) -> Result<(), Ending> {
        let phase = Phase::Answers;
        let settling = wake.is_some();
        let wake = wake.unwrap_or_else(|| Instant::now() + *pause);
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
                    // Days, where there is much to fetch.
                    let longest = if self.catching_up.is_some() { CATCHING_UP_PAUSE } else { LONGEST_PAUSE };
                    *pause = (*pause * 2).min(longest);
                }
                Ok(())
            }
        }
    }

    /// The time is up. What moves until then is not away: it is catching up.
    fn too_late(&mut self, waits: String, late: &str) -> Ending {
        let ending = match self.catching_up.take() {
            Some(left) => Ending::CatchingUp(left),
            None => Ending::TimedOut(self.late(late)),
        };
        self.failed(Phase::Answers, waits, ending)
    }

    fn standing(&self, topology: &Topology) -> Standing {
        let plan = self.run.plan;
        match goal::ready(plan, topology) {
            Progress::Reached => {}
            Progress::Waiting(why) | Progress::Misbound(why) => return Standing::Not(why),
            Progress::Trapped(trap) => return Standing::Not(format!("its pod waits for claim {}", trap.claim)),
        }
        // What was seen last may not be so any more.
        if let Some(since) = self.watch.silent_since() {
            return Standing::Not(format!("the API server has not answered for {} s", since.elapsed().as_secs()));
        }
        let Some((member, pod)) = goal::successor(plan, topology) else {
            return Standing::Not("the new pod is gone again".into());
        };
        let needed = settle_time(self.run.settle, topology.component_of(member), Some(pod));
        let now = Instant::now();
        match (self.settling.ready_for(now), self.settling.ripe(needed)) {
            (Some(time), _) if time >= needed => Standing::Stays,
            (_, Some(ripe)) => {
                let restarted = self.settling.restarted().map(|how| format!("; {how}")).unwrap_or_default();
                let needed = needed.as_secs_f64();
                Standing::Until(ripe, format!("{} must stay Ready for {needed} s{restarted}", member.name))
            }
            _ => Standing::Not("the new pod is not Ready".into()),
        }
    }
}
