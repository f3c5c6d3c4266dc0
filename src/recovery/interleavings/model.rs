//! The model: a state, its possible next steps, and what must hold.

use super::facts::{Books, Command, Move, Names, Planned, Stand, slot};
use super::kubernetes::{self, Deed, Free};
use super::world::{Content, Disk, Map, OPERATIONS, Page, Reference, Seen, Uid, VOLUMES, World};
use crate::plan::{self, RecordedOutcome};
use stateright::{Model, Property};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// The relation between a run and the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lease {
    /// It has not requested it yet.
    NotYet,
    /// It has it.
    Holds,
    /// It has it and does not renew it: another run may take it.
    Stalls,
    /// Another run has it. The change that this run was about to make is still made.
    Lost,
    /// Another run has it, and this run makes no further change.
    Knows,
}

/// A run of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Run {
    /// Number of its plan.
    pub(super) plan: u16,
    /// How many of the plan's moves it has made.
    pub(super) at: u8,
    /// Whether everything is back, once it is known: then it is recorded.
    pub(super) verdict: Option<bool>,
    pub(super) lease: Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) world: World,
    /// The runs in progress, in no particular order.
    pub(super) runs: [Option<Run>; 2],
    /// The disturbance has not happened yet.
    pub(super) at_risk: bool,
    /// A run reported something untrue.
    pub(super) lied: bool,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.world.hash(state);
        let mut rest = u64::from(self.at_risk) << 1 | u64::from(self.lied);
        for run in &self.runs {
            let verdict = |run: &Run| run.verdict.map_or(2, u64::from);
            let run = run.map_or(0, |run| {
                u64::from(run.plan) << 11 | u64::from(run.at) << 6 | verdict(&run) << 4 | (run.lease as u64) << 1 | 1
            });
            rest = rest << 27 | run;
        }
        state.write_u64(rest);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// A controller does something.
    Kubernetes(Deed),
    /// An operator starts the plugin.
    Starts(Command),
    /// A run makes its next move.
    Moves(u8),
    /// A run is killed, or gives up, or is denied its next change.
    Dies(u8),
    /// Something goes wrong.
    Befalls(Mishap),
}

/// Possible disturbances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mishap {
    /// A run fails to renew its Lease.
    Stall,
    /// The StatefulSet controller creates the pod although its claim is being deleted (kubernetes/kubernetes#74374).
    Race,
    /// Another client deletes the pod.
    PodDeleted,
    /// Another client deletes the claim, whose volume is missing or retained.
    ClaimDeleted,
}

/// More steps than any way to an end has.
const LONGEST_WAY: usize = 400;

/// What is checked, and within which limits.
pub(super) struct Interleavings {
    pub(super) books: Books,
    /// How many operations may begin.
    pub(super) operations: u8,
    /// How many runs there may be at the same time: one or two.
    pub(super) operators: u8,
    /// What may go wrong, once.
    pub(super) mishap: Option<Mishap>,
    /// Whether new volumes are provisioned.
    pub(super) provisions: bool,
    /// Whether the component recovers its data from elsewhere on a new disk.
    pub(super) elsewhere: bool,
    /// Whether the states that are known lead to a good end.
    pub(super) good: Mutex<Map<State, bool>>,
    /// Whether the runs of the states that are known end by themselves.
    pub(super) ends: Mutex<Map<State, bool>>,
}

impl Interleavings {
    /// One operator, one operation, no disturbance.
    pub(super) fn new() -> Self {
        Self {
            books: Books::new(),
            operations: 1,
            operators: 1,
            mishap: None,
            provisions: true,
            elsewhere: false,
            good: Mutex::default(),
            ends: Mutex::default(),
        }
    }

    // ---- names ----

