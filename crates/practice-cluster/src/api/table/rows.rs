//! The columns and rows of each kind.

use super::cells::{age, name};
use super::printer::{Column, Printer};
use super::{access, cluster, pods, storage, workloads};
use jiff::Timestamp;
use serde_json::{Value, json};

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
pub(crate) fn columns(resource: &str) -> Vec<Value> {
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
pub(crate) fn row(resource: &str, object: &Value, now: Timestamp, include: Value) -> Value {
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
