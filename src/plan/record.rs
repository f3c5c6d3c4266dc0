//! The record of a failover or an undo, as it is written on the volumes that take part in it, or in the journal where
//! no volume can carry it: enough for another run, or another person, to know what was done, to finish it and to take
//! it back.

use crate::topology::{RECORD_ANNOTATION, Topology};
use serde::{Deserialize, Serialize};

/// Version of the record's form.
pub const RECORD_VERSION: u32 = 1;

/// A failover or an undo, on record (annotation `kubectl-synxdb/record-<id>`, JSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of this form.
    #[cfg_attr(test, schemars(extend("const" = RECORD_VERSION)))]
    pub version: u32,
    /// The act's name.
    pub id: String,
    /// What it is.
    #[serde(default)]
    pub act: Act,
    /// When it began, RFC 3339.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub started: String,
    /// When it ended, RFC 3339. Absent where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub finished: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Who began it, as the API server knows them. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The kubeconfig context it was run in.
    pub context: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod that went; empty where it was gone already.
    pub pod_uid: String,
    /// Who re-creates the pod. Absent where nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<RecordedOwner>,
    /// Whether the claims stayed.
    pub keep_claims: bool,
    /// The claims that went.
    pub claims: Vec<RecordedClaim>,
    /// How many replacement pods had to be deleted once more.
    #[serde(default)]
    pub healed: u32,
    /// Schema of the canary table, where one was written and is still there to be read or dropped. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// What the component held before, where it is small enough to be kept here. Absent otherwise, and once it was all
    /// found again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<serde_json::Value>,
    /// When the baseline was taken, RFC 3339, if it is one that was stored in the cluster earlier. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub stored_baseline: Option<String>,
}

/// What is on record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// A member was failed over.
    #[default]
    Failover,
    /// The volumes that this act set aside were brought back.
    Undo(String),
}

/// Who re-creates a pod, from its ownerReferences.
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

/// A claim that went, and its volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordedClaim {
    /// Name of the claim.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its volume, which is set aside. Null where none is.
    pub volume: Option<String>,
    /// The volume's reclaim policy before it was retained. Null where no volume is set aside.
    pub reclaim_policy: Option<String>,
    /// Of an undo: the volume that comes back in its place. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Returns>,
    /// The claim as it was: metadata (name, labels, annotations) and spec. Absent where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub manifest: Option<serde_json::Value>,
}

/// A volume that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Returns {
    /// Its name.
    pub volume: String,
    /// Its UID.
    pub uid: String,
    /// The reclaim policy that it had before it was retained, to be restored once it is in use again. Null where that is
    /// not known.
    pub reclaim_policy: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RecordedOutcome"))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has not: it is running, or was interrupted.
    InProgress,
    /// Recovered, by the definition.
    Recovered,
    /// The pod is back; whether the component and its data are is not proven.
    Unproven,
    /// Something that was there before is missing.
    DataMissing,
}

/// Whether an act may have this name.
fn is_name(id: &str) -> bool {
    (1..=40).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Key of the annotation that holds the record of this act.
pub fn annotation(id: &str) -> String {
    format!("{RECORD_ANNOTATION}{id}")
}

impl Record {
    /// Reads a record from an annotation or a journal's file; `None` where it is not one of ours or of a later form.
    /// Whoever may annotate a volume may write one: a name becomes part of a file's, and so is one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let record = serde_json::from_str::<Self>(text).ok()?;
        (record.version == RECORD_VERSION && is_name(&record.id)).then_some(record)
    }

    /// Every record that the volumes carry, each once, the oldest first. An act writes the same on all of its volumes,
    /// and finishes them one by one: it is finished when all of them say so.
    pub fn on_volumes(topology: &Topology) -> Vec<Self> {
        Self::merged(topology.recorded.iter().flat_map(|volume| &volume.records).filter_map(|text| Self::parse(text)))
    }

    /// Records of several places, each act once, the oldest first.
    pub fn merged(records: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for record in records {
            match all.iter_mut().find(|known| known.id == record.id) {
                Some(known) if record.unfinished() => *known = record,
                Some(_) => {}
                None => all.push(record),
            }
        }
        // RFC 3339 in UTC sorts as text.
        all.sort_by(|a, b| (&a.started, &a.id).cmp(&(&b.started, &b.id)));
        all
    }

    /// Whether it is of this pod.
    pub fn is_of(&self, namespace: &str, pod: &str) -> bool {
        self.namespace == namespace && self.pod == pod
    }

    /// Whether it is still under way, or was interrupted.
    pub fn unfinished(&self) -> bool {
        self.outcome == Outcome::InProgress
    }

    /// The annotation's key.
    pub fn annotation(&self) -> String {
        annotation(&self.id)
    }

    /// The record as the annotation's text. A baseline that makes it longer than `limit` bytes is left out:
    /// Kubernetes bounds all annotations of an object together at 256 KiB.
    ///
    /// # Errors
    /// None in practice: the record has no values that JSON cannot hold.
    pub fn to_annotation(&self, limit: usize) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        if text.len() <= limit || self.baseline.is_none() {
            return Ok(text);
        }
        serde_json::to_string(&Self { baseline: None, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_whose_name_leads_elsewhere_is_none() {
        for (id, ours) in
            [("a1b2c3d4", true), ("a-1", true), ("", false), ("../../x", false), ("a/b", false), ("a\u{1b}[2J", false)]
        {
            let text = serde_json::json!({"version": RECORD_VERSION, "id": id, "started": "", "outcome": "in-progress",
                "context": "", "namespace": "", "pod": "", "podUid": "", "keepClaims": false, "claims": []});
            assert_eq!(Record::parse(&text.to_string()).is_some(), ours, "{id:?}");
        }
    }
}
