//! Converts between the model's small numbers and the plugin's own types: what a run reads ([`Topology`]), the records
//! that it finds and writes, its plan. These are the plugin's own, stored in books so that a state refers to them by a
//! number.

use super::world::{Claim, Disk, Map, OPERATIONS, PAGES, Page, Phase, Pod, Reference, Uid, VOLUMES, Volume, World};
use crate::cluster::permission::Allowed;
use crate::plan::RecordedOutcome;
use crate::plan::{
    Action, Before, ComparedWith, InFlight, Inputs, Plan, Probes, RECORD_KIND, Record, RecordedClaim, RecordedOwner,
    Request, Step, needed, newest, plan,
};
use crate::recovery::goal::{self, Progress};
use crate::testing::{now, snapshot};
use crate::topology::{self, ClaimReference, ClaimState, Known, Layout, Member, PodFacts, Topology, build};
use jiff::SignedDuration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const NAMESPACE: &str = "a";
const POD: &str = "cloudberry-proxy-0";
const CLAIM: &str = "data-cloudberry-proxy-0";

/// A command, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Command {
    /// `failover POD`
    Failover,
    /// `failover POD --start-over`
    Anew,
    /// `failover POD --pod-uid UID`, as an ending suggests it
    Resume(Uid),
    /// `undo ID`
    Undo(u8),
}

/// Which UIDs and volumes something names: bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names {
    pub(super) pods: u32,
    pub(super) claims: u32,
    pub(super) volumes: u32,
}

impl Names {
    /// Returns the quoted strings of a JSON text.
    fn of(text: &str) -> Self {
        let bits = |prefix: &str| {
            (0..32).filter(|n| text.contains(&format!("\"{prefix}{n}\""))).fold(0, |bits, n| bits | 1 << n)
        };
        Self { pods: bits("p"), claims: bits("c"), volumes: bits("pv-") | bits("uid-pv-") }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { pods: self.pods | other.pods, claims: self.claims | other.claims, volumes: self.volumes | other.volumes }
    }
}

/// A record, in the plugin's form and in the model's.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) record: Record,
    text: String,
    pub(super) names: Names,
    /// Its claims: UID, the retained volume, the restored volume.
    pub(super) claims: Vec<(Uid, Option<Disk>, Option<Disk>)>,
    /// The operation that it undoes.
    pub(super) undoes: bool,
}

/// A plan, and the record that is written with it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// Number of the operation.
    pub(super) operation: u8,
    pub(super) record: Page,
    pub(super) names: Names,
    pub(super) moves: Vec<Move>,
}

/// One action of a run, in the order of `recovery::executor`. It may be killed between any two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Takes the Lease, and checks that everything is as planned.
    Begin,
    /// Writes the record, and Retain, on a volume.
    Retain(Disk),
    /// Writes the record on a volume.
    Annotate(Disk),
    /// Removes the claim's UID from a volume's claimRef, if it is this one.
    Reserve(Disk, Uid),
    /// Restores that UID.
    Unreserve(Disk, Uid),
    /// Waits until the volume controller has processed the reservations.
    AwaitNoticed,
    /// Writes the record in the local journal.
    Journal,
    /// Deletes the claim, with its volume's retention planned or only while it has none.
    DeleteClaim { uid: Uid, retained: bool },
    /// Deletes the pod.
    DeletePod(Uid),
    /// Waits until the pod is replaced and Ready, and queries it.
    Await,
}

/// The progress towards a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Reached,
    Waits,
    /// The replacement pod waits for a claim that is being deleted: it is deleted again.
    Trapped,
    /// The replacement pod holds a claim that is being deleted, or the new claim has a volume that it must not have:
    /// the run ends.
    Astray,
}

