//! The records that v1alpha1 of the documents wrote (`"version": 1`), on volumes and in the journal. They are read for good:
//! a record that is not read is an operation that can be neither resumed nor undone.

use super::record::{
    Action, BaselineLoss, Inherited, Outcome, RECORD_KIND, Record, RecordedClaim, RecordedOwner, Returns,
};
use crate::api_version::API_VERSION;
use crate::storage::TimelineId;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The version that every record of v1alpha1 has.
const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V1Alpha1 {
    version: u32,
    id: String,
    #[serde(default)]
    act: Act,
    started: String,
    finished: Option<String>,
    outcome: End,
    who: Option<String>,
    context: String,
    namespace: String,
    pod: String,
    pod_uid: String,
    owner: Option<RecordedOwner>,
    keep_claims: bool,
    claims: Vec<Claim>,
    #[serde(default)]
    healed: u32,
    canary: Option<String>,
    baseline: Option<Value>,
    packed_baseline: Option<String>,
    baseline_lost: Option<Loss>,
    inherited: Option<Inherited>,
    stored_baseline: Option<String>,
    terms: Option<BTreeMap<TimelineId, u64>>,
    superseded_by: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Act {
    #[default]
    Failover,
    Undo(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    InProgress,
    Recovered,
    Unproven,
    DataMissing,
    CatchingUp,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Loss {
    TooLarge,
    Trimmed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    name: String,
    uid: String,
    volume: Option<String>,
    reclaim_policy: Option<String>,
    returns: Option<Returns>,
    manifest: Option<Value>,
}

/// Reads a record of v1alpha1; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Record> {
    let record: V1Alpha1 = serde_json::from_str(text).ok()?;
    (record.version == VERSION).then(|| Record::from(record))
}

impl From<V1Alpha1> for Record {
    fn from(record: V1Alpha1) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: RECORD_KIND.to_owned(),
            id: record.id,
            act: match record.act {
                Act::Failover => Action::Failover,
                Act::Undo(of) => Action::Undo(of),
            },
            started: record.started,
            finished: record.finished,
            outcome: match record.outcome {
                End::InProgress => Outcome::InProgress,
                End::Recovered => Outcome::Recovered,
                End::Unproven => Outcome::Unverified,
                End::DataMissing => Outcome::DataMissing,
                End::CatchingUp => Outcome::CatchingUp,
            },
            who: record.who,
            context: record.context,
            namespace: record.namespace,
            pod: record.pod,
            pod_uid: record.pod_uid,
            owner: record.owner,
            keep_claims: record.keep_claims,
            claims: record.claims.into_iter().map(RecordedClaim::from).collect(),
            healed: record.healed,
            canary: record.canary,
            baseline: record.baseline.map(evidence),
            // It stays compressed as it is: evidence is read in both forms.
            packed_baseline: record.packed_baseline,
            baseline_lost: record.baseline_lost.map(|lost| match lost {
                Loss::TooLarge => BaselineLoss::TooLarge,
                Loss::Trimmed => BaselineLoss::Trimmed,
            }),
            inherited: record.inherited,
            stored_baseline: record.stored_baseline,
            terms: record.terms,
            superseded_by: record.superseded_by,
        }
    }
}

impl From<Claim> for RecordedClaim {
    fn from(claim: Claim) -> Self {
        let Claim { name, uid, volume, reclaim_policy, returns, manifest } = claim;
        Self { name, uid, volume, reclaim_policy, returns, manifest }
    }
}

/// The evidence of v1alpha1 in the words of this version. What is none of them stays as it is.
fn evidence(mut value: Value) -> Value {
    let Some(fields) = value.as_object_mut() else { return value };
    let (method, report) = (fields.shift_remove("by"), fields.shift_remove("said"));
    let method = match method.as_ref().and_then(Value::as_str) {
        Some("page") => Some("statusEndpoint".into()),
        _ => method,
    };
    fields.extend(method.map(|method| ("method".to_owned(), method)));
    fields.extend(report.map(|report| ("report".to_owned(), in_words_of_this_version(report))));
    value
}

/// What a server's contents, or a status page's facts, are called otherwise.
fn in_words_of_this_version(mut report: Value) -> Value {
    let Some(fields) = report.as_object_mut() else { return report };
    if let Some(kernel) = fields.get_mut("kernel") {
        match kernel.as_str() {
            Some("MPP") => *kernel = "mpp".into(),
            Some("PostgreSQL") => *kernel = "postgresql".into(),
            _ => {}
        }
    }
    if let Some(reason) = fields.shift_remove("unread") {
        fields.insert("unreadReason".to_owned(), reason);
    }
    report
}

#[cfg(test)]
#[path = "record_v1alpha1_tests.rs"]
mod tests;
