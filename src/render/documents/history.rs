//! `history`, and `history release`.

use super::Unknown;
use crate::plan::history::{Aside, AsideState, Entry};
use crate::plan::{Action as What, Outcome, Record};
use crate::topology::Gap;
use serde::Serialize;

/// What was failed over and undone, and which volumes are kept.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History<'a> {
    /// Each failover and undo on record, the newest first.
    pub acts: Vec<HistoryAct<'a>>,
    /// What could not be read: with anything here the history may lack acts.
    pub unknown: Vec<Unknown<'a>>,
}

/// A failover or an undo, as it is on record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "HistoryAct"))]
pub struct HistoryAct<'a> {
    /// Its name.
    pub id: &'a str,
    /// What it was.
    pub act: ActWord,
    /// Of an undo: the act that it took back. Null otherwise.
    pub undoes: Option<&'a str>,
    /// When it began, RFC 3339, as it is on record.
    pub started: &'a str,
    /// When it ended, RFC 3339, as it is on record. Null where it has not.
    pub finished: Option<&'a str>,
    /// How long it took, in milliseconds. Null where it has not ended.
    pub milliseconds: Option<u64>,
    /// Who began it, as the API server knows them. Null where that is not known.
    pub who: Option<&'a str>,
    /// The kubeconfig context that it was run in.
    pub context: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// The undo that took it back. Null where none did.
    pub undone_by: Option<&'a str>,
    /// A newer failover or undo of the same pod that recovered, and with it settled what this one left open. Null where
    /// there was none, or this one left nothing open.
    pub superseded_by: Option<&'a str>,
    /// Whether all that it set aside can come back, as far as is known.
    pub can_be_undone: bool,
    /// The volumes that it set aside.
    pub volumes: Vec<Volume<'a>>,
}

/// Whether something was failed over or undone.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ActWord {
    /// A member was failed over.
    Failover,
    /// The volumes that an earlier act had set aside were brought back.
    Undo,
}

/// A volume that was set aside.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "KeptVolume"))]
pub struct Volume<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its size, as a Kubernetes quantity. Null where it is not known.
    pub size: Option<&'a str>,
    /// The claim that it was bound to.
    pub claim: &'a str,
    /// How it is now.
    pub state: VolumeState,
    /// Why it is lost, or why its state is not known, in words. Null otherwise.
    pub reason: Option<&'a str>,
    /// Why it is not known to have held what was there before, in words: an undo that names only the pod passes it over.
    /// Null where nothing speaks against it.
    pub doubt: Option<&'a str>,
}

/// How a volume is that was set aside.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum VolumeState {
    /// Kept, and nobody's: it can come back.
    Kept,
    /// Kept, and reserved for its claim by an undo that is unfinished.
    Reserved,
    /// In use again by its claim.
    InPlace,
    /// Not to be had.
    Lost,
    /// Not known.
    Unknown,
}

/// The volumes that were given back, so that Kubernetes may remove them.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Release<'a> {
    /// Name of the failover or undo that kept them.
    pub id: &'a str,
    /// Namespace of its pod.
    pub namespace: &'a str,
    /// Its pod.
    pub pod: &'a str,
    /// The volumes.
    pub volumes: Vec<Released<'a>>,
}

/// A volume that was given back.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Released<'a> {
    /// Its name.
    pub name: &'a str,
    /// The reclaim policy that it has again.
    pub reclaim_policy: &'a str,
}

impl<'a> History<'a> {
    /// Of what is on record, and what could not be read.
    pub fn new(entries: &'a [Entry], gaps: &'a [Gap]) -> Self {
        Self { acts: entries.iter().map(HistoryAct::from).collect(), unknown: gaps.iter().map(Unknown::from).collect() }
    }
}

impl<'a> From<&'a Entry> for HistoryAct<'a> {
    fn from(entry: &'a Entry) -> Self {
        let record = &entry.record;
        let (act, undoes) = match &record.act {
            What::Failover => (ActWord::Failover, None),
            What::Undo(of) => (ActWord::Undo, Some(of.as_str())),
        };
        Self {
            id: &record.id,
            act,
            undoes,
            started: &record.started,
            finished: record.finished.as_deref(),
            milliseconds: entry.took.map(|took| took.as_millis()).and_then(|took| u64::try_from(took).ok()),
            who: record.who.as_deref(),
            context: &record.context,
            namespace: &record.namespace,
            pod: &record.pod,
            outcome: record.outcome,
            undone_by: entry.undone_by.as_deref(),
            superseded_by: entry.record.superseded_by.as_deref(),
            can_be_undone: entry.can_be_undone(),
            volumes: entry.aside.iter().map(Volume::from).collect(),
        }
    }
}

impl<'a> From<&'a Aside> for Volume<'a> {
    fn from(aside: &'a Aside) -> Self {
        let (state, reason) = match &aside.state {
            AsideState::Kept => (VolumeState::Kept, None),
            AsideState::Reserved => (VolumeState::Reserved, None),
            AsideState::InPlace => (VolumeState::InPlace, None),
            AsideState::Lost(why) => (VolumeState::Lost, Some(why.as_str())),
            AsideState::Unknown(why) => (VolumeState::Unknown, Some(why.as_str())),
        };
        let doubt = aside.doubt.as_deref();
        Self { name: &aside.volume, size: aside.size.as_deref(), claim: &aside.claim, state, reason, doubt }
    }
}

impl<'a> Release<'a> {
    /// Of an act, and of the volumes with the reclaim policy that each has again.
    pub fn new(record: &'a Record, volumes: &'a [(String, String)]) -> Self {
        let volumes = volumes.iter().map(|(name, reclaim_policy)| Released { name, reclaim_policy }).collect();
        Self { id: &record.id, namespace: &record.namespace, pod: &record.pod, volumes }
    }
}