    /// Names for new objects.
    fn free(&self, state: &State) -> Free {
        let world = &state.world;
        let mut names = Names::default();
        let volumes = world.volumes.iter().flatten();
        for page in volumes.clone().flat_map(|volume| volume.records).chain(world.journal).filter(|page| *page != 0) {
            names = names.and(self.books.record(page).names);
        }
        for run in state.runs.iter().flatten() {
            names = names.and(self.books.plan(run.plan).names);
        }
        if let Some(pod) = &world.pod {
            names.pods |= 1 << pod.uid;
            names.claims |= pod.on.map_or(0, |(_, uid)| 1 << uid);
        }
        names.claims |= world.claim.map_or(0, |claim| 1 << claim.uid) | world.believed.map_or(0, |uid| 1 << uid);
        for volume in volumes {
            for reference in [
                Some(volume.reference),
                match volume.seen {
                    Seen::Before(reference) => Some(reference),
                    Seen::Now => None,
                },
            ] {
                if let Some(Reference::Claim(uid)) = reference {
                    names.claims |= 1 << uid;
                }
            }
        }
        for disk in 0..VOLUMES {
            names.volumes |= u32::from(world.volumes[disk].is_some()) << disk;
        }
        // 0 means none.
        let uid = |taken: u32| (taken | 1).trailing_ones() as Uid;
        let disk = names.volumes.trailing_ones() as Disk;
        assert!(usize::from(disk) < VOLUMES, "the model has room for {VOLUMES} volumes");
        Free { pod: uid(names.pods), claim: uid(names.claims), disk }
    }

    /// The number of the next new operation.
    fn next_operation(&self, state: &State) -> u8 {
        let on_record = (0..OPERATIONS).rev().find(|at| {
            state.world.journal[*at] != 0 || state.world.volumes.iter().flatten().any(|volume| volume.records[*at] != 0)
        });
        let running = state.runs.iter().flatten().map(|run| self.books.plan(run.plan).operation).max();
        on_record.map_or(0, |at| at as u8 + 1).max(running.unwrap_or(0)) + 1
    }

    // ---- runs ----

    /// An operator starts the plugin: it reads, and makes a plan.
    fn start(&self, state: &State, command: Command) -> Option<State> {
        let free = state.runs.iter().position(Option::is_none)?;
        let plan = self.books.planned(&state.world, command, self.next_operation(state))?;
        let mut next = *state;
        next.runs[free] = Some(Run { plan, at: 0, verdict: None, lease: Lease::NotYet });
        Some(next)
    }

    /// The next move of a run; `None` if it waits.
    fn step(&self, state: &State, which: usize) -> Option<State> {
        let mut run = state.runs[which]?;
        let planned = self.books.plan(run.plan);
        let mut next = *state;
        if let Some(recovered) = run.verdict {
            if !self.write_down(&mut next.world, &planned, recovered) {
                next.runs[which] = None;
            }
            return Some(next);
        }
        let what = planned.moves[usize::from(run.at)];
        let done = match what {
            Move::Begin => self.begin(&mut next, which, &mut run),
            Move::AwaitNoticed => match self.books.stand(&state.world, run.plan, false) {
                Stand::Waits => return None,
                Stand::Reached => true,
                Stand::Trapped | Stand::Astray => false,
            },
            Move::Await => match self.books.stand(&state.world, run.plan, true) {
                Stand::Waits => return None,
                Stand::Astray => false,
                Stand::Reached => {
                    self.judge(&mut next, &planned, &mut run);
                    next.runs[which] = Some(run);
                    return Some(next);
                }
                Stand::Trapped => {
                    let may = self.may_change(&mut run);
                    if may {
                        next.world.delete_pod();
                    }
                    next.runs[which] = Some(run).filter(|_| may);
                    return Some(next);
                }
            },
            change => self.may_change(&mut run) && self.change(&mut next.world, &planned, change),
        };
        run.at += 1;
        // A deviation from the plan ends it.
        next.runs[which] = Some(run).filter(|_| done);
        Some(next)
    }

    /// Whether it proceeds with a change: it checks its Lease before each.
    fn may_change(&self, run: &mut Run) -> bool {
        match run.lease {
            Lease::Lost => run.lease = Lease::Knows,
            Lease::Knows | Lease::NotYet => return false,
            Lease::Holds | Lease::Stalls => {}
        }
        true
    }

