//! Keeps a namespace's pods up to date, and nothing else: a forward needs no other right.

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

use super::Cluster;
use super::failure::Operation;
use super::liveness::Liveness;
use super::snapshot::{NamespaceObjects, Snapshot};
use super::watch_cache::{Feed, Outcome, stream};
use crate::error::{Error, Result};

/// Pods kept up to date. Ends its requests when dropped.
pub struct PodWatch {
    cluster: Cluster,
    namespace: String,
    changes: BoxStream<'static, Outcome<Pod>>,
    feed: Feed<Pod>,
}

impl Cluster {
    /// Starts watching all pods of a namespace, or the one with this name, whatever its UID. Needs `list` and `watch`
    /// on them.
    pub fn watch_pods(&self, namespace: &str, name: Option<&str>) -> PodWatch {
        let fields = name.map(|name| format!("metadata.name={name}"));
        let client = self.client();
        let pods = |client| Api::namespaced(client, namespace);
        PodWatch {
            cluster: self.clone(),
            namespace: namespace.to_owned(),
            changes: stream((&client, &Liveness::of(self)), "pods", pods, fields.as_deref()).boxed(),
            feed: Feed::new("pods"),
        }
    }
}

impl PodWatch {
    /// Waits for the first list or the next change, and returns the pods as they are then; the rest of the snapshot is
    /// not requested. A watch that breaks is restarted with back-off.
    ///
    /// # Errors
    /// The pods may not be read, or the server no longer accepts the credentials.
    pub async fn changed(&mut self) -> Result<Snapshot> {
        while let Some(outcome) = self.changes.next().await {
            let news = self.feed.apply(outcome);
            if let Some(failure) = self.feed.failure() {
                let act = Operation { verb: "watch", resource: "pods", namespace: Some(&self.namespace), name: None };
                return Err(self.cluster.error(act, failure));
            }
            if news {
                return Ok(self.snapshot());
            }
        }
        Err(Error::failure(format!("the watch on namespace {} ended", self.namespace)))
    }

    fn snapshot(&self) -> Snapshot {
        let pods = self.feed.read(Some(self.namespace.clone()));
        let objects = NamespaceObjects { pods, ..NamespaceObjects::unread(&self.namespace) };
        Snapshot { namespaces: vec![objects], ..Snapshot::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, Server};
    use super::*;
    use crate::error::Exit;
    use serde_json::json;

    fn uids(snapshot: &Snapshot) -> Vec<String> {
        let pods = snapshot.namespaces[0].pods.items();
        pods.iter().map(|pod| pod.metadata.uid.clone().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_pod_of_one_name_is_followed_from_uid_to_uid() {
        let (events, watch) = Reply::watch();
        let server = Server::new(move |asked| match asked.query.contains("watch=") {
            true => watch.clone(),
            false => Reply::json(
                200,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                    "items": [{"metadata": {"name": "p-0", "uid": "old", "resourceVersion": "1"}}]}),
            ),
        });
        let mut watch = server.cluster().watch_pods("a", Some("p-0"));
        assert_eq!(uids(&watch.changed().await.unwrap()), ["old"]);
        for (kind, uid, then) in [("DELETED", "old", vec![]), ("ADDED", "new", vec!["new"])] {
            let object = json!({"metadata": {"name": "p-0", "uid": uid, "resourceVersion": "2"}});
            let object =
                json!({"type": kind, "object": {"kind": "Pod", "apiVersion": "v1", "metadata": object["metadata"]}});
            events.send(object).unwrap();
            assert_eq!(uids(&watch.changed().await.unwrap()), then);
        }
        let asked = server.requests();
        assert!(asked.iter().all(|asked| asked.path == "/api/v1/namespaces/a/pods"), "{asked:?}");
        assert!(asked.iter().all(|asked| asked.query.contains("fieldSelector=metadata.name%3Dp-0")), "{asked:?}");
    }

    #[tokio::test]
    async fn a_missing_right_to_watch_is_reported() {
        let server = Server::new(|_| Reply::status(403, "pods is forbidden"));
        let error = server.cluster().watch_pods("a", None).changed().await.unwrap_err();
        assert_eq!((error.exit, error.what.as_str()), (Exit::Refused, "not allowed to watch pods in namespace a"));
    }
}
