//! Tables: what the API server makes of objects for `kubectl get`. Pure: objects and the time in, cells out.
//!
//! Columns and words are those of `k8s.io/kubernetes/pkg/printers/internalversion`; columns of priority 1 are what
//! `-o wide` adds.

mod access;
mod cluster;
mod duration;
mod pods;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::{Value, json};

/// A column's heading and its priority (0: always, 1: wide).
type Column = (&'static str, u8);

/// How a kind is shown: its columns, and a function from an object to its cells.
struct Printer {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

/// The printer of a kind; the one of the general case shows name and age.
fn printer(resource: &str) -> &'static Printer {
    match resource {
        "pods" => &pods::PODS,
        "persistentvolumeclaims" => &storage::CLAIMS,
        "persistentvolumes" => &storage::VOLUMES,
        "storageclasses" => &storage::CLASSES,
        "volumeattachments" => &storage::ATTACHMENTS,
        "nodes" => &cluster::NODES,
        "namespaces" => &cluster::NAMESPACES,
        "events" => &cluster::EVENTS,
        "leases" => &cluster::LEASES,
        "configmaps" => &cluster::CONFIG_MAPS,
        "secrets" => &cluster::SECRETS,
        "serviceaccounts" => &cluster::SERVICE_ACCOUNTS,
        "statefulsets" => &workloads::STATEFUL_SETS,
        "controllerrevisions" => &workloads::REVISIONS,
        "services" => &workloads::SERVICES,
        "endpoints" => &workloads::ENDPOINTS,
        "poddisruptionbudgets" => &workloads::BUDGETS,
        "roles" | "clusterroles" => &access::ROLES,
        "rolebindings" | "clusterrolebindings" => &access::BINDINGS,
        _ => &OTHER,
    }
}

static OTHER: Printer = Printer { columns: &[("Name", 0), ("Age", 0)], cells: |o, now| vec![name(o), age(o, now)] };

/// Column definitions of a kind.
pub(super) fn columns(resource: &str) -> Vec<Value> {
    let definition = |(name, priority): &Column| {
        let kind = if matches!(*name, "Data" | "Count" | "Allowed Disruptions" | "Revision") {
            "integer"
        } else if *name == "Created At" {
            "date"
        } else {
            "string"
        };
        let format = if *name == "Name" { "name" } else { "" };
        json!({"name": name, "type": kind, "format": format, "description": describe(name), "priority": priority})
    };
    printer(resource).columns.iter().map(definition).collect()
}

/// One object's row: its cells, and `object` as the request's `includeObject` wants it.
pub(super) fn row(resource: &str, object: &Value, now: Timestamp, include: Value) -> Value {
    let mut row = json!({"cells": (printer(resource).cells)(object, now)});
    if resource == "pods"
        && let Some(conditions) = pods::row_conditions(object)
    {
        row["conditions"] = conditions;
    }
    row["object"] = include;
    row
}

/// A column's description: shown by no kubectl, but never empty in a real server's answer.
fn describe(column: &str) -> &str {
    match column {
        "Name" => "Name must be unique within a namespace.",
        "Age" => "CreationTimestamp is the time at which this object was created.",
        other => other,
    }
}

fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

fn age(object: &Value, now: Timestamp) -> Value {
    json!(duration::since(&object["metadata"]["creationTimestamp"], now))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text, or `<none>`.
fn or_none(value: &Value) -> Value {
    match text(value) {
        "" => json!("<none>"),
        text => json!(text),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// A phase, or `Terminating` once the object is being deleted.
fn phase(object: &Value) -> Value {
    if object["metadata"]["deletionTimestamp"].is_string() {
        json!("Terminating")
    } else {
        json!(text(&object["status"]["phase"]))
    }
}

/// `a=b,c=d`, or `<none>`.
fn labels(selector: &Value) -> Value {
    let mut pairs: Vec<String> =
        selector.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect();
    pairs.sort();
    if pairs.is_empty() { json!("<none>") } else { json!(pairs.join(",")) }
}

#[cfg(test)]
mod tests;
