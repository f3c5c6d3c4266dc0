//! What is checked before anything is asked: each check passes, warns or blocks, with the numbers in its reason.

mod check;
mod controller;
mod disks;
mod disruption;
mod evidence;
mod machines;
#[cfg(test)]
mod more_tests;
mod peers;
mod rights;
mod storage;
#[cfg(test)]
mod tests;
mod volumes;
#[cfg(test)]
mod volumes_tests;

pub use check::{Check, CheckId, Resolution, Verdict};
pub(super) use check::{Subject, block, overridable, pass, unread, warn};
use check::{are, counted, span};
pub(super) use disks::may_not_patch_volumes;
pub(super) use volumes::in_words;

use super::in_flight;

/// Every check of a plan, in the order in which they are told.
pub(super) fn run(subject: &Subject<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    rights::permissions(subject, &mut checks);
    rights::unread(subject, &mut checks);
    in_flight::check(subject, &mut checks);
    controller::controller(subject, &mut checks);
    controller::order(subject, &mut checks);
    controller::revision(subject, &mut checks);
    disruption::pod(subject, &mut checks);
    disruption::budgets(subject, &mut checks);
    disruption::finalizers(subject, &mut checks);
    disks::claims(subject, &mut checks);
    disks::not_known_to_rehydrate(subject, &mut checks);
    peers::quorum(subject, &mut checks);
    disks::retention(subject, &mut checks);
    volumes::comes_back_otherwise(subject, &mut checks);
    volumes::storage_class(subject, &mut checks);
    storage::remote_storage(subject, &mut checks);
    storage::only_wal(subject, &mut checks);
    storage::others(subject, &mut checks);
    machines::node(subject, &mut checks);
    peers::siblings(subject, &mut checks);
    evidence::evidence(subject, &mut checks);
    checks
}
