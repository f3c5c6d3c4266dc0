//! Keeps several namespaces up to date, and with them the list of namespaces, the nodes, and the volumes: what `status`
//! reads once, watched from then on.

use std::time::Duration;

use futures::future::{join_all, select_all};
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume};
use kube::api::Api;
use tokio::sync::watch;

use super::liveness::{Connection, Heartbeat, Liveness};
use super::read::facts;
use super::snapshot::{NamespaceFacts, Read, Snapshot};
use super::watch::heartbeat_path;
use super::watch_cache::{Feed, Outcome, stream};
use super::{Cluster, Watch, WatchRequest};
use crate::error::Result;

/// What is kept up to date.
pub struct Survey {
    cluster: Cluster,
    watches: Vec<Watch>,
    outside: Outside,
    /// One for all watches.
    liveness: Liveness,
    connection: watch::Receiver<Connection>,
    _heartbeat: Heartbeat,
}

/// What belongs to no namespace.
struct Outside {
    changes: SelectAll<BoxStream<'static, Change>>,
    namespaces: Feed<Namespace>,
    nodes: Option<Feed<Node>>,
    volumes: Option<Feed<PersistentVolume>>,
}

enum Change {
    Namespace(Box<Outcome<Namespace>>),
    Node(Box<Outcome<Node>>),
    Volume(Box<Outcome<PersistentVolume>>),
}

impl Cluster {
    /// Starts to watch these namespaces and the list of namespaces; nodes and volumes if requested. Needs `list` and
    /// `watch`; a part that may not be read is Unknown.
    pub fn survey(&self, namespaces: &[String], nodes: bool, volumes: bool) -> Survey {
        let mut changes: SelectAll<BoxStream<'static, Change>> = SelectAll::new();
        let (client, liveness) = (self.client(), Liveness::of(self));
        let of = (&client, &liveness);
        let of_namespaces = stream(of, "namespaces", Api::all, None);
        changes.push(of_namespaces.map(|outcome| Change::Namespace(Box::new(outcome))).boxed());
        if nodes {
            let of_nodes = stream(of, "nodes", Api::all, None);
            changes.push(of_nodes.map(|outcome| Change::Node(Box::new(outcome))).boxed());
        }
        if volumes {
            let of_volumes = stream(of, "persistentvolumes", Api::all, None);
            changes.push(of_volumes.map(|outcome| Change::Volume(Box::new(outcome))).boxed());
        }
        let outside = Outside {
            changes,
            namespaces: Feed::new("namespaces"),
            nodes: nodes.then(|| Feed::new("nodes")),
            volumes: volumes.then(|| Feed::new("persistentvolumes")),
        };
        let connection = liveness.connection();
        let _heartbeat = liveness.heartbeat(liveness.observing(client), heartbeat_path(namespaces.first()));
        let mut survey =
            Survey { cluster: self.clone(), watches: Vec::new(), outside, liveness, connection, _heartbeat };
        survey.follow(namespaces);
        survey
    }
}

impl Survey {
    /// Watches these namespaces from now on: watches that exist already continue, the others end.
    pub fn follow(&mut self, namespaces: &[String]) {
        let mut known = std::mem::take(&mut self.watches);
        for namespace in namespaces {
            let watch = match known.iter().position(|watch| watch.namespace() == namespace) {
                Some(at) => known.swap_remove(at),
                None => self.cluster.watch_beside(
                    WatchRequest { namespace: namespace.clone(), volumes: Vec::new(), events: false, nodes: false },
                    &self.liveness,
                ),
            };
            self.watches.push(watch);
        }
    }

    /// Waits until each part was listed or has failed, at most this long: what is late or forbidden is Unknown.
    pub async fn opened(&mut self, deadline: Duration) {
        // A part that may not be read is part of the result: the others are waited for.
        let inside = join_all(self.watches.iter_mut().map(|watch| watch.listed(deadline)));
        let outside = tokio::time::timeout(self.cluster.limit(deadline), self.outside.opened());
        let _ = futures::join!(inside, outside);
    }

    /// Waits for the next change, and combines all that have arrived. Losing or regaining the API server is a change,
    /// too.
    ///
    /// # Errors
    /// The server no longer accepts the credentials.
    pub async fn changed(&mut self) -> Result<()> {
        let inside: Vec<_> =
            self.watches.iter_mut().map(|watch| async { watch.changed().await.map(|_| ()) }.boxed()).collect();
        let inside = async {
            // Without anything to wait for, this waits forever.
            if inside.is_empty() { std::future::pending().await } else { select_all(inside).await.0 }
        };
        tokio::select! {
            changed = inside => changed?,
            () = self.outside.changed() => {}
            _ = self.connection.changed() => {}
        }
        self.watches.iter_mut().for_each(Watch::catch_up);
        self.outside.catch_up();
        Ok(())
    }

    /// Returns all namespaces.
    pub fn namespaces(&self) -> Read<Vec<NamespaceFacts>> {
        match self.outside.namespaces.read(None) {
            Read::Known(found) => Read::Known(found.iter().map(facts).collect()),
            Read::Unknown(why) => Read::Unknown(why),
            Read::NotAsked => Read::NotAsked,
        }
    }

    /// Returns everything as it was when [`Survey::opened`] or [`Survey::changed`] returned last, except for
    /// [`Survey::namespaces`].
    pub fn snapshot(&self) -> Snapshot {
        let outside = &self.outside;
        Snapshot {
            namespaces: self.watches.iter().flat_map(|watch| watch.snapshot().namespaces.clone()).collect(),
            volumes: outside.volumes.as_ref().map_or(Read::NotAsked, |feed| feed.read(None)),
            nodes: outside.nodes.as_ref().map_or(Read::NotAsked, |feed| feed.read(None)),
            ..Snapshot::default()
        }
    }

    /// Returns whether the API server responds.
    pub fn connection(&self) -> Connection {
        self.connection.borrow().clone()
    }
}

impl Outside {
    async fn opened(&mut self) {
        let complete = |outside: &Self| {
            outside.namespaces.current.is_some()
                && outside.nodes.as_ref().is_none_or(|feed| feed.current.is_some())
                && outside.volumes.as_ref().is_none_or(|feed| feed.current.is_some())
        };
        while !complete(self) {
            let Some(change) = self.changes.next().await else { return };
            self.apply(change);
        }
    }

    /// Waits for something that can be seen.
    async fn changed(&mut self) {
        while let Some(change) = self.changes.next().await {
            if self.apply(change) {
                return;
            }
        }
        std::future::pending().await
    }

    fn catch_up(&mut self) {
        while let Some(Some(change)) = self.changes.next().now_or_never() {
            self.apply(change);
        }
    }

    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Namespace(outcome) => self.namespaces.apply(*outcome),
            Change::Node(outcome) => self.nodes.as_mut().is_some_and(|feed| feed.apply(*outcome)),
            Change::Volume(outcome) => self.volumes.as_mut().is_some_and(|feed| feed.apply(*outcome)),
        }
    }
}
