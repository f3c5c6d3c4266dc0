//! `watch`: changes as they happen, one JSON object a line, for as long as the client listens.

use super::call::Call;
use super::representation::{self, Format};
use super::selector::Selector;
use super::status::ApiError;
use super::{options, read};
use crate::resources::Resource;
use crate::store::{Change, ChangeKind, Watcher};
use axum::body::{Body, Bytes};
use axum::http::{Response, header};
use futures::stream;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// How often a quiet watch sends a bookmark.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// How long a watch lives without `timeoutSeconds`: the shortest time that a real server uses.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// Opens a watch.
///
/// # Errors
/// 400 and 422 for parameters that conflict, 500 for an invalid version. An expired resourceVersion is reported in the
/// stream, as by a real server does.
pub(super) fn watch(call: &Call, resource: &'static Resource, namespace: &str) -> Result<Response<Body>, ApiError> {
    options::list(&call.query, true)?;
    let selector = read::selector(call, resource)?;
    let initial = call.query.has("sendInitialEvents").then(|| call.query.flag("sendInitialEvents"));
    // A real server returns this error without a reason.
    let asked = read::version_asked(call).map_err(ApiError::internal_without_reason)?;
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let mut lines = VecDeque::new();
    let mut first = true;
    let since = match (asked, initial) {
        // Everything there is, then what changes.
        (_, Some(true)) | (None, None) => {
            let within = (!namespace.is_empty()).then_some(namespace);
            let (objects, version) = call.state.store.list(resource.plural, within);
            for object in objects.iter().filter(|object| selector.matches(object)) {
                lines.push_back(call.format.event(resource, "ADDED", object, std::mem::take(&mut first)));
            }
            if bookmarks {
                lines.push_back(representation::plain_event("BOOKMARK", &bookmark(resource, version, true)));
            }
            version
        }
        (None, Some(false)) => call.state.store.version(),
        (Some(asked), _) => asked,
    };
    let watcher = match call.state.store.watch(since) {
        Ok(watcher) => Some(watcher),
        Err(_) => {
            lines = VecDeque::from([expired(since, call.state.store.oldest())]);
            None
        }
    };
    let seconds = call.query.number("timeoutSeconds").map_or(TIMEOUT, Duration::from_secs);
    let state = Stream {
        lines,
        watcher,
        resource,
        namespace: namespace.to_owned(),
        selector,
        format: call.format,
        first,
        bookmarks: bookmarks.then(|| {
            let mut ticks = interval_at(Instant::now() + BOOKMARKS, BOOKMARKS);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }),
        // Far futures overflow an Instant: a day is long enough.
        deadline: Instant::now() + seconds.min(Duration::from_secs(86_400)),
        shutdown: call.shutdown.clone(),
    };
    let body = stream::unfold(state, |mut state| async move {
        let line = state.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), state))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

fn bookmark(resource: &Resource, version: u64, end_of_initial: bool) -> Value {
    let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
    if end_of_initial {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata})
}

fn expired(asked: u64, oldest: u64) -> Vec<u8> {
    representation::plain_event("ERROR", &ApiError::too_old(asked, oldest).to_value())
}

/// A watch that is being served.
struct Stream {
    /// Lines that are ready to be sent.
    lines: VecDeque<Vec<u8>>,
    /// `None`: the stream ends after its lines.
    watcher: Option<Watcher>,
    resource: &'static Resource,
    /// Empty: all.
    namespace: String,
    selector: Selector,
    format: Format,
    first: bool,
    bookmarks: Option<Interval>,
    deadline: Instant,
    shutdown: CancellationToken,
}

impl Stream {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let watcher = self.watcher.as_mut()?;
            let bookmarks = &mut self.bookmarks;
            let tick = async {
                match bookmarks {
                    Some(bookmarks) => bookmarks.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                change = watcher.next() => match change {
                    Some(change) => {
                        let line = self.line(&change);
                        self.lines.extend(line);
                    }
                    None if watcher.expired() => {
                        self.lines.push_back(expired(watcher.seen(), watcher.oldest()));
                        self.watcher = None;
                    }
                    None => self.watcher = None,
                },
                () = tokio::time::sleep_until(self.deadline) => {
                    if self.bookmarks.is_some() {
                        self.lines.push_back(self.bookmark()?);
                    }
                    self.watcher = None;
                }
                _ = tick => self.lines.push_back(self.bookmark()?),
            }
        }
    }

    fn bookmark(&self) -> Option<Vec<u8>> {
        let seen = self.watcher.as_ref()?.seen();
        Some(representation::plain_event("BOOKMARK", &bookmark(self.resource, seen, false)))
    }

    /// The event that a change is to this watch: an object that begins or ceases to match is `ADDED` or `DELETED`.
    fn line(&mut self, change: &Change) -> Option<Vec<u8>> {
        let key = &change.key;
        if key.resource != self.resource.plural || !(self.namespace.is_empty() || self.namespace == key.namespace) {
            return None;
        }
        let was = change.before.as_ref().is_some_and(|before| self.selector.matches(before));
        let is = change.kind != ChangeKind::Deleted && self.selector.matches(&change.object);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        let first = std::mem::take(&mut self.first);
        if kind == "DELETED"
            && change.kind != ChangeKind::Deleted
            && let Some(before) = &change.before
        {
            // The object as it was when it still matched, at the version of the change.
            let mut object = (**before).clone();
            object["metadata"]["resourceVersion"] = json!(change.version.to_string());
            return Some(self.format.event(self.resource, kind, &object, first));
        }
        Some(self.format.event(self.resource, kind, &change.object, first))
    }
}
