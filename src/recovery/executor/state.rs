//! The inputs of a run, and its state.

use crate::cluster::{Cluster, LeaseGuard, Watch};
use crate::error::Error;
use crate::journal::Journal;
use crate::plan::{Plan, Record};
use crate::recovery::events::{Ending, Event, Phase, PhaseEnd};
use crate::recovery::explain::{SeenEvents, Wait};
use crate::recovery::goal::{self, Trap};
use crate::recovery::prover::Prover;
use crate::recovery::settle::Settling;
use crate::topology::{Layout, Topology, build};
use crate::verify::Evidence;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The inputs of a run.
pub(crate) struct Run<'r> {
    /// The plan.
    pub plan: &'r Plan,
    /// The cluster.
    pub cluster: &'r Cluster,
    /// The layout.
    pub layout: &'r Layout,
    /// Checks whether the component is back.
    pub prover: &'r Prover,
    /// The baseline.
    pub before: Option<Evidence>,
    /// The record to write on the volumes.
    pub record: Record,
    /// Schemas of canary tables that earlier runs of this pod may have left, and that no run will resume.
    pub superseded: Vec<String>,
    /// Earlier operations on this pod that left something open: settled once this one has recovered.
    pub left_open: Vec<Record>,
    /// Where the record is stored if no volume can carry it.
    pub journal: &'r Journal,
    /// Time limit of the whole run.
    pub timeout: Duration,
    /// How long the new pod must stay Ready, as requested.
    pub settle: Duration,
    /// Set when the user interrupts.
    pub interrupt: CancellationToken,
    /// Prevents other failovers in the same namespace.
    pub lease: &'r LeaseGuard,
}

/// A run in progress: its inputs, what was done, and what is known of the cluster.
pub(super) struct Executor<'r, 'w> {
    pub(super) run: Run<'r>,
    pub(super) watch: &'w mut Watch,
    pub(super) tell: &'w mut (dyn FnMut(Event) + Send),
    pub(super) deadline: Instant,
    /// Events from before the run.
    pub(super) known: SeenEvents,
    /// What is waited for now.
    pub(super) wait: Option<Wait>,
    pub(super) phases: Vec<(Phase, PhaseEnd)>,
    pub(super) done: Vec<String>,
    pub(super) notices: Vec<String>,
    pub(super) healed: u32,
    pub(super) proof: Option<String>,
    /// Schema of the canary table, while there is one.
    pub(super) canary: Option<String>,
    /// Whether this run wrote it, and not an earlier one.
    pub(super) wrote_canary: bool,
    /// Volumes that carry the record: name and UID.
    pub(super) record_on: Vec<(String, String)>,
    /// Names of volumes that this run set to Retain, confirmed by the server.
    pub(super) retained: Vec<String>,
    pub(super) trapped: Option<(Trap, Instant)>,
    /// How the new pod behaved so far.
    pub(super) settling: Settling,
    /// Whether no other process is known to have begun in the meantime.
    pub(super) alone: bool,
    /// What is left, for a component that was catching up when it was queried last.
    pub(super) catching_up: Option<String>,
}

impl Executor<'_, '_> {
    pub(super) fn topology(&self) -> Topology {
        build(self.watch.snapshot(), self.run.layout)
    }

    /// Returns the topology, and records the current state of the new pod.
    pub(super) fn observe(&mut self) -> Topology {
        let topology = self.topology();
        let pod = goal::successor(self.run.plan, &topology).map(|(_, pod)| pod);
        self.settling.observe(pod, Instant::now());
        topology
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

    /// Checks before each change that no other process has begun since the Lease was taken.
    pub(super) async fn still_alone(&mut self) -> Result<(), Ending> {
        self.run.lease.stands().await.map_err(|why| {
            self.alone = false;
            Ending::Failed(Error::refused("no further changes are made").because(why.to_string()))
        })
    }

    /// Reports that waiting continues without the Lease.
    pub(super) fn note_lost_lease(&mut self) {
        if let Some(why) = self.run.lease.lost().filter(|_| std::mem::take(&mut self.alone)) {
            self.notice(format!("{why}; only waiting was left"));
        }
    }

    /// Returns why it is late, with the API server's silence if there is one, and how often the new pod failed.
    pub(super) fn late(&self, waits: &str) -> String {
        let restarted = self.settling.restarted().filter(|how| !waits.contains(how));
        let restarted = restarted.map(|how| format!("; {how}")).unwrap_or_default();
        match self.watch.outage() {
            // It may be what is waited for.
            Some(outage) if !waits.contains(&outage.to_string()) => format!("{waits}{restarted}; {outage}"),
            _ => format!("{waits}{restarted}"),
        }
    }
}
