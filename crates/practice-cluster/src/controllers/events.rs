//! Events, as `kubectl describe` and `kubectl get events` show them.
//!
//! A repeated event is one object whose count increases, as in client-go's recorder.

use crate::objects::{is_terminating, name, namespace, now, uid};
use crate::store::{Key, Preconditions, Store};
use crate::sync::lock;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Who reports, and how grave it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// `kubelet`, `default-scheduler` and so on.
    pub(crate) component: &'a str,
    /// The node, for a kubelet; else "".
    pub(crate) host: &'a str,
}

impl Source<'static> {
    /// A controller that runs on no node in particular.
    pub(crate) const fn of(component: &'static str) -> Source<'static> {
        Source { component, host: "" }
    }
}

/// Whether an event is nothing to worry about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

/// Writes Events into the store.
pub(crate) struct Recorder {
    store: Arc<Store>,
    /// The events recorded so far: UID, reason, message, component.
    known: Mutex<HashMap<[String; 4], Key>>,
}

impl Recorder {
    /// A recorder that writes to that store.
    pub(crate) fn new(store: Arc<Store>) -> Recorder {
        Recorder { store, known: Mutex::default() }
    }

    /// Records an event about an object (which needs not exist any longer).
    pub(crate) fn record(&self, about: &Value, kind: EventType, source: Source<'_>, reason: &str, message: &str) {
        self.record_about(about, "", kind, source, reason, message);
    }

    /// The same about a part of it, such as `spec.containers{postgres}`.
    pub(crate) fn record_about(
        &self,
        about: &Value,
        field_path: &str,
        kind: EventType,
        source: Source<'_>,
        reason: &str,
        message: &str,
    ) {
        // Events about cluster-scoped objects are kept in `default`.
        let space = if namespace(about).is_empty() { "default" } else { namespace(about) };
        let home = self.store.get(&Key::new("namespaces", "", space));
        // The API accepts none in a terminating or missing namespace.
        if home.is_none_or(|home| is_terminating(&home)) {
            return;
        }
        let identity = [uid(about), reason, message, source.component].map(str::to_owned);
        let mut known = lock(&self.known);
        if let Some(key) = known.get(&identity) {
            let again = self.store.update(key, &Preconditions::default(), false, |event| {
                event["count"] = json!(event["count"].as_u64().unwrap_or(1) + 1);
                event["lastTimestamp"] = json!(now());
                Ok(())
            });
            // It may have been deleted: then it is written again.
            if again.is_ok() {
                return;
            }
        }
        let nanoseconds = Timestamp::now().as_nanosecond();
        let event_name = format!("{}.{nanoseconds:x}", name(about));
        let key = Key::new("events", space, event_name.as_str());
        let mut involved = json!({
            "apiVersion": about["apiVersion"], "kind": about["kind"], "name": name(about), "uid": uid(about),
            "resourceVersion": about["metadata"]["resourceVersion"],
        });
        if !namespace(about).is_empty() {
            involved["namespace"] = json!(namespace(about));
        }
        if !field_path.is_empty() {
            involved["fieldPath"] = json!(field_path);
        }
        let mut from = json!({"component": source.component});
        if !source.host.is_empty() {
            from["host"] = json!(source.host);
        }
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": event_name, "namespace": space},
            "involvedObject": involved,
            "type": if kind == EventType::Normal { "Normal" } else { "Warning" },
            "reason": reason, "message": message, "source": from,
            "firstTimestamp": now(), "lastTimestamp": now(), "eventTime": null, "count": 1,
            "reportingComponent": source.component, "reportingInstance": source.host,
        });
        if self.store.create(key.clone(), event, false).is_ok() {
            known.insert(identity, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Arc<Store> {
        let store = Store::new();
        for namespace in ["default", "n"] {
            store.create(Key::new("namespaces", "", namespace), json!({}), false).unwrap();
        }
        store
    }

    #[test]
    fn a_namespace_that_goes_takes_no_events() {
        let store = store();
        let recorder = Recorder::new(store.clone());
        let pod = json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}});
        store.delete(&Key::new("namespaces", "", "n"), &Default::default()).unwrap();
        recorder.record(&pod, EventType::Normal, Source::of("x"), "Killing", "m");
        assert_eq!(store.list("events", None).0.len(), 0);
    }

    #[test]
    fn the_same_event_is_counted_and_another_is_another() {
        let store = store();
        let recorder = Recorder::new(store.clone());
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}});
        let kubelet = Source { component: "kubelet", host: "node-1" };
        for message in ["one", "one", "two"] {
            recorder.record(&pod, EventType::Warning, kubelet, "Unhealthy", message);
        }
        let (events, _) = store.list("events", Some("n"));
        let mut counts: Vec<(String, u64)> = events
            .iter()
            .map(|event| (event["message"].as_str().unwrap().to_owned(), event["count"].as_u64().unwrap()))
            .collect();
        counts.sort();
        assert_eq!(counts, [("one".to_owned(), 2), ("two".to_owned(), 1)]);
        assert_eq!(events[0]["source"], json!({"component": "kubelet", "host": "node-1"}));
        assert_eq!(events[0]["involvedObject"]["namespace"], "n");
    }

    #[test]
    fn events_about_the_cluster_are_in_default() {
        let store = store();
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "u"}});
        Recorder::new(store.clone()).record(&node, EventType::Normal, Source::of("x"), "NodeNotReady", "m");
        assert_eq!(store.list("events", Some("default")).0.len(), 1);
    }
}
