//! Lists that are read at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::Cluster;
use super::failure::Failure;
use super::freshness::Freshness;
use super::lean::Lean;
use super::list::Listing;
use super::packed::Keep;
use super::snapshot::Read;

/// Most requests at once: each has its own connection.
const AT_ONCE: usize = 24;

/// One wave: how to read, and how many requests at once.
pub(super) struct Wave<'a> {
    cluster: &'a Cluster,
    freshness: Freshness,
    /// The time limit of each source while others respond.
    deadline: Duration,
    permits: Semaphore,
}

impl Cluster {
    /// Starts a wave; `deadline` applies to each list.
    pub(super) fn wave(&self, freshness: Freshness, deadline: Duration) -> Wave<'_> {
        Wave { cluster: self, freshness, deadline, permits: Semaphore::new(AT_ONCE) }
    }
}

impl Wave<'_> {
    pub(super) async fn cluster_scoped<K>(&self, resource: &'static str, asked: bool) -> Read<Vec<K>>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Lean + Send,
    {
        if !asked {
            return Read::NotAsked;
        }
        self.list(Api::all(self.client()), resource, None, ListParams::default()).await
    }

    pub(super) async fn list<K>(
        &self,
        api: Api<K>,
        resource: &'static str,
        namespace: Option<&str>,
        selected: ListParams,
    ) -> Read<Vec<K>>
    where
        K: kube::Resource + DeserializeOwned + Lean + Send,
    {
        match self.objects(&api, selected, None).await {
            Ok(items) => Read::Known(items),
            Err(failure) => Read::Unknown(failure.unreadable(resource, namespace)),
        }
    }

    /// Lists objects; of several namespaces, only of those that are `wanted`, if that is given.
    pub(super) async fn objects<K, L>(
        &self,
        api: &Api<K>,
        selected: ListParams,
        wanted: Option<&BTreeSet<&str>>,
    ) -> Result<L, Failure>
    where
        K: kube::Resource + DeserializeOwned + Lean + Send,
        L: Keep<K>,
    {
        // Waiting for a turn is not the source's fault, so the deadline starts after it. The semaphore is never closed.
        let _turn = self.permits.acquire().await;
        let listing = Listing {
            cluster: self.cluster,
            url: api.resource_url(),
            selected,
            freshness: self.freshness,
            metadata_only: false,
            namespaces: wanted,
            deadline: self.deadline,
        };
        match self.freshness {
            Freshness::Cached => listing.read(K::lean).await,
            Freshness::Consistent => listing.read(K::without_managed_fields).await,
        }
    }

    pub(super) fn client(&self) -> kube::Client {
        self.cluster.client()
    }
}
