//! The world: one pod of a StatefulSet, its claim, the volumes, and the volume controller's view of them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Most volumes at a time.
pub(super) const VOLUMES: usize = 7;
/// Most operations on record.
pub(super) const OPERATIONS: usize = 4;

/// A UID of a pod or a claim. The next one is the smallest that nothing names any more, so that histories which differ
/// in their UIDs alone are one state.
pub(super) type Uid = u8;
/// A volume, by its place in [`World::volumes`].
pub(super) type Disk = u8;
/// A record, by its number in the books ([`super::facts::Books`]); 0 is none.
pub(super) type Page = u16;
/// Most records in the books.
pub(super) const PAGES: Page = 1 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) uid: Uid,
    pub(super) terminating: bool,
    pub(super) scheduled: bool,
    /// The volume that it runs on, and the claim by which it got it. It is Ready from then on.
    pub(super) on: Option<(Disk, Uid)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) uid: Uid,
    pub(super) terminating: bool,
    /// `spec.volumeName`: it is Bound.
    pub(super) volume: Option<Disk>,
    /// The controller found no volume for it, and has asked the provisioner.
    pub(super) awaits_new: bool,
}

/// `spec.claimRef` of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// The claim's name without a UID: it is reserved for the next one.
    Name,
    /// A claim.
    Claim(Uid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// As the provisioner made it.
    New,
    Available,
    Bound,
    Released,
}

/// What is on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// No pod has run on it.
    Nothing,
    /// A pod has, without the original data.
    Young,
    /// The original data.
    Original,
}

/// The volume controller's copy of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Up to date.
    Now,
    /// Outdated; a write based on it fails.
    Before(Reference),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) reference: Reference,
    pub(super) phase: Phase,
    /// Its reclaim policy: Delete, otherwise Retain.
    pub(super) delete: bool,
    pub(super) content: Content,
    pub(super) seen: Seen,
    /// The record of each operation, by its number.
    pub(super) records: [Page; OPERATIONS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct World {
    pub(super) pod: Option<Pod>,
    pub(super) claim: Option<Claim>,
    pub(super) volumes: [Option<Volume>; VOLUMES],
    /// Records that no volume carries.
    pub(super) journal: [Page; OPERATIONS],
    /// A claim that is gone while the volume controller still takes it for Pending.
    pub(super) believed: Option<Uid>,
}

impl Reference {
    fn code(self) -> u64 {
        match self {
            Self::Name => 0,
            Self::Claim(uid) => u64::from(uid),
        }
    }
}

/// Puts numbers of so many bits into one.
fn packed<const N: usize>(parts: [(u64, u32); N]) -> u64 {
    let mut all = 0;
    for (part, bits) in parts {
        debug_assert!(part >> bits == 0, "{part} does not fit in {bits} bits");
        all = all << bits | part;
    }
    all
}

fn pages(pages: &[Page; OPERATIONS]) -> u64 {
    packed(pages.map(|page| (u64::from(page), PAGES.ilog2())))
}

impl Volume {
    fn code(&self) -> u64 {
        let seen = match self.seen {
            Seen::Now => 31,
            Seen::Before(reference) => reference.code(),
        };
        let (phase, content) = (self.phase as u64, self.content as u64);
        let rest = [(1, 1), (self.reference.code(), 5), (phase, 2), (self.delete.into(), 1), (content, 2), (seen, 5)];
        packed(rest) << 40 | pages(&self.records)
    }
}

/// In few words: a hash of every field by itself takes most of the time there is.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let pod = self.pod.map_or(0, |pod| {
            let (on, by) = pod.on.map_or((15, 0), |(disk, uid)| (disk, uid));
            let (going, placed) = (pod.terminating.into(), pod.scheduled.into());
            packed([(1, 1), (pod.uid.into(), 5), (going, 1), (placed, 1), (on.into(), 4), (by.into(), 5)])
        });
        let claim = self.claim.map_or(0, |claim| {
            let disk = claim.volume.unwrap_or(15).into();
            let (going, asked) = (claim.terminating.into(), claim.awaits_new.into());
            packed([(1, 1), (claim.uid.into(), 5), (going, 1), (asked, 1), (disk, 4)])
        });
        let believed = self.believed.unwrap_or(31).into();
        state.write_u64(packed([(pod, 17), (claim, 12), (believed, 5)]));
        state.write_u64(pages(&self.journal));
        for volume in &self.volumes {
            state.write_u64(volume.map_or(0, |volume| volume.code()));
        }
    }
}

/// A hash that is made to be fast, for numbers that differ.
#[derive(Default)]
pub(super) struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

/// A map with that hash.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Folded>>;

impl World {
    /// A pod that runs on the first volume, as the provisioner made that.
    pub(super) fn healthy() -> Self {
        let first = Volume {
            reference: Reference::Claim(1),
            phase: Phase::Bound,
            delete: true,
            content: Content::Original,
            seen: Seen::Now,
            records: [0; OPERATIONS],
        };
        let mut volumes = [None; VOLUMES];
        volumes[0] = Some(first);
        Self {
            pod: Some(Pod { uid: 1, terminating: false, scheduled: true, on: Some((0, 1)) }),
            claim: Some(Claim { uid: 1, terminating: false, volume: Some(0), awaits_new: false }),
            volumes,
            journal: [0; OPERATIONS],
            believed: None,
        }
    }

    /// What the API server shows: not the volume controller's view, and not the data on a disk.
    pub(super) fn shown(&self) -> Self {
        let mut shown = *self;
        shown.believed = None;
        for volume in shown.volumes.iter_mut().flatten() {
            volume.seen = Seen::Now;
            volume.content = Content::Nothing;
        }
        if let Some(pod) = &mut shown.pod {
            pod.on = pod.on.map(|_| (0, 0));
        }
        if let Some(claim) = &mut shown.claim {
            claim.awaits_new = false;
        }
        shown
    }

    pub(super) fn volume(&self, disk: Disk) -> Option<&Volume> {
        self.volumes.get(usize::from(disk))?.as_ref()
    }

    /// Changes a volume on behalf of a client other than its controller, whose copy of it becomes outdated. A copy that
    /// names the same claim is as good as a new one: what fails for the old one is done with the new one.
    pub(super) fn write(&mut self, disk: Disk, change: impl FnOnce(&mut Volume)) -> bool {
        let Some(volume) = self.volumes.get_mut(usize::from(disk)).and_then(Option::as_mut) else { return false };
        let before = volume.reference;
        change(volume);
        match volume.seen {
            Seen::Now if volume.reference != before => volume.seen = Seen::Before(before),
            Seen::Before(reference) if volume.reference == reference => volume.seen = Seen::Now,
            Seen::Now | Seen::Before(_) => {}
        }
        true
    }

    /// The claim with this UID, be it Terminating.
    pub(super) fn claim_of(&self, uid: Uid) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| claim.uid == uid)
    }

    /// Deletes the claim: it is Terminating until its protection is removed.
    pub(super) fn delete_claim(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.terminating = true;
        }
    }

    /// Deletes the pod: one that runs nowhere is gone at once.
    pub(super) fn delete_pod(&mut self) {
        match &mut self.pod {
            Some(pod) if pod.scheduled => pod.terminating = true,
            pod => *pod = None,
        }
    }
}
