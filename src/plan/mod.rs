//! What a failover will do, why it may, and how it will be proven: decided before anything is
//! touched, as data. Pure: no clock, no client, no async.
//!
//! The dry run, the text above the prompt, the run itself and the JSON output all read this one [`Plan`].

mod checks;
mod in_flight;
pub mod probes;
mod record;
pub mod rights;
#[cfg(test)]
mod tests;

pub use checks::{Check, CheckId, Verdict};
pub use in_flight::InFlight;
pub use probes::{NotMeasured, ProbeTarget, Probes, Promise};
pub use record::{Outcome, RECORD_VERSION, Record, RecordedClaim};
pub use rights::needed;

use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::error::Error;
use crate::topology::layout::{PageDoor, Role, SqlDoor};
use crate::topology::{Claim, Component, Door, Known, Member, Owner, Topology};
use serde::Serialize;

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Name of this failover: short, unique.
    pub id: String,
    /// Replace the pod only.
    pub keep_claims: bool,
    /// Prove that the component and its data are back.
    pub verify: bool,
    /// Blocks that the user overrides.
    pub allow: Vec<Allow>,
    /// The pod's UID this failover is for: where the pod has another by now, it has been replaced already.
    pub pod_uid: Option<String>,
    /// Role to log in as, in place of the layout's.
    pub user: Option<String>,
}

/// A failover, planned.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of this failover.
    pub id: String,
    /// What is failed over.
    pub target: Target,
    /// Whether the claims stay.
    pub keep_claims: bool,
    /// Whether it is to be proven that the component is back.
    pub verify: bool,
    /// What will be changed, in this order; empty where everything was done already.
    pub steps: Vec<Step>,
    /// Claims that must be new and Bound in the end: name and the old UID.
    pub replaced_claims: Vec<ReplacedClaim>,
    /// What was checked.
    pub checks: Vec<Check>,
    /// How much is at stake.
    pub risk: Risk,
    /// How it will be proven.
    pub proof: Proof,
    /// What the component said before.
    pub before: Before,
    /// Set where an earlier failover of this pod is finished rather than a new one begun.
    pub resumes: Option<Resumes>,
    /// The databases that are asked all the while, to measure how long each was away.
    pub probes: Probes,
}

/// The pod to be replaced, pinned by its UID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// UID of the pod that goes; empty where it was gone already.
    pub uid: String,
    /// What it does.
    pub role: Role,
    /// Name of its component's workload.
    pub component: String,
    /// Who re-creates it.
    #[serde(skip)]
    pub owner: Option<Owner>,
    /// The node it is on, where that is known not to be Ready: the pod stays Terminating until it is back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_node: Option<String>,
    /// The pods of the same controller before the act: a successor under another name is one that is not
    /// among them.
    #[serde(skip)]
    pub siblings: Vec<String>,
}

/// One change to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// Keep the volume when its claim goes, and write the failover's record on it.
    Retain {
        /// Name of the volume.
        volume: String,
        /// Its UID.
        uid: String,
        /// Its claim.
        claim: String,
        /// Its reclaim policy now.
        policy: String,
    },
    /// Delete a claim; it stays Terminating until its pod is gone.
    DeleteClaim {
        /// Name of the claim.
        claim: String,
        /// Its UID.
        uid: String,
    },
    /// Delete the pod.
    DeletePod {
        /// Name of the pod.
        pod: String,
        /// Its UID.
        uid: String,
    },
}

/// A claim that must come back anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacedClaim {
    /// Its name.
    pub name: String,
    /// The UID that goes.
    pub uid: String,
}

/// How much is at stake, and so what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing can be lost that is not kept: yes or no, answered by `--yes`.
    Ordinary,
    /// A block was overridden: the pod's name must be typed, or given with `--confirm`.
    High,
}

/// How the component is asked whether it is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Proof {
    /// By SQL, through this pod.
    Sql {
        /// Pod that takes the session: the component's own, or the one that answers for it.
        pod: String,
        /// Port, user and database.
        door: SqlDoor,
        /// Schema that the canary table is written in, where one is written.
        canary: Option<String>,
    },
    /// By its own status page.
    Page {
        /// The pod.
        pod: String,
        /// Port and path.
        door: PageDoor,
    },
    /// It is not asked, for this reason.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What the component said before the first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "component", rename_all = "camelCase")]
