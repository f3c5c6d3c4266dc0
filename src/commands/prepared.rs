//! A plan, and everything needed to carry it out: the same for a failover and an undo.

use super::Context;
use super::findings::{Findings, gather};
use super::recorded::Basis;
use super::sight::Sight;
use super::tries::{Trials, trials};
use crate::api_version::API_VERSION;
use crate::cli::{DryRun, OperationArgs};
use crate::cluster::Cluster;
use crate::cluster::snapshot::Snapshot;
use crate::error::Result;
use crate::plan::{
    Action, ComparedWith, Inherited, Inputs, Plan, Proof, RECORD_KIND, Record, RecordedClaim, RecordedOutcome,
    RecordedOwner, Request, Step, left_open, needed, plan, proof,
};
use crate::storage::{Readings, terms};
use crate::topology::{Member, Role, manifest_of_claim};
use crate::verify::Evidence;
use jiff::Timestamp;

/// Returns the user's request.
pub(super) fn request(args: &OperationArgs) -> Request {
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

/// The intended operation, and what an earlier run began of it.
pub(super) struct Intended<'i> {
    pub(super) sight: &'i Sight,
    pub(super) member: &'i Member,
    pub(super) request: &'i Request,
    /// The operation to undo; `None` for a failover.
    pub(super) undoes: Option<&'i Record>,
    /// The unfinished record of the same operation, if an earlier run began it.
    pub(super) unfinished: Option<&'i Record>,
}

/// Reads everything needed, makes the plan, and has the server validate it. `compare` returns the baseline.
///
/// # Errors
/// The login cannot be resolved; the watch cannot be opened.
pub(super) async fn prepare(
    context: &Context,
    cluster: &Cluster,
    args: &OperationArgs,
    intended: Intended<'_>,
    compare: impl FnOnce(&mut Findings) -> Basis,
) -> Result<Prepared> {
    let Intended { sight, member, request, undoes, unfinished } = intended;
    let Sight { topology, records, .. } = sight;
    let mut proof = proof(topology, member, request);
    if let (Some(of), Proof::Sql { canary, .. }) = (undoes, &mut proof) {
        canary.clone_from(&of.canary);
    }
    let needed = needed(member, request);
    let mut findings = gather(context, cluster, args, sight, member, proof, &needed).await?;
    let (before, evidence, compared) = compare(&mut findings);
    let plan = plan(Inputs {
        topology,
        member,
        request,
        rights: &findings.rights,
        before: findings.with_doubt(before),
        baseline: compared,
        undoes,
        unfinished,
        records,
        now: findings.now,
        probes: std::mem::take(&mut findings.probes),
        journal: context.journal_of(unfinished.map_or(&request.id, |record| &record.id)),
        in_flight: std::mem::take(&mut findings.in_flight),
        storage: &findings.storage,
    });
    let prepared = Prepared::new(cluster, sight, findings, plan, evidence, unfinished)?;
    prepared.with_dry_runs(cluster, sight, member, (args, request)).await
}

/// A plan, and everything needed to carry it out.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) before: Option<Evidence>,
    pub(super) record: Record,
    /// Schemas of canary tables of earlier runs of the pod.
    pub(super) superseded: Vec<String>,
    /// Earlier operations on the pod that are not settled.
    pub(super) left_open: Vec<Record>,
    /// The dry runs.
    pub(super) trials: Trials,
    pub(super) findings: Findings,
}

impl Prepared {
    /// Combines the findings and the plan; `unfinished` is the record of an earlier run of the same operation.
    fn new(
        cluster: &Cluster,
        sight: &Sight,
        findings: Findings,
        plan: Plan,
        before: Option<Evidence>,
        unfinished: Option<&Record>,
    ) -> Result<Self> {
        // A watch that may not be opened is a missing permission: the plan's check reports that better.
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
        let left_open = left_open(&sight.records, &record).cloned().collect();
        Ok(Self { plan, before, record, superseded, left_open, trials: Trials::default(), findings })
    }

    /// Adds the server's dry runs of each step and of the replacement objects, before anything is changed and before the prompt.
    /// A blocked plan is not tried, and neither is `--dry-run=client`.
    async fn with_dry_runs(
        mut self,
        cluster: &Cluster,
        sight: &Sight,
        member: &Member,
        (args, request): (&OperationArgs, &Request),
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

fn record(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &Plan,
    (who, storage): (Option<String>, &Readings),
    before: Option<&Evidence>,
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
        // The run of a failover writes it.
        (Action::Undo(_), Proof::Sql { canary, .. }) => canary.clone(),
        _ => None,
    };
    Record {
        api_version: API_VERSION.to_owned(),
        kind: RECORD_KIND.to_owned(),
        id: plan.id.clone(),
        act: plan.act.clone(),
        started: Timestamp::now().to_string(),
        finished: None,
        outcome: RecordedOutcome::Unfinished,
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
        superseded_by: None,
        stored_baseline: plan.baseline.stored().map(str::to_owned),
        terms: (target.role == Role::Safekeeper).then(|| terms::now(&storage.safekeepers)).flatten(),
    }
}

/// Returns an ID for this operation: short, and unlikely to repeat.
fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect()
}
