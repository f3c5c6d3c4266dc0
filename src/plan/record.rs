//! The record of a failover, as it is written on the volumes that it retains: enough for another run, or another
//! person, to know what was done and to finish it.

use crate::topology::Topology;
use serde::{Deserialize, Serialize};

/// Version of the record's form.
pub const RECORD_VERSION: u32 = 1;

/// A failover, as recorded on a volume (annotation `kubectl-synxdb/failover`, JSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of this form.
    pub version: u32,
    /// The failover's name.
    pub id: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The kubeconfig context it was run in.
    pub context: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod that went.
    pub pod_uid: String,
    /// Whether the claims stayed.
    pub keep_claims: bool,
    /// The claims that went.
    pub claims: Vec<RecordedClaim>,
    /// How many replacement pods had to be deleted once more.
    #[serde(default)]
    pub healed: u32,
    /// Schema of the canary table, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// What the component held before, where it is small enough to be kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<serde_json::Value>,
}

/// A claim that went, and its volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedClaim {
    /// Name of the claim.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its volume.
    pub volume: Option<String>,
    /// The volume's reclaim policy before it was retained.
    pub reclaim_policy: Option<String>,
}

/// How a failover ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Record {
    /// The newest failover of this pod that a volume tells of, where it is unfinished. An older unfinished one was
    /// begun anew since.
    pub fn unfinished(topology: &Topology, namespace: &str, pod: &str) -> Option<Self> {
        topology
            .recorded
            .iter()
            .filter_map(|volume| volume.record.as_deref().and_then(Self::parse))
            .filter(|record| record.namespace == namespace && record.pod == pod)
            // RFC 3339 in UTC sorts as text.
            .max_by(|a, b| a.started.cmp(&b.started))
            .filter(|record| record.outcome == Outcome::InProgress)
    }

    /// Reads a record from an annotation; `None` where it is not one of ours or of a later form.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|record| record.version == RECORD_VERSION)
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