pub enum Before {
    /// It answered; what is there afterwards is compared with this.
    Answered {
        /// In words: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
    },
    /// It did not answer: there is nothing to compare with.
    Silent {
        /// Why, as far as known.
        reason: String,
    },
    /// It is there, and refused the login: nothing could be compared, and nothing could be proven afterwards.
    LoginRefused {
        /// In the server's words, where it said any.
        reason: String,
    },
    /// It was not asked.
    NotAsked,
}

/// The earlier failover that is being finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumes {
    /// Its name.
    pub id: String,
    /// When it began, RFC 3339; empty where only the pod's UID is known of it.
    pub started: String,
}

impl Plan {
    /// Why it may not be carried out, where a check blocks it.
    pub fn refusal(&self) -> Option<Error> {
        let blocks: Vec<&Check> = self.checks.iter().filter(|check| check.verdict == Verdict::Block).collect();
        if blocks.is_empty() {
            return None;
        }
        let what = format!("{}/{} is not failed over", self.target.namespace, self.target.pod);
        let mut error = Error::refused(what);
        for check in &blocks {
            error = error.because(check.reason.clone());
            if let Some(next) = check.next.as_ref().filter(|next| !error.hints.contains(next)) {
                error = error.hint(next.clone());
            }
        }
        Some(error)
    }

    /// Whether anything will be deleted.
    pub fn deletes(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Retain { .. }))
    }

    /// `namespace/pod`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.target.namespace, self.target.pod)
    }
}

/// All that a plan is made from.
pub struct Inputs<'i> {
    /// The installation, read consistently.
    pub topology: &'i Topology,
    /// Whom to fail over.
    pub member: &'i Member,
    /// What the user asks for.
    pub request: &'i Request,
    /// What the user may do.
    pub rights: &'i [(Permission, Allowed)],
    /// What the component said.
    pub before: Before,
    /// An unfinished failover of this pod that was found on its volumes.
    pub unfinished: Option<&'i Record>,
    /// The databases whose reachability is measured.
    pub probes: Probes,
    /// Who else is at work.
    pub in_flight: InFlight,
}

/// Plans the failover of a member.
pub fn plan(inputs: Inputs<'_>) -> Plan {
    let Inputs { topology, member, request, .. } = inputs;
    let component = topology.component_of(member);
    let resumed_uid = inputs.unfinished.map(|record| record.pod_uid.clone()).or_else(|| request.pod_uid.clone());
    let current_uid = member.pod.as_ref().map(|pod| pod.uid.clone()).unwrap_or_default();
    let keep_claims = inputs.unfinished.map_or(request.keep_claims, |record| record.keep_claims);

    let mut steps = Vec::new();
    let mut replaced_claims = Vec::new();
    if !keep_claims {
        let replaced_already = resumed_uid.as_ref().is_some_and(|uid| *uid != current_uid);
        let wanted = wanted_claims(member, inputs.unfinished, replaced_already);
        for (claim, uid) in &wanted {
            replaced_claims.push(ReplacedClaim { name: claim.clone(), uid: uid.clone() });
        }
        let standing: Vec<&Claim> = member
            .claims
            .iter()
            .filter(|claim| wanted.iter().any(|(name, uid)| *name == claim.name && claim.uid.as_ref() == Some(uid)))
            .collect();
        steps.extend(standing.iter().filter_map(|claim| retain(claim, inputs.rights)));
        // One that is Terminating has been deleted already; it goes when its pod does.
        steps.extend(
            standing
                .iter()
                .filter(|claim| !claim.terminating)
                .filter_map(|claim| claim.uid.clone().map(|uid| Step::DeleteClaim { claim: claim.name.clone(), uid })),
        );
    }
    // A resumed failover deletes the pod only while it is still the one the first run meant.
    let delete_pod = member.pod.as_ref().is_some_and(|pod| pod.terminating.is_none())
        && resumed_uid.as_ref().is_none_or(|uid| *uid == current_uid);
    if delete_pod {
        steps.push(Step::DeletePod { pod: member.name.clone(), uid: current_uid.clone() });
    }

    let target = target(topology, member, component, resumed_uid.clone().unwrap_or(current_uid));
    let mut proof = proof(topology, member, request);
    if let Proof::Sql { canary, .. } = &mut proof {
        let answers = matches!(inputs.before, Before::Answered { .. });
        *canary = match inputs.unfinished {
            Some(record) => record.canary.clone(),
            // Only what is there before anything goes proves something afterwards.
            None => canary.take().filter(|_| answers && !steps.is_empty()),
        };
    }
    let id = inputs.unfinished.map_or_else(|| request.id.clone(), |record| record.id.clone());
    let checks = checks::run(&checks::Subject {
        topology,
        member,
        component,
        keep_claims,
        steps: &steps,
        request,
        rights: inputs.rights,
        before: &inputs.before,
        proof: &proof,
        id: &id,
        in_flight: &inputs.in_flight,
    });
    let overridden = checks.iter().any(|check| check.overridden);
    let resumes = match (inputs.unfinished, resumed_uid) {
        (Some(record), _) => Some(Resumes { id: record.id.clone(), started: record.started.clone() }),
        (None, Some(_)) if !delete_pod => Some(Resumes { id: request.id.clone(), started: String::new() }),
        _ => None,
    };
    Plan {
        id,
        target,
        keep_claims,
        verify: request.verify,
        steps,
        replaced_claims,
        checks,
        risk: if overridden { Risk::High } else { Risk::Ordinary },
        proof,
        before: inputs.before,
        resumes,
        probes: inputs.probes,
    }
}

