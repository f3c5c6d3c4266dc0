//! The claims: whether they may go, what becomes of their volumes, and where new ones come from.

use super::{Check, CheckId, Step, Subject, block, counted, overridable, pass, warn};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::topology::layout::Role;
use crate::topology::{ClaimState, Known, Topology};

pub(super) fn claims(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    if subject.keep_claims {
        return;
    }
    if subject.member.claims.is_empty() {
        checks.push(pass(CheckId::Claims, "the pod mounts no claim"));
    }
    for claim in &subject.member.claims {
        if let ClaimState::Unknown(reason) = &claim.state {
            let why = format!("claim {} cannot be read: {reason}", claim.name);
            checks.push(block(CheckId::Claims, why, "--keep-pvc replaces the pod and keeps its claims"));
        }
        if !claim.shared_with.is_empty() {
            checks.push(block(
                CheckId::SharedClaim,
                format!("claim {} is mounted by {} too", claim.name, claim.shared_with.join(", ")),
                "--keep-pvc replaces the pod and keeps its claims",
            ));
        }
    }
}

/// The right to change volumes, where it is known to be missing.
pub(in crate::plan) fn may_not_patch_volumes(rights: &[(Permission, Allowed)]) -> Option<&Permission> {
    let denied = rights.iter().find(|(permission, allowed)| {
        permission.resource == "persistentvolumes" && permission.verb == "patch" && matches!(allowed, Allowed::No(_))
    });
    denied.map(|(permission, _)| permission)
}

pub(super) fn retention(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let deleted: Vec<&str> = subject
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::DeleteClaim { claim, .. } => Some(claim.as_str()),
            _ => None,
        })
        .collect();
    if deleted.is_empty() {
        return;
    }
    let denied = may_not_patch_volumes(subject.rights).is_some();
    let mut kept = Vec::new();
    for claim in subject.member.claims.iter().filter(|claim| deleted.contains(&claim.name.as_str())) {
        let lost = match &claim.volume {
            Known::Is(Some(_)) if denied => Some("you may not patch persistentvolumes".to_owned()),
            Known::Is(Some(volume)) => {
                kept.push(volume.name.as_str());
                None
            }
            // Not bound: there is no volume that could be lost.
            Known::Is(None) if claim.volume_name.is_none() => None,
            Known::Is(None) => Some("its volume does not exist".to_owned()),
            Known::Unknown(reason) => Some(format!("volumes cannot be read: {reason}")),
        };
        if let Some(why) = lost {
            let why = format!("the old volume of claim {} cannot be retained: {why}", claim.name);
            checks.push(overridable(subject, CheckId::Retention, why, Allow::UnretainedVolume));
        }
    }
    if !kept.is_empty() {
        let volumes = if kept.len() == 1 { "volume" } else { "volumes" };
        checks.push(pass(CheckId::Retention, format!("the old {volumes} {} will be retained", kept.join(", "))));
    }
}

/// Where the volumes of the new claims come from: a class makes them, or somebody has.
pub(super) fn storage_class(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let Some(set) = subject.component.and_then(|component| component.set()) else { return };
    if !subject.returning.is_empty() || matches!(subject.topology.classes, Known::Unknown(_)) {
        return;
    }
    // Of each class that the templates name: how many volumes of it are wanted.
    let mut wanted: Vec<(Option<&str>, usize)> = Vec::new();
    for claim in subject.deleted_claims() {
        let Some(template) = set.template_of(&claim.name, &subject.member.name) else { continue };
        let class = template.storage_class.as_deref();
        match wanted.iter_mut().find(|(known, _)| *known == class) {
            Some((_, number)) => *number += 1,
            None => wanted.push((class, 1)),
        }
    }
    checks.extend(wanted.into_iter().map(|(class, number)| of_class(subject, class, number)));
}

fn of_class(subject: &Subject<'_>, named: Option<&str>, number: usize) -> Check {
    let id = CheckId::StorageClass;
    let classes = subject.topology.classes.as_known().map(Vec::as_slice).unwrap_or_default();
    let class = match named {
        Some(name) => classes.iter().find(|class| class.name == name),
        None => classes.iter().find(|class| class.default),
    };
    let new = if number == 1 { "the new volume" } else { "the new volumes" };
    let why = match (named, class) {
        (_, Some(class)) if class.provisions => {
            let default = if named.is_none() { ", the default," } else { "" };
            let (mode, policy) = (&class.binding_mode, &class.reclaim_policy);
            let name = &class.name;
            return pass(id, format!("storage class {name}{default} makes {new} ({mode}, reclaim policy {policy})"));
        }
        (None, None) => {
            let why = "the claim template names no storage class, and there is no default one: nothing would make ";
            return overridable(subject, id, format!("{why}{new}"), Allow::StorageClass);
        }
        (_, Some(class)) => format!("storage class {} makes no volumes", class.name),
        (Some(""), None) => "the claim template asks for no storage class".to_owned(),
        (Some(name), None) => format!("storage class {name} does not exist"),
    };
    let name = class.map_or(named.unwrap_or_default(), |class| class.name.as_str());
    match free(subject.topology, name) {
        Some(free) if free < number => {
            let why = format!("{why}, and {} of it {} free for {new}", counted(free, "volume"), is(free));
            overridable(subject, id, why, Allow::StorageClass)
        }
        Some(free) => {
            warn(id, format!("{why}; {} of it {} free, if of the right size", counted(free, "volume"), is(free)))
        }
        None => warn(id, format!("{why}, and whether a volume is free for the new claim is not known")),
    }
}

fn is(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// How many volumes of a class are free, where that is known.
fn free(topology: &Topology, class: &str) -> Option<usize> {
    topology.free_volumes.as_known().map(|free| free.get(class).copied().unwrap_or(0))
}

/// What a pageserver's disk alone holds is not on the new one.
pub(super) fn remote_storage(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let Some(component) = subject.component.filter(|component| component.role == Role::Pageserver) else { return };
    if !subject.returning.is_empty() || subject.deleted_claims().next().is_none() {
        return;
    }
    let id = CheckId::RemoteStorage;
    checks.push(match component.remote_storage {
        Some(true) => pass(id, "the layout says that the pageserver keeps its layers in remote storage"),
        Some(false) => overridable(
            subject,
            id,
            "the layout says that the pageserver has no remote storage: its layers are on the old disk alone",
            Allow::LocalLayers,
        ),
        None => warn(
            id,
            "whether the pageserver keeps its layers in remote storage is not known: what only the disk holds would be \
             lost with it; the old volume is kept",
        ),
    });
}
