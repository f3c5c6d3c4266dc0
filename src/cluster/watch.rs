//! Keeps a namespace up to date: watches from a listed resourceVersion, with bookmarks, re-lists after 410 and
//! back-off, combined into one [`Snapshot`]. Nothing polls: each change wakes the reader at once.

use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::{Api, Resource};
use tokio::sync::{mpsc, watch};

use super::Cluster;
use super::failure::{Failure, Operation};
use super::liveness::{Connection, Heartbeat, Liveness, Outage, Outages};
use super::snapshot::{Cause, NamespaceObjects, Read, Snapshot};
use super::watch_cache::{Feed, Outcome, combined, stream};
use crate::error::{Error, Result};

/// From this many volumes on, one watch on all of them is cheaper than one for each.
const MANY_VOLUMES: usize = 8;

/// What to watch. Always includes the namespace's pods, claims and StatefulSets.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// The namespace.
    pub namespace: String,
    /// PersistentVolumes by name; empty: none. Up to eight are watched one by one, which is cheap on a cluster with
    /// thousands and needs no right to see the others; a volume that appears later is named by its claim's
    /// `spec.volumeName`, and can be read then.
    pub volumes: Vec<String>,
    /// The namespace's Events, the last 500.
    pub events: bool,
    /// All nodes.
    pub nodes: bool,
}

/// A namespace kept up to date. Ends its requests when dropped.
pub struct Watch {
    cluster: Cluster,
    namespace: String,
    changes: mpsc::UnboundedReceiver<Change>,
    connection: watch::Receiver<Connection>,
    /// `None` if another watch has it.
    heartbeat: Option<Heartbeat>,
    task: tokio::task::JoinHandle<()>,
    pods: Feed<Pod>,
    claims: Feed<PersistentVolumeClaim>,
    stateful_sets: Feed<StatefulSet>,
    events: Option<Feed<Event>>,
    nodes: Option<Feed<Node>>,
    volumes: Vec<Feed<PersistentVolume>>,
    snapshot: Snapshot,
}

enum Change {
    Pod(Box<Outcome<Pod>>),
    Claim(Box<Outcome<PersistentVolumeClaim>>),
    StatefulSet(Box<Outcome<StatefulSet>>),
    Event(Box<Outcome<Event>>),
    Node(Box<Outcome<Node>>),
    Volume(usize, Box<Outcome<PersistentVolume>>),
}

impl Cluster {
    /// Starts watching. Needs `list` and `watch` on what is requested; a part that may not be read is Unknown.
    pub fn watch(&self, request: WatchRequest) -> Watch {
        let liveness = Liveness::of(self);
        let path = heartbeat_path(Some(&request.namespace));
        let heartbeat = liveness.heartbeat(liveness.observing(self.client()), path);
        let mut watch = self.watch_beside(request, &liveness);
        watch.heartbeat = Some(heartbeat);
        watch
    }

    /// Starts watching beside others, which share the observation of the server.
    pub(super) fn watch_beside(&self, request: WatchRequest, liveness: &Liveness) -> Watch {
        let client = self.client();
        let (of, namespace) = ((&client, liveness), request.namespace.as_str());
        let mut streams: SelectAll<BoxStream<'static, Change>> = SelectAll::new();
        streams.push(changes(stream(of, "pods", |client| Api::namespaced(client, namespace), None), Change::Pod));
        streams.push(changes(
            stream(of, "persistentvolumeclaims", |client| Api::namespaced(client, namespace), None),
            Change::Claim,
        ));
        streams.push(changes(
            stream(of, "statefulsets", |client| Api::namespaced(client, namespace), None),
            Change::StatefulSet,
        ));
        if request.events {
            streams
                .push(changes(stream(of, "events", |client| Api::namespaced(client, namespace), None), Change::Event));
        }
        if request.nodes {
            streams.push(changes(stream(of, "nodes", Api::all, None), Change::Node));
        }
        let selectors: Vec<Option<String>> = match request.volumes.len() {
            0..=MANY_VOLUMES => request.volumes.iter().map(|name| Some(format!("metadata.name={name}"))).collect(),
            _ => vec![None],
        };
        for (index, selector) in selectors.iter().enumerate() {
            let volumes = stream(of, "persistentvolumes", Api::all, selector.as_deref());
            streams.push(changes(volumes, move |outcome| Change::Volume(index, outcome)));
        }
        // In a task of its own, so that requests proceed while the reader is busy.
        let (sender, changes) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Some(change) = streams.next().await {
                if sender.send(change).is_err() {
                    break;
                }
            }
        });
        let mut watch = Watch {
            cluster: self.clone(),
            namespace: request.namespace.clone(),
            changes,
            connection: liveness.connection(),
            heartbeat: None,
            task,
            pods: Feed::new("pods"),
            claims: Feed::new("persistentvolumeclaims"),
            stateful_sets: Feed::new("statefulsets"),
            events: request.events.then(|| Feed::new("events")),
            nodes: request.nodes.then(|| Feed::new("nodes")),
            volumes: selectors.iter().map(|_| Feed::new("persistentvolumes")).collect(),
            snapshot: empty(&request.namespace),
        };
        watch.publish();
        watch
    }
}