    fn begin(&self, next: &mut State, which: usize, run: &mut Run) -> bool {
        for (other, held) in next.runs.iter_mut().enumerate().filter(|(other, _)| *other != which) {
            let _ = other;
            match held {
                Some(held) if held.lease == Lease::Holds => return false,
                Some(held) if held.lease == Lease::Stalls => held.lease = Lease::Lost,
                _ => {}
            }
        }
        run.lease = Lease::Holds;
        self.books.as_planned(&next.world, run.plan)
    }

    /// Makes a change; returns whether everything was as planned.
    fn change(&self, world: &mut World, planned: &Planned, change: Move) -> bool {
        let at = slot(planned.operation);
        match change {
            Move::Retain(disk) => world.write(disk, |volume| {
                volume.delete = false;
                volume.records[at] = planned.record;
            }),
            Move::Annotate(disk) => world.write(disk, |volume| volume.records[at] = planned.record),
            Move::Reserve(disk, released_by) => match world.volume(disk).map(|volume| volume.reference) {
                Some(Reference::Claim(uid)) if uid == released_by => {
                    world.write(disk, |volume| volume.reference = Reference::Name)
                }
                // An earlier attempt may have done it.
                Some(Reference::Name) => true,
                _ => false,
            },
            Move::Unreserve(disk, released_by) => match world.volume(disk).map(|volume| volume.reference) {
                Some(Reference::Name) => world.write(disk, |volume| {
                    volume.reference = Reference::Claim(released_by);
                    volume.delete = false;
                }),
                Some(Reference::Claim(uid)) => uid == released_by,
                None => true,
            },
            Move::Journal => {
                world.journal[at] = planned.record;
                true
            }
            Move::DeleteClaim { uid, retained } => match world.claim {
                Some(claim) if claim.uid != uid => false,
                Some(claim) if !retained && !claim.terminating && claim.volume.is_some() => false,
                Some(_) => {
                    world.delete_claim();
                    true
                }
                // Another client deleted it.
                None => true,
            },
            Move::DeletePod(uid) => match world.pod {
                Some(pod) if pod.uid != uid => false,
                Some(_) => {
                    world.delete_pod();
                    true
                }
                None => true,
            },
            Move::Begin | Move::AwaitNoticed | Move::Await => unreachable!("{change:?} changes nothing"),
        }
    }

    /// Queries the component whether it and its data are back.
    fn judge(&self, next: &mut State, planned: &Planned, run: &mut Run) {
        let Some((disk, claim)) = next.world.pod.and_then(|pod| pod.on) else { return };
        let holds = next.world.volume(disk).map(|volume| volume.content);
        let recovered = self.elsewhere || holds == Some(Content::Original);
        let record = self.books.record(planned.record);
        let true_of_it = match &planned.plan.act {
            // It is on another disk than those that it and other operations retained.
            plan::Action::Failover => {
                record.claims.iter().all(|(old, retained, _)| *old != claim && *retained != Some(disk))
                    && self.returned(&next.world, disk, claim)
            }
            plan::Action::Undo(_) => record.claims.iter().any(|(_, _, returns)| *returns == Some(disk)),
        };
        next.lied |= recovered && !true_of_it;
        run.verdict = Some(recovered);
    }

    /// Records how it ended, in one place; `false` if that is done.
    fn write_down(&self, world: &mut World, planned: &Planned, recovered: bool) -> bool {
        let at = slot(planned.operation);
        let outcome = if recovered { RecordedOutcome::Recovered } else { RecordedOutcome::DataMissing };
        let page = self.books.finished(planned.record, outcome);
        if world.journal[at] != page && planned.plan.journal.is_some() {
            world.journal[at] = page;
            return true;
        }
        let disk = (0..VOLUMES).find(|disk| {
            world.volumes[*disk].is_some_and(|volume| volume.records[at] != 0 && volume.records[at] != page)
        });
        let Some(disk) = disk else { return false };
        let claims = &planned.plan.replaced_claims;
        let back = claims.iter().filter_map(|claim| claim.returns.as_ref());
        let back = back.filter(|back| back.uid == format!("uid-pv-{disk}"));
        let policy = back.filter_map(|back| back.reclaim_policy.as_deref()).next().filter(|_| recovered);
        world.write(disk as Disk, |volume| {
            volume.records[at] = page;
            if let Some(policy) = policy {
                volume.delete = policy == "Delete";
            }
        })
    }

