//! Reads all namespaces by metadata alone: pods that carry a label, and StatefulSets. One request each, of a small part
//! of the bytes of whole objects.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, ObjectMeta};
use serde::Deserialize;

use super::Cluster;
use super::freshness::Freshness;
use super::list::{Listing, OnlyMetadata};
use super::snapshot::{ObjectFacts, Read};

impl Cluster {
    /// Returns the pods of all namespaces that carry a label with this key; may be stale. Needs the right to list pods
    /// everywhere.
    pub async fn labelled_pods(&self, key: &str, deadline: Duration) -> Read<Vec<ObjectFacts>> {
        let selected = ListParams::default().labels(key);
        self.metadata::<Pod>("pods", selected, deadline).await
    }

    /// Returns all StatefulSets; may be stale. Needs the right to list them everywhere.
    pub async fn stateful_sets_everywhere(&self, deadline: Duration) -> Read<Vec<ObjectFacts>> {
        self.metadata::<StatefulSet>("statefulsets", ListParams::default(), deadline).await
    }

    async fn metadata<K>(
        &self,
        resource: &'static str,
        selected: ListParams,
        deadline: Duration,
    ) -> Read<Vec<ObjectFacts>>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let listing = Listing {
            cluster: self,
            url: &K::url_path(&(), None),
            selected,
            freshness: Freshness::Cached,
            metadata_only: true,
            namespaces: None,
            deadline,
        };
        match listing.read::<Facts, Vec<Facts>>(|_| ()).await {
            Ok(found) => Read::Known(found.into_iter().map(|Facts(facts)| facts).collect()),
            Err(failure) => Read::Unknown(failure.unreadable(resource, None)),
        }
    }
}

/// Facts of an object, taken as soon as its metadata is decoded.
#[derive(Deserialize)]
#[serde(from = "OnlyMetadata")]
struct Facts(ObjectFacts);

impl From<OnlyMetadata> for Facts {
    fn from(object: OnlyMetadata) -> Self {
        Self(facts(object.metadata))
    }
}

fn facts(metadata: ObjectMeta) -> ObjectFacts {
    let controller = metadata.owner_references.into_iter().flatten().find(|owner| owner.controller == Some(true));
    ObjectFacts {
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        controller: controller.map(|owner| (owner.kind, owner.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::snapshot::Cause;
    use crate::cluster::testing::{Reply, Server};
    use serde_json::json;

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn one_request_asks_for_metadata_and_is_narrowed_by_the_server() {
        let server = Server::new(|_| {
            let owner =
                json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "wh", "uid": "u", "controller": true});
            Reply::json(
                200,
                json!({"metadata": {}, "items": [{"metadata": {
                    "namespace": "n", "name": "wh-0", "labels": {"k": "v"}, "ownerReferences": [owner]}}]}),
            )
        });
        let cluster = server.cluster();
        let Read::Known(found) = cluster.labelled_pods("enterprise.dbaas/component", SOON).await else { panic!() };
        assert_eq!(
            (found[0].namespace.as_str(), found[0].name.as_str(), found[0].labels["k"].as_str()),
            ("n", "wh-0", "v")
        );
        assert_eq!(found[0].controller, Some(("StatefulSet".to_owned(), "wh".to_owned())));
        let Read::Known(_) = cluster.stateful_sets_everywhere(SOON).await else { panic!() };
        let asked: Vec<(String, String)> =
            server.requests().into_iter().map(|asked| (asked.path.clone(), asked.query.clone())).collect();
        let [(pods, narrowed), (sets, all)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!((pods.as_str(), sets.as_str()), ("/api/v1/pods", "/apis/apps/v1/statefulsets"));
        assert!(narrowed.contains("labelSelector=enterprise.dbaas%2Fcomponent"), "{narrowed}");
        assert!(narrowed.contains("resourceVersion=0") && !all.contains("labelSelector"), "{narrowed} {all}");
    }

    #[tokio::test]
    async fn who_may_not_is_told_apart_from_who_gets_no_answer() {
        let denied = Server::new(|_| Reply::status(403, "no rule"));
        let cause =
            |read: &Read<Vec<ObjectFacts>>| if let Read::Unknown(part) = read { Some(part.cause) } else { None };
        assert_eq!(cause(&denied.cluster().labelled_pods("k", SOON).await), Some(Cause::Forbidden));
        let silent = Server::new(|_| Reply::Never);
        let answer = silent.cluster().labelled_pods("k", Duration::from_millis(30)).await;
        assert_eq!(cause(&answer), Some(Cause::TimedOut));
    }
}
