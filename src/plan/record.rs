//! The record of a failover or an undo, as it is written on the volumes that take part in it, or in the journal where
//! no volume can carry it: enough for another run, or another person, to know what was done, to finish it and to take
//! it back.

use super::record_v1alpha1;
use crate::api_version::API_VERSION;
use crate::outcome::Outcome;
use crate::storage::TimelineId;
use crate::topology::{RECORD_ANNOTATION, Topology, Volume};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kind of the document.
pub const RECORD_KIND: &str = "Record";

/// A failover or an undo, on record (annotation `kubectl-synxdb/record-<id>`, JSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of this form.
    pub api_version: String,
    /// Always `Record`.
    pub kind: String,
    /// The operation's name.
    pub id: String,
    /// What it is.
    #[serde(flatten)]
    pub act: Action,
    /// When it began, RFC 3339.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub started: String,
    /// When it ended, RFC 3339. Absent if it has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub finished: Option<String>,
    /// How it ended.
    pub outcome: RecordedOutcome,
    /// Who began it, as the API server knows them. Absent if that is not known.
    #[serde(default, rename = "user", skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The kubeconfig context it was run in.
    pub context: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the old pod; empty if it was gone already.
    pub pod_uid: String,
    /// The controller that recreates the pod. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<RecordedOwner>,
    /// Whether the claims were kept.
    pub keep_claims: bool,
    /// The claims that were deleted.
    pub claims: Vec<RecordedClaim>,
    /// New pods that were stuck on a deleted claim, and were deleted again.
    #[serde(default, rename = "stuckPodsDeleted")]
    pub healed: u32,
    /// Schema of the canary table, if one was written and is still to be read or dropped. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// What the component held before. Absent if that is not known, once all of it was found again, and if
    /// `packedBaseline` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<serde_json::Value>,
    /// The same if it is long: its JSON compressed (zlib, RFC 1950) and in base64. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed_baseline: Option<String>,
    /// Why the baseline is not on record although there was one. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_lost: Option<BaselineLoss>,
    /// The operation whose baseline this one took over, as that operation did not find all of it again. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Inherited>,
    /// When the baseline was taken, RFC 3339, if it is one that was stored in the cluster earlier. Absent otherwise.
    #[serde(default, rename = "storedBaselineTaken", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub stored_baseline: Option<String>,
    /// Of a safekeeper: the highest term of each active timeline when it began, by `TENANT/TIMELINE`. Absent if that is
    /// not known, and of other components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<BTreeMap<TimelineId, u64>>,
    /// A newer operation on the same pod that recovered: whatever this one left open is settled, also once the newer record
    /// is gone with its volumes. Absent if there was none, or this one recovered itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
}

/// Why a baseline is not on record although there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum BaselineLoss {
    /// It does not fit beside the other annotations, even compressed.
    TooLarge,
    /// It was removed to make room for a newer record.
    Trimmed,
}

/// Words that follow "the baseline is not on record: ".
impl std::fmt::Display for BaselineLoss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "it was too large",
            Self::Trimmed => "it was removed to make room for newer records",
        })
    }
}

/// Whose baseline an operation took over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Inherited {
    /// The operation that took the baseline.
    pub from: String,
    /// When it was taken, RFC 3339.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub taken: String,
}

/// What is on record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "OperationForm", try_from = "OperationForm")]
pub enum Action {
    /// A member was failed over.
    #[default]
    Failover,
    /// The volumes that this operation retained were restored.
    Undo(String),
}

/// Whether something is a failover or an undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// A member is failed over.
    Failover,
    /// The volumes that an earlier operation retained are restored.
    Undo,
}

/// An [`Action`] as every document has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OperationForm {
    /// What it is.
    operation: Operation,
    /// Of an undo: the operation whose volumes it restores. Null for a failover.
    undoes: Option<String>,
}

impl From<Action> for OperationForm {
    fn from(act: Action) -> Self {
        match act {
            Action::Failover => Self { operation: Operation::Failover, undoes: None },
            Action::Undo(of) => Self { operation: Operation::Undo, undoes: Some(of) },
        }
    }
}

