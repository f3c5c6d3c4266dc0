//! Nodes, namespaces, events and the small kinds in a table.

use super::cells::{age, joined, name, or_none};
use super::duration;
use super::printer::Printer;
use crate::values::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) static NODES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Status", 0),
        ("Roles", 0),
        ("Age", 0),
        ("Version", 0),
        ("Internal-IP", 1),
        ("External-IP", 1),
        ("OS-Image", 1),
        ("Kernel-Version", 1),
        ("Container-Runtime", 1),
    ],
    cells: node,
};

pub(super) static NAMESPACES: Printer = Printer {
    columns: &[("Name", 0), ("Status", 0), ("Age", 0)],
    cells: |o, now| vec![name(o), json!(text(&o["status"]["phase"])), age(o, now)],
};

pub(super) static EVENTS: Printer = Printer {
    columns: &[
        ("Last Seen", 0),
        ("Type", 0),
        ("Reason", 0),
        ("Object", 0),
        ("Subobject", 1),
        ("Source", 1),
        ("Message", 0),
        ("First Seen", 1),
        ("Count", 1),
        ("Name", 1),
    ],
    cells: event,
};

pub(super) static LEASES: Printer = Printer {
    columns: &[("Name", 0), ("Holder", 0), ("Age", 0)],
    cells: |o, now| vec![name(o), json!(text(&o["spec"]["holderIdentity"])), age(o, now)],
};

pub(super) static CONFIG_MAPS: Printer = Printer {
    columns: &[("Name", 0), ("Data", 0), ("Age", 0)],
    cells: |o, now| vec![name(o), json!(size(&o["data"]) + size(&o["binaryData"])), age(o, now)],
};

pub(super) static SECRETS: Printer = Printer {
    columns: &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
    cells: |o, now| vec![name(o), json!(text(&o["type"])), json!(size(&o["data"])), age(o, now)],
};

pub(super) static SERVICE_ACCOUNTS: Printer =
    Printer { columns: &[("Name", 0), ("Age", 0)], cells: |o, now| vec![name(o), age(o, now)] };

fn size(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}

fn node(node: &Value, now: Timestamp) -> Vec<Value> {
    let (status, info) = (&node["status"], &node["status"]["nodeInfo"]);
    let mut state = match items(&status["conditions"]).iter().find(|c| c["type"] == "Ready") {
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        state.push_str(",SchedulingDisabled");
    }
    let address = |kind: &str| {
        let found = items(&status["addresses"]).iter().find(|a| a["type"] == kind);
        or_none(found.map_or(&Value::Null, |a| &a["address"]))
    };
    let known = |field: &str| match text(&info[field]) {
        "" => json!("<unknown>"),
        text => json!(text),
    };
    vec![
        name(node),
        json!(state),
        json!(roles(node)),
        age(node, now),
        json!(text(&info["kubeletVersion"])),
        address("InternalIP"),
        address("ExternalIP"),
        known("osImage"),
        known("kernelVersion"),
        known("containerRuntimeVersion"),
    ]
}

fn roles(node: &Value) -> String {
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in node["metadata"]["labels"].as_object().into_iter().flatten() {
        match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => roles.push(role),
            None if key == "kubernetes.io/role" && !text(value).is_empty() => roles.push(text(value)),
            _ => {}
        }
    }
    roles.sort_unstable();
    if roles.is_empty() { "<none>".to_owned() } else { joined(roles.into_iter()) }
}

fn event(event: &Value, now: Timestamp) -> Vec<Value> {
    let first_set = |values: [&Value; 2]| {
        let value = values.into_iter().find(|v| v.is_string()).unwrap_or(&Value::Null);
        duration::since(value, now)
    };
    let first = first_set([&event["firstTimestamp"], &event["eventTime"]]);
    let series = &event["series"];
    let last = if series.is_object() {
        duration::since(&series["lastObservedTime"], now)
    } else if event["lastTimestamp"].is_string() {
        duration::since(&event["lastTimestamp"], now)
    } else {
        first.clone()
    };
    let count = if series.is_object() { &series["count"] } else { &event["count"] };
    let count = match count.as_i64() {
        None | Some(0) => 1,
        Some(count) => count,
    };
    let about = &event["involvedObject"];
    let kind = text(&about["kind"]).to_lowercase();
    let object = match text(&about["name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = [
        [&event["source"]["component"], &event["source"]["host"]],
        [&event["reportingComponent"], &event["reportingInstance"]],
    ]
    .into_iter()
    .find(|[component, _]| !text(component).is_empty())
    .map(|[component, host]| match text(host) {
        "" => text(component).to_owned(),
        host => format!("{}, {host}", text(component)),
    });
    vec![
        json!(last),
        json!(text(&event["type"])),
        json!(text(&event["reason"])),
        json!(object),
        json!(text(&about["fieldPath"])),
        json!(source.unwrap_or_default()),
        json!(text(&event["message"]).trim()),
        json!(first),
        json!(count),
        name(event),
    ]
}
