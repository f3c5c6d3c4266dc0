//! What `failover` and `undo` have in common: look, show the plan, ask, act, prove, tell.

use super::Context;
use super::baseline::{Stored, Subject, store, stored};
use super::confirm::confirm;
use super::lease::{in_flight, lease, others};
use super::login::{login, note};
use super::reachability::{logins, may_be_asked, probes};
use super::scope::{DEADLINE, scope, stays};
use super::tries::{Trials, trials};
use crate::cli::{ActArgs, DryRun, Machine, Output};
use crate::cluster::permission::{Allowed, Permission};
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::{Cluster, ReadRequest, Sighting, Tried, Watch, WatchRequest};
use crate::error::{Error, Exit, Result};
use crate::plan::{
    Before, ComparedWith, InFlight, Inherited, Outcome as Recorded, Plan, Probes, Proof, RECORD_VERSION, Record,
    RecordedClaim, RecordedOwner, Request, Step,
};
use crate::probe::Login;
use crate::probe::PageToken;
use crate::probe::http::Deadlines;
use crate::recovery::prober::Prober;
use crate::recovery::run::{Run, run};
use crate::recovery::witness::{Silence, Stored as Compared, Witness};
use crate::recovery::{Ending, Outcome, Phase, PhaseEnd, Reach};
use crate::render::progress::Progress;
use crate::render::{machine, outcome as account, plan as planned};
use crate::storage::peers::{Peer, Standing, peers};
use crate::storage::{Readings, terms};
use crate::topology::when::when;
use crate::topology::{Member, Role, Topology, build, manifest_of_claim};
use crate::verify::Testimony;
use crate::verify::ask::{StoragePage, read_storage, storage_pages};
use crate::verify::stored::is_possible;
use jiff::Timestamp;
use std::time::Duration;

/// What the component may take to say how it is before the act.
const BASELINE_DEADLINE: Duration = Duration::from_secs(10);
/// Most names of what is missing in one command: more were not removed on purpose one by one.
const MOST_ACCEPTED: usize = 20;

/// The installation, and what was done to it before.
pub(super) struct Sight {
    pub(super) snapshot: Snapshot,
    pub(super) topology: Topology,
    /// All acts on record, the oldest first.
    pub(super) records: Vec<Record>,
}

/// Reads consistently what a change is planned from.
pub(super) async fn look(context: &Context, cluster: &Cluster, namespace: Option<&str>) -> Result<Sight> {
    let scope = scope(context, cluster, namespace, false, DEADLINE).await?;
    let besides = ReadRequest {
        volumes: true,
        nodes: true,
        storage_classes: true,
        disruption_budgets: true,
        ..ReadRequest::default()
    };
    let snapshot = scope.read(cluster, besides).await?;
    let topology = build(&snapshot, context.layout());
    // Where it was named, whether or not anything is left in it.
    if let [only] = topology.spaces.as_slice() {
        stays(&topology, &only.namespace)?;
    }
    let (journal, unread) = context.journal.records();
    for why in unread {
        note(context, &format!("a record of the local journal is not read: {why}"));
    }
    let mut records = Record::merged(Record::on_volumes(&topology).into_iter().chain(journal));
    // Only what the cluster confirms is gone on with; what is older than the newest of its pod is not gone on with anyway.
    while let Some((at, why)) = contradicted(&records, &topology) {
        let record = records.remove(at);
        let of = format!("{} of {}/{}", record.id, record.namespace, record.pod);
        note(context, &format!("the record of {of} does not fit the cluster, and is passed over: {why}"));
    }
    Ok(Sight { snapshot, topology, records })
}

/// A record that is the newest of its pod and does not fit the cluster: which, and why.
fn contradicted(records: &[Record], topology: &Topology) -> Option<(usize, String)> {
    let now = Timestamp::now();
    let newest = |at: usize| {
        let record = &records[at];
        records[at + 1..].iter().all(|other| !other.is_of(&record.namespace, &record.pod))
    };
    let mut of_each = (0..records.len()).filter(|at| newest(*at));
    of_each.find_map(|at| Some((at, records[at].contradicted(topology, now)?)))
}

