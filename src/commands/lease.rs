//! Keeping others from failing over in the same namespace at the same time.

use super::Context;
use super::login::note;
use crate::cluster::process::Process;
use crate::cluster::snapshot::Read;
use crate::cluster::{Cluster, Holder, LeaseGuard, LeaseRequest, ObservedLease, Watch};
use crate::error::Result;
use crate::plan::{Action, InFlight, Plan, PlanCheckId};
use crate::recovery::goal::as_planned;
use crate::topology::layout::SpaceKind;
use crate::topology::{Layout, Member, build};
use jiff::Timestamp;

/// Takes the Lease of the plan's namespace. Not where the plan is out of date already: the run says so, and changes nothing.
///
/// # Errors
/// Another failover is under way; nothing was changed.
pub(super) async fn lease(
    context: &Context,
    cluster: &Cluster,
    plan: &Plan,
    watch: &Watch,
    (seen, who): (Option<ObservedLease>, Option<String>),
) -> Result<LeaseGuard> {
    if as_planned(plan, &build(watch.snapshot(), context.layout())).is_err() {
        return Ok(LeaseGuard::without());
    }
    let holder = Holder {
        act: if matches!(plan.act, Action::Failover) { "failover" } else { "undo" }.to_owned(),
        id: plan.id.clone(),
        pod: plan.target.pod.clone(),
        who: who.unwrap_or_else(account),
        process: Process::own(),
    };
    // One who meets the other only now has not typed the pod's name for it.
    let insist = plan.checks.iter().any(|check| check.id == PlanCheckId::Lease && check.overridden);
    let claim = LeaseRequest { namespace: &plan.target.namespace, holder, insist, clock: Timestamp::now };
    cluster.hold(claim, seen, &mut |sentence| note(context, &sentence)).await
}

/// The name of the one who runs this, on this machine.
fn account() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

/// The namespaces that a failover of this member is felt in, or that it feels: all accounts need the system's.
pub(super) fn others(layout: &Layout, member: &Member, names: &Read<Vec<String>>) -> Vec<String> {
    match layout.space_kind(&member.namespace) {
        Some(SpaceKind::Account) => vec![layout.system_namespace.clone()],
        Some(SpaceKind::System) => {
            let accounts = |name: &&String| layout.space_kind(name) == Some(SpaceKind::Account);
            names.items().iter().filter(accounts).cloned().collect()
        }
        Some(SpaceKind::Management) | None => Vec::new(),
    }
}

/// What was read, as the plan weighs it.
pub(super) fn in_flight(
    here: &Read<ObservedLease>,
    elsewhere: &[(String, Read<ObservedLease>)],
    now: Timestamp,
) -> InFlight {
    let standing = |read: &Read<ObservedLease>| match read {
        Read::Known(sighting) => Read::Known(sighting.standing(now)),
        Read::Unknown(part) => Read::Unknown(part.clone()),
        Read::NotAsked => Read::NotAsked,
    };
    InFlight {
        here: standing(here),
        elsewhere: elsewhere.iter().map(|(namespace, read)| (namespace.clone(), standing(read))).collect(),
    }
}
