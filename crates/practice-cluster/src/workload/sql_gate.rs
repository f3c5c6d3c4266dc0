//! Whether a proxy's databases answer, and how PostgreSQL words it when they do not.
//!
//! Pure but for reading the store: an account's databases answer only while its proxy and all nodes of its warehouses
//! are Ready; the metadata proxy's while it is Ready itself.

use super::Component;
use crate::controllers::objects::{array, is_ready, is_terminating, text};
use crate::store::{Key, Store};
use serde_json::Value;

/// "cannot connect now".
pub(crate) const CANNOT_CONNECT_NOW: &str = "57P03";

/// A FATAL error that answers a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// SQLSTATE.
    pub(crate) code: &'static str,
    /// Message.
    pub(crate) message: String,
    /// Detail, may be empty.
    pub(crate) detail: String,
}

impl Refusal {
    /// 57P03 with a message.
    pub(crate) fn starting(message: impl Into<String>) -> Refusal {
        Refusal { code: CANNOT_CONNECT_NOW, message: message.into(), detail: String::new() }
    }

    /// What a warehouse node's server answers to a client (Greenplum's words and SQLSTATE).
    pub(crate) fn segment() -> Refusal {
        Refusal {
            code: CANNOT_CONNECT_NOW,
            message: "connections to primary segments are not allowed".to_owned(),
            detail: "This database instance is running as a primary segment in a Greenplum cluster and does not \
                     permit direct connections."
                .to_owned(),
        }
    }

    /// As an ErrorResponse message of PostgreSQL's protocol, version 3.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        let fixed = [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', self.code), (b'M', &self.message), (b'D', &self.detail)];
        for (kind, value) in fixed {
            if !value.is_empty() {
                fields.push(kind);
                fields.extend_from_slice(value.as_bytes());
                fields.push(0);
            }
        }
        fields.push(0);
        let mut message = vec![b'E'];
        let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&fields);
        message
    }
}

/// Whether a pod takes part: Ready and not about to go.
fn serves(pod: &Value) -> bool {
    is_ready(pod) && !is_terminating(pod)
}

/// Whether SQL through that proxy's pod is let through now; `Err` says why not.
pub(crate) fn check(store: &Store, namespace: &str, pod: &str, component: Component) -> Result<(), Refusal> {
    if !store.get(&Key::new("pods", namespace, pod)).is_some_and(|pod| serves(&pod)) {
        return Err(Refusal::starting("the database system is starting up"));
    }
    if component != Component::WarehouseProxy {
        return Ok(());
    }
    for set in store.list("statefulsets", Some(namespace)).0 {
        if Component::of(&set["spec"]["template"]) != Component::Warehouse {
            continue;
        }
        let name = text(&set, "/metadata/name");
        let nodes = set["spec"]["replicas"].as_u64().unwrap_or(1);
        let owned = |pod: &&Value| {
            array(pod, "/metadata/ownerReferences").iter().any(|owner| owner["uid"] == set["metadata"]["uid"])
        };
        let pods = store.list("pods", Some(namespace)).0;
        let ready = pods.iter().map(|pod| &**pod).filter(owned).filter(|pod| serves(pod)).count() as u64;
        if ready < nodes {
            return Err(Refusal::starting(format!(
                "the database system is not accepting connections: {ready} of {nodes} nodes of warehouse {name} are \
                 ready"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn pod(name: &str, owner: &str, ready: &str) -> (Key, Value) {
        let object = json!({
            "metadata": {"ownerReferences": [{"uid": owner}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        });
        (Key::new("pods", "a", name), object)
    }

    fn account() -> Arc<Store> {
        let store = Store::new();
        let set = json!({"spec": {"replicas": 2, "template": {"metadata": {"labels": {
            "app.kubernetes.io/component": "warehouse"}}}}});
        let set = store.create(Key::new("statefulsets", "a", "wh1"), set, false).unwrap();
        let uid = text(&set, "/metadata/uid");
        for (name, owner) in [("proxy-0", "other"), ("wh1-0", uid), ("wh1-1", uid)] {
            let (key, object) = pod(name, owner, "True");
            store.create(key, object, false).unwrap();
        }
        store
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
        let check = |component| check(&store, "a", "proxy-0", component);
        assert_eq!(check(Component::WarehouseProxy), Ok(()));
        set_ready(&store, "wh1-1", "False");
        let refusal = check(Component::WarehouseProxy).unwrap_err();
        assert!(refusal.message.ends_with("1 of 2 nodes of warehouse wh1 are ready"), "{}", refusal.message);
        assert_eq!(check(Component::MetadataProxy), Ok(()));
    }

    #[test]
    fn a_proxy_that_is_not_ready_is_starting_up() {
        let store = account();
        set_ready(&store, "proxy-0", "False");
        for component in [Component::WarehouseProxy, Component::MetadataProxy] {
            let refusal = check(&store, "a", "proxy-0", component).unwrap_err();
            assert_eq!(refusal.message, "the database system is starting up");
        }
    }

    #[test]
    fn a_refusal_is_a_whole_error_response() {
        let message = Refusal::starting("no").encode();
        assert_eq!(message[0], b'E');
        let length = u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize;
        assert_eq!(message.len(), length + 1);
        assert_eq!(&message[5..], b"SFATAL\0VFATAL\0C57P03\0Mno\0\0");
    }
}
