//! Past operations from their records, and which of them can be undone. Pure.

pub(crate) use super::retained_state::RetainedState;
use super::retained_state::state;
use super::way_back::doubt;
use super::{Action, Record, RecordedClaim, RecordedOutcome, Returns, newest, returning};
use crate::topology::{ClaimState, Topology};
use jiff::{SignedDuration, Timestamp};

/// Returns an operation's ID as a user may type it: `3f2a91bc`, or `failover/3f2a91bc` and `undo/3f2a91bc` as `-o name`
/// prints it. Other text is returned unchanged.
pub(crate) fn without_type(typed: &str) -> &str {
    let is_id = |id: &str| id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit());
    match typed.split_once('/') {
        Some(("failover" | "undo", id)) if is_id(id) => id,
        _ => typed,
    }
}

/// A past operation, and what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its record.
    pub record: Record,
    /// How long it took, if it ended.
    pub took: Option<SignedDuration>,
    /// The volumes that it retained, in the order of its claims.
    pub retained: Vec<RetainedVolume>,
    /// The undo that reverted it, if one did.
    pub undone_by: Option<String>,
    /// Whether its pod, or the StatefulSet that creates it, exists.
    pub has_member: bool,
}

/// A volume that an operation retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedVolume {
    /// Name of the volume.
    pub volume: String,
    /// Its size, as a Kubernetes quantity, if it still exists.
    pub size: Option<String>,
    /// The claim that it was bound to.
    pub claim: String,
    /// Its current state.
    pub state: RetainedState,
    /// Why it may not have held the data; `None` if nothing indicates that.
    pub doubt: Option<String>,
}

impl Entry {
    /// Returns whether all volumes that it retained can be restored to a pod that exists.
    pub fn can_be_undone(&self) -> bool {
        let free =
            |retained: &RetainedVolume| matches!(retained.state, RetainedState::Retained | RetainedState::Reserved);
        self.has_member && !self.retained.is_empty() && self.retained.iter().all(free)
    }
}

/// Returns every operation with what became of it, the newest first.
pub(crate) fn history(topology: &Topology, records: &[Record]) -> Vec<Entry> {
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
        let retained = |(claim, back): (&RecordedClaim, Returns)| {
            let retained = retained(topology, record, claim, &back.volume);
            // It does not matter for one that cannot be restored.
            let matters = !matches!(retained.state, RetainedState::InPlace | RetainedState::Lost(_));
            RetainedVolume { doubt: doubt.clone().filter(|_| matters), ..retained }
        };
        Entry {
            record: record.clone(),
            took: started.zip(finished).map(|(started, finished)| finished.duration_since(started)),
            retained: returning.into_iter().map(retained).collect(),
            undone_by: undone.map(|undo| undo.id.clone()),
            has_member: topology.member(&record.namespace, &record.pod).is_some(),
        }
    };
    records.iter().rev().map(entry).collect()
}

fn retained(topology: &Topology, record: &Record, claim: &RecordedClaim, name: &str) -> RetainedVolume {
    let found = topology.recorded.iter().find(|volume| volume.name == name);
    let present = topology
        .member(&record.namespace, &record.pod)
        .and_then(|member| member.claims.iter().find(|present| present.name == claim.name));
    let unread = topology.unread_volumes();
    let state = match (found, unread) {
        (Some(volume), _) => state(volume, &record.namespace, &claim.name, present),
        (None, Some(gap)) => RetainedState::Unknown(format!("volumes cannot be read: {}", gap.why)),
        (None, None) => RetainedState::Lost("it no longer exists".into()),
    };
    let size = found.and_then(|volume| volume.capacity.clone());
    RetainedVolume { volume: name.to_owned(), size, claim: claim.name.clone(), state, doubt: None }
}

/// A volume to release: only while it is as its last claim left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// Its name.
    pub volume: String,
    /// Its UID.
    pub uid: String,
    /// UID of the claim that it was bound to last.
    pub released_by: String,
    /// The reclaim policy that it gets back: the one that it had before it was retained.
    pub reclaim_policy: String,
}

/// Returns the retained volumes of an operation to release. Some may be gone: an earlier run released them.
pub(crate) fn to_release(topology: &Topology, records: &[Record], entry: &Entry) -> Vec<Release> {
    let kept = |name: &str| {
        entry.retained.iter().any(|retained| retained.volume == name && retained.state == RetainedState::Retained)
    };
    let release = |back: Returns| {
        let volume = topology.recorded.iter().find(|volume| volume.uid == back.uid)?;
        Some(Release {
            released_by: volume.claim.as_ref()?.uid.clone()?,
            // Without a policy on record: Kubernetes' default for a provisioned volume.
            reclaim_policy: back.reclaim_policy.unwrap_or_else(|| "Delete".into()),
            volume: back.volume,
            uid: back.uid,
        })
    };
    let back = returning(topology, records, &entry.record).into_iter().map(|(_, back)| back);
    back.filter(|back| kept(&back.volume)).filter_map(release).collect()
}

/// Returns why the volumes of an operation must not be released; `None` if they may.
pub(crate) fn may_not_be_released(topology: &Topology, records: &[Record], entry: &Entry) -> Option<String> {
    let record = &entry.record;
    if entry.retained.is_empty() {
        return Some(format!("{} retained no volume", record.id));
    }
    let any_kept = entry.retained.iter().any(|retained| retained.state == RetainedState::Retained);
    let in_the_way = |retained: &RetainedVolume| {
        let name = &retained.volume;
        match &retained.state {
            RetainedState::Retained => None,
            RetainedState::InPlace => Some(format!("volume {name} is in use: claim {} is bound to it", retained.claim)),
            RetainedState::Reserved => Some(format!("volume {name} is reserved by an unfinished undo")),
            // It cannot be released, and the others still exist.
            RetainedState::Lost(_) if any_kept => None,
            RetainedState::Lost(why) | RetainedState::Unknown(why) => Some(format!("volume {name}: {why}")),
        }
    };
    if let Some(why) = entry.retained.iter().find_map(in_the_way) {
        return Some(why);
    }
    let Some(member) = topology.member(&record.namespace, &record.pod) else {
        let unread = topology.space(&record.namespace).and_then(|space| space.gaps.first());
        let why = unread.map_or_else(|| "the pod does not exist".to_owned(), |gap| gap.why.clone());
        return Some(format!("unknown whether {}/{} has recovered: {why}", record.namespace, record.pod));
    };
    if let Some(last) = newest(records, topology, member)
        && last.outcome != RecordedOutcome::Recovered
    {
        let how = match last.outcome {
            RecordedOutcome::Unfinished => "is unfinished",
            RecordedOutcome::CatchingUp => "was still catching up",
            RecordedOutcome::DataMissing => "ended with data missing",
            RecordedOutcome::Unverified | RecordedOutcome::Recovered => "is unverified",
        };
        return Some(format!("{} has not recovered: {} {how}", member.path(), last.id));
    }
    if !member.ready() {
        return Some(format!("{} is not Ready", member.path()));
    }
    let unbound = member.claims.iter().find(|claim| !claim.bound())?;
    if let ClaimState::Unknown(why) = &unbound.state {
        return Some(format!("unknown whether claim {} of {} is Bound: {why}", unbound.name, member.path()));
    }
    Some(format!("claim {} of {} is {}", unbound.name, member.path(), unbound.status()))
}
