//! What was done, as the records tell it, and what of it can still be taken back. Pure.

pub use super::set_aside::AsideState;
use super::set_aside::state;
use super::way_back::doubt;
use super::{Action, Outcome, Record, RecordedClaim, Returns, newest, returning};
use crate::topology::{ClaimState, Topology};
use jiff::{SignedDuration, Timestamp};

/// The name of an act as a user may have typed it: `3f2a91bc`, or `failover/3f2a91bc` and `undo/3f2a91bc` as `-o name`
/// prints it. What is neither is left as it is.
pub fn without_type(typed: &str) -> &str {
    let is_id = |id: &str| id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit());
    match typed.split_once('/') {
        Some(("failover" | "undo", id)) if is_id(id) => id,
        _ => typed,
    }
}

/// An act, and what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it is on record.
    pub record: Record,
    /// How long it took, where it is finished.
    pub took: Option<SignedDuration>,
    /// The volumes that it set aside, in the order of its claims.
    pub aside: Vec<Aside>,
    /// The undo that took it back, where one did.
    pub undone_by: Option<String>,
    /// Whether its pod, or the StatefulSet that creates it, is there.
    pub has_member: bool,
}

/// A volume that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Name of the volume.
    pub volume: String,
    /// Its size, as a Kubernetes quantity, where it is still there.
    pub size: Option<String>,
    /// The claim that it was bound to.
    pub claim: String,
    /// How it is now.
    pub state: AsideState,
    /// Why it is not known to have held what was there before, in words; `None` if nothing speaks against it.
    pub doubt: Option<String>,
}

impl Entry {
    /// Whether all of what it set aside can come back, and somebody is there to take it.
    pub fn can_be_undone(&self) -> bool {
        let free = |aside: &Aside| matches!(aside.state, AsideState::Kept | AsideState::Reserved);
        self.has_member && !self.aside.is_empty() && self.aside.iter().all(free)
    }
}

/// Every act with what became of it, the newest first.
pub fn history(topology: &Topology, records: &[Record]) -> Vec<Entry> {
    let entry = |record: &Record| {
        let time = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let (started, finished) = (time(Some(&record.started)), time(record.finished.as_deref()));
        let undone = records
            .iter()
            .find(|other| matches!(&other.act, Action::Undo(of) if *of == record.id) && !other.outcome.is_unfinished());
        let returning = returning(topology, records, record);
        let same_set = |it: &Record| match (&it.owner, &record.owner) {
            (Some(one), Some(other)) => one.uid == other.uid,
            _ => true,
        };
        let of_pod = |it: &&Record| it.is_of(&record.namespace, &record.pod) && same_set(it);
        let of_pod: Vec<&Record> = records.iter().filter(of_pod).collect();
        let doubt = doubt(&of_pod, record);
        let aside = |(claim, back): (&RecordedClaim, Returns)| {
            let aside = aside(topology, record, claim, &back.volume);
            // Of one that cannot come back it does not matter.
            let matters = !matches!(aside.state, AsideState::InPlace | AsideState::Lost(_));
            Aside { doubt: doubt.clone().filter(|_| matters), ..aside }
        };
        Entry {
            record: record.clone(),
            took: started.zip(finished).map(|(started, finished)| finished.duration_since(started)),
            aside: returning.into_iter().map(aside).collect(),
            undone_by: undone.map(|undo| undo.id.clone()),
            has_member: topology.member(&record.namespace, &record.pod).is_some(),
        }
    };
    records.iter().rev().map(entry).collect()
}

fn aside(topology: &Topology, record: &Record, claim: &RecordedClaim, name: &str) -> Aside {
    let found = topology.recorded.iter().find(|volume| volume.name == name);
    let present = topology
        .member(&record.namespace, &record.pod)
        .and_then(|member| member.claims.iter().find(|present| present.name == claim.name));
    let unread = topology.unread_volumes();
    let state = match (found, unread) {
        (Some(volume), _) => state(volume, &record.namespace, &claim.name, present),
        (None, Some(gap)) => AsideState::Unknown(format!("volumes cannot be read: {}", gap.why)),
        (None, None) => AsideState::Lost("it is gone".into()),
    };
    let size = found.and_then(|volume| volume.capacity.clone());
    Aside { volume: name.to_owned(), size, claim: claim.name.clone(), state, doubt: None }
}

