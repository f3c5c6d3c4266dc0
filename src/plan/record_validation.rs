//! Whether a record can be one of ours: anyone who may annotate a volume may write one.

use super::record::{RECORD_KIND, Record, RecordedClaim, RecordedOwner};
use crate::api_version::API_VERSION;
use crate::plan::Action;
use jiff::Timestamp;

/// Longest free text in a record, in bytes: a user's name, a context's.
const LONGEST_TEXT: usize = 1024;
/// Most claims of a record.
const MOST_CLAIMS: usize = 100;
/// Most terms of a record.
const MOST_TERMS: usize = 100;

/// Whether an act may have this name.
fn is_name(id: &str) -> bool {
    (1..=40).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether an object of Kubernetes may have this name (RFC 1123, "DNS Subdomain Names" in its documentation).
fn is_object(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=253).contains(&name.len())
        && bytes.iter().all(|&byte| plain(byte) || byte == b'-' || byte == b'.')
        && bytes.first().copied().is_some_and(plain)
        && bytes.last().copied().is_some_and(plain)
}

/// Whether an object may have this UID: a UUID in practice.
fn is_uid(uid: &str) -> bool {
    (1..=64).contains(&uid.len()) && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether this is a time, in UTC as records are written.
fn is_time(text: &str) -> bool {
    text.ends_with('Z') && text.parse::<Timestamp>().is_ok()
}

impl Record {
    /// Whether every field is what it says it is: what is printed to be pasted, what is asked for by name, and what is
    /// compared, comes from here.
    pub(super) fn is_valid(&self) -> bool {
        let Self { api_version, kind, id, act, started, finished, outcome, who, context, .. } = self;
        let Self { namespace, pod, pod_uid, owner, claims, canary, stored_baseline, inherited, terms, .. } = self;
        let superseded_by = &self.superseded_by;
        let policy = |policy: &Option<String>| {
            policy.as_deref().is_none_or(|policy| matches!(policy, "Delete" | "Retain" | "Recycle"))
        };
        let short = |text: &str| text.len() <= LONGEST_TEXT;
        let claim = |claim: &RecordedClaim| {
            is_object(&claim.name)
                && (claim.uid.is_empty() || is_uid(&claim.uid))
                && claim.volume.as_deref().is_none_or(is_object)
                && policy(&claim.reclaim_policy)
                && claim.returns.as_ref().is_none_or(|returns| {
                    is_object(&returns.volume) && is_uid(&returns.uid) && policy(&returns.reclaim_policy)
                })
        };
        let owned = |owner: &RecordedOwner| {
            let kind = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            short(&owner.kind) && owner.kind.bytes().all(kind) && is_object(&owner.name) && is_uid(&owner.uid)
        };
        let schema = |name: &String| {
            (1..=63).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        api_version == API_VERSION
            && kind == RECORD_KIND
            && is_name(id)
            && match act {
                Action::Failover => true,
                Action::Undo(of) => is_name(of),
            }
            && is_time(started)
            && finished.as_deref().is_none_or(is_time)
            && finished.is_some() != outcome.is_unfinished()
            && who.as_deref().is_none_or(short)
            && short(context)
            && is_object(namespace)
            && is_object(pod)
            && (pod_uid.is_empty() || is_uid(pod_uid))
            && owner.as_ref().is_none_or(owned)
            && claims.len() <= MOST_CLAIMS
            && claims.iter().all(claim)
            && canary.as_ref().is_none_or(schema)
            && stored_baseline.as_deref().is_none_or(is_time)
            && inherited.as_ref().is_none_or(|it| is_name(&it.from) && is_time(&it.taken))
            && superseded_by.as_deref().is_none_or(is_name)
            && terms.as_ref().is_none_or(|terms| {
                terms.len() <= MOST_TERMS && terms.keys().all(|timeline| short(&timeline.to_string()))
            })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Returns a valid record with every field.
    pub(crate) fn whole() -> Value {
        json!({"apiVersion": API_VERSION, "kind": RECORD_KIND, "id": "a1b2c3d4", "started": "2026-01-01T00:00:00Z",
            "finished": "2026-01-01T00:01:00Z", "outcome": "recovered", "operation": "undo", "undoes": "b1b2c3d4", "user": "alice",
            "context": "a context; touch x", "namespace": "synxdb-system", "pod": "safekeeper-0", "podUid": "uid-1",
            "owner": {"kind": "StatefulSet", "name": "safekeeper", "uid": "uid-2"}, "keepClaims": false,
            "claims": [{"name": "data-safekeeper-0", "uid": "uid-3", "volume": "pv-1", "reclaimPolicy": "Delete",
                "restores": {"volume": "pv-0", "uid": "uid-4", "reclaimPolicy": "Delete"}}],
            "canary": "kubectl_synxdb_a1b2c3d4", "storedBaselineTaken": "2026-01-01T00:00:00Z",
            "inherited": {"from": "c1b2c3d4", "taken": "2026-01-01T00:00:00Z"}, "supersededBy": "d1b2c3d4"})
    }

    /// Anyone who may annotate a volume may write a record: no field of it is more than it says it is.
    #[test]
    fn a_record_with_one_field_that_is_something_else_is_none() {
        assert!(Record::parse(&whole().to_string()).is_some());
        let nasty = ["; touch x", "$(touch x)", "a b", "'", "\u{1b}[2J", "a\nb", "../../x", "-n", "A/b"];
        let mut tried = 0;
        for pointer in [
            "/id",
            "/undoes",
            "/started",
            "/finished",
            "/namespace",
            "/pod",
            "/podUid",
            "/owner/kind",
            "/owner/name",
            "/owner/uid",
            "/claims/0/name",
            "/claims/0/uid",
            "/claims/0/volume",
            "/claims/0/reclaimPolicy",
            "/claims/0/restores/volume",
            "/claims/0/restores/uid",
            "/claims/0/restores/reclaimPolicy",
            "/canary",
            "/storedBaselineTaken",
            "/inherited/from",
            "/inherited/taken",
            "/supersededBy",
        ] {
            for text in nasty {
                // A UID, a kind and an act's name may begin with a dash; a shell's word that is quoted may, too.
                let dashed = text == "-n" && !pointer.ends_with("ame") && !pointer.ends_with("volume");
                if dashed
                    && ![
                        "/namespace",
                        "/pod",
                        "/started",
                        "/finished",
                        "/canary",
                        "/storedBaselineTaken",
                        "/inherited/taken",
                    ]
                    .contains(&pointer)
                {
                    continue;
                }
                let mut record = whole();
                *record.pointer_mut(pointer).unwrap() = json!(text);
                assert!(Record::parse(&record.to_string()).is_none(), "{pointer} {text:?}");
                tried += 1;
            }
        }
        assert!(tried > 140, "{tried}");
        for (pointer, value) in [
            ("/apiVersion", json!("kubectl-synxdb/v1beta2")),
            ("/apiVersion", json!("kubectl-synxdb/v1alpha1")),
            ("/kind", json!("Baseline")),
            ("/operation", json!("failover")),
            ("/undoes", Value::Null),
            ("/id", json!("")),
            ("/id", json!("x".repeat(41))),
            ("/started", json!("yesterday")),
            ("/started", json!("2026-01-01T00:00:00+14:00")),
            ("/finished", Value::Null),
            ("/outcome", json!("unfinished")),
            ("/outcome", json!("timedOut")),
            ("/user", json!("x".repeat(2000))),
            ("/context", json!("x".repeat(2000))),
            ("/pod", json!("x".repeat(254))),
            ("/claims", json!(vec![whole()["claims"][0].clone(); 101])),
        ] {
            let mut record = whole();
            *record.pointer_mut(pointer).unwrap() = value;
            assert!(Record::parse(&record.to_string()).is_none(), "{pointer} {}", record.pointer(pointer).unwrap());
        }
        // Of terms there are not very many, and no timeline has a very long name.
        let terms = |names: Vec<String>| {
            let mut record = whole();
            record["terms"] = names.into_iter().map(|name| (name, json!(3))).collect::<serde_json::Map<_, _>>().into();
            Record::parse(&record.to_string()).is_some()
        };
        assert!(terms((0..100).map(|number| format!("aa/{number}")).collect()));
        assert!(!terms((0..101).map(|number| format!("aa/{number}")).collect()));
        assert!(!terms(vec!["a".repeat(2000)]));
    }

    /// What Kubernetes and its extensions call things is no reason to refuse a record.
    #[test]
    fn names_of_every_kind_are_read() {
        for (pointer, value) in [
            ("/owner/kind", json!("StatefulSet.apps.kruise.io")),
            ("/owner/kind", json!("Kind-2")),
            ("/pod", json!("a.b-0")),
            ("/podUid", json!("")),
            ("/claims/0/uid", json!("")),
            ("/claims/0/volume", Value::Null),
            ("/claims/0/reclaimPolicy", json!("Retain")),
            ("/user", json!("system:serviceaccount:a:b c")),
        ] {
            let mut record = whole();
            *record.pointer_mut(pointer).unwrap() = value.clone();
            assert!(Record::parse(&record.to_string()).is_some(), "{pointer} {value}");
        }
    }
}