/// What the user asks for.
pub(super) fn request(args: &ActArgs) -> Request {
    Request {
        id: id(),
        verify: !args.no_verify,
        allow: args.allow.clone(),
        accept_missing: args.accept_missing.clone(),
        user: args.login.username.clone(),
        settle: args.settle,
        ..Request::default()
    }
}

/// What was found out of a member, all at the same time.
pub(super) struct Findings {
    pub(super) rights: Vec<(Permission, Allowed)>,
    pub(super) said: Result<Testimony, Silence>,
    /// The baseline that is stored of whoever answers.
    pub(super) stored: Stored,
    whose: Option<Subject>,
    pub(super) probes: Probes,
    pub(super) now: Timestamp,
    pub(super) in_flight: InFlight,
    /// The Lease of the member's namespace, where it could be read.
    seen: Option<Sighting>,
    watch: Watch,
    opened: Result<()>,
    witness: Witness,
    prober: Prober,
    who: Option<String>,
    /// What the storage components beside the member say, if it is one of them.
    pub(super) storage: Readings,
}

/// Asks at the same time what the user may do, how the component is, and which databases answer; opens the watch.
pub(super) async fn find_out(
    context: &Context,
    cluster: &Cluster,
    args: &ActArgs,
    sight: &Sight,
    member: &Member,
    proof: Proof,
    permissions: &[Permission],
) -> Result<Findings> {
    // What asks no database is not kept from it by a password file or root certificates.
    let resolved = login(context, &args.login).map(|login| login.for_members_of(&sight.topology));
    let login = match &proof {
        Proof::Sql { .. } => resolved.clone()?.within(cluster, &member.namespace, DEADLINE).await?,
        Proof::Page { .. } | Proof::Skipped { .. } => Login::default(),
    };
    let whose = Subject::of_proof(&sight.topology, &member.namespace, &proof);
    let beside = match member.role {
        Role::Safekeeper | Role::Pageserver => storage_pages(&sight.topology, &member.namespace),
        _ => Vec::new(),
    };
    let page_token = match beside.as_slice() {
        [] => PageToken::default(),
        _ => PageToken::resolve(&args.page_token)?.within(cluster, &member.namespace, DEADLINE).await?,
    };
    let page_token = page_token.for_members_of(&sight.topology);
    let mut witness = Witness::new(cluster.clone(), member.namespace.clone(), proof, login);
    witness.shows(page_token.clone());
    witness.stands_beside(beside.iter().filter(|page| page.pod != member.name).cloned().collect());
    // Databases are asked from here on: the first answers take no time of their own.
    let measured = async {
        let (mut probes, all) = probes(context, cluster, args, &sight.snapshot, member).await?;
        let resolved = resolved.clone().map(|login| login.for_members_of(&all));
        let logins = logins(cluster, &resolved, &mut probes).await;
        let asked = if args.dry_run == DryRun::None { probes.clone() } else { Probes::default() };
        let mut prober = Prober::over(cluster, &asked, &logins);
        let (probes, ()) = futures::join!(may_be_asked(cluster, &probes), prober.first());
        prober.keep(&probes);
        Ok::<_, Error>((probes, prober))
    };
    // Permission, watch and baseline at the same time: none waits for another.
    let mut watch = cluster.watch(watch_request(sight, member));
    let others = others(context.layout(), member, &sight.snapshot.namespace_names);
    let (rights, opened, said, stored, measured, who, here, elsewhere, storage) = futures::join!(
        cluster.review(permissions, DEADLINE),
        watch.opened(DEADLINE),
        witness.testify(None, BASELINE_DEADLINE),
        stored(cluster, whose.as_ref()),
        measured,
        cluster.who(DEADLINE),
        cluster.lease(&member.namespace, DEADLINE),
        cluster.leases_of(&others, DEADLINE),
        storage_before(cluster, member, &beside, &page_token),
    );
    let (probes, prober) = measured?;
    let now = Timestamp::now();
    let in_flight = in_flight(&here, &elsewhere, now);
    let seen = match here {
        Read::Known(seen) => Some(seen),
        Read::Unknown(_) | Read::NotAsked => None,
    };
    Ok(Findings {
        rights,
        said,
        stored,
        whose,
        probes,
        now,
        in_flight,
        seen,
        watch,
        opened,
        witness,
        prober,
        who,
        storage,
    })
}

