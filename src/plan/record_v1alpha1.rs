//! The records that v1alpha1 of the documents wrote (`"version": 1`), on volumes and in the journal. They are read for good:
//! a record that is not read is an operation that can be neither resumed nor undone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version that every record of v1alpha1 has.
const VERSION: u32 = 1;

/// A record of v1alpha1, which is written in the words of v1beta1.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct V1Alpha1 {
    #[serde(skip_serializing)]
    version: u32,
    id: String,
    #[serde(default, skip_serializing)]
    act: Act,
    started: String,
    finished: Option<String>,
    outcome: End,
    #[serde(rename(serialize = "user"))]
    who: Option<String>,
    context: String,
    namespace: String,
    pod: String,
    pod_uid: String,
    owner: Option<Value>,
    keep_claims: bool,
    claims: Vec<Claim>,
    #[serde(default, rename(serialize = "stuckPodsDeleted"))]
    healed: u32,
    canary: Option<String>,
    baseline: Option<Value>,
    // It stays compressed as it is: evidence is read in both forms.
    packed_baseline: Option<String>,
    baseline_lost: Option<Loss>,
    inherited: Option<Value>,
    #[serde(rename(serialize = "storedBaselineTaken"))]
    stored_baseline: Option<String>,
    terms: Option<Value>,
    superseded_by: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Act {
    #[default]
    Failover,
    Undo(String),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "kebab-case", serialize = "camelCase"))]
enum End {
    #[serde(rename(serialize = "unfinished"))]
    InProgress,
    Recovered,
    #[serde(rename(serialize = "unverified"))]
    Unproven,
    DataMissing,
    CatchingUp,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "kebab-case", serialize = "camelCase"))]
enum Loss {
    TooLarge,
    Trimmed,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    name: String,
    uid: String,
    volume: Option<String>,
    reclaim_policy: Option<String>,
    #[serde(rename(serialize = "restores"))]
    returns: Option<Value>,
    manifest: Option<Value>,
}

/// Returns a record of v1alpha1 as this version would have written it; `None` if it is none.
pub(super) fn in_this_version(text: &str, api_version: &str, kind: &str) -> Option<Value> {
    let mut record: V1Alpha1 = serde_json::from_str(text).ok()?;
    if record.version != VERSION {
        return None;
    }
    record.baseline = record.baseline.map(evidence);
    let mut value = serde_json::to_value(&record).ok()?;
    let (operation, undoes) = match record.act {
        Act::Failover => ("failover", None),
        Act::Undo(of) => ("undo", Some(of)),
    };
    let header = [
        ("apiVersion", json!(api_version)),
        ("kind", json!(kind)),
        ("operation", json!(operation)),
        ("undoes", json!(undoes)),
    ];
    value.as_object_mut()?.extend(header.map(|(name, value)| (name.to_owned(), value)));
    Some(value)
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