/// The claims that must be new in the end. A resumed failover takes them from its record; one that is known by the
/// pod's UID only takes none that a new pod has bound since.
fn wanted_claims(member: &Member, unfinished: Option<&Record>, replaced_already: bool) -> Vec<(String, String)> {
    match unfinished {
        Some(record) => record.claims.iter().map(|claim| (claim.name.clone(), claim.uid.clone())).collect(),
        None => member
            .claims
            .iter()
            .filter(|claim| !replaced_already || claim.terminating)
            .filter_map(|claim| claim.uid.clone().map(|uid| (claim.name.clone(), uid)))
            .collect(),
    }
}

/// A claim's volume is retained unless the user may not change volumes (which the retention check weighs).
fn retain(claim: &Claim, rights: &[(Permission, Allowed)]) -> Option<Step> {
    let Known::Is(Some(volume)) = &claim.volume else { return None };
    let denied = rights.iter().any(|(permission, allowed)| {
        permission.resource == "persistentvolumes" && permission.verb == "patch" && matches!(allowed, Allowed::No(_))
    });
    (!denied).then(|| Step::Retain {
        volume: volume.name.clone(),
        uid: volume.uid.clone(),
        claim: claim.name.clone(),
        policy: volume.reclaim_policy.clone(),
    })
}

fn target(topology: &Topology, member: &Member, component: Option<&Component>, uid: String) -> Target {
    let owner = member.pod.as_ref().and_then(|pod| pod.owner.clone());
    Target {
        namespace: member.namespace.clone(),
        pod: member.name.clone(),
        uid,
        role: member.role,
        lost_node: member
            .pod
            .as_ref()
            .and_then(|pod| pod.node.clone())
            .filter(|node| topology.lost_nodes.contains(node)),
        component: component.map(|component| component.name.clone()).unwrap_or_default(),
        siblings: component
            .into_iter()
            .flat_map(|component| &component.members)
            .filter_map(|sibling| sibling.pod.as_ref())
            .map(|pod| pod.uid.clone())
            .collect(),
        owner,
    }
}

/// How a member is asked whether it is back: by its own door, or through the component that answers for it.
pub fn proof(topology: &Topology, member: &Member, request: &Request) -> Proof {
    let skipped = |reason: String| Proof::Skipped { reason };
    if !request.verify {
        return skipped("--no-verify was given".into());
    }
    match topology.door(member) {
        Door::Sql { pod, door } => {
            let canary = Some(format!("kubectl_synxdb_{}", request.id.replace('-', "_")));
            let user = request.user.clone().unwrap_or_else(|| door.user.clone());
            Proof::Sql { pod, door: SqlDoor { user, ..door }, canary }
        }
        Door::Page { pod, door } => Proof::Page { pod, door },
        Door::Silent(reason) => skipped(reason),
    }
}