/// What the storage components say before one of them goes. Where one seems to be behind, all are asked once more: while a
/// compute writes, two readings of one moment differ.
async fn storage_before(cluster: &Cluster, member: &Member, pages: &[StoragePage], page_token: &PageToken) -> Readings {
    let ask = || read_storage(cluster, &member.namespace, pages, Deadlines::default(), page_token);
    let first = ask().await;
    let behind = |peer: &Peer| matches!(peer.standing, Standing::Short(_));
    if member.role == Role::Safekeeper && peers(&member.name, &first).iter().any(behind) {
        return first.then(ask().await);
    }
    first
}

impl Findings {
    /// What the component said before, with what keeps its nodes from being proven by such an answer afterwards.
    pub(super) fn doubted(&self, before: Before) -> Before {
        match (before, self.witness.doubt()) {
            (Before::Answered { summary, mut lacks }, Some(doubt)) => {
                let summary = format!("{summary}; {doubt}");
                lacks.push(doubt);
                Before::Answered { summary, lacks }
            }
            (before, _) => before,
        }
    }
}

/// The volumes of the member's claims, and those that took part in its earlier acts.
fn watch_request(sight: &Sight, member: &Member) -> WatchRequest {
    let mut volumes: Vec<String> = member.claims.iter().filter_map(|claim| claim.volume_name.clone()).collect();
    // Whose they are may change.
    volumes.extend(member.claims.iter().filter_map(|claim| Some(claim.not_its.as_ref()?.volume.clone())));
    let of_this = sight.records.iter().filter(|record| record.is_of(&member.namespace, &member.name));
    for claim in of_this.flat_map(|record| &record.claims) {
        volumes.extend(claim.volume.clone());
        volumes.extend(claim.returns.as_ref().map(|returns| returns.volume.clone()));
    }
    volumes.retain(|name| sight.snapshot.volumes.items().iter().any(|one| one.metadata.name.as_ref() == Some(name)));
    volumes.sort();
    volumes.dedup();
    WatchRequest { namespace: member.namespace.clone(), volumes, events: true, nodes: false }
}

/// A baseline that an earlier run left on record; `None` if it had none. Whoever may annotate a volume may have written it.
///
/// # Errors
/// Why it cannot be had although there was one, in words.
pub(super) fn recorded_baseline(record: &Record) -> std::result::Result<Option<Testimony>, String> {
    let unusable = |why: String| format!("its baseline is on record and cannot be used: {why}");
    let Some(value) = record.kept_baseline()? else { return Ok(None) };
    let testimony: Testimony = serde_json::from_value(value).map_err(|error| unusable(error.to_string()))?;
    if !is_possible(&testimony) {
        return Err(unusable("it has numbers that cannot be".to_owned()));
    }
    Ok(Some(testimony))
}

/// A plan, and all that it takes to carry it out.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) before: Option<Testimony>,
    pub(super) record: Record,
    /// Schemas of canary tables of earlier runs of the pod.
    superseded: Vec<String>,
    /// What came of trying it.
    trials: Trials,
    findings: Findings,
}

impl Prepared {
    /// From what was found out; `unfinished` is the record of an earlier run of the same act.
    pub(super) fn new(
        cluster: &Cluster,
        sight: &Sight,
        findings: Findings,
        plan: Plan,
        before: Option<Testimony>,
        unfinished: Option<&Record>,
    ) -> Result<Self> {
        // A watch that may not be opened is a denied permission: the plan's own check says it better.
        if plan.refusal().is_none() {
            findings.opened.clone()?;
        }
        let record = match unfinished {
            Some(record) => {
                let mut record = record.clone();
                record.goes_on(&plan, |claim| manifest_of_claim(&sight.snapshot, &plan.target.namespace, claim));
                record
            }
            None => {
                let known = (findings.who.clone(), &findings.storage);
                record(cluster, &sight.snapshot, &plan, known, before.as_ref())
            }
        };
        let others = sight.records.iter().filter(|other| other.is_of(&record.namespace, &record.pod));
        let others = others.filter(|other| other.id != record.id).filter_map(|other| other.canary.clone());
        let superseded = others.filter(|schema| record.canary.as_ref() != Some(schema)).collect();
        Ok(Self { plan, before, record, superseded, trials: Trials::default(), findings })
    }

