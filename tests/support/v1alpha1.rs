//! Documents of this version as v1alpha1 wrote them. Held to what v1alpha1 did write: `tests/fixtures/`.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Map, Value, json};

/// A record.
pub fn record(document: &Value) -> Value {
    let mut fields = Map::from_iter([("version".to_owned(), json!(1))]);
    for (name, value) in document.as_object().unwrap() {
        let (name, value) = match (name.as_str(), value) {
            ("apiVersion" | "kind" | "undoes", _) => continue,
            ("operation", _) => match &document["undoes"] {
                Value::Null => ("act", json!("failover")),
                of => ("act", json!({ "undo": of })),
            },
            ("outcome" | "baselineLost", word) => (name.as_str(), word_of(word)),
            ("user", who) => ("who", who.clone()),
            ("stuckPodsDeleted", number) => ("healed", number.clone()),
            ("storedBaselineTaken", taken) => ("storedBaseline", taken.clone()),
            ("baseline", value) => ("baseline", evidence(value)),
            ("claims", claims) => ("claims", claims.as_array().unwrap().iter().map(claim).collect()),
            (name, value) => (name, value.clone()),
        };
        fields.insert(name.to_owned(), value);
    }
    fields.into()
}

fn word_of(word: &Value) -> Value {
    match word.as_str().unwrap() {
        "unfinished" => "in-progress".into(),
        "dataMissing" => "data-missing".into(),
        "catchingUp" => "catching-up".into(),
        "unverified" => "unproven".into(),
        "tooLarge" => "too-large".into(),
        other => other.into(),
    }
}

fn claim(claim: &Value) -> Value {
    let renamed = |name: &String| if name == "restores" { "returns".to_owned() } else { name.clone() };
    let fields = claim.as_object().unwrap().iter();
    fields.map(|(name, value)| (renamed(name), value.clone())).collect::<Map<_, _>>().into()
}

/// What a component reports.
pub fn evidence(evidence: &Value) -> Value {
    let by = if evidence["method"] == "sql" { "sql" } else { "page" };
    let mut said = Map::new();
    for (name, value) in evidence["report"].as_object().unwrap() {
        let (name, value) = match (name.as_str(), value.as_str()) {
            ("kernel", Some("mpp")) => ("kernel", json!("MPP")),
            ("kernel", Some("postgresql")) => ("kernel", json!("PostgreSQL")),
            ("unreadReason", _) => ("unread", value.clone()),
            (name, _) => (name, value.clone()),
        };
        said.insert(name.to_owned(), value);
    }
    json!({"by": by, "said": said})
}

/// A saved or a stored baseline.
pub fn baseline(document: &Value) -> Value {
    let mut document = document.clone();
    document["apiVersion"] = json!("kubectl-synxdb/v1alpha1");
    if let Some(members) = document.get_mut("members").and_then(Value::as_object_mut) {
        members.values_mut().for_each(|one| *one = evidence(one));
    }
    if let Some(content) = document.get_mut("content") {
        *content = evidence(content);
    }
    document
}