    /// Applies a disturbance; `None` if it cannot happen.
    fn apply(&self, next: &mut State, mishap: Mishap) -> Option<()> {
        let world = &mut next.world;
        match mishap {
            Mishap::Stall => {
                let run = next.runs.iter_mut().flatten().find(|run| run.lease == Lease::Holds)?;
                run.lease = Lease::Stalls;
            }
            Mishap::Race => {
                world.claim.filter(|claim| claim.terminating && world.pod.is_none())?;
                let free = self.free(next);
                kubernetes::perform(&mut next.world, Deed::MakesPod, || free);
            }
            Mishap::PodDeleted => {
                world.pod.filter(|pod| !pod.terminating)?;
                world.delete_pod();
            }
            Mishap::ClaimDeleted => {
                let claim = world.claim.filter(|claim| !claim.terminating)?;
                let volume = claim.volume.and_then(|disk| world.volume(disk));
                volume.is_none_or(|volume| !volume.delete).then_some(())?;
                world.delete_claim();
            }
        }
        Some(())
    }

    // ---- what must hold ----

    /// Whether a volume that a claim got is not one that is recorded as retained, unless an undo restores it.
    fn returned(&self, world: &World, disk: Disk, claim: Uid) -> bool {
        let mut operations: Vec<Page> = Vec::new();
        for at in (0..OPERATIONS).rev() {
            let on_volumes = world.volumes.iter().flatten().map(|volume| volume.records[at]);
            operations.extend(on_volumes.chain([world.journal[at]]).find(|page| *page != 0));
        }
        let records: Vec<_> = operations.into_iter().map(|page| self.books.record(page)).collect();
        let retained = records.iter().flat_map(|record| &record.claims);
        let retained = retained.clone().any(|(of, retained, _)| *retained == Some(disk) && *of != claim);
        if !retained {
            return true;
        }
        // The newest first. One that is about this claim has not replaced it yet.
        for record in records {
            if record.undoes && record.claims.iter().any(|(_, _, returns)| *returns == Some(disk)) {
                return true;
            }
            if record.claims.iter().all(|(of, _, _)| *of != claim) {
                return false;
            }
        }
        false
    }

    /// What happens next without further input: the volume controller learns what it has to, then the controllers act,
    /// then the runs.
    fn by_itself(&self, state: &State, provisions: bool) -> Option<State> {
        let mut deeds = Vec::new();
        kubernetes::deeds(&state.world, provisions, &mut deeds);
        deeds.sort_by_key(|deed| !matches!(deed, Deed::Notices(_) | Deed::NoticesClaimGone));
        if let Some(deed) = deeds.into_iter().next() {
            return self.next_state(state, Action::Kubernetes(deed));
        }
        (0..2).find_map(|which| self.step(state, which))
    }

    /// The command that is suggested after the newest operation, if not everything is fine.
    fn named(&self, state: &State) -> Option<Command> {
        let recorded = self.books.newest(&state.world)?;
        let record = &recorded.record;
        let of = |id: &str| id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
        match (&record.act, record.outcome) {
            (_, RecordedOutcome::Recovered | RecordedOutcome::Unverified) => None,
            (plan::Action::Failover, RecordedOutcome::Unfinished | RecordedOutcome::CatchingUp) => {
                Some(Command::Resume(of(&record.pod_uid.replace('p', "p-"))))
            }
            (plan::Action::Undo(id), RecordedOutcome::Unfinished | RecordedOutcome::CatchingUp) => {
                Some(Command::Undo(of(id)))
            }
            // The last one that retained something: `undo ID`, or `undo POD` for an earlier one.
            (plan::Action::Failover, RecordedOutcome::DataMissing) => {
                self.books.last_retaining(&state.world).map(Command::Undo)
            }
            // It came back as it was before: there is nothing more to revert.
            (plan::Action::Undo(_), RecordedOutcome::DataMissing) => None,
        }
    }