    /// The same, once the server was asked about each step and about what is created afterwards: before anything is changed,
    /// and before the user is asked. A plan that is refused is not tried, and neither is one that asks for no server.
    pub(super) async fn tried(
        mut self,
        cluster: &Cluster,
        sight: &Sight,
        member: &Member,
        (args, request): (&ActArgs, &Request),
    ) -> Result<Self> {
        if args.dry_run == DryRun::Client || self.plan.refusal().is_some() {
            return Ok(self);
        }
        let rights = &self.findings.rights;
        self.trials = trials(cluster, sight, member, (&self.plan, &self.record, request), rights).await?;
        self.plan.admit(self.trials.checks.clone());
        Ok(self)
    }
}

/// The commands that a run names.
pub(super) struct Commands {
    /// Goes on where this run stops.
    pub(super) resume: String,
    /// Asks for the same once more: nothing was begun.
    pub(super) again: String,
}

/// Shows the plan, asks, acts and tells.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    args: &ActArgs,
    prepared: Prepared,
    commands: &Commands,
) -> Result<Exit> {
    let resume = commands.resume.as_str();
    let Prepared { plan, before, record, superseded, trials, findings } = prepared;
    let Findings { mut watch, mut witness, mut prober, seen, who, whose, now, .. } = findings;
    if let Some((what, taken)) = plan.baseline.earlier() {
        let when = taken.parse().map_or_else(|_| taken.to_owned(), |taken| when(taken, now));
        witness.compares_with(Compared { what: format!("{what} of {when}"), accept: plan.accept_missing.clone() });
    }
    let carried_out = args.dry_run == DryRun::None;
    match &args.output {
        Output::Machine(Machine::Json) => context.screen.result(&machine::line(&machine::plan(&plan))),
        Output::Machine(form) if !carried_out => {
            context.screen.result(&machine::document(form, &machine::plan(&plan))?)
        }
        _ if !carried_out => context.screen.result(&planned::plan(&plan, context.screen.out)),
        _ => context.screen.note(&format!("{}\n", planned::plan(&plan, context.screen.err))),
    }
    if let Some(refusal) = plan.refused(&commands.again) {
        return Err(refusal);
    }
    match args.dry_run {
        DryRun::Client => return Ok(Exit::Yes),
        DryRun::Server => return rehearsed(context, args, &plan, &trials),
        DryRun::None => {}
    }
    context.unless_interrupted(confirm(context, args, &plan)).await?;

    watch.catch_up();
    let lease = context.unless_interrupted(lease(context, cluster, &plan, &watch, (seen, who))).await?;
    let mut progress = Progress::new(context.screen, &args.output, &plan.act);
    watch.catch_up();
    prober.begin();
    let mut outcome = run(
        Run {
            plan: &plan,
            cluster,
            layout: context.layout(),
            witness: &witness,
            before,
            record,
            superseded,
            journal: &context.journal,
            timeout: args.timeout,
            settle: args.settle,
            interrupt: context.interrupt.clone(),
            lease: &lease,
        },
        &mut watch,
        &mut |event| progress.show(&event),
    )
    .await;
    outcome.notices.extend(lease.release().await.err());
    let pod_is_back = matches!(
        outcome.ending,
        Ending::Recovered | Ending::NotVerified | Ending::Unproven(_) | Ending::DataMissing(_) | Ending::CatchingUp(_)
    );
    outcome.reachability = prober.end(pod_is_back, &context.interrupt).await;
    outcome.reachability.extend(plan.probes.not_measured.iter().cloned().map(Reach::from));
    let (found, taken) = (witness.found(), Timestamp::now());
    // Of an undo there is nothing left to be proven.
    if matches!((&outcome.ending, &plan.act), (Ending::DataMissing(_), crate::plan::Act::Failover)) {
        outcome.accept = accept(context, resume, &found.missing);
    }
    // A safekeeper's old disk could vote twice: that one is never the advice.
    if does_not_come_up(&outcome) && plan.target.role != Role::Safekeeper {
        outcome.undo = Some(super::resume::undo(context, args, &plan.id).text()).filter(|_| !context.global.sandbox);
    }
    progress.end();
    // What it lacks the others have, and its old disk could vote twice.
    let fetches = plan.target.role == Role::Safekeeper && plan.act == crate::plan::Act::Failover;
    let next = match &outcome.ending {
        Ending::DataMissing(_) if fetches => resume.to_owned(),
        // What an earlier act did not find again is not on the disk that this one set aside.
        Ending::DataMissing(_) if matches!(plan.baseline, ComparedWith::Inherited { .. }) => {
            super::resume::undo(context, args, &plan.path()).text()
        }
        Ending::DataMissing(_) => super::resume::undo(context, args, &account::undoes(&plan, &outcome)).text(),
        Ending::Unproven(_) if plan.lacks_baseline() => {
            super::resume::verify(context, args, &plan.target.namespace).text()
        }
        _ => resume.to_owned(),
    };
    let finished = match &outcome.ending {
        Ending::DataMissing(_) => !fetches,
        ending => matches!(ending, Ending::Recovered | Ending::NotVerified),
    };
    if matches!(outcome.ending, Ending::DataMissing(_)) && !fetches && account::can_be_put_back(&plan, &outcome) {
        outcome.undo = Some(next.clone()).filter(|_| !context.global.sandbox);
    }
    tell(context, args, &plan, &outcome, (&next, (!finished).then_some(resume)))?;
    // Only now: what is told is true at this moment, and waits for nothing.
    if let (Ending::Recovered, Some(whose), Some(testimony)) = (&outcome.ending, whose, found.testimony) {
        store(cluster, [(whose, testimony)], taken).await.warn(context);
    }
    Ok(account::exit(&outcome.ending))
}

