//! Dry runs of a plan: each step, and the creation of the replacement objects.

use super::context::DEADLINE;
use super::sight::Sight;
use crate::cluster::snapshot::Read;
use crate::cluster::{Allowed, Cluster, Permission, Trial, Tried};
use crate::error::{Error, Result};
use crate::plan::{Attempt, Plan, PlanCheck, Quotas, Record, Request, Step, Try, admission};
use crate::topology::quota::{Usage, quotas};
use crate::topology::{Known, Member, replacement};

/// The dry runs of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Trials {
    /// Each dry run, in the order of the steps.
    pub(super) tries: Vec<Try>,
    /// The checks that follow from them.
    pub(super) checks: Vec<PlanCheck>,
}

impl Trials {
    /// Returns an error if an object is no longer as planned.
    pub(super) fn moot(&self) -> Option<Error> {
        self.tries.iter().find_map(|one| match &one.tried {
            Tried::Moot(why) => Some(Error::refused(format!("{}: {why}", one.what)).because("nothing was changed")),
            _ => None,
        })
    }
}

/// Runs the dry runs of a plan. What the user may not create is not tried; the permission check reports that.
pub(super) async fn trials(
    cluster: &Cluster,
    sight: &Sight,
    member: &Member,
    (plan, record, request): (&Plan, &Record, &Request),
    rights: &[(Permission, Allowed)],
) -> Result<Trials> {
    if !plan.deletes() && plan.steps.is_empty() {
        return Ok(Trials::default());
    }
    let namespace = plan.target.namespace.as_str();
    let key = record.annotation();
    let deleted: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::DeleteClaim { claim, .. } => Some(claim.as_str()),
            _ => None,
        })
        .collect();
    let deletes_pod = plan.steps.iter().any(|step| matches!(step, Step::DeletePod { .. }));
    let comes = replacement(&sight.snapshot, &sight.topology, member, (deletes_pod, &deleted));
    let may = |resource: &str| {
        let create = |one: &Permission| one.verb == "create" && one.resource == resource && one.subresource.is_none();
        !rights.iter().any(|(one, allowed)| create(one) && matches!(allowed, Allowed::No(_)))
    };

    // The run makes room for the record: it may have to trim older ones.
    let record = (key.as_str(), "");
    let steps = plan.steps.iter().map(|step| match step {
        Step::Retain { volume, uid, .. } => {
            (format!("persistentvolume/{volume} retained"), Trial::Retain { volume: (volume, uid), record })
        }
        Step::Reserve { volume, uid, claim, .. } => (
            format!("persistentvolume/{volume} reserved"),
            Trial::Reserve { volume: (volume, uid), claim: (namespace, claim), record },
        ),
        Step::Unreserve { volume, uid, claim, released_by } => (
            format!("persistentvolume/{volume} no longer reserved"),
            Trial::Unreserve { volume: (volume, uid), claim: (namespace, claim, released_by) },
        ),
        Step::DeleteClaim { claim, uid } => {
            (format!("persistentvolumeclaim/{claim} deleted"), Trial::DeleteClaim(namespace, claim, uid))
        }
        Step::DeletePod { pod, uid } => (format!("pod/{pod} deleted"), Trial::DeletePod(namespace, pod, uid)),
    });
    let mut asked: Vec<(Attempt, String, Usage, Trial<'_>)> =
        steps.map(|(what, trial)| (Attempt::Step, what, Usage::default(), trial)).collect();
    if may("persistentvolumeclaims") {
        asked.extend(comes.claims.iter().map(|(name, claim)| {
            let what = format!("persistentvolumeclaim/{name} created");
            (Attempt::Creation, what, Usage::of_claim(claim), Trial::CreateClaim(namespace, claim))
        }));
    }
    let mut untried = Vec::new();
    match &comes.pod {
        Known::Is(pod) if may("pods") => {
            let what = format!("pod/{} created", member.name);
            asked.push((Attempt::Creation, what, Usage::of_pod(pod), Trial::CreatePod(namespace, pod)));
        }
        Known::Unknown(why) if deletes_pod => untried.push(format!("the new pod ({why})")),
        Known::Is(_) | Known::Unknown(_) => {}
    }
    let trials: Vec<Trial<'_>> = asked.iter().map(|(.., trial)| *trial).collect();
    let answers = cluster.try_out(&trials, DEADLINE).await;
    let tries: Vec<Try> = asked
        .iter()
        .zip(answers)
        .map(|((attempt, what, takes, _), tried)| {
            let (what, takes) = (what.clone(), takes.clone());
            Try { attempt: *attempt, what, takes, tried }
        })
        .collect();
    let refused = |one: &Try| one.attempt == Attempt::Creation && matches!(one.tried, Tried::Denied(_));
    let found = if tries.iter().any(refused) {
        match cluster.quotas(namespace, DEADLINE).await {
            Read::Known(found) => Known::Is(quotas(&found)),
            Read::Unknown(part) => Known::Unknown(part.reason),
            Read::NotAsked => Known::Unknown("not read".into()),
        }
    } else {
        Known::Unknown("not read".into())
    };
    let quotas = Quotas { found, goes: comes.goes.clone(), comes: comes.comes.clone() };
    let checks = admission(&tries, &untried, &quotas, &request.allow);
    Ok(Trials { tries, checks })
}