impl TryFrom<OperationForm> for Action {
    type Error = &'static str;

    fn try_from(form: OperationForm) -> Result<Self, Self::Error> {
        match (form.operation, form.undoes) {
            (Operation::Failover, None) => Ok(Self::Failover),
            (Operation::Undo, Some(of)) => Ok(Self::Undo(of)),
            (Operation::Failover, Some(_)) => Err("a failover undoes nothing"),
            (Operation::Undo, None) => Err("an undo does not say what it undoes"),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Action {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        OperationForm::json_schema(generator)
    }
}

/// The controller that recreates a pod, from its ownerReferences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedOwner {
    /// `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl RecordedOwner {
    /// Whether it is a StatefulSet of Kubernetes' own.
    pub fn is_stateful_set(&self) -> bool {
        self.kind == "StatefulSet"
    }
}

/// A claim that was deleted, and its volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordedClaim {
    /// Name of the claim.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its volume, which is retained. Null if there is none.
    pub volume: Option<String>,
    /// The volume's reclaim policy before it was retained. Null if no volume is retained.
    pub reclaim_policy: Option<String>,
    /// Of an undo: the volume that is restored in its place. Absent otherwise.
    #[serde(default, rename = "restores", skip_serializing_if = "Option::is_none")]
    pub returns: Option<Returns>,
    /// The claim as it was: metadata (name, labels, annotations) and spec. Absent if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub manifest: Option<serde_json::Value>,
}

/// A volume that is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Returns {
    /// Its name.
    pub volume: String,
    /// Its UID.
    pub uid: String,
    /// The reclaim policy that it had before it was retained, to be restored once it is in use again. Null if that is
    /// not known.
    pub reclaim_policy: Option<String>,
}

/// How it ended: an outcome that is put on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum RecordedOutcome {
    /// It has not: it is running, or was interrupted.
    Unfinished,
    /// Recovered, by the definition.
    Recovered,
    /// The pod is new and Ready; whether the component and its data are back is unknown, or was not to be verified.
    Unverified,
    /// Something that was there before is missing.
    DataMissing,
    /// It has not: the pod is new and Ready, and its component was still fetching data when the time was up.
    CatchingUp,
}

impl From<RecordedOutcome> for Outcome {
    fn from(outcome: RecordedOutcome) -> Self {
        match outcome {
            RecordedOutcome::Unfinished => Self::Unfinished,
            RecordedOutcome::Recovered => Self::Recovered,
            RecordedOutcome::Unverified => Self::Unverified,
            RecordedOutcome::DataMissing => Self::DataMissing,
            RecordedOutcome::CatchingUp => Self::CatchingUp,
        }
    }
}

impl RecordedOutcome {
    /// Whether there is something left to wait for.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Unfinished | Self::CatchingUp)
    }
}

/// Key of the annotation that holds the record of this act.
pub fn annotation(id: &str) -> String {
    format!("{RECORD_ANNOTATION}{id}")
}

/// The text of a record once the operation `by` has settled what it left open. Its form stays what it is, which has the same
/// field in each version, and so do fields that a later version wrote. `None` if the text is no record.
pub fn settled(text: &str, by: &str) -> Option<String> {
    Record::parse(text)?;
    let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
    value["supersededBy"] = by.into();
    Some(value.to_string())
}

