//! StatefulSets, Services and PodDisruptionBudgets in a table.

use super::cells::{age, joined, labels, name, or_none};
use super::printer::Printer;
use crate::values::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) static STATEFUL_SETS: Printer = Printer {
    columns: &[("Name", 0), ("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
    cells: stateful_set,
};

pub(super) static REVISIONS: Printer =
    Printer { columns: &[("Name", 0), ("Controller", 0), ("Revision", 0), ("Age", 0)], cells: revision };

pub(super) static SERVICES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Type", 0),
        ("Cluster-IP", 0),
        ("External-IP", 0),
        ("Port(s)", 0),
        ("Age", 0),
        ("Selector", 1),
    ],
    cells: service,
};

pub(super) static ENDPOINTS: Printer =
    Printer { columns: &[("Name", 0), ("Endpoints", 0), ("Age", 0)], cells: endpoints };

pub(super) static BUDGETS: Printer = Printer {
    columns: &[("Name", 0), ("Min Available", 0), ("Max Unavailable", 0), ("Allowed Disruptions", 0), ("Age", 0)],
    cells: budget,
};

fn stateful_set(set: &Value, now: Timestamp) -> Vec<Value> {
    let count = |value: &Value| value.as_i64().unwrap_or(0);
    let ready = format!("{}/{}", count(&set["status"]["readyReplicas"]), count(&set["spec"]["replicas"]));
    let containers = items(&set["spec"]["template"]["spec"]["containers"]);
    let all = |field: &str| json!(joined(containers.iter().map(|c| text(&c[field]))));
    vec![name(set), json!(ready), age(set, now), all("name"), all("image")]
}

fn revision(revision: &Value, now: Timestamp) -> Vec<Value> {
    let owner = items(&revision["metadata"]["ownerReferences"]).iter().find(|o| o["controller"] == true);
    let owner = match owner {
        Some(owner) => {
            let group = text(&owner["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", text(&owner["kind"]).to_lowercase(), text(&owner["name"]))
        }
        None => "<none>".to_owned(),
    };
    vec![name(revision), json!(owner), revision["revision"].clone(), age(revision, now)]
}

fn service(service: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &service["spec"];
    let ports: Vec<String> = items(&spec["ports"])
        .iter()
        .map(|port| {
            let node = port["nodePort"].as_u64().filter(|n| *n > 0).map(|n| format!(":{n}")).unwrap_or_default();
            format!("{}{node}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
        })
        .collect();
    let external = joined(items(&spec["externalIPs"]).iter().map(text));
    vec![
        name(service),
        json!(text(&spec["type"])),
        or_none(&spec["clusterIP"]),
        or_none(&json!(external)),
        or_none(&json!(ports.join(","))),
        age(service, now),
        labels(&spec["selector"]),
    ]
}

fn endpoints(endpoints: &Value, now: Timestamp) -> Vec<Value> {
    let mut listed = Vec::new();
    for subset in items(&endpoints["subsets"]) {
        for address in items(&subset["addresses"]) {
            match items(&subset["ports"]) {
                [] => listed.push(text(&address["ip"]).to_owned()),
                ports => listed.extend(ports.iter().map(|p| format!("{}:{}", text(&address["ip"]), p["port"]))),
            }
        }
    }
    let shown = match listed.len() {
        0 => "<none>".to_owned(),
        1..=3 => listed.join(","),
        more => format!("{} + {} more...", listed[..3].join(","), more - 3),
    };
    vec![name(endpoints), json!(shown), age(endpoints, now)]
}

fn budget(budget: &Value, now: Timestamp) -> Vec<Value> {
    let given = |value: &Value| match value {
        Value::Null => json!("N/A"),
        Value::String(percent) => json!(percent),
        number => json!(number.to_string()),
    };
    vec![
        name(budget),
        given(&budget["spec"]["minAvailable"]),
        given(&budget["spec"]["maxUnavailable"]),
        json!(budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0)),
        age(budget, now),
    ]
}
