//! What a run needs, and what it knows while it is under way.

use crate::cluster::{Cluster, LeaseGuard, Watch};
use crate::duration;
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

/// All that a run needs.
pub struct Run<'r> {
    /// What to do.
    pub plan: &'r Plan,
    /// Where.
    pub cluster: &'r Cluster,
    /// What things are called.
    pub layout: &'r Layout,
    /// Who is asked whether the component is back.
    pub prover: &'r Prover,
    /// What the component said before.
    pub before: Option<Evidence>,
    /// The record to write on the volumes that take part.
    pub record: Record,
    /// Schemas of canary tables that earlier runs of this pod, none of which will go on, may have left.
    pub superseded: Vec<String>,
    /// Earlier acts of this pod that left something open: settled once this one has recovered.
    pub left_open: Vec<Record>,
    /// Where the record is kept if no volume can carry it.
    pub journal: &'r Journal,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How long the new pod must stay Ready, as it was asked for.
    pub settle: Duration,
    /// Set when the user wants to stop.
    pub interrupt: CancellationToken,
    /// Keeps others from failing over in the same namespace.
    pub lease: &'r LeaseGuard,
}

/// A run under way: what is to be done, what was done so far, and what is known of the cluster.
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
    /// Schema of the canary table, while one is there.
    pub(super) canary: Option<String>,
    /// Whether this run wrote it, and no earlier one.
    pub(super) wrote_canary: bool,
    /// Volumes that carry the record: name and UID.
    pub(super) record_on: Vec<(String, String)>,
    /// Names of volumes that this run set to Retain, by the server's word.
    pub(super) retained: Vec<String>,
    pub(super) trapped: Option<(Trap, Instant)>,
    /// How the new pod was seen to be so far.
    pub(super) settling: Settling,
    /// Whether nobody else is known to have begun meanwhile.
    pub(super) alone: bool,
    /// What is left, in words, of a component that was catching up when it was asked last.
    pub(super) catching_up: Option<String>,
}

impl Executor<'_, '_> {
    pub(super) fn topology(&self) -> Topology {
        build(self.watch.snapshot(), self.run.layout)
    }

    /// The same, and how the new pod is now is taken in.
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

    /// Asked before each change: nobody else may have begun since the Lease was taken.
    pub(super) async fn still_alone(&mut self) -> Result<(), Ending> {
        self.run.lease.stands().await.map_err(|why| {
            self.alone = false;
            Ending::Failed(Error::refused("no further changes are made").because(why.to_string()))
        })
    }

    /// Waiting goes on without the Lease, and it is said.
    pub(super) fn note_lost_lease(&mut self) {
        if let Some(why) = self.run.lease.lost().filter(|_| std::mem::take(&mut self.alone)) {
            self.notice(format!("{why}; only waiting was left"));
        }
    }

    /// Why it is late, with the cluster's own silence named where there is one, and how often the new pod came to nothing.
    pub(super) fn late(&self, waits: &str) -> String {
        let restarted = self.settling.restarted().filter(|how| !waits.contains(how));
        let restarted = restarted.map(|how| format!("; {how}")).unwrap_or_default();
        match self.watch.silent_since() {
            Some(since) => {
                format!(
                    "{waits}{restarted}; no response from the API server for {}",
                    duration::format(Duration::from_secs(since.elapsed().as_secs()))
                )
            }
            None => format!("{waits}{restarted}"),
        }
    }
}