    /// What happens next once the cause of all trouble is gone, and the operator follows the suggestions.
    fn by_the_book(&self, state: &State) -> Option<State> {
        if let Some(next) = self.by_itself(state, true) {
            return Some(next);
        }
        if state.runs != [None; 2] {
            // They have waited long enough.
            return Some(State { runs: [None; 2], ..*state });
        }
        self.start(state, self.named(state)?)
    }

    /// Whether a state leads to a good end: if nothing comes next, that `is_good`, and nothing on the way is faulty.
    fn leads(
        &self,
        state: &State,
        known: &Mutex<Map<State, bool>>,
        next: impl Fn(&State) -> Option<State>,
        is_good: impl Fn(&State) -> bool,
    ) -> bool {
        let mut way: Vec<State> = Vec::new();
        let mut now = *state;
        let verdict = loop {
            if let Some(known) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&now) {
                break *known;
            }
            way.push(now);
            // A cycle leads nowhere.
            if way.len() > LONGEST_WAY || is_faulty(self, &now) {
                break false;
            }
            match next(&now) {
                Some(further) => now = further,
                None => break is_good(&now),
            }
        };
        known.lock().unwrap_or_else(PoisonError::into_inner).extend(way.into_iter().map(|state| (state, verdict)));
        verdict
    }

    /// Whether commands that the plugin suggests lead from here to where it suggests none, and the component runs.
    fn has_a_way_on(&self, state: &State) -> bool {
        let state = State { at_risk: false, ..*state };
        let runs = |state: &State| self.named(state).is_none() && state.world.pod.is_some_and(|pod| pod.on.is_some());
        self.leads(&state, &self.good, |state| self.by_the_book(state), runs)
    }

    /// What follows a state, as text: for people who look for the fault.
    pub(super) fn tale(&self, state: &State) -> String {
        let mut now = State { at_risk: false, ..*state };
        let mut lines = Vec::new();
        for _ in 0..LONGEST_WAY {
            let named = self.named(&now).filter(|_| now.runs == [None; 2]);
            let Some(next) = self.by_the_book(&now) else {
                lines.push(format!("it ends there; named: {named:?}"));
                break;
            };
            for (before, after) in now.runs.iter().zip(&next.runs) {
                let of = |run: &Run| {
                    let planned = self.books.plan(run.plan);
                    format!("{} {:?} {:?}", planned.plan.id, planned.plan.act, planned.moves)
                };
                match (before, after) {
                    (None, Some(run)) => lines.push(format!("{named:?}: {}", of(run))),
                    (Some(run), None) => {
                        let stand = self.books.progress(&now.world, run.plan);
                        lines.push(format!("ends at move {} with {:?}: {stand:?}", run.at, run.verdict));
                    }
                    _ => {}
                }
            }
            now = next;
            if lines.len() > 8 {
                break;
            }
        }
        lines.push(format!("{now:?}"));
        lines.join("\n  ")
    }

    /// Whether the runs in progress end without any step that cannot be relied on. A failover needs a new volume.
    fn ends_by_itself(&self, state: &State) -> bool {
        let needs_a_disk = |run: &Run| self.books.plan(run.plan).plan.act == plan::Action::Failover && !self.provisions;
        if state.runs.iter().flatten().any(needs_a_disk) || state.runs == [None; 2] {
            return true;
        }
        let state = State { at_risk: false, ..*state };
        let ended = |state: &State| state.runs == [None; 2];
        let astray =
            |state: &State| self.mishap.is_none() && state.runs.iter().flatten().any(|run| self.is_astray(state, run));
        let next = |state: &State| {
            let further = !ended(state) && !astray(state);
            further.then(|| self.by_itself(state, self.provisions)).flatten()
        };
        self.leads(&state, &self.ends, next, ended)
    }

    /// Whether a run waits for a pod that came back with what it must not have.
    fn is_astray(&self, state: &State, run: &Run) -> bool {
        let waits = self.books.plan(run.plan).moves[usize::from(run.at)] == Move::Await && run.verdict.is_none();
        waits && self.books.stand(&state.world, run.plan, true) == Stand::Astray
    }
}

