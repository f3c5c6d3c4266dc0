//! `history` and `release`.

use super::Unknown;
use crate::plan::history::{self, Entry, RetainedState};
use crate::plan::{Action, RecordedOutcome};
use crate::topology::Gap;
use serde::Serialize;

/// The failovers and undos on record, and the volumes they retained.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History<'a> {
    /// Each failover and undo on record, the newest first.
    pub operations: Vec<HistoryOperation<'a>>,
    /// What could not be read: with anything here the history may be incomplete.
    pub unknown: Vec<Unknown<'a>>,
}

/// A failover or an undo, as it is on record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HistoryOperation<'a> {
    /// Its name.
    pub id: &'a str,
    /// What it was.
    #[serde(flatten)]
    pub act: &'a Action,
    /// When it began, RFC 3339, as it is on record.
    pub started: &'a str,
    /// When it ended, RFC 3339, as it is on record. Null if it has not.
    pub finished: Option<&'a str>,
    /// How long it took, in milliseconds. Null if it has not ended.
    pub duration_ms: Option<u64>,
    /// Who began it, as the API server knows them. Null if that is not known.
    pub user: Option<&'a str>,
    /// The kubeconfig context that it was run in.
    pub context: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// How it ended.
    pub outcome: RecordedOutcome,
    /// The undo that undid it. Null if none did.
    pub undone_by: Option<&'a str>,
    /// A newer failover or undo of the same pod that recovered, and with it settled what this one left open. Null if
    /// there is none, or this one left nothing open.
    pub superseded_by: Option<&'a str>,
    /// Whether all volumes that it retained can be restored, as far as is known.
    pub can_be_undone: bool,
    /// The volumes that it retained.
    pub volumes: Vec<RetainedVolume<'a>>,
}

/// A volume that was retained.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RetainedVolume<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its size, as a Kubernetes quantity. Null if it is not known.
    pub size: Option<&'a str>,
    /// The claim that it was bound to.
    pub claim: &'a str,
    /// Its state now.
    pub state: VolumeState,
    /// Why it is lost, or why its state is not known, in words. Null otherwise.
    pub reason: Option<&'a str>,
    /// Why it is not known to hold what was there before, in words: an undo that names only the pod skips it. Null if there
    /// is no doubt.
    pub unverified_reason: Option<&'a str>,
}

/// The state of a volume that was retained.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum VolumeState {
    /// Retained and unclaimed: it can be restored.
    Retained,
    /// Retained, and reserved for its claim by an undo that is unfinished.
    Reserved,
    /// In use again by its claim.
    InUse,
    /// It cannot be restored.
    Lost,
    /// Not known.
    Unknown,
}

/// The volumes that were released, so that Kubernetes may remove them.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Release<'a> {
    /// The operations whose volumes were released. None if `--older-than` found none.
    pub operations: Vec<ReleasedOperation<'a>>,
}

/// An operation whose volumes were released.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReleasedOperation<'a> {
    /// Name of the failover or undo that retained them.
    pub id: &'a str,
    /// Namespace of its pod.
    pub namespace: &'a str,
    /// Its pod.
    pub pod: &'a str,
    /// The volumes.
    pub volumes: Vec<Released<'a>>,
}

/// A volume that was released.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Released<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its size, as a Kubernetes quantity. Null if it is unknown.
    pub size: Option<&'a str>,
    /// The reclaim policy that it has again.
    pub reclaim_policy: &'a str,
}

impl<'a> History<'a> {
    /// Of what is on record, and what could not be read.
    pub fn new(entries: &'a [Entry], gaps: &'a [Gap]) -> Self {
        Self {
            operations: entries.iter().map(HistoryOperation::from).collect(),
            unknown: gaps.iter().map(Unknown::from).collect(),
        }
    }
}

impl<'a> From<&'a Entry> for HistoryOperation<'a> {
    fn from(entry: &'a Entry) -> Self {
        let record = &entry.record;
        Self {
            id: &record.id,
            act: &record.act,
            started: &record.started,
            finished: record.finished.as_deref(),
            duration_ms: entry.took.map(|took| took.as_millis()).and_then(|took| u64::try_from(took).ok()),
            user: record.who.as_deref(),
            context: &record.context,
            namespace: &record.namespace,
            pod: &record.pod,
            outcome: record.outcome,
            undone_by: entry.undone_by.as_deref(),
            superseded_by: entry.record.superseded_by.as_deref(),
            can_be_undone: entry.can_be_undone(),
            volumes: entry.retained.iter().map(RetainedVolume::from).collect(),
        }
    }
}

impl<'a> From<&'a history::RetainedVolume> for RetainedVolume<'a> {
    fn from(retained: &'a history::RetainedVolume) -> Self {
        let (state, reason) = match &retained.state {
            RetainedState::Retained => (VolumeState::Retained, None),
            RetainedState::Reserved => (VolumeState::Reserved, None),
            RetainedState::InPlace => (VolumeState::InUse, None),
            RetainedState::Lost(why) => (VolumeState::Lost, Some(why.as_str())),
            RetainedState::Unknown(why) => (VolumeState::Unknown, Some(why.as_str())),
        };
        Self {
            name: &retained.volume,
            size: retained.size.as_deref(),
            claim: &retained.claim,
            state,
            reason,
            unverified_reason: retained.doubt.as_deref(),
        }
    }
}

impl<'a> Release<'a> {
    /// Of operations, and of their volumes with the reclaim policy that each has again.
    pub fn new(released: &'a [(&'a Entry, Vec<(String, String)>)]) -> Self {
        let operation = |(entry, volumes): &'a (&'a Entry, Vec<(String, String)>)| {
            let size = |name: &str| {
                let retained = entry.retained.iter().find(|retained| retained.volume == name)?;
                retained.size.as_deref()
            };
            let volume =
                |(name, reclaim_policy): &'a (String, String)| Released { name, size: size(name), reclaim_policy };
            let record = &entry.record;
            let volumes = volumes.iter().map(volume).collect();
            ReleasedOperation { id: &record.id, namespace: &record.namespace, pod: &record.pod, volumes }
        };
        Self { operations: released.iter().map(operation).collect() }
    }
}
