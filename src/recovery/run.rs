//! The run: steps performed one by one, goals awaited by watch events, what happens told as it happens.

use super::events::{Ending, Event, Outcome, Phase, PhaseEnd};
use super::explain::{Known, Wait};
use super::goal::{self, Progress, Trap};
use super::settle::Settling;
use super::witness::{Silence, Witness};
use crate::cluster::write::{Reservation, Written};
use crate::cluster::{Cluster, Hold, Watch};
use crate::error::Error;
use crate::journal::Journal;
use crate::plan::{Act as What, CheckId, ComparedWith, Plan, Proof, Record, Step};
use crate::topology::{Layout, Topology, build};
use crate::verify::ask::QUESTION;
use crate::verify::{Testimony, difference};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long a replacement pod may wait for a claim that is gone or going before it is deleted once more. Kubernetes
/// from 1.27 on often mends it by itself within a second.
const TRAP_GRACE: Duration = Duration::from_secs(3);

/// All that a run needs.
pub struct Run<'r> {
    /// What to do.
    pub plan: &'r Plan,
    /// Where.
    pub cluster: &'r Cluster,
    /// What things are called.
    pub layout: &'r Layout,
    /// Who is asked whether the component is back.
    pub witness: &'r Witness,
    /// What the component said before.
    pub before: Option<Testimony>,
    /// The record to write on the volumes that take part.
    pub record: Record,
    /// Schemas of canary tables that earlier runs of this pod, none of which will go on, may have left.
    pub superseded: Vec<String>,
    /// Where the record is kept if no volume can carry it.
    pub journal: &'r Journal,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How long the new pod must stay Ready, as it was asked for.
    pub settle: Duration,
    /// Set when the user wants to stop.
    pub interrupt: CancellationToken,
    /// Keeps others from failing over in the same namespace.
    pub lease: &'r Hold,
}

/// Runs a plan to its end. The watch must be open already, so that no event is missed.
pub async fn run(run: Run<'_>, watch: &mut Watch, tell: &mut (dyn FnMut(Event) + Send)) -> Outcome {
    let started = Instant::now();
    let known = watch.snapshot().namespaces.first().map(Known::of).unwrap_or_default();
    let mut act = Act {
        deadline: started + run.timeout,
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
    let ending = match act.whole().await {
        Ok(ending) | Err(ending) => ending,
    };
    act.note_lost_lease();
    act.close(&ending).await;
    act.outcome(ending, started.elapsed())
}

pub(super) struct Act<'r, 'w> {
    pub(super) run: Run<'r>,
    pub(super) watch: &'w mut Watch,
    pub(super) tell: &'w mut (dyn FnMut(Event) + Send),
    pub(super) deadline: Instant,
    /// Events from before the run.
    pub(super) known: Known,
    /// What is waited for now.
    pub(super) wait: Option<Wait>,
    pub(super) phases: Vec<(Phase, PhaseEnd)>,
    pub(super) done: Vec<String>,
    pub(super) notices: Vec<String>,
    pub(super) healed: u32,
    pub(super) proof: Option<String>,
    /// Schema of the canary table, while one is there.
    pub(super) canary: Option<String>,
    /// Whether this run wrote it, and no earlier one.
    pub(super) wrote_canary: bool,
    /// Volumes that carry the record: name and UID.
    pub(super) record_on: Vec<(String, String)>,
    /// Names of volumes that this run set to Retain, by the server's word.
    pub(super) retained: Vec<String>,
    trapped: Option<(Trap, Instant)>,
    /// How the new pod was seen to be so far.
    pub(super) settling: Settling,
    /// Whether nobody else is known to have begun meanwhile.
    alone: bool,
    /// What is left, in words, of a component that was catching up when it was asked last.
    pub(super) catching_up: Option<String>,
}

/// The phase that a step belongs to.
fn phase_of(step: &Step) -> Phase {
    match step {
        Step::Retain { .. } | Step::Unreserve { .. } | Step::Reserve { .. } => Phase::Retain,
        Step::DeleteClaim { .. } => Phase::Claim,
        Step::DeletePod { .. } => Phase::Pod,
    }
}

/// What was done to several objects in a phase.
fn deeds(phase: Phase, act: &What) -> &'static str {
    match phase {
        Phase::Retain if *act == What::Failover => "volumes retained",
        Phase::Retain => "volumes retained and reserved",
        Phase::Claim => "claims deleted",
        _ => "objects deleted",
    }
}