/// A volume that is to be given back: only while it is as its last claim left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its name.
    pub volume: String,
    /// Its UID.
    pub uid: String,
    /// UID of the claim that it was bound to last.
    pub released_by: String,
    /// The reclaim policy that it gets: the one that it had before it was kept.
    pub reclaim_policy: String,
}

/// What is to be given back of what an act kept. Some of it may be gone: it was released by an earlier run.
pub fn to_release(topology: &Topology, records: &[Record], entry: &Entry) -> Vec<Release> {
    let kept = |name: &str| entry.aside.iter().any(|aside| aside.volume == name && aside.state == AsideState::Kept);
    let release = |back: Returns| {
        let volume = topology.recorded.iter().find(|volume| volume.uid == back.uid)?;
        Some(Release {
            released_by: volume.claim.as_ref()?.uid.clone()?,
            // Without a policy on record it is Kubernetes' own for a volume that was provisioned.
            reclaim_policy: back.reclaim_policy.unwrap_or_else(|| "Delete".into()),
            volume: back.volume,
            uid: back.uid,
        })
    };
    let back = returning(topology, records, &entry.record).into_iter().map(|(_, back)| back);
    back.filter(|back| kept(&back.volume)).filter_map(release).collect()
}

/// Why what an act set aside may not be released, where it may not.
pub fn may_not_be_released(topology: &Topology, records: &[Record], entry: &Entry) -> Option<String> {
    let record = &entry.record;
    if entry.aside.is_empty() {
        return Some(format!("{} set nothing aside", record.id));
    }
    let any_kept = entry.aside.iter().any(|aside| aside.state == AsideState::Kept);
    let in_the_way = |aside: &Aside| {
        let name = &aside.volume;
        match &aside.state {
            AsideState::Kept => None,
            AsideState::InPlace => Some(format!("volume {name} is in use: claim {} is bound to it", aside.claim)),
            AsideState::Reserved => Some(format!("volume {name} is reserved by an undo that is unfinished")),
            // There is nothing of it to give back, and the others still are there.
            AsideState::Lost(_) if any_kept => None,
            AsideState::Lost(why) | AsideState::Unknown(why) => Some(format!("volume {name}: {why}")),
        }
    };
    if let Some(why) = entry.aside.iter().find_map(in_the_way) {
        return Some(why);
    }
    let Some(member) = topology.member(&record.namespace, &record.pod) else {
        let unread = topology.space(&record.namespace).and_then(|space| space.gaps.first());
        let why = unread.map_or_else(|| "there is no such member".to_owned(), |gap| gap.why.clone());
        return Some(format!("whether {}/{} is back is not known: {why}", record.namespace, record.pod));
    };
    if let Some(last) = newest(records, topology, member)
        && last.outcome != Outcome::Recovered
    {
        let how = match last.outcome {
            Outcome::InProgress => "is unfinished",
            Outcome::CatchingUp => "was still catching up",
            Outcome::DataMissing => "ended with data missing",
            Outcome::Unverified | Outcome::Recovered => "was not proven",
        };
        return Some(format!("{} has not recovered: {} {how}", member.path(), last.id));
    }
    if !member.ready() {
        return Some(format!("{} is not Ready", member.path()));
    }
    let unbound = member.claims.iter().find(|claim| !claim.bound())?;
    if let ClaimState::Unknown(why) = &unbound.state {
        return Some(format!("whether claim {} of {} is Bound is not known: {why}", unbound.name, member.path()));
    }
    Some(format!("claim {} of {} is {}", unbound.name, member.path(), unbound.status()))
}