/// No pod runs on a volume that is recorded as retained, unless an undo restores it.
fn on_its_own(model: &Interleavings, state: &State) -> bool {
    let on = state.world.pod.and_then(|pod| pod.on);
    on.is_none_or(|(disk, claim)| model.returned(&state.world, disk, claim))
}

fn is_faulty(model: &Interleavings, state: &State) -> bool {
    state.lied || !on_its_own(model, state) || !data_is_kept(model, state)
}

/// No volume with data has the policy Delete without a claim that stays.
fn data_is_kept(_: &Interleavings, state: &State) -> bool {
    let world = &state.world;
    let mut holding = world.volumes.iter().flatten().filter(|volume| volume.content != Content::Nothing);
    holding.all(|volume| {
        let claimed = match volume.reference {
            Reference::Claim(uid) => world.claim_of(uid).is_some_and(|claim| !claim.terminating),
            Reference::Name => false,
        };
        claimed || !volume.delete
    })
}

impl Model for Interleavings {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { world: World::healthy(), runs: [None; 2], at_risk: self.mishap.is_some(), lied: false }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // What comes after a fault is none of its own.
        if is_faulty(self, state) {
            return;
        }
        let mut deeds = Vec::new();
        kubernetes::deeds(&state.world, self.provisions, &mut deeds);
        let running = state.runs.iter().flatten().count() as u8;
        if running < self.operators && deeds.is_empty() {
            let operations = self.next_operation(state);
            actions.extend([Command::Failover, Command::Anew].map(Action::Starts));
            actions.extend((1..operations).map(|of| Action::Starts(Command::Undo(of))));
        } else if running == 0 {
            // The suggested command runs at once.
            actions.extend(self.named(state).map(Action::Starts));
        }
        actions.extend(deeds.into_iter().map(Action::Kubernetes));
        for which in 0..running {
            actions.extend([Action::Moves(which), Action::Dies(which)]);
        }
        actions.extend(self.mishap.filter(|_| state.at_risk).map(Action::Befalls));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        match action {
            Action::Kubernetes(deed) => kubernetes::perform(&mut next.world, deed, || self.free(state)),
            Action::Starts(command) => {
                next = self.start(state, command)?;
                let begun = next.runs.iter().flatten().map(|run| self.books.plan(run.plan).operation).max();
                if begun > Some(self.operations) {
                    return None;
                }
            }
            Action::Moves(which) => next = self.step(state, usize::from(which))?,
            Action::Dies(which) => next.runs[usize::from(which)] = None,
            Action::Befalls(mishap) => {
                self.apply(&mut next, mishap)?;
                next.at_risk = false;
            }
        }
        next.runs.sort_by(|a, b| b.cmp(a));
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ON_ITS_OWN, on_its_own),
            Property::always(KEPT, data_is_kept),
            Property::always(TRUE, |_, state: &State| !state.lied),
            Property::always(A_WAY_ON, Interleavings::has_a_way_on),
        ];
        if self.operators == 1 {
            properties.push(Property::always(ENDS, Interleavings::ends_by_itself));
        }
        // Otherwise it would prove little.
        properties.push(Property::sometimes(FINISHES, |model, state: &State| {
            let newest = model.books.newest(&state.world);
            newest.is_some_and(|newest| !newest.record.unfinished())
        }));
        if self.operations > 1 {
            properties.push(Property::sometimes(COMES_BACK, |_, state: &State| {
                state.world.pod.and_then(|pod| pod.on).is_some_and(|(disk, claim)| disk == 0 && claim != 1)
            }));
        }
        properties
    }
}

pub(super) const ON_ITS_OWN: &str = "no pod runs on a retained volume, unless an undo restores it";
pub(super) const KEPT: &str = "no volume with data is on Delete without a claim";
pub(super) const TRUE: &str = "a finished operation's verdict is true";
pub(super) const A_WAY_ON: &str = "a command that the plugin names leads to a good end";
pub(super) const FINISHES: &str = "an operation is finished";
pub(super) const COMES_BACK: &str = "the first volume comes back";
pub(super) const ENDS: &str = "an undisturbed run does not wait in vain";