/// A predicate over the plan and the topology.
type Goal = fn(&Plan, &Topology) -> Progress;

impl Act<'_, '_> {
    async fn whole(&mut self) -> Result<Ending, Ending> {
        goal::as_planned(self.run.plan, &self.topology()).map_err(Ending::Changed)?;
        self.write_canary().await;
        self.take_baseline_again().await;
        let plan = self.run.plan;
        for phase in [Phase::Retain, Phase::Claim, Phase::Pod] {
            let started = Instant::now();
            let details = self.steps(phase, plan.steps.iter().filter(|step| phase_of(step) == phase)).await?;
            if phase == Phase::Retain {
                // A claim that is made before the volume controller knows of a reservation gets another volume.
                if details.is_empty() && goal::noticed(plan, &self.topology()) != Progress::Reached {
                    (self.tell)(Event::Started(phase));
                }
                self.wait_for(phase, goal::noticed).await?;
                self.write_journal()?;
            }
            self.stepped(phase, started, details);
        }
        for (phase, goal) in [(Phase::Replaced, goal::replaced as Goal), (Phase::Ready, goal::ready)] {
            let started = Instant::now();
            (self.tell)(Event::Started(phase));
            self.wait_for(phase, goal).await?;
            let detail = self.reached(phase);
            self.end_phase(phase, PhaseEnd::After(started.elapsed(), detail));
        }
        self.answers().await
    }

    pub(super) fn topology(&self) -> Topology {
        build(self.watch.snapshot(), self.run.layout)
    }

    /// The same, and how the new pod is now is taken in.
    pub(super) fn look(&mut self) -> Topology {
        let topology = self.topology();
        let pod = goal::successor(self.run.plan, &topology).map(|(_, pod)| pod);
        self.settling.observe(pod, Instant::now());
        topology
    }

    async fn write_canary(&mut self) {
        // A resumed run looks for the row that the first one wrote.
        self.canary.clone_from(&self.run.record.canary);
        let Proof::Sql { canary: Some(schema), .. } = &self.run.plan.proof else { return };
        if self.canary.is_some() {
            return;
        }
        let schema = schema.clone();
        match self.run.witness.write_canary(&schema).await {
            Ok(()) => {
                self.run.record.canary = Some(schema.clone());
                self.canary = Some(schema);
                self.wrote_canary = true;
            }
            Err(reason) => self.notice(format!("no canary table was written: {reason}")),
        }
    }

