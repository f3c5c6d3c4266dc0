//! Reads one parallel wave of selective lists into a [`Snapshot`]. Each source has its own deadline, and a failed one
//! is kept as an error beside the others. Only known kinds, so no discovery.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ListParams, ResourceExt};

use super::Cluster;
use super::across::Wanted;
use super::failure::Failure;
use super::freshness::Freshness;
use super::snapshot::{NamespaceFacts, NamespaceObjects, PackedNamespace, Read, Snapshot};
use super::wave::Wave;

/// What to read. Always includes the pods, claims and StatefulSets of each namespace.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Namespaces, each once.
    pub namespaces: Vec<String>,
    /// The other namespaces that are known to exist: lists across namespaces leave them out.
    pub other_namespaces: Vec<String>,
    /// PodDisruptionBudgets of the namespaces too.
    pub disruption_budgets: bool,
    /// All PersistentVolumes.
    pub volumes: bool,
    /// All nodes.
    pub nodes: bool,
    /// All storage classes.
    pub storage_classes: bool,
    /// All Leases: they tell when nodes reported last.
    pub leases: bool,
    /// Whether the objects of many namespaces are returned as [`Snapshot::packed`].
    pub packed: bool,
    /// The required freshness.
    pub freshness: Freshness,
    /// The deadline of each source.
    pub deadline: Duration,
}

impl Default for ReadRequest {
    /// Requests nothing, cached, with 2 seconds per source.
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            other_namespaces: Vec::new(),
            disruption_budgets: false,
            volumes: false,
            nodes: false,
            storage_classes: false,
            leases: false,
            packed: false,
            freshness: Freshness::Cached,
            deadline: Duration::from_secs(2),
        }
    }
}

impl Cluster {
    /// Reads everything that is requested at the same time. Never fails as a whole; see each part.
    pub async fn read(&self, request: &ReadRequest) -> Snapshot {
        let wave = self.wave(request.freshness, request.deadline);
        let namespaces = async {
            match Wanted::across(&request.namespaces, &request.other_namespaces) {
                Some(wanted) => {
                    let packed = wave.across(&wanted, request.disruption_budgets).await;
                    if request.packed {
                        return (Vec::new(), packed);
                    }
                    (packed.iter().map(PackedNamespace::unpack).collect(), Vec::new())
                }
                None => {
                    let each = request.namespaces.iter();
                    let each = each.map(|name| wave.namespace(name, request.disruption_budgets));
                    (join_all(each).await, Vec::new())
                }
            }
        };
        let ((namespaces, packed), volumes, nodes, storage_classes, leases) = futures::join!(
            namespaces,
            wave.cluster_scoped::<PersistentVolume>("persistentvolumes", request.volumes),
            wave.cluster_scoped::<Node>("nodes", request.nodes),
            wave.cluster_scoped::<StorageClass>("storageclasses", request.storage_classes),
            wave.cluster_scoped::<Lease>("leases", request.leases),
        );
        Snapshot { namespaces, packed, volumes, nodes, storage_classes, leases, ..Snapshot::default() }
    }

    /// Reads the pods of these namespaces and nothing else, at the same time; may be stale.
    pub async fn pods(&self, namespaces: &[String], deadline: Duration) -> Snapshot {
        let wave = self.wave(Freshness::Cached, deadline);
        let namespaces = namespaces.iter().map(|name| wave.pods(name));
        let namespaces = join_all(namespaces).await;
        Snapshot { namespaces, ..Snapshot::default() }
    }

    /// Reads the volumes and nothing else; may be stale.
    pub async fn volumes(&self, deadline: Duration) -> Snapshot {
        let wave = self.wave(Freshness::Cached, deadline);
        Snapshot { volumes: wave.cluster_scoped("persistentvolumes", true).await, ..Snapshot::default() }
    }