impl Watch {
    /// Waits until every stream has delivered its first list, so that no later change can be missed. Events, nodes and
    /// volumes that are late or forbidden become Unknown after `deadline`.
    ///
    /// # Errors
    /// Pods, claims or StatefulSets may not be read, or were not read within `deadline`.
    pub async fn opened(&mut self, deadline: Duration) -> Result<()> {
        let deadline = self.cluster.limit(deadline);
        let in_time = self.open(deadline, |watch| watch.is_complete() || watch.refused().is_some()).await;
        match self.refused() {
            Some(error) => Err(error),
            None if in_time || self.essentials_are_complete() => Ok(()),
            None => Err(self.late(deadline)),
        }
    }

    /// Waits until each part was listed or was refused, at most this long.
    pub(super) async fn listed(&mut self, deadline: Duration) {
        let deadline = self.cluster.limit(deadline);
        self.open(deadline, Self::is_complete).await;
    }

    /// Returns whether that was so within the deadline.
    async fn open(&mut self, deadline: Duration, is_open: impl Fn(&Self) -> bool) -> bool {
        let opened = async {
            while !is_open(self) {
                let Some(change) = self.changes.recv().await else { break };
                self.apply(change);
            }
        };
        let in_time = tokio::time::timeout(deadline, opened).await.is_ok();
        self.drain();
        self.publish();
        in_time
    }

    /// Waits for the next change and returns everything as it is then; combines changes that have already arrived.
    /// Losing or regaining the API server is a change, too; see [`Watch::connection`].
    ///
    /// # Errors
    /// The server no longer accepts the credentials.
    pub async fn changed(&mut self) -> Result<&Snapshot> {
        loop {
            let mut visible = tokio::select! {
                change = self.changes.recv() => match change {
                    Some(change) => self.apply(change),
                    None => return Err(Error::failure(format!("the watch on namespace {} ended", self.namespace))),
                },
                moved = self.connection.changed() => moved.is_ok(),
            };
            visible |= self.drain();
            if let Some(failure) = self.unauthorized() {
                return Err(self.cluster.error(self.act("watch", "pods"), &failure));
            }
            if visible {
                self.publish();
                return Ok(&self.snapshot);
            }
        }
    }

    /// Applies what has arrived, without waiting.
    pub fn catch_up(&mut self) {
        if self.drain() {
            self.publish();
        }
    }

    /// Returns why there is no current data, and since when; `None` while there is.
    pub fn outage(&self) -> Option<Outage> {
        match self.connection() {
            Connection::Up => None,
            Connection::Away(outage) => Some(outage),
        }
    }

    /// Returns the outages that begin from now on, beside whoever waits for changes.
    pub fn outages(&self) -> Outages {
        Outages::of(self.connection.clone())
    }

    /// Returns everything as it was at the last call of [`Watch::opened`], [`Watch::changed`] or [`Watch::catch_up`].
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns whether the API server responds, and if not, since when.
    pub fn connection(&self) -> Connection {
        self.connection.borrow().clone()
    }

    fn drain(&mut self) -> bool {
        let mut visible = false;
        while let Ok(change) = self.changes.try_recv() {
            visible |= self.apply(change);
        }
        visible
    }

