//! Whether a proxy's databases answer, and how PostgreSQL words it when they do not.
//!
//! Pure but for reading the store: an account's databases answer only while its proxy and all nodes of the session's
//! warehouse are Ready; the metadata proxy's while it is Ready itself. The account's other warehouses do not affect a
//! session.

use super::component::Component;
use super::sql_refusal::SqlRefusal;
use super::warehouses::{Warehouse, only_running, serves, warehouses};
use crate::store::{Key, Store};

/// Whether SQL through that proxy's pod is let through now, in a session that chose this warehouse, or none; `Err` says
/// why not.
pub(crate) fn check(
    store: &Store,
    namespace: &str,
    pod: &str,
    component: Component,
    chosen: Option<&str>,
) -> Result<(), SqlRefusal> {
    if !store.get(&Key::new("pods", namespace, pod)).is_some_and(|pod| serves(&pod)) {
        return Err(SqlRefusal::starting("the database system is starting up"));
    }
    if component != Component::WarehouseProxy {
        return Ok(());
    }
    let warehouses = warehouses(store, namespace);
    let warehouse = match chosen.filter(|chosen| !chosen.is_empty()) {
        None => only_running(&warehouses),
        Some(chosen) => {
            let found = warehouses.iter().find(|warehouse| warehouse.name == chosen);
            Some(found.ok_or_else(|| SqlRefusal::no_warehouse(chosen))?)
        }
    };
    match warehouse {
        Some(Warehouse { name, nodes }) if nodes.is_empty() => Err(SqlRefusal::starting(format!(
            "the database system is not accepting connections: warehouse {name} is suspended"
        ))),
        Some(warehouse) if warehouse.ready() < warehouse.nodes.len() => Err(SqlRefusal::starting(format!(
            "the database system is not accepting connections: {} of {} nodes of warehouse {} are ready",
            warehouse.ready(),
            warehouse.nodes.len(),
            warehouse.name
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::text_at;
    use crate::workload::sql_refusal::CANNOT_CONNECT_NOW;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn pod(name: &str, owner: &str, ready: &str) -> (Key, Value) {
        let object = json!({
            "metadata": {"name": name, "ownerReferences": [{"uid": owner}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        });
        (Key::new("pods", "a", name), object)
    }

    fn account() -> Arc<Store> {
        let store = Store::new();
        let (key, object) = pod("proxy-0", "other", "True");
        store.create(key, object, false).unwrap();
        with_warehouse(&store, "wh1", 2);
        store
    }

    fn with_warehouse(store: &Store, name: &str, nodes: u32) {
        let set = json!({"metadata": {"name": name}, "spec": {"replicas": nodes, "template": {"metadata": {"labels": {
            "app.kubernetes.io/component": "warehouse"}}}}});
        let set = store.create(Key::new("statefulsets", "a", name), set, false).unwrap();
        for node in 0..nodes {
            let (key, object) = pod(&format!("{name}-{node}"), text_at(&set, "/metadata/uid"), "True");
            store.create(key, object, false).unwrap();
        }
    }

    fn set_ready(store: &Store, pod: &str, status: &str) {
        let key = Key::new("pods", "a", pod);
        let change = |object: &mut Value| {
            object["status"]["conditions"][0]["status"] = json!(status);
            Ok(())
        };
        store.update(&key, &Default::default(), false, change).unwrap();
    }

    #[test]
    fn an_account_answers_only_while_all_its_nodes_are_ready() {
        let store = account();
        let check = |component| check(&store, "a", "proxy-0", component, None);
        assert_eq!(check(Component::WarehouseProxy), Ok(()));
        set_ready(&store, "wh1-1", "False");
        let refusal = check(Component::WarehouseProxy).unwrap_err();
        assert!(refusal.message.ends_with("1 of 2 nodes of warehouse wh1 are ready"), "{}", refusal.message);
        assert_eq!(check(Component::MetadataProxy), Ok(()));
    }

    /// A session is in one warehouse; others do not affect it.
    #[test]
    fn each_session_depends_on_its_own_warehouse() {
        let store = account();
        let said = |chosen| {
            let checked = check(&store, "a", "proxy-0", Component::WarehouseProxy, chosen);
            checked.map_err(|refusal| (refusal.code, refusal.message)).err()
        };
        with_warehouse(&store, "wh2", 1);
        with_warehouse(&store, "wh3", 0);
        assert_eq!((said(None), said(Some("wh1")), said(Some("wh2"))), (None, None, None));
        set_ready(&store, "wh2-0", "False");
        // With more than one that runs, who chooses none depends on none.
        assert_eq!((said(None), said(Some("wh1"))), (None, None));
        let (code, message) = said(Some("wh2")).unwrap();
        assert_eq!(code, CANNOT_CONNECT_NOW);
        assert!(message.ends_with("0 of 1 nodes of warehouse wh2 are ready"), "{message}");
        assert!(said(Some("wh3")).unwrap().1.ends_with("warehouse wh3 is suspended"));
        let nowhere = said(Some("nowhere")).unwrap();
        assert_eq!(nowhere, ("22023", "invalid value for parameter \"warehouse\": \"nowhere\"".to_owned()));
    }

    #[test]
    fn a_proxy_that_is_not_ready_is_starting_up() {
        let store = account();
        set_ready(&store, "proxy-0", "False");
        for component in [Component::WarehouseProxy, Component::MetadataProxy] {
            let refusal = check(&store, "a", "proxy-0", component, None).unwrap_err();
            assert_eq!(refusal.message, "the database system is starting up");
        }
    }
}
