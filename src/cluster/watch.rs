//! Keeps a namespace up to date: watches from a listed resourceVersion, with bookmarks, re-lists after 410 and
//! back-off, combined into one [`Snapshot`]. Nothing polls: each change wakes the reader at once.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, Stream, StreamExt};
use http::Request;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::Client;
use kube::api::{Api, Resource};
use kube::client::Body;
use tokio::sync::{mpsc, watch};

use super::Cluster;
use super::failure::{Failure, Operation};
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

/// Whether the API server responds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It responds.
    Up,
    /// It does not respond; retried with back-off.
    Away {
        /// Since when.
        since: Instant,
        /// The reason.
        reason: String,
    },
}

/// A namespace kept up to date. Ends its requests when dropped.
pub struct Watch {
    cluster: Cluster,
    namespace: String,
    changes: mpsc::UnboundedReceiver<Change>,
    connection: watch::Receiver<Connection>,
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
        let (connection_sender, connection) = watch::channel(Connection::Up);
        let client = observed(self.client(), connection_sender);
        let namespaced = || (client.clone(), request.namespace.as_str());
        let mut streams: SelectAll<BoxStream<'static, Change>> = SelectAll::new();
        streams.push(changes(stream(api_in(namespaced()), None), Change::Pod));
        streams.push(changes(stream(api_in(namespaced()), None), Change::Claim));
        streams.push(changes(stream(api_in(namespaced()), None), Change::StatefulSet));
        if request.events {
            streams.push(changes(stream(api_in(namespaced()), None), Change::Event));
        }
        if request.nodes {
            streams.push(changes(stream(Api::all(client.clone()), None), Change::Node));
        }
        let selectors: Vec<Option<String>> = match request.volumes.len() {
            0..=MANY_VOLUMES => request.volumes.iter().map(|name| Some(format!("metadata.name={name}"))).collect(),
            _ => vec![None],
        };
        for (index, selector) in selectors.iter().enumerate() {
            let volumes = stream(Api::all(client.clone()), selector.as_deref());
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
            connection,
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
        let complete = async {
            while !self.is_complete() {
                let Some(change) = self.changes.recv().await else { break };
                self.apply(change);
                if self.refused().is_some() {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(deadline, complete).await.is_ok();
        self.drain();
        self.publish();
        match self.refused() {
            Some(error) => Err(error),
            None if in_time || self.essentials_are_complete() => Ok(()),
            None => Err(self.late(deadline)),
        }
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

    /// Returns since when the API server has not responded; `None` while it does.
    pub fn silent_since(&self) -> Option<Instant> {
        match self.connection() {
            Connection::Up => None,
            Connection::Away { since, .. } => Some(since),
        }
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

fn api_in<K>((client, namespace): (Client, &str)) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    Api::namespaced(client, namespace)
}

/// Records whether the API server responds: a restarted watch is silent until something changes, so the streams
/// themselves do not show it.
fn observed(inner: Client, connection: watch::Sender<Connection>) -> Client {
    let namespace = inner.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, connection) = (inner.clone(), connection.clone());
        let answered = async move {
            let answer = inner.send(request).await;
            let trouble = match &answer {
                Ok(response) if matches!(response.status().as_u16(), 502..=504) => {
                    Some(format!("it responded {}", response.status()))
                }
                Ok(_) => None,
                Err(error) => Some(Failure::read(error).reason),
            };
            note(&connection, trouble);
            answer
        };
        let answered: BoxFuture<'static, _> = answered.boxed();
        answered
    });
    Client::new(service, namespace)
}

fn note(connection: &watch::Sender<Connection>, trouble: Option<String>) {
    connection.send_if_modified(|current| match (&*current, trouble) {
        (Connection::Up, None) | (Connection::Away { .. }, Some(_)) => false,
        (Connection::Up, Some(reason)) => {
            *current = Connection::Away { since: Instant::now(), reason };
            true
        }
        (Connection::Away { .. }, None) => {
            *current = Connection::Up;
            true
        }
    });
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