    /// Applies an event; returns whether it changed anything visible.
    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Pod(outcome) => self.pods.apply(*outcome),
            Change::Claim(outcome) => self.claims.apply(*outcome),
            Change::StatefulSet(outcome) => self.stateful_sets.apply(*outcome),
            Change::Node(outcome) => self.nodes.as_mut().is_some_and(|feed| feed.apply(*outcome)),
            Change::Volume(index, outcome) => self.volumes.get_mut(index).is_some_and(|feed| feed.apply(*outcome)),
            Change::Event(outcome) => self.events.as_mut().is_some_and(|feed| {
                let visible = feed.apply(*outcome);
                feed.keep_latest();
                visible
            }),
        }
    }

    fn essentials_are_complete(&self) -> bool {
        self.pods.current.is_some() && self.claims.current.is_some() && self.stateful_sets.current.is_some()
    }

    fn is_complete(&self) -> bool {
        self.essentials_are_complete()
            && self.events.as_ref().is_none_or(|feed| feed.current.is_some())
            && self.nodes.as_ref().is_none_or(|feed| feed.current.is_some())
            && self.volumes.iter().all(|feed| feed.current.is_some())
    }

    fn unauthorized(&self) -> Option<Failure> {
        let failures = [self.pods.failure(), self.claims.failure(), self.stateful_sets.failure()];
        failures.into_iter().flatten().find(|failure| failure.cause == Cause::Unauthorized).cloned()
    }

    /// Returns the first essential part that failed for good.
    fn refused(&self) -> Option<Error> {
        let parts = [
            (self.pods.resource, self.pods.failure()),
            (self.claims.resource, self.claims.failure()),
            (self.stateful_sets.resource, self.stateful_sets.failure()),
        ];
        let (resource, failure) = parts.into_iter().find_map(|(resource, failure)| Some((resource, failure?)))?;
        Some(self.cluster.error(self.act("watch", resource), failure))
    }

    fn late(&self, deadline: Duration) -> Error {
        let parts = [
            (self.pods.resource, self.pods.current.is_some(), &self.pods.trouble),
            (self.claims.resource, self.claims.current.is_some(), &self.claims.trouble),
            (self.stateful_sets.resource, self.stateful_sets.current.is_some(), &self.stateful_sets.trouble),
        ];
        let missing = parts.into_iter().find(|(_, complete, _)| !complete);
        let (resource, trouble) = missing.map_or(("pods", None), |(resource, _, trouble)| (resource, trouble.clone()));
        let failure = trouble.unwrap_or_else(|| Failure::timed_out(deadline));
        self.cluster.error(self.act("watch", resource), &failure)
    }

    fn act<'a>(&'a self, verb: &'a str, resource: &'a str) -> Operation<'a> {
        Operation { verb, resource, namespace: Some(&self.namespace), name: None }
    }

    /// Brings the snapshot up to date.
    fn publish(&mut self) {
        let namespace = self.namespace.clone();
        let part = |namespace: &str| Some(namespace.to_owned());
        self.snapshot.namespaces = vec![NamespaceObjects {
            pods: self.pods.read(part(&namespace)),
            claims: self.claims.read(part(&namespace)),
            stateful_sets: self.stateful_sets.read(part(&namespace)),
            disruption_budgets: Read::NotAsked,
            events: self.events.as_ref().map_or(Read::NotAsked, |feed| feed.read(part(&namespace))),
            namespace,
        }];
        self.snapshot.nodes = self.nodes.as_ref().map_or(Read::NotAsked, |feed| feed.read(None));
        self.snapshot.volumes = combined(&self.volumes);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.heartbeat = None;
        self.task.abort();
    }
}

fn empty(namespace: &str) -> Snapshot {
    Snapshot { namespaces: vec![NamespaceObjects::unread(namespace)], ..Snapshot::default() }
}

fn changes<K: Send + 'static>(
    outcomes: impl Stream<Item = Outcome<K>> + Send + 'static,
    change: impl Fn(Box<Outcome<K>>) -> Change + Send + 'static,
) -> BoxStream<'static, Change> {
    outcomes.map(Box::new).map(change).boxed()
}

/// Returns the path of what a silent server is asked for: what the watch may list anyway, and what it must read from its
/// store. Without a namespace, its version.
pub(super) fn heartbeat_path(namespace: Option<&String>) -> String {
    match namespace {
        Some(namespace) => format!("{}?limit=1", Pod::url_path(&(), Some(namespace))),
        None => "/version".to_owned(),
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
