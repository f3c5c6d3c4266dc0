//! What Kubernetes does: each controller one small step at a time, in any order.

use super::world::{Claim, Content, Disk, OPERATIONS, Phase, Pod, Reference, Seen, Uid, VOLUMES, Volume, World};

/// One step of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    /// The StatefulSet controller creates the claim.
    MakesClaim,
    /// The StatefulSet controller creates the pod.
    MakesPod,
    /// The scheduler finds a node for the pod.
    Schedules,
    /// The kubelet mounts the claim's volume and starts the pod.
    Starts,
    /// The kubelet ends a Terminating pod.
    Ends,
    /// Claim protection releases a Terminating claim.
    LetsGo,
    /// The volume controller learns a volume's last change.
    Notices(Disk),
    /// The volume controller learns that a claim is gone.
    NoticesClaimGone,
    /// The volume controller binds a volume to the claim of this UID: the volume's half.
    BindsVolume(Disk, Uid),
    /// The claim's half.
    BindsClaim(Disk),
    /// The volume controller finds no volume for the claim.
    AsksForNew,
    /// The provisioner creates a volume.
    Provisions,
    /// The volume controller records that a volume waits for a claim.
    MakesAvailable(Disk),
    /// The volume controller records that a volume's claim is gone.
    Releases(Disk),
    /// A released volume with the policy Delete is removed.
    Removes(Disk),
    /// The volume controller frees a volume whose claim is bound to another one.
    Unbinds(Disk),
}

/// Unused names for new objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Free {
    pub(super) pod: Uid,
    pub(super) claim: Uid,
    pub(super) disk: Disk,
}

/// Whether the volume controller considers a volume available to this claim.
fn may_have(volume: &Volume, claim: Uid) -> bool {
    let reference = match volume.seen {
        Seen::Now => volume.reference,
        Seen::Before(reference) => reference,
    };
    reference == Reference::Name || reference == Reference::Claim(claim)
}

/// Everything that can happen next.
pub(super) fn deeds(world: &World, provisions: bool, found: &mut Vec<Deed>) {
    match (&world.pod, &world.claim) {
        (None, Some(claim)) if !claim.terminating => found.push(Deed::MakesPod),
        (None, None) => found.push(Deed::MakesClaim),
        // kubernetes/kubernetes#113270
        (Some(pod), None) if !pod.scheduled && !pod.terminating => found.push(Deed::MakesClaim),
        _ => {}
    }
    if let Some(pod) = &world.pod {
        let bound = world.claim.as_ref().filter(|claim| claim.volume.is_some() && !claim.terminating);
        if pod.terminating {
            found.push(Deed::Ends);
        } else if let Some(claim) = bound {
            // It mounts only a volume that is the claim's.
            let its = claim.volume.and_then(|disk| world.volume(disk));
            let its = its.is_some_and(|volume| volume.reference == Reference::Claim(claim.uid));
            if !pod.scheduled {
                found.push(Deed::Schedules);
            } else if pod.on.is_none() && its {
                found.push(Deed::Starts);
            }
        }
    }
    if let Some(claim) = &world.claim {
        if claim.terminating && !world.pod.is_some_and(|pod| pod.scheduled) {
            found.push(Deed::LetsGo);
        }
        if claim.volume.is_none() {
            let none = !world.volumes.iter().flatten().any(|volume| may_have(volume, claim.uid));
            if none && !claim.awaits_new && !claim.terminating {
                found.push(Deed::AsksForNew);
            }
            // A volume without a record was provisioned for it.
            let made = world
                .volumes
                .iter()
                .flatten()
                .any(|volume| volume.reference == Reference::Claim(claim.uid) && volume.records == [0; OPERATIONS]);
            if claim.awaits_new && provisions && !made && !claim.terminating {
                found.push(Deed::Provisions);
            }
        }
    }
    if world.believed.is_some() {
        found.push(Deed::NoticesClaimGone);
    }
    for disk in 0..VOLUMES as Disk {
        let Some(volume) = world.volume(disk) else { continue };
        volume_deeds(world, disk, volume, found);
    }
}