/// What is written down.
#[derive(Default)]
struct Pages {
    records: Vec<Arc<Recorded>>,
    record_of: HashMap<String, Page>,
    plans: Vec<Arc<Planned>>,
    plan_of: HashMap<String, u16>,
    planned: Map<(World, Command, u8), Option<u16>>,
    stands: Map<(World, u16, bool), Stand>,
    newest: Map<World, Option<Page>>,
    /// What was read last, and of which world.
    read: Option<(World, Arc<Read>)>,
}

/// What a run reads.
struct Read {
    topology: Topology,
    /// All records, the oldest first.
    records: Vec<Record>,
}

/// The plugin's own values, by number.
pub(super) struct Books {
    pages: Mutex<Pages>,
    /// The topology without a pod or claim, and what is inserted.
    empty: Topology,
    running: PodFacts,
    pending: PodFacts,
    bound: topology::Claim,
    volume: topology::Volume,
}

impl Books {
    pub(super) fn new() -> Self {
        let world = |pods: &str, claims: &str| {
            let yaml = format!(
                "namespace: {NAMESPACE}\nsets: [{{name: cloudberry-proxy, replicas: 1, templates: [data]}}]\npods: [{pods}]\nclaims: [{claims}]"
            );
            build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
        };
        let pod = |fields: &str| format!("{{name: {POD}, set: cloudberry-proxy, claims: [{CLAIM}], {fields}}}");
        let claim = format!("{{name: {CLAIM}, volume: pv-0}}");
        let member = |topology: &Topology| topology.member(NAMESPACE, POD).unwrap().clone();
        let running = member(&world(&pod("ready: true"), &claim));
        let pending = member(&world(&pod("phase: Pending"), &claim));
        let bound = running.claims[0].clone();
        let Known::Is(Some(volume)) = bound.volume.clone() else { panic!("the claim has a volume") };
        Self {
            pages: Mutex::default(),
            empty: world("", ""),
            running: running.pod.unwrap(),
            pending: pending.pod.unwrap(),
            bound,
            volume,
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, page: Page) -> Arc<Recorded> {
        self.pages().records[usize::from(page) - 1].clone()
    }

    pub(super) fn plan(&self, number: u16) -> Arc<Planned> {
        self.pages().plans[usize::from(number)].clone()
    }

    /// The number of a record.
    pub(super) fn write(&self, record: Record) -> Page {
        let text = serde_json::to_string(&record).unwrap();
        let mut pages = self.pages();
        if let Some(page) = pages.record_of.get(&text) {
            return *page;
        }
        let claims = record.claims.iter().map(|claim| {
            let returns = claim.returns.as_ref().map(|returns| number(&returns.volume));
            (number(&claim.uid), claim.volume.as_deref().map(number), returns)
        });
        let recorded = Recorded {
            names: Names::of(&text),
            claims: claims.collect(),
            undoes: record.act != Action::Failover,
            text: text.clone(),
            record,
        };
        pages.records.push(Arc::new(recorded));
        let page = Page::try_from(pages.records.len()).unwrap();
        assert!(page < PAGES, "the model has room for {PAGES} records");
        pages.record_of.insert(text, page);
        page
    }

    /// What the API server shows, as the plugin interprets it.
    fn topology(&self, world: &World) -> Topology {
        let mut topology = self.empty.clone();
        let volume = |disk: Disk| world.volume(disk).map(|volume| self.volume(disk, volume));
        let member = &mut topology.spaces[0].components[0].members[0];
        member.pod = world.pod.map(|pod| self.pod(pod));
        if let Some(claim) = world.claim {
            member.claims = vec![self.claim(claim, claim.volume.map(volume))];
        }
        topology.recorded =
            (0..VOLUMES as Disk).filter_map(volume).filter(|volume| !volume.records.is_empty()).collect();
        topology
    }

    fn pod(&self, pod: Pod) -> PodFacts {
        let base = if pod.on.is_some() { &self.running } else { &self.pending };
        PodFacts {
            uid: format!("p{}", pod.uid),
            terminating: pod.terminating.then(now),
            node: pod.scheduled.then(|| "node-1".to_owned()),
            ..base.clone()
        }
    }

    fn claim(&self, claim: Claim, volume: Option<Option<topology::Volume>>) -> topology::Claim {
        topology::Claim {
            uid: Some(format!("c{}", claim.uid)),
            terminating: claim.terminating,
            state: match &volume {
                Some(Some(_)) => ClaimState::Bound,
                Some(None) => ClaimState::Lost,
                None => ClaimState::Pending,
            },
            volume_name: claim.volume.map(|disk| format!("pv-{disk}")),
            volume: Known::Is(volume.flatten()),
            ..self.bound.clone()
        }
    }

    fn volume(&self, disk: Disk, volume: &Volume) -> topology::Volume {
        let uid = match volume.reference {
            Reference::Name => None,
            Reference::Claim(uid) => Some(format!("c{uid}")),
        };
        let phase = match volume.phase {
            Phase::New => "",
            Phase::Available => "Available",
            Phase::Bound => "Bound",
            Phase::Released => "Released",
        };
        let records = volume.records.iter().filter(|page| **page != 0);
        topology::Volume {
            name: format!("pv-{disk}"),
            uid: format!("uid-pv-{disk}"),
            reclaim_policy: if volume.delete { "Delete" } else { "Retain" }.into(),
            phase: phase.into(),
            claim: Some(ClaimReference { namespace: NAMESPACE.into(), name: CLAIM.into(), uid }),
            records: records.map(|page| self.record(*page).text.clone()).collect(),
            ..self.volume.clone()
        }
    }

    /// What `commands::act::look` makes of it: the records without those that the cluster contradicts.
    fn read(&self, world: &World) -> Arc<Read> {
        if let Some((of, read)) = &self.pages().read
            && of == world
        {
            return read.clone();
        }
        let topology = self.topology(world);
        let journal = world.journal.iter().filter(|page| **page != 0).map(|page| self.record(*page).record.clone());
        let mut records = Record::merged(Record::on_volumes(&topology).into_iter().chain(journal));
        while let Some(last) = records.last()
            && last.contradicted(&topology, now()).is_some()
        {
            records.pop();
        }
        let read = Arc::new(Read { topology, records });
        self.pages().read = Some((*world, read.clone()));
        read
    }

    /// The record of the newest operation, if there is one.
    pub(super) fn newest(&self, world: &World) -> Option<Arc<Recorded>> {
        let shown = world.shown();
        let known = self.pages().newest.get(&shown).copied();
        let page = known.unwrap_or_else(|| {
            let page = self.read(&shown).records.last().map(|record| self.write(record.clone()));
            self.pages().newest.insert(shown, page);
            page
        });
        page.map(|page| self.record(page))
    }

    /// The newest operation that retained a volume: what `undo POD` reverts.
    pub(super) fn last_retaining(&self, world: &World) -> Option<u8> {
        let read = self.read(&world.shown());
        let mut records = read.records.iter().rev();
        let retained = records.find(|record| record.claims.iter().any(|claim| claim.volume.is_some()));
        retained.map(|record| number(&record.id))
    }

    /// The plan of a command, made by the plugin's own function from what it reads; `None` if a check blocks it.
    /// `operation` is the number of a new operation.
    pub(super) fn planned(&self, world: &World, command: Command, operation: u8) -> Option<u16> {
        let key = (world.shown(), command, operation);
        if let Some(known) = self.pages().planned.get(&key) {
            return *known;
        }
        let number = self.make(&key.0, command, operation).map(|(plan, record)| {
            let said = serde_json::to_string(&(&plan.steps, &plan.replaced_claims)).unwrap();
            // Everything that a run and its goals read of a plan.
            let (claims, retained) = (&record.claims, &plan.retained);
            let name = format!("{} {claims:?} {:?} {} {retained:?} {said}", record.id, plan.act, plan.target.uid);
            let known = self.pages().plan_of.get(&name).copied();
            known.unwrap_or_else(|| self.note(name, plan, record))
        });
        self.pages().planned.insert(key, number);
        number
    }

    fn note(&self, name: String, plan: Plan, record: Record) -> u16 {
        let operation = number(&record.id);
        let record = self.write(record);
        let names = Names::of(&serde_json::to_string(&plan).unwrap()).and(self.record(record).names);
        let mut pages = self.pages();
        let number = u16::try_from(pages.plans.len()).unwrap();
        pages.plans.push(Arc::new(Planned { moves: moves(&plan), plan, operation, record, names }));
        pages.plan_of.insert(name, number);
        number
    }

    fn make(&self, world: &World, command: Command, operation: u8) -> Option<(Plan, Record)> {
        let read = self.read(world);
        let Read { topology, records } = &*read;
        let member = topology.member(NAMESPACE, POD)?;
        let request = Request {
            id: format!("op-{operation}"),
            verify: true,
            start_over: command == Command::Anew,
            pod_uid: match command {
                Command::Resume(uid) => Some(format!("p{uid}")),
                _ => None,
            },
            ..Request::default()
        };
        let undoes = match command {
            Command::Undo(of) => Some(records.iter().find(|record| record.id == format!("op-{of}"))?),
            _ => None,
        };
        let act = undoes.map_or(Action::Failover, |of| Action::Undo(of.id.clone()));
        let unfinished = newest(records, topology, member)
            .filter(|record| record.unfinished() && record.act == act && !request.start_over);
        let rights: Vec<_> = needed(member, &request).into_iter().map(|right| (right, Allowed::Yes)).collect();
        let (before, baseline) = if member.ready() {
            let before = Before::Answered { summary: "PostgreSQL 14".into(), lacks: Vec::new() };
            (before, ComparedWith::Fresh { taken: String::new() })
        } else {
            let nothing = ComparedWith::Nothing { reason: "nothing is stored".into() };
            (Before::Silent { reason: "there is no pod".into() }, nothing)
        };
        let plan = plan(Inputs {
            topology,
            member,
            request: &request,
            rights: &rights,
            before,
            baseline,
            undoes,
            unfinished,
            records,
            now: now(),
            probes: Probes::default(),
            journal: "journal".into(),
            in_flight: InFlight::default(),
            storage: &crate::storage::Readings::default(),
        });
        if plan.refusal().is_some() {
            return None;
        }
        let record = unfinished.cloned().map_or_else(
            || recorded(&plan, operation, member),
            |mut record| {
                record.goes_on(&plan, |_| None);
                record
            },
        );
        Some((plan, record))
    }

    /// A run's progress with its plan, by the plugin's own predicates: with its reservations, or with all of it.
    pub(super) fn stand(&self, world: &World, number: u16, all: bool) -> Stand {
        let key = (world.shown(), number, all);
        if let Some(known) = self.pages().stands.get(&key) {
            return *known;
        }
        let plan = self.plan(number);
        let goal = if all { goal::ready } else { goal::noticed };
        let stand = match goal(&plan.plan, &self.topology(&key.0)) {
            Progress::Reached => Stand::Reached,
            Progress::Waiting(_) => Stand::Waits,
            Progress::Trapped(trap) if !trap.holds => Stand::Trapped,
            Progress::Trapped(_) | Progress::Misbound(_) => Stand::Astray,
        };
        self.pages().stands.insert(key, stand);
        stand
    }

    /// The same in the plugin's words.
    pub(super) fn progress(&self, world: &World, number: u16) -> Progress {
        goal::ready(&self.plan(number).plan, &self.topology(&world.shown()))
    }

    /// Whether everything is still as planned.
    pub(super) fn as_planned(&self, world: &World, number: u16) -> bool {
        goal::as_planned(&self.plan(number).plan, &self.topology(&world.shown())).is_ok()
    }

    /// A record as it is written at the end.
    pub(super) fn finished(&self, page: Page, outcome: RecordedOutcome) -> Page {
        let record = self.record(page).record.clone();
        self.write(Record { outcome, finished: Some(started(number(&record.id), 30)), ..record })
    }
}

/// What `commands::act::record` makes of a plan.
fn recorded(plan: &Plan, operation: u8, member: &Member) -> Record {
    let claims = plan.replaced_claims.iter().map(|claim| {
        let retained = plan.steps.iter().find_map(|step| match step {
            Step::Retain { volume, claim: of, policy, .. } if *of == claim.name => {
                Some((volume.clone(), policy.clone()))
            }
            _ => None,
        });
        let (volume, reclaim_policy) = retained.unzip();
        let (name, uid, returns) = (claim.name.clone(), claim.uid.clone(), claim.returns.clone());
        RecordedClaim { name, uid, volume, reclaim_policy, returns, manifest: None }
    });
    let owner = plan.target.owner.as_ref().map(|owner| RecordedOwner {
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    });
    Record {
        api_version: crate::api_version::API_VERSION.to_owned(),
        kind: RECORD_KIND.to_owned(),
        id: plan.id.clone(),
        act: plan.act.clone(),
        started: started(operation, 0),
        finished: None,
        outcome: RecordedOutcome::Unfinished,
        who: None,
        context: String::new(),
        namespace: member.namespace.clone(),
        pod: member.name.clone(),
        pod_uid: plan.target.uid.clone(),
        owner,
        keep_claims: plan.keep_claims,
        claims: claims.collect(),
        healed: 0,
        canary: None,
        baseline: None,
        packed_baseline: None,
        baseline_lost: None,
        inherited: None,
        superseded_by: None,
        stored_baseline: None,
        terms: None,
    }
}

/// The time of an operation: each began a minute after the one before, and all of them a while ago.
fn started(operation: u8, seconds: i64) -> String {
    (now() - SignedDuration::from_mins(20 - i64::from(operation)) + SignedDuration::from_secs(seconds)).to_string()
}

/// The moves of a plan, in the order of `recovery::executor`.
fn moves(plan: &Plan) -> Vec<Move> {
    let mut moves = vec![Move::Begin];
    for step in &plan.steps {
        match step {
            Step::Retain { volume, .. } => moves.push(Move::Retain(number(volume))),
            Step::Reserve { volume, released_by, .. } => {
                moves.extend([Move::Annotate(number(volume)), Move::Reserve(number(volume), number(released_by))]);
            }
            Step::Unreserve { volume, released_by, .. } => {
                moves.push(Move::Unreserve(number(volume), number(released_by)));
            }
            Step::DeleteClaim { .. } | Step::DeletePod { .. } => {}
        }
    }
    moves.push(Move::AwaitNoticed);
    if plan.journal.is_some() {
        moves.push(Move::Journal);
    }
    let retained = plan.steps.iter().any(|step| matches!(step, Step::Retain { .. }));
    for step in &plan.steps {
        match step {
            Step::DeleteClaim { uid, .. } => moves.push(Move::DeleteClaim { uid: number(uid), retained }),
            Step::DeletePod { uid, .. } => moves.push(Move::DeletePod(number(uid))),
            Step::Retain { .. } | Step::Reserve { .. } | Step::Unreserve { .. } => {}
        }
    }
    moves.push(Move::Await);
    moves
}

/// The number at the end of a name; 0 if there is none.
fn number(name: &str) -> u8 {
    let digits = name.trim_start_matches(|character: char| !character.is_ascii_digit());
    digits.parse().unwrap_or(0)
}

/// Where the records of an operation are.
pub(super) fn slot(operation: u8) -> usize {
    let slot = usize::from(operation) - 1;
    assert!(slot < OPERATIONS, "the model has room for {OPERATIONS} operations");
    slot
}