    /// Reads all namespaces.
    pub async fn namespaces(&self, deadline: Duration) -> Read<Vec<NamespaceFacts>> {
        let wave = self.wave(Freshness::Cached, deadline);
        match wave.cluster_scoped::<Namespace>("namespaces", true).await {
            Read::Known(found) => Read::Known(found.iter().map(facts).collect()),
            Read::Unknown(why) => Read::Unknown(why),
            Read::NotAsked => Read::NotAsked,
        }
    }

    /// Reads the namespace of this name, if it exists: for users who may not list all.
    pub async fn namespace_named(&self, name: &str, deadline: Duration) -> Read<Option<NamespaceFacts>> {
        let deadline = self.limit(deadline);
        let api: Api<Namespace> = Api::all(self.client());
        let answer = match tokio::time::timeout(deadline, api.get_opt(name)).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(_) => Err(Failure::timed_out(deadline)),
        };
        match answer {
            Ok(found) => Read::Known(found.as_ref().map(facts)),
            Err(failure) => Read::Unknown(failure.unreadable("namespaces", None)),
        }
    }

    /// Reads the pods of this name in all namespaces; needs the permission to list pods everywhere.
    pub async fn find_pods(&self, name: &str, deadline: Duration) -> Read<Vec<Pod>> {
        let wave = self.wave(Freshness::Cached, deadline);
        let selected = ListParams::default().fields(&format!("metadata.name={name}"));
        wave.list(Api::all(self.client()), "pods", None, selected).await
    }
}

impl Wave<'_> {
    async fn pods(&self, name: &str) -> NamespaceObjects {
        let pods = Api::namespaced(self.client(), name);
        let pods = self.list(pods, "pods", Some(name), ListParams::default()).await;
        NamespaceObjects { pods, ..NamespaceObjects::unread(name) }
    }

    async fn namespace(&self, name: &str, disruption_budgets: bool) -> NamespaceObjects {
        let client = || self.client();
        let all = ListParams::default;
        let budgets = async {
            if !disruption_budgets {
                return Read::NotAsked;
            }
            self.list(Api::namespaced(client(), name), "poddisruptionbudgets", Some(name), all()).await
        };
        let (pods, claims, stateful_sets, disruption_budgets) = futures::join!(
            self.list(Api::namespaced(client(), name), "pods", Some(name), all()),
            self.list(Api::namespaced(client(), name), "persistentvolumeclaims", Some(name), all()),
            self.list(Api::namespaced(client(), name), "statefulsets", Some(name), all()),
            budgets,
        );
        let namespace = name.to_owned();
        NamespaceObjects { namespace, pods, claims, stateful_sets, disruption_budgets, events: Read::NotAsked }
    }
}

