//! A run from beginning to end: executes steps one by one, waits for goals by watch events, and reports events as they
//! happen.

use super::state::{Executor, Run};
use crate::cluster::Watch;
use crate::duration::after;
use crate::plan::Step;
use crate::recovery::events::{Ending, Event, Phase, PhaseEnd, RunResult};
use crate::recovery::explain::SeenEvents;
use crate::recovery::goal::{self, Goal, Progress};
use crate::recovery::settle::Settling;
use tokio::time::Instant;

/// Runs a plan to its end. The watch must already be open, so that no event is missed.
pub(crate) async fn run(run: Run<'_>, watch: &mut Watch, tell: &mut (dyn FnMut(Event) + Send)) -> RunResult {
    let started = Instant::now();
    let known = watch.snapshot().namespaces.first().map(SeenEvents::of).unwrap_or_default();
    let mut executor = Executor {
        deadline: after(started, run.timeout),
        run,
        watch,
        tell,
        known,
        wait: None,
        phases: Vec::new(),
        done: Vec::new(),
        notices: Vec::new(),
        healed: 0,
        proof: None,
        canary: None,
        wrote_canary: false,
        record_on: Vec::new(),
        retained: Vec::new(),
        trapped: None,
        settling: Settling::default(),
        alone: true,
        catching_up: None,
    };
    let ending = match executor.run_phases().await {
        Ok(ending) | Err(ending) => ending,
    };
    executor.note_lost_lease();
    executor.close(&ending).await;
    executor.outcome(ending, started.elapsed())
}

/// Returns the phase of a step.
fn phase_of(step: &Step) -> Phase {
    match step {
        Step::Retain { .. } | Step::Unreserve { .. } | Step::Reserve { .. } => Phase::Retain,
        Step::DeleteClaim { .. } => Phase::Claim,
        Step::DeletePod { .. } => Phase::Pod,
    }
}

impl Executor<'_, '_> {
    async fn run_phases(&mut self) -> Result<Ending, Ending> {
        goal::as_planned(self.run.plan, &self.topology()).map_err(Ending::ClusterChanged)?;
        self.write_canary().await;
        self.take_baseline_again().await;
        let plan = self.run.plan;
        for phase in [Phase::Retain, Phase::Claim, Phase::Pod] {
            let started = Instant::now();
            let details = self.steps(phase, plan.steps.iter().filter(|step| phase_of(step) == phase)).await?;
            if phase == Phase::Retain {
                // A claim that is created before the volume controller has processed a reservation gets another volume.
                if details.is_empty() && goal::noticed(plan, &self.topology()) != Progress::Reached {
                    (self.tell)(Event::Started(phase));
                }
                self.wait_for(phase, goal::noticed).await?;
                self.write_journal()?;
            }
            self.stepped(phase, started, details);
        }
        for (phase, goal) in [(Phase::Recreate, goal::replaced as Goal), (Phase::Ready, goal::ready)] {
            let started = Instant::now();
            (self.tell)(Event::Started(phase));
            self.wait_for(phase, goal).await?;
            let detail = self.reached(phase);
            self.end_phase(phase, PhaseEnd::After(started.elapsed(), detail));
        }
        self.answers().await
    }

    fn reached(&self, phase: Phase) -> String {
        let topology = self.topology();
        let Some((_, pod)) = goal::successor(self.run.plan, &topology) else { return String::new() };
        match phase {
            Phase::Recreate => "new pod created".to_owned(),
            _ => format!("Ready on {}", pod.node.as_deref().unwrap_or("its node")),
        }
    }
}