fn volume_deeds(world: &World, disk: Disk, volume: &Volume, found: &mut Vec<Deed>) {
    if volume.seen != Seen::Now {
        // Whatever it writes to this volume fails until then.
        found.push(Deed::Notices(disk));
        return;
    }
    let wants = world.claim.filter(|claim| claim.volume.is_none()).map(|claim| claim.uid);
    for uid in wants.into_iter().chain(world.believed).filter(|uid| may_have(volume, *uid)) {
        if volume.reference != Reference::Claim(uid) {
            found.push(Deed::BindsVolume(disk, uid));
        } else if wants == Some(uid) {
            found.push(Deed::BindsClaim(disk));
        }
    }
    match volume.reference {
        Reference::Name if volume.phase != Phase::Available => found.push(Deed::MakesAvailable(disk)),
        Reference::Name => {}
        Reference::Claim(uid) => match world.claim_of(uid) {
            Some(claim) if claim.volume.is_some_and(|other| other != disk) => found.push(Deed::Unbinds(disk)),
            Some(_) => {}
            None if world.believed == Some(uid) => {}
            None if volume.phase != Phase::Released => found.push(Deed::Releases(disk)),
            None if volume.delete => found.push(Deed::Removes(disk)),
            None => {}
        },
    }
}

/// The result.
pub(super) fn perform(world: &mut World, deed: Deed, free: impl Fn() -> Free) {
    match deed {
        Deed::MakesClaim => {
            world.claim = Some(Claim { uid: free().claim, terminating: false, volume: None, awaits_new: false });
        }
        Deed::MakesPod => world.pod = Some(Pod { uid: free().pod, terminating: false, scheduled: false, on: None }),
        Deed::Schedules => {
            if let Some(pod) = &mut world.pod {
                pod.scheduled = true;
            }
        }
        Deed::Starts => {
            let claim = world.claim.and_then(|claim| Some((claim.volume?, claim.uid)));
            if let (Some(pod), Some((disk, uid))) = (&mut world.pod, claim) {
                pod.on = Some((disk, uid));
                if let Some(volume) = &mut world.volumes[usize::from(disk)]
                    && volume.content == Content::Nothing
                {
                    volume.content = Content::Young;
                }
            }
        }
        Deed::Ends => world.pod = None,
        Deed::LetsGo => {
            world.believed = world.claim.filter(|claim| claim.volume.is_none()).map(|claim| claim.uid);
            world.claim = None;
        }
        Deed::NoticesClaimGone => world.believed = None,
        Deed::AsksForNew => {
            if let Some(claim) = &mut world.claim {
                claim.awaits_new = true;
            }
        }
        Deed::Provisions => {
            let Some(claim) = world.claim else { return };
            world.volumes[usize::from(free().disk)] = Some(Volume {
                reference: Reference::Claim(claim.uid),
                phase: Phase::New,
                delete: true,
                content: Content::Nothing,
                seen: Seen::Now,
                records: [0; OPERATIONS],
            });
        }
        Deed::BindsClaim(disk) => {
            if let Some(claim) = &mut world.claim {
                claim.volume = Some(disk);
                claim.awaits_new = false;
            }
            with(world, disk, |volume| volume.phase = Phase::Bound);
        }
        Deed::Notices(disk) => with(world, disk, |volume| volume.seen = Seen::Now),
        Deed::BindsVolume(disk, uid) => with(world, disk, |volume| {
            volume.reference = Reference::Claim(uid);
            volume.phase = Phase::Bound;
        }),
        Deed::MakesAvailable(disk) => with(world, disk, |volume| volume.phase = Phase::Available),
        Deed::Releases(disk) => with(world, disk, |volume| volume.phase = Phase::Released),
        Deed::Removes(disk) => world.volumes[usize::from(disk)] = None,
        // A volume that was provisioned for the claim is not needed; another one waits for the claim's name again.
        Deed::Unbinds(disk) if world.volume(disk).is_some_and(|volume| volume.delete) => {
            world.volumes[usize::from(disk)] = None;
        }
        Deed::Unbinds(disk) => with(world, disk, |volume| {
            volume.reference = Reference::Name;
            volume.phase = Phase::Available;
        }),
    }
}

fn with(world: &mut World, disk: Disk, change: impl FnOnce(&mut Volume)) {
    if let Some(volume) = &mut world.volumes[usize::from(disk)] {
        change(volume);
    }
}
