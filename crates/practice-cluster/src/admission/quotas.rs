//! ResourceQuota: what the pods and claims of a namespace may use together.

use super::change::{AdmissionRequest, List};
use crate::key::Key;
use crate::quantity::{parse, text};
use crate::values::items_at;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What one object uses, by the quota's names, in thousandths.
type Usage = BTreeMap<String, i128>;

/// Returns what an object uses.
fn usage(resource: &str, object: &Value) -> Usage {
    let mut usage = Usage::new();
    let mut add = |name: &str, number: i128| *usage.entry(name.to_owned()).or_default() += number;
    match resource {
        "pods" => {
            add("count/pods", 1000);
            if !matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
                add("pods", 1000);
                for container in items_at(object, "/spec/containers") {
                    for (kind, short) in [("requests", true), ("limits", false)] {
                        for (name, quantity) in container["resources"][kind].as_object().into_iter().flatten() {
                            let number = parse(quantity).unwrap_or(0);
                            add(&format!("{kind}.{name}"), number);
                            if short {
                                add(name, number);
                            }
                        }
                    }
                }
            }
        }
        "persistentvolumeclaims" => {
            let size = parse(&object["spec"]["resources"]["requests"]["storage"]).unwrap_or(0);
            add("count/persistentvolumeclaims", 1000);
            add("persistentvolumeclaims", 1000);
            add("requests.storage", size);
            if let Some(class) = object["spec"]["storageClassName"].as_str() {
                add(&format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), 1000);
                add(&format!("{class}.storageclass.storage.k8s.io/requests.storage"), size);
            }
        }
        _ => {}
    }
    usage
}

/// Returns what a namespace's objects use together.
fn used(namespace: &str, list: List<'_>) -> Usage {
    let mut all = Usage::new();
    for resource in ["pods", "persistentvolumeclaims"] {
        for object in list(resource, Some(namespace)) {
            for (name, number) in usage(resource, &object) {
                *all.entry(name).or_default() += number;
            }
        }
    }
    all
}

/// Whether a resource is measured in bytes.
fn is_size(name: &str) -> bool {
    name.contains("storage") && !name.ends_with("persistentvolumeclaims") || name.ends_with("memory")
}

/// Returns the first quota that a new object would exceed.
pub(super) fn refusal(asked: &AdmissionRequest<'_>, list: List<'_>) -> Option<String> {
    let quotas = list("resourcequotas", Some(&asked.key.namespace));
    let wanted = usage(asked.key.resource, asked.object);
    if quotas.is_empty() || wanted.is_empty() {
        return None;
    }
    let used = used(&asked.key.namespace, list);
    let exceeded = quotas.iter().find_map(|quota| {
        let short: Vec<(&String, i128, i128, i128)> = quota["spec"]["hard"]
            .as_object()?
            .iter()
            .filter_map(|(name, hard)| {
                let (wanted, hard) = (*wanted.get(name)?, parse(hard)?);
                let used = used.get(name).copied().unwrap_or(0);
                (wanted > 0 && used + wanted > hard).then_some((name, wanted, used, hard))
            })
            .collect();
        (!short.is_empty()).then_some((quota, short))
    });
    exceeded.map(|(quota, short)| {
        let listed = |which: fn(&(&String, i128, i128, i128)) -> i128| {
            let each = short.iter().map(|one| format!("{}={}", one.0, text(which(one), is_size(one.0))));
            each.collect::<Vec<_>>().join(",")
        };
        let name = quota["metadata"]["name"].as_str().unwrap_or_default();
        let (wanted, used, hard) = (listed(|one| one.1), listed(|one| one.2), listed(|one| one.3));
        format!("exceeded quota: {name}, requested: {wanted}, used: {used}, limited: {hard}")
    })
}

/// Returns a quota's status.
#[cfg_attr(not(unix), allow(dead_code))]
pub(crate) fn status(quota: &Value, key: &Key, list: List<'_>) -> Value {
    let all = used(&key.namespace, list);
    let hard = quota["spec"]["hard"].clone();
    let each = hard.as_object().into_iter().flatten().map(|(name, _)| {
        let number = all.get(name).copied().unwrap_or(0);
        (name.clone(), json!(text(number, is_size(name))))
    });
    let used: Map<String, Value> = each.collect();
    json!({"hard": hard, "used": used})
}