pub(super) fn facts(namespace: &Namespace) -> NamespaceFacts {
    NamespaceFacts { name: namespace.name_any(), terminating: namespace.metadata.deletion_timestamp.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::snapshot::Cause;
    use crate::cluster::testing::{Reply, Server};
    use serde_json::json;

    fn list(names: &[&str]) -> Reply {
        let items: Vec<_> = names
            .iter()
            .map(|name| json!({"metadata": {"name": name, "managedFields": [{"manager": "someone"}]}}))
            .collect();
        Reply::json(
            200,
            json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": items}),
        )
    }

    fn request() -> ReadRequest {
        ReadRequest {
            namespaces: vec!["a".to_owned(), "b".to_owned()],
            volumes: true,
            deadline: Duration::from_millis(80),
            ..ReadRequest::default()
        }
    }

    #[tokio::test]
    async fn one_part_that_fails_leaves_the_others() {
        let server = Server::new(|asked| match asked.path.as_str() {
            "/api/v1/persistentvolumes" => Reply::status(403, "persistentvolumes is forbidden"),
            "/api/v1/namespaces/a/pods" => Reply::Never,
            "/api/v1/namespaces/b/persistentvolumeclaims" => Reply::Broken,
            "/apis/apps/v1/namespaces/b/statefulsets" => Reply::json(200, json!("not a list")),
            _ => list(&["x", "y"]),
        });
        let started = std::time::Instant::now();
        let snapshot = server.cluster().read(&request()).await;
        assert!(started.elapsed() < Duration::from_secs(2));
        let cause = |part: &Read<_>| match part {
            Read::Unknown(why) => Some((why.resource, why.namespace.clone(), why.cause)),
            _ => None,
        };
        assert_eq!(cause(&snapshot.namespaces[0].pods), Some(("pods", Some("a".to_owned()), Cause::TimedOut)));
        let Read::Known(claims) = &snapshot.namespaces[0].claims else { panic!("{:?}", snapshot.namespaces[0].claims) };
        assert_eq!(claims.len(), 2);
        assert_eq!(claims[0].metadata.managed_fields, None);
        let Read::Unknown(claims) = &snapshot.namespaces[1].claims else { panic!() };
        assert_eq!((claims.cause, claims.reason.as_str()), (Cause::Unreachable, "connection reset"));
        let Read::Unknown(sets) = &snapshot.namespaces[1].stateful_sets else { panic!() };
        assert_eq!(sets.reason, "the response is not from a Kubernetes API server");
        let Read::Unknown(volumes) = &snapshot.volumes else { panic!() };
        assert_eq!((volumes.cause, volumes.namespace.as_deref()), (Cause::Forbidden, None));
        assert!(matches!(snapshot.nodes, Read::NotAsked));
        // One for each part, and one more because the connection broke.
        assert_eq!(server.requests().len(), 8);
        assert!(server.requests().iter().all(|asked| asked.query.contains("resourceVersion=0")));
    }

    #[tokio::test]
    async fn pods_alone_and_volumes_alone_are_one_request_each() {
        let server = Server::new(|asked| match asked.path.as_str() {
            "/api/v1/namespaces/b/pods" => Reply::status(403, "no"),
            _ => list(&["x"]),
        });
        let (cluster, soon) = (server.cluster(), Duration::from_secs(1));
        let pods = cluster.pods(&["a".to_owned(), "b".to_owned()], soon).await;
        assert_eq!(pods.namespaces[0].pods.items().len(), 1);
        assert!(matches!(pods.namespaces[1].pods, Read::Unknown(_)));
        assert!(matches!(pods.namespaces[0].claims, Read::NotAsked) && matches!(pods.volumes, Read::NotAsked));
        assert_eq!(server.requests().len(), 2);
        let volumes = cluster.volumes(soon).await;
        assert!(volumes.volumes.items().len() == 1 && volumes.namespaces.is_empty());
        assert_eq!(server.requests().len(), 3);
    }

    #[tokio::test]
    async fn names_are_looked_up_across_namespaces() {
        let server = Server::new(|asked| match asked.path.as_str() {
            "/api/v1/pods" => list(&["wh9527-0"]),
            "/api/v1/namespaces/there" => Reply::json(200, json!({"metadata": {"name": "there"}})),
            "/api/v1/namespaces/hidden" => Reply::status(403, "no"),
            "/api/v1/namespaces" => Reply::json(
                200,
                json!({"items": [{"metadata": {"name": "n1"}},
                    {"metadata": {"name": "n2", "deletionTimestamp": "2026-01-01T00:00:00Z"}}]}),
            ),
            _ => Reply::status(404, "not found"),
        });
        let cluster = server.cluster();
        let soon = Duration::from_secs(1);
        assert!(matches!(cluster.find_pods("wh9527-0", soon).await, Read::Known(found) if found.len() == 1));
        assert!(server.requests()[0].query.contains("fieldSelector=metadata.name%3Dwh9527-0"));
        let facts = |name: &str, terminating| NamespaceFacts { name: name.to_owned(), terminating };
        let there = cluster.namespace_named("there", soon).await;
        assert!(matches!(&there, Read::Known(Some(found)) if *found == facts("there", false)), "{there:?}");
        assert!(matches!(cluster.namespace_named("gone", soon).await, Read::Known(None)));
        assert!(matches!(cluster.namespace_named("hidden", soon).await, Read::Unknown(_)));
        let Read::Known(all) = cluster.namespaces(soon).await else { panic!() };
        assert_eq!(all, [facts("n1", false), facts("n2", true)]);
    }
}
