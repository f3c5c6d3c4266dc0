//! Why a wait lasts: the newest Warning that Kubernetes' own controllers gave about the objects in question.

use crate::cluster::snapshot::NamespaceObjects;
use crate::topology::words::one_line;
use k8s_openapi::api::core::v1::Event;
use std::collections::HashSet;

/// The Events that were there before, by UID and count: a clock of the server's is not compared with ours.
#[derive(Clone, Debug, Default)]
pub struct Known(HashSet<(String, i32)>);

impl Known {
    /// The Events of this moment.
    pub fn of(objects: &NamespaceObjects) -> Self {
        Self(objects.events.items().iter().map(identity).collect())
    }

    /// The newest Warning since then about one of these names, as `Reason: message`.
    pub fn newest_warning(&self, objects: &NamespaceObjects, names: &[&str]) -> Option<String> {
        objects
            .events
            .items()
            .iter()
            .filter(|event| event.type_.as_deref() == Some("Warning"))
            .filter(|event| names.contains(&event.involved_object.name.as_deref().unwrap_or_default()))
            .filter(|event| !self.0.contains(&identity(event)))
            .max_by_key(|event| version(event))
            .map(|event| {
                let reason = event.reason.as_deref().unwrap_or("Warning");
                match event.message.as_deref().map(one_line) {
                    Some(message) if !message.is_empty() => format!("{reason}: {message}"),
                    _ => reason.to_owned(),
                }
            })
    }
}

fn identity(event: &Event) -> (String, i32) {
    let count = event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1);
    (event.metadata.uid.clone().unwrap_or_default(), count)
}

/// Only the order matters: resourceVersions of one server grow (and are numbers since Kubernetes 1.35, KEP-5504).
fn version(event: &Event) -> u64 {
    event.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::snapshot::Read;
    use crate::testing::snapshot;

    fn event(uid: &str, version: u32, kind: &str, name: &str, count: i32, message: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": version.to_string()},
            "involvedObject": {"name": name}, "type": kind, "reason": "FailedScheduling", "message": message, "count": count,
        }))
        .unwrap()
    }

    #[test]
    fn only_a_new_warning_about_the_object_explains_a_wait() {
        let mut objects = snapshot(&["namespace: n"]).namespaces.remove(0);
        objects.events = Read::Known(vec![event("a", 5, "Warning", "wh-0", 1, "old")]);
        let known = Known::of(&objects);
        assert_eq!(known.newest_warning(&objects, &["wh-0"]), None);
        objects.events = Read::Known(vec![
            event("a", 9, "Warning", "wh-0", 2, "no node.\n"),
            event("b", 10, "Warning", "other", 1, "x"),
            event("c", 11, "Normal", "wh-0", 1, "Pulled"),
            event("d", 8, "Warning", "wh-0", 1, "earlier"),
        ]);
        assert_eq!(known.newest_warning(&objects, &["wh-0"]), Some("FailedScheduling: no node".into()));
    }
}
