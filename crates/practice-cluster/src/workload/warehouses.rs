//! The warehouses of an account, as its StatefulSets and pods have them: what its server says of them, and in which of
//! them it takes sessions. Pure but for reading the store.

use super::component::Component;
use crate::objects::{is_ready, is_terminating, name};
use crate::store::Store;
use crate::values::{items_at, text_at};
use serde_json::Value;
use std::collections::BTreeMap;

/// The label that names the warehouse of a node; its StatefulSet's name if there is none.
const NAME_LABEL: &str = "enterprise.dbaas/name";
/// OID of the first warehouse: those of users' objects begin at 16384.
const FIRST_OID: usize = 20_001;

/// A warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warehouse {
    /// What a session chooses.
    pub(crate) name: String,
    /// Whether each of its nodes takes part, by ordinal. None if it is suspended.
    pub(crate) nodes: Vec<bool>,
}

impl Warehouse {
    /// Whether it has nodes.
    pub(crate) fn runs(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Nodes that take part.
    pub(crate) fn ready(&self) -> usize {
        self.nodes.iter().filter(|ready| **ready).count()
    }
}

/// Whether a pod takes part: Ready and not about to go.
pub(crate) fn serves(pod: &Value) -> bool {
    is_ready(pod) && !is_terminating(pod)
}

/// The warehouses of an account's namespace, by name. Several StatefulSets may be one.
pub(crate) fn warehouses(store: &Store, namespace: &str) -> Vec<Warehouse> {
    let pods = store.list("pods", Some(namespace)).0;
    let mut found: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for set in store.list("statefulsets", Some(namespace)).0 {
        let template = &set["spec"]["template"];
        if Component::of(template) != Component::Warehouse {
            continue;
        }
        let set_name = text_at(&set, "/metadata/name");
        let label = template["metadata"]["labels"][NAME_LABEL].as_str();
        let owned = |pod: &Value| {
            items_at(pod, "/metadata/ownerReferences").iter().any(|owner| owner["uid"] == set["metadata"]["uid"])
        };
        let replicas = set["spec"]["replicas"].as_u64().unwrap_or(1);
        let nodes = (0..replicas).map(|ordinal| {
            let node = format!("{set_name}-{ordinal}");
            pods.iter().any(|pod| name(pod) == node && owned(pod) && serves(pod))
        });
        found.entry(label.unwrap_or(set_name).to_owned()).or_default().extend(nodes);
    }
    found.into_iter().map(|(name, nodes)| Warehouse { name, nodes }).collect()
}

/// What the account's server reads of them: a line a warehouse, as seed/kernel.sql has it.
pub(crate) fn file(warehouses: &[Warehouse]) -> String {
    let line = |(index, warehouse): (usize, &Warehouse)| {
        let nodes = warehouse.nodes.iter().map(|ready| if *ready { " up" } else { " down" });
        format!("{} {}{}\n", FIRST_OID + index, warehouse.name, nodes.collect::<String>())
    };
    warehouses.iter().enumerate().map(line).collect()
}

/// The warehouse that a session without a choice is in: the only one that runs.
pub(crate) fn only_running(warehouses: &[Warehouse]) -> Option<&Warehouse> {
    let mut running = warehouses.iter().filter(|warehouse| warehouse.runs());
    running.next().filter(|_| running.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_file_has_a_line_a_warehouse() {
        let of = |name: &str, nodes: &[bool]| Warehouse { name: name.to_owned(), nodes: nodes.to_vec() };
        let all = [of("wh-1", &[true, false]), of("wh-2", &[])];
        assert_eq!(file(&all), "20001 wh-1 up down\n20002 wh-2\n");
        assert_eq!(only_running(&all), Some(&all[0]));
        assert_eq!(only_running(&[of("a", &[true]), of("b", &[true])]), None);
        assert_eq!(only_running(&[of("a", &[])]), None);
    }
}