/// Whether the new pod was there in time, on new claims, and not for good; and something was set aside that can be put back.
fn does_not_come_up(outcome: &Outcome) -> bool {
    let replaced = |(phase, end): &(Phase, PhaseEnd)| *phase == Phase::Replaced && matches!(end, PhaseEnd::After(..));
    matches!(outcome.ending, Ending::TimedOut(_))
        && outcome.phases.iter().any(replaced)
        && outcome.claims.iter().any(|claim| claim.retained_volume.is_some())
}

/// The command that accepts what is missing since a stored baseline; `None` if nothing can be accepted.
fn accept(context: &Context, resume: &str, names: &[String]) -> Option<String> {
    let few = (1..=MOST_ACCEPTED).contains(&names.len()) && !context.global.sandbox;
    few.then(|| super::resume::accepting(resume, names))
}

/// Tells what the server said to each step and to what is created afterwards. Nothing was changed.
fn rehearsed(context: &Context, args: &ActArgs, plan: &Plan, trials: &Trials) -> Result<Exit> {
    if args.output.is_for_people() {
        context.screen.result("\n");
    }
    if let Some(error) = trials.moot() {
        return Err(error);
    }
    for one in trials.tries.iter().filter(|one| one.tried == Tried::Accepted) {
        let told = || format!("{} (server dry run)\n", crate::render::harmless(&one.what));
        match &args.output {
            Output::Machine(Machine::Json) => {
                context.screen.result(&machine::line(&machine::rehearsed(plan, &one.what)));
            }
            // The plan is the document.
            Output::Machine(_) => context.screen.note(&told()),
            _ => context.screen.result(&told()),
        }
    }
    Ok(Exit::Yes)
}