    /// The plan's baseline was taken before the question to the user: what was dropped while the plan was read is no loss.
    /// So it is taken once more right before the first change, unless an earlier run or an earlier day took it.
    async fn take_baseline_again(&mut self) {
        let plan = self.run.plan;
        let fresh = matches!(plan.baseline, ComparedWith::Fresh { .. }) && plan.resumes.is_none();
        let Some(before) = self.run.before.take_if(|_| fresh && plan.act == What::Failover && plan.deletes()) else {
            return;
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.run.witness.testify(Some(&before), QUESTION.min(left)).await {
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
                    Silence::NotAsked => "it was not asked".to_owned(),
                    Silence::Because(why) | Silence::LoginRefused(why) | Silence::NoWarehouse(why) => why,
                };
                self.notice(format!("the baseline is the one that the plan shows; it could not be taken again: {why}"));
                self.run.before = Some(before);
            }
        }
    }

    /// Carries out the steps of a phase: what was done, in words.
    async fn steps<'s>(&mut self, phase: Phase, steps: impl Iterator<Item = &'s Step>) -> Result<Vec<String>, Ending> {
        let mut details = Vec::new();
        for step in steps {
            // Between two changes, never within one: what was done is known exactly.
            if self.run.interrupt.is_cancelled() {
                return Err(self.failed(phase, "interrupted".into(), Ending::Interrupted));
            }
            // What was begun is brought to where waiting is all that is left; what was not is not begun late.
            if self.done.is_empty() && Instant::now() >= self.deadline {
                let waits = "the time was up before anything was changed".to_owned();
                return Err(self.failed(phase, waits.clone(), Ending::TimedOut(waits)));
            }
            if details.is_empty() {
                (self.tell)(Event::Started(phase));
            }
            if let Err(ending) = self.still_alone().await {
                return Err(self.failed(phase, "another failover may be under way".into(), ending));
            }
            match self.step(step).await {
                Ok(detail) => details.push(detail),
                Err(ending) => {
                    let why = match &ending {
                        Ending::Changed(why) => why.clone(),
                        Ending::Failed(error) => error.to_string(),
                        _ => String::new(),
                    };
                    return Err(self.failed(phase, why, ending));
                }
            }
        }
        Ok(details)
    }

    /// The end of a phase of steps.
    fn stepped(&mut self, phase: Phase, started: Instant, mut details: Vec<String>) {
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

    async fn step(&mut self, step: &Step) -> Result<String, Ending> {
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
                (format!("volume {volume}"), cluster.unreserve_volume(&reservation, false).await)
            }
            Step::Reserve { volume, uid, claim, released_by } => {
                let written = self.write_record(volume, uid, None).await;
                self.carries(volume, uid, &written);
                let reservation = Reservation { volume, uid, namespace, claim, released_by };
                let written = match written {
                    Ok(Written::Done { .. }) => cluster.reserve_volume(&reservation, false).await,
                    other => other,
                };
                (format!("volume {volume}"), written)
            }
            Step::DeleteClaim { claim, uid } => {
                let written = if self.keeps_volume_of(claim) {
                    cluster.delete_claim(namespace, claim, uid, false).await
                } else {
                    let not_its = self.not_its(claim);
                    cluster.delete_unbound_claim(namespace, claim, uid, not_its.as_deref(), false).await
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
            // Whoever deleted it did what was planned.
            Written::Gone if !matches!(step, Step::Retain { .. } | Step::Reserve { .. }) => {
                self.notice(format!("{what} was gone already: somebody else deleted it"));
                Ok(format!("{what} was gone"))
            }
            Written::Gone => Err(Ending::Changed(format!("{what} is gone"))),
            Written::Changed { message, .. } => Err(Ending::Changed(format!("{what}: {message}"))),
        }
    }

    /// Deletes the pod that goes, by what is known now: a claim that goes with it may have got a volume since the plan was made,
    /// and would take that along. While one has none, the pod goes only as it was seen.
    async fn delete_pod(&mut self, pod: &str, uid: &str) -> Result<Result<Written, Error>, Ending> {
        let (plan, cluster) = (self.run.plan, self.run.cluster);
        let namespace = &plan.target.namespace;
        loop {
            self.watch.catch_up();
            let topology = self.topology();
            goal::nothing_else_goes(plan, &topology).map_err(Ending::Changed)?;
            let Some(version) = goal::may_get_a_volume(plan, &topology) else {
                return Ok(cluster.delete_pod(namespace, pod, uid, false).await);
            };
            let written = cluster.delete_pod_of_version(namespace, pod, uid, &version).await;
            match &written {
                // The same pod, changed: it is looked at again once the change is known.
                Ok(Written::Changed { now: Some(now), .. }) if now == uid => {}
                _ => return Ok(written),
            }
            self.watch.catch_up();
            if goal::may_get_a_volume(plan, &self.topology()).as_ref() == Some(&version) {
                self.next_change(Phase::Pod, "the pod has changed").await?;
            }
        }
    }

    /// A volume that a claim of the member names, and that is not bound to it.
    fn not_its(&self, claim: &str) -> Option<String> {
        let (topology, target) = (self.topology(), &self.run.plan.target);
        let member = topology.member(&target.namespace, &target.pod)?;
        let claim = member.claims.iter().find(|present| present.name == claim)?;
        claim.not_its.as_ref().map(|not_its| not_its.volume.clone())
    }

    /// Whether the volume of a claim is retained by the plan, or its loss was confirmed. Otherwise there was none.
    fn keeps_volume_of(&self, claim: &str) -> bool {
        let plan = self.run.plan;
        let retained = plan.steps.iter().any(|step| matches!(step, Step::Retain { claim: of, .. } if of == claim));
        retained || plan.checks.iter().any(|check| check.id == CheckId::Retention && check.overridden)
    }

    /// Asked before each change: nobody else may have begun since the Lease was taken.
    async fn still_alone(&mut self) -> Result<(), Ending> {
        self.run.lease.stands().await.map_err(|why| {
            self.alone = false;
            Ending::Failed(Error::refused("nothing further is changed").because(why))
        })
    }

    /// Waiting goes on without the Lease, and it is said.
    pub(super) fn note_lost_lease(&mut self) {
        if let Some(why) = self.run.lease.lost().filter(|_| std::mem::take(&mut self.alone)) {
            self.notice(format!("{why}; nothing but waiting was left"));
        }
    }

    fn carries(&mut self, volume: &str, uid: &str, written: &Result<Written, Error>) {
        if matches!(written, Ok(Written::Done { .. })) {
            self.record_on.push((volume.to_owned(), uid.to_owned()));
        }
    }

    /// Where no volume carries the record, a local file does, before anything is deleted.
    fn write_journal(&mut self) -> Result<(), Ending> {
        if self.run.plan.journal.is_none() {
            return Ok(());
        }
        let Err(error) = self.run.journal.write(&self.run.record) else {
            if crate::journal::loses_baseline(&self.run.record) {
                self.note_loss("this machine");
            }
            return Ok(());
        };
        // Where the claims stay nothing can be lost but the record itself.
        if self.run.plan.keep_claims {
            self.notice(format!("no record is kept: {error}"));
            return Ok(());
        }
        Err(Ending::Failed(error.because("nothing was changed")))
    }

    /// Waits until a goal is reached; woken by watch events, and by time only where time itself matters.
    async fn wait_for(&mut self, phase: Phase, goal: Goal) -> Result<(), Ending> {
        loop {
            self.note_lost_lease();
            let topology = self.look();
            let progress = goal(self.run.plan, &topology);
            let waits = match progress {
                Progress::Reached => return Ok(()),
                Progress::Misbound(why) => {
                    let why = format!("{why}: run again, it is replaced, too");
                    return Err(self.failed(phase, why.clone(), Ending::Changed(why)));
                }
                Progress::Waiting(what) => {
                    self.trapped = None;
                    what
                }
                Progress::Trapped(trap) => self.spring(trap).await?,
            };
            let detail = self.explained(&waits);
            (self.tell)(Event::Detail(phase, detail));
            self.next_change(phase, &waits).await?;
        }
    }

    /// A trap that has held long enough is sprung: the Pending pod is deleted once more. One that holds the claim ends
    /// the run.
    async fn spring(&mut self, trap: Trap) -> Result<String, Ending> {
        let since = match &self.trapped {
            Some((known, since)) if trap.is_still(known) => *since,
            _ => Instant::now(),
        };
        let how = if trap.holds { "holds" } else { "is Pending on" };
        let waits = format!("the new pod {how} claim {}, which is {}", trap.claim, trap.state);
        self.trapped = Some((trap.clone(), since));
        if since.elapsed() < TRAP_GRACE {
            return Ok(waits);
        }
        self.trapped = None;
        if trap.holds {
            // Somebody had it made between the plan and the act, and what the plan does not name is not deleted.
            let why = format!(
                "pod {} (UID {}) came back on claim {}, which is {}, and keeps it so: run again, it is replaced, too",
                trap.pod, trap.uid, trap.claim, trap.state
            );
            return Err(self.failed(Phase::Replaced, why.clone(), Ending::Changed(why)));
        }
        self.still_alone().await?;
        let namespace = &self.run.plan.target.namespace;
        // As it was seen and no other: one that was scheduled since is no longer trapped.
        let (pod, uid, version) = (&trap.pod, &trap.uid, &trap.version);
        let written = self.run.cluster.delete_pod_of_version(namespace, pod, uid, version).await;
        if let Written::Done { .. } = written.map_err(Ending::Failed)? {
            self.healed += 1;
            self.done.push(format!("Pending pod {} (UID {}) deleted once more", trap.pod, trap.uid));
            (self.tell)(Event::Notice(format!(
                "healed: pod {} (UID {}) was Pending on claim {}, which is {}; it was deleted once more",
                trap.pod, trap.uid, trap.claim, trap.state
            )));
        }
        Ok(waits)
    }

    /// Waits for the next thing that can change the answer.
    async fn next_change(&mut self, phase: Phase, waits: &str) -> Result<(), Ending> {
        let sprung = self.trapped.as_ref().map(|(_, since)| *since + TRAP_GRACE);
        let ripe = sprung.into_iter().chain(self.wait.as_ref().and_then(Wait::turns_long)).min();
        let wake = async {
            match ripe {
                Some(ripe) => sleep_until(ripe).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.run.interrupt.cancelled() => Err(self.failed(phase, "interrupted".into(), Ending::Interrupted)),
            changed = self.watch.changed() => match changed {
                Ok(_) => Ok(()),
                Err(error) => Err(self.failed(phase, error.to_string(), Ending::Failed(error))),
            },
            () = sleep_until(self.deadline) => {
                let waits = self.explained_in_the_end(waits);
                let ending = Ending::TimedOut(self.late(&waits));
                Err(self.failed(phase, waits, ending))
            }
            () = wake => Ok(()),
        }
    }

    /// Why it is late, with the cluster's own silence named where there is one, and how often the new pod came to nothing.
    pub(super) fn late(&self, waits: &str) -> String {
        let restarted = self.settling.restarted().filter(|how| !waits.contains(how));
        let restarted = restarted.map(|how| format!("; {how}")).unwrap_or_default();
        match self.watch.silent_since() {
            Some(since) => {
                format!("{waits}{restarted}; the API server has not answered for {} s", since.elapsed().as_secs())
            }
            None => format!("{waits}{restarted}"),
        }
    }

    fn reached(&self, phase: Phase) -> String {
        let topology = self.topology();
        let Some((member, pod)) = goal::successor(self.run.plan, &topology) else { return String::new() };
        match phase {
            Phase::Replaced => format!("{} is a new pod", member.name),
            _ => format!("Ready on {}", pod.node.as_deref().unwrap_or("its node")),
        }
    }

    pub(super) fn notice(&mut self, text: String) {
        (self.tell)(Event::Notice(text.clone()));
        self.notices.push(text);
    }

    pub(super) fn end_phase(&mut self, phase: Phase, end: PhaseEnd) {
        (self.tell)(Event::Done(phase, end.clone()));
        self.phases.push((phase, end));
    }

    pub(super) fn failed(&mut self, phase: Phase, why: String, ending: Ending) -> Ending {
        self.end_phase(phase, PhaseEnd::Failed(why));
        ending
    }
}