impl Record {
    /// Reads a record from an annotation or a journal's file, of this version or of v1alpha1; `None` if it is not one of
    /// ours, or of a later version. Anyone who may annotate a volume may write one: a name becomes part of a file's, and so is
    /// one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let record = serde_json::from_str(text).ok().or_else(|| {
            let value = record_v1alpha1::in_this_version(text, API_VERSION, RECORD_KIND)?;
            serde_json::from_value(value).ok()
        });
        let record: Self = record?;
        record.is_valid().then_some(record)
    }

    /// When it began.
    pub fn begun(&self) -> Option<Timestamp> {
        self.started.parse().ok()
    }

    /// Whether it takes part of this volume: retains it, or brings it back.
    fn is_about(&self, volume: &str) -> bool {
        let returns = |claim: &RecordedClaim| claim.returns.as_ref().is_some_and(|returns| returns.volume == volume);
        self.claims.iter().any(|claim| claim.volume.as_deref() == Some(volume) || returns(claim))
    }

    /// Every record that the volumes carry, each once, the oldest first. An act writes the same on all of its volumes,
    /// and finishes them one by one: it is finished when all of them say so.
    pub fn on_volumes(topology: &Topology) -> Vec<Self> {
        let on = |volume: &Volume| {
            let records: Vec<Self> = volume.records.iter().filter_map(|text| Self::parse(text)).collect();
            // What is said of other volumes is not to be said here.
            records.into_iter().filter(|record| record.is_about(&volume.name)).collect::<Vec<_>>()
        };
        Self::merged(topology.recorded.iter().flat_map(on))
    }

    /// Records of several places, each act once, the oldest first.
    pub fn merged(records: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for record in records {
            match all.iter_mut().find(|known| known.id == record.id) {
                Some(known) => {
                    let mut record = record;
                    // What one volume has no room for, another may have.
                    if record.has_baseline() {
                        known.take_baseline_of(&record);
                    } else if known.has_baseline() {
                        record.take_baseline_of(known);
                    }
                    // One place may have been written and another not.
                    let superseded_by = known.superseded_by.take().or_else(|| record.superseded_by.clone());
                    // A run that went on may have added to it.
                    if (record.unfinished(), record.claims.len()) > (known.unfinished(), known.claims.len()) {
                        *known = record;
                    }
                    known.superseded_by = superseded_by;
                }
                None => all.push(record),
            }
        }
        all.sort_by(|a, b| (a.begun(), &a.id).cmp(&(b.begun(), &b.id)));
        all
    }

    /// Whether it is of this pod.
    pub fn is_of(&self, namespace: &str, pod: &str) -> bool {
        self.namespace == namespace && self.pod == pod
    }

    /// Whether it is in progress, or was interrupted, and no newer operation on the pod has recovered since.
    pub fn unfinished(&self) -> bool {
        self.outcome.is_unfinished() && !self.is_settled()
    }

    /// Whether nothing is left to do for it: it recovered, or a newer operation on the pod did.
    pub fn is_settled(&self) -> bool {
        self.outcome == RecordedOutcome::Recovered || self.superseded_by.is_some()
    }

    /// The annotation's key.
    pub fn annotation(&self) -> String {
        annotation(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::record_validation::tests::whole;
    use serde_json::{Value, json};

    /// A user who can annotate one volume can record operations of that one only.
    #[test]
    fn what_a_volume_says_of_others_is_not_read() {
        use crate::testing::snapshot;
        use crate::topology::{Layout, build};
        let read = |record: &Value| {
            let yaml = format!(
                "namespace: synxdb-system\nclaims: [{{name: data-safekeeper-0, volume: pv-1, record: '{record}'}}]\nvolumes: \
                 [{{name: pv-9, class: standard}}]"
            );
            let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
            assert_eq!(topology.recorded.len(), 1);
            Record::on_volumes(&topology).len()
        };
        assert_eq!(read(&whole()), 1);
        let mut back = whole();
        back["claims"][0]["volume"] = json!("pv-9");
        back["claims"][0]["restores"]["volume"] = json!("pv-1");
        assert_eq!(read(&back), 1);
        let mut other = back;
        other["claims"][0]["restores"]["volume"] = json!("pv-9");
        assert_eq!(read(&other), 0);
    }

    #[test]
    fn a_record_that_is_about_other_volumes_is_not_read_from_this_one() {
        let record = Record::parse(&whole().to_string()).unwrap();
        for (volume, about) in [("pv-1", true), ("pv-0", true), ("pv-2", false), ("", false)] {
            assert_eq!(record.is_about(volume), about, "{volume}");
        }
    }
}
