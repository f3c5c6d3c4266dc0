//! The checks before confirmation: each passes, warns or blocks, with the numbers in its reason.

mod check;
mod context;
mod controller;
mod disruption;
mod evidence;
mod lease;
#[cfg(test)]
mod more_tests;
mod nodes;
mod provisioning;
#[cfg(test)]
mod provisioning_tests;
mod quorum;
mod rights;
mod storage;
#[cfg(test)]
mod tests;
mod volumes;

pub use check::{PlanCheck, PlanCheckId, PlanVerdict, Resolution};
pub(super) use check::{block, pass, unread, warn};
pub(super) use context::{CheckContext, overridable};
pub(super) use provisioning::misfit_text;
pub(super) use volumes::may_not_patch_volumes;

/// Runs every check of a plan, in the order in which they are shown.
pub(super) fn run(context: &CheckContext<'_>) -> Vec<PlanCheck> {
    let mut checks = Vec::new();
    rights::permissions(context, &mut checks);
    rights::unread(context, &mut checks);
    lease::check(context, &mut checks);
    controller::controller(context, &mut checks);
    controller::order(context, &mut checks);
    controller::revision(context, &mut checks);
    disruption::pod(context, &mut checks);
    disruption::budgets(context, &mut checks);
    disruption::finalizers(context, &mut checks);
    volumes::claims(context, &mut checks);
    volumes::not_known_to_rehydrate(context, &mut checks);
    quorum::quorum(context, &mut checks);
    volumes::retention(context, &mut checks);
    provisioning::recreated_differently(context, &mut checks);
    provisioning::storage_class(context, &mut checks);
    storage::remote_storage(context, &mut checks);
    storage::only_wal(context, &mut checks);
    storage::others(context, &mut checks);
    nodes::node(context, &mut checks);
    quorum::siblings(context, &mut checks);
    evidence::evidence(context, &mut checks);
    checks
}
