//! Roles and their bindings in a table.

use super::cells::{age, name};
use super::printer::Printer;
use crate::values::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Kinds that the API server has no printer for.
pub(super) static ROLES: Printer = Printer {
    columns: &[("Name", 0), ("Created At", 0)],
    cells: |o, _| vec![name(o), o["metadata"]["creationTimestamp"].clone()],
};

pub(super) static BINDINGS: Printer = Printer {
    columns: &[("Name", 0), ("Role", 0), ("Age", 0), ("Users", 1), ("Groups", 1), ("ServiceAccounts", 1)],
    cells: binding,
};

fn binding(binding: &Value, now: Timestamp) -> Vec<Value> {
    let role = format!("{}/{}", text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"]));
    let subjects = |kind: &str| {
        let named = items(&binding["subjects"]).iter().filter(|subject| subject["kind"] == kind);
        let names: Vec<String> = named
            .map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", text(&subject["namespace"]), text(&subject["name"])),
                _ => text(&subject["name"]).to_owned(),
            })
            .collect();
        json!(names.join(", "))
    };
    vec![name(binding), json!(role), age(binding, now), subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}