fn record(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &Plan,
    (who, storage): (Option<String>, &Readings),
    before: Option<&Testimony>,
) -> Record {
    let target = &plan.target;
    let volume = |claim: &str| {
        plan.steps.iter().find_map(|step| match step {
            Step::Retain { volume, claim: of, policy, .. } if of == claim => Some((volume.clone(), policy.clone())),
            _ => None,
        })
    };
    let claims = plan.replaced_claims.iter().map(|claim| {
        let (volume, policy) = volume(&claim.name).unzip();
        RecordedClaim {
            name: claim.name.clone(),
            uid: claim.uid.clone(),
            volume,
            reclaim_policy: policy,
            returns: claim.returns.clone(),
            manifest: manifest_of_claim(snapshot, &target.namespace, &claim.name),
        }
    });
    let canary = match (&plan.act, &plan.proof) {
        // Of a failover it is written by the run.
        (crate::plan::Act::Undo(_), Proof::Sql { canary, .. }) => canary.clone(),
        _ => None,
    };
    Record {
        version: RECORD_VERSION,
        id: plan.id.clone(),
        act: plan.act.clone(),
        started: Timestamp::now().to_string(),
        finished: None,
        outcome: Recorded::InProgress,
        who,
        context: cluster.context_name().to_owned(),
        namespace: target.namespace.clone(),
        pod: target.pod.clone(),
        pod_uid: target.uid.clone(),
        owner: target.owner.as_ref().map(|owner| RecordedOwner {
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }),
        keep_claims: plan.keep_claims,
        claims: claims.collect(),
        healed: 0,
        canary,
        baseline: before.and_then(|before| serde_json::to_value(before).ok()),
        packed_baseline: None,
        baseline_lost: None,
        inherited: match &plan.baseline {
            ComparedWith::Inherited { from, taken, .. } => Some(Inherited { from: from.clone(), taken: taken.clone() }),
            ComparedWith::Fresh { .. } | ComparedWith::Stored { .. } | ComparedWith::Nothing { .. } => None,
        },
        stored_baseline: plan.baseline.stored().map(str::to_owned),
        terms: (target.role == Role::Safekeeper).then(|| terms::now(&storage.safekeepers)).flatten(),
    }
}

/// `next` is what people do next, `resume` the command that goes on, if there is something to go on with.
fn tell(
    context: &Context,
    args: &ActArgs,
    plan: &Plan,
    outcome: &Outcome,
    (next, resume): (&str, Option<&str>),
) -> Result<()> {
    let document = || machine::outcome(plan, outcome, &reasons(&outcome.ending), resume);
    let text = match &args.output {
        Output::Machine(Machine::Json) => machine::line(&document()),
        Output::Machine(form) => machine::document(form, &document())?,
        _ => account::outcome(plan, outcome, next, context.screen.out),
    };
    context.screen.result(&text);
    Ok(())
}

fn reasons(ending: &Ending) -> Vec<String> {
    match ending {
        Ending::Recovered | Ending::NotVerified | Ending::Interrupted => Vec::new(),
        Ending::Unproven(why) | Ending::TimedOut(why) | Ending::Changed(why) | Ending::CatchingUp(why) => {
            vec![why.clone()]
        }
        Ending::DataMissing(missing) => missing.clone(),
        Ending::Failed(error) => vec![error.to_string()],
    }
}

/// A testimony, as the plan tells it.
pub(super) fn answered(testimony: &Testimony) -> Before {
    Before::Answered { summary: testimony.summary(), lacks: testimony.lacks() }
}

/// What the component said, as the plan tells it.
pub(super) fn before(said: Result<Testimony, Silence>) -> (Before, Option<Testimony>) {
    match said {
        Ok(testimony) => (answered(&testimony), Some(testimony)),
        Err(Silence::NotAsked) => (Before::NotAsked, None),
        Err(Silence::Because(reason) | Silence::NoWarehouse(reason)) => (Before::Silent { reason }, None),
        Err(Silence::LoginRefused(reason)) => (Before::LoginRefused { reason }, None),
    }
}

/// A name for this act: short, and unlikely to be given twice.
fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect()
}
