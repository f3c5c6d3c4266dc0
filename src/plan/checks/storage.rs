//! The storage layer: what the pageserver has in remote storage, and whether a second storage component is down.

use super::quorum::{last_record, unrecovered};
use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::plan::RecordedOutcome;
use crate::storage::pageserver::{OnlyWal, only_wal as wal_of};
use crate::storage::words::bytes;
use crate::text::{are, counted};
use crate::topology::Member;
use crate::topology::health::majority;
use crate::topology::layout::Role;

/// Returns whether a pageserver loses its disk, and no retained one is restored.
fn loses_disk(context: &CheckContext<'_>) -> bool {
    context.component.is_some_and(|component| component.role == Role::Pageserver)
        && context.returning.is_empty()
        && context.deleted_claims().next().is_some()
}

/// Checks whether the pageserver's layers are in remote storage, and not only on the disk that it loses: by its own metrics,
/// which the layout overrides.
pub(super) fn remote_storage(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if !loses_disk(context) {
        return;
    }
    let id = PlanCheckId::RemoteStorage;
    let layout = context.component.and_then(|component| component.remote_storage);
    let facts = context.storage.of(&context.member.name).and_then(|reading| reading.pageserver());
    let measured = facts.and_then(|facts| facts.remote_bytes);
    // Without a tenant there is nothing to upload.
    let serves = facts.is_some_and(|facts| facts.active() > 0);
    checks.push(match (layout, measured) {
        (Some(true), Some(0)) if serves => warn(
            id,
            "the layout says that the pageserver keeps its layers in remote storage, but its metrics report nothing \
             there",
        ),
        (Some(true), _) => pass(id, "the layout says that the pageserver keeps its layers in remote storage"),
        (Some(false), _) => overridable(
            context,
            id,
            "the layout says that the pageserver has no remote storage: its layers exist only on the old disk",
            Allow::LocalLayers,
        ),
        (None, Some(0)) if serves => overridable(
            context,
            id,
            "the pageserver has nothing in remote storage: its layers exist only on the old disk",
            Allow::LocalLayers,
        ),
        (None, Some(there @ 1..)) => pass(id, format!("the pageserver has {} in remote storage", bytes(there))),
        (None, _) => {
            let why = "unknown whether the pageserver keeps its layers in remote storage: data that exists only on \
                       the old disk would be missing";
            // Only if every one of them is retained.
            let kept = context.deleted_claims().all(|claim| context.retains(&claim.name));
            warn(id, if kept { format!("{why}; the old volume is retained") } else { why.to_owned() })
        }
    });
}

/// Checks whether the safekeepers have the WAL that the pageserver has ingested and not uploaded: they are its only copies once
/// the disk is gone.
pub(super) fn only_wal(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if !loses_disk(context) {
        return;
    }
    let id = PlanCheckId::Wal;
    let reading = context.storage.of(&context.member.name);
    let Some(facts) = reading.and_then(|reading| reading.pageserver()) else {
        let why = reading.and_then(|reading| reading.unread());
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        checks.push(warn(
            id,
            format!("unknown how much WAL exists only on safekeepers: the pageserver's metrics are unavailable{why}"),
        ));
        return;
    };
    let safekeepers = &context.storage.safekeepers;
    let Some(only) = wal_of(facts, safekeepers) else {
        checks.push(warn(
            id,
            "unknown how much WAL exists only on safekeepers: the pageserver's metrics have no positions",
        ));
        return;
    };
    let (all, needed) = (safekeepers.len() as u64, majority(safekeepers.len()) as u64);
    let total: u64 = only.iter().map(|wal| wal.bytes).sum();
    let what = format!("{} of WAL in {}", bytes(total), counted(only.len() as u64, "timeline"));
    let line = |wal: &OnlyWal| {
        let open = if wal.unknown > 0 { format!(", unknown for {}", wal.unknown) } else { String::new() };
        format!("timeline {}: {} of {all} have it{open}", wal.timeline, wal.held_by)
    };
    let lost = only.iter().find(|wal| wal.held_by == 0 && wal.unknown == 0);
    let open = only.iter().find(|wal| wal.held_by < needed);
    checks.push(match (lost, open) {
        _ if only.is_empty() => pass(id, "all WAL that the pageserver has ingested is in remote storage"),
        (Some(lost), _) => {
            let why = format!("{what} is not in remote storage yet, and no safekeeper has all of it: {}", line(lost));
            overridable(context, id, why, Allow::LocalLayers)
        }
        (None, Some(open)) => {
            warn(id, format!("{what} is not in remote storage yet, and should be on safekeepers: {}", line(open)))
        }
        (None, None) => {
            pass(id, format!("{what} is not in remote storage yet, and is on a majority of {all} safekeepers"))
        }
    });
}

/// Checks that no second storage component is down: what one of them lacks, another one must have.
pub(super) fn others(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let storage = [Role::Safekeeper, Role::Pageserver];
    if !storage.contains(&context.member.role) || !context.deletes() {
        return;
    }
    // Safekeepers among themselves have the stricter quorum check.
    let counts = |other: &&Member| {
        let safekeepers = context.member.role == Role::Safekeeper && other.role == Role::Safekeeper;
        storage.contains(&other.role) && other.name != context.member.name && !safekeepers
    };
    let space = context.topology.space(&context.member.namespace);
    let others: Vec<&Member> = space.into_iter().flat_map(|space| space.members()).filter(counts).collect();
    let (mut open, mut minor) = (Vec::new(), Vec::new());
    for other in &others {
        let Some(record) = last_record(context, other) else { continue };
        let Some(why) = unrecovered(record) else { continue };
        // An unverified one may have all data: it was not queried, or nothing could be compared.
        if record.outcome == RecordedOutcome::Unverified { minor.push(why) } else { open.push(why) }
    }
    let down: Vec<&str> = others.iter().filter(|other| !other.ready()).map(|other| other.name.as_str()).collect();
    if !down.is_empty() {
        let why = format!("{} not Ready", are(&down));
        // If both are down, one of them must be replaced first.
        if context.member.ready() { open.push(why) } else { minor.push(why) }
    }
    if let Some(gap) = context.topology.unread_volumes().filter(|_| !others.is_empty()) {
        let names: Vec<&str> = others.iter().map(|other| other.name.as_str()).collect();
        let why = &gap.why;
        minor.push(format!(
            "unknown how the last failover of {} ended: volumes cannot be read: {why}",
            names.join(", ")
        ));
    }
    let id = PlanCheckId::Storage;
    let check = match (open.is_empty(), minor.is_empty()) {
        (true, true) => return,
        (true, false) => warn(id, minor.join(", ")),
        (false, _) => {
            open.extend(minor);
            let why = format!("{}: two storage components would be down at once", open.join(", "));
            overridable(context, id, why, Allow::SecondStorage)
        }
    };
    checks.push(check);
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
