//! The lock against concurrent failovers in a namespace.

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

/// Takes the Lease of the plan's namespace, unless the plan is out of date: then the run reports that, and changes nothing.
///
/// # Errors
/// Another failover is in progress; nothing was changed.
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
    // Without the override of the plan, the user has not confirmed a concurrent failover.
    let insist = plan.checks.iter().any(|check| check.id == PlanCheckId::Lease && check.overridden);
    let claim = LeaseRequest { namespace: &plan.target.namespace, holder, insist, clock: Timestamp::now };
    cluster.hold(claim, seen, &mut |sentence| note(context, &sentence)).await
}

/// Returns the local user's name.
fn account() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// Returns the namespaces that depend on this pod's, or that it depends on: all accounts depend on the system namespace.
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

/// Returns the Leases that were read, for the plan.
pub(super) fn in_flight(
    here: &Read<ObservedLease>,
    elsewhere: &[(String, Read<ObservedLease>)],
    now: Timestamp,
) -> InFlight {
    let standing = |read: &Read<ObservedLease>| match read {
        Read::Known(seen) => Read::Known(seen.standing(now)),
        Read::Unknown(part) => Read::Unknown(part.clone()),
        Read::NotAsked => Read::NotAsked,
    };
    InFlight {
        here: standing(here),
        elsewhere: elsewhere.iter().map(|(namespace, read)| (namespace.clone(), standing(read))).collect(),
    }
}
