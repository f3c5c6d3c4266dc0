//! One watched kind: its stream of events, and the objects that result from them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Event, PersistentVolume};
use kube::Client;
use kube::api::{Api, Resource, ResourceExt};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::liveness::Liveness;
use super::snapshot::{Cause, Read, Unreadable};
use super::transport;
use super::watch_pace::paced;

/// A watch is renewed this often (seconds), which also bounds how long a connection that silently died goes unnoticed.
const RENEWED_EVERY: u32 = 30;

/// Most Events kept; a busy namespace has thousands, and the last ones explain a wait.
const MOST_EVENTS: usize = 500;

/// After this time without a failure, the next one counts as the first.
const CALM: Duration = Duration::from_secs(10);

/// An event, or why there is none.
pub(super) type Outcome<K> = std::result::Result<watcher::Event<K>, Failure>;

/// One stream's objects.
pub(super) struct Feed<K> {
    pub(super) resource: &'static str,
    /// A re-list in progress.
    incoming: Vec<K>,
    /// `None` until the first list has arrived or has definitely failed.
    pub(super) current: Option<std::result::Result<Vec<K>, Failure>>,
    /// The latest failure while there is nothing better to show.
    pub(super) trouble: Option<Failure>,
}

impl<K: Resource<DynamicType = ()> + Clone> Feed<K> {
    pub(super) fn new(resource: &'static str) -> Self {
        Self { resource, incoming: Vec::new(), current: None, trouble: None }
    }

    pub(super) fn apply(&mut self, outcome: Outcome<K>) -> bool {
        match outcome {
            Ok(watcher::Event::Init) => {
                self.incoming.clear();
                false
            }
            Ok(watcher::Event::InitApply(object)) => {
                self.incoming.push(object);
                false
            }
            Ok(watcher::Event::InitDone) => {
                self.current = Some(Ok(std::mem::take(&mut self.incoming)));
                self.trouble = None;
                true
            }
            Ok(watcher::Event::Apply(object)) => {
                let Some(Ok(known)) = &mut self.current else { return false };
                match known.iter_mut().find(|known| known.meta().name == object.meta().name) {
                    Some(known) => *known = object,
                    None => known.push(object),
                }
                true
            }
            Ok(watcher::Event::Delete(object)) => {
                let Some(Ok(known)) = &mut self.current else { return false };
                // By UID: an object that was created under the same name in the meantime stays.
                known.retain(|known| known.meta().uid != object.meta().uid || known.meta().name != object.meta().name);
                true
            }
            Err(failure) => {
                // 410 and broken connections are routine; these do not go away by retrying.
                let lasting = matches!(failure.cause, Cause::Forbidden | Cause::Unauthorized | Cause::NotFound);
                let news = lasting && self.failure() != Some(&failure);
                if lasting {
                    self.current = Some(Err(failure));
                } else {
                    self.trouble = Some(failure);
                }
                news
            }
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.current.as_ref()?.as_ref().err()
    }

    pub(super) fn read(&self, namespace: Option<String>) -> Read<Vec<K>> {
        match &self.current {
            Some(Ok(objects)) => Read::Known(objects.clone()),
            Some(Err(failure)) => Read::Unknown(failure.clone().unreadable(self.resource, namespace.as_deref())),
            None => Read::Unknown(match &self.trouble {
                Some(failure) => failure.clone().unreadable(self.resource, namespace.as_deref()),
                None => Unreadable {
                    resource: self.resource,
                    namespace,
                    cause: Cause::TimedOut,
                    reason: "no response yet".to_owned(),
                    source: None,
                },
            }),
        }
    }
}

impl Feed<Event> {
    pub(super) fn keep_latest(&mut self) {
        for events in [Some(&mut self.incoming), self.current.as_mut().and_then(|current| current.as_mut().ok())] {
            let Some(events) = events.filter(|events| events.len() > 2 * MOST_EVENTS) else { continue };
            events.sort_by_key(last_seen);
            events.drain(..events.len() - MOST_EVENTS);
        }
    }
}

/// Returns when an Event was last seen: old-style Events have a count, new-style ones an eventTime.
fn last_seen(event: &Event) -> Option<jiff::Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    series.or(last).or(event.event_time.as_ref().map(|time| time.0)).or(event.creation_timestamp().map(|time| time.0))
}

/// Returns the objects of several feeds; the first failure if any has one.
pub(super) fn combined(feeds: &[Feed<PersistentVolume>]) -> Read<Vec<PersistentVolume>> {
    if feeds.is_empty() {
        return Read::NotAsked;
    }
    let mut all = Vec::new();
    for feed in feeds {
        match feed.read(None) {
            Read::Known(found) => all.extend(found),
            other => return other,
        }
    }
    Read::Known(all)
}

/// Watches a kind forever, with pauses after failures and after watches that end at once; `fields` selects on the server.
pub(super) fn stream<K>(
    (client, liveness): (&Client, &Liveness),
    resource: &'static str,
    api: impl FnOnce(Client) -> Api<K>,
    fields: Option<&str>,
) -> impl Stream<Item = Outcome<K>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api = api(paced(liveness.observing(client.clone()), liveness.stream(resource)));
    let mut config = watcher::Config::default().timeout(RENEWED_EVERY);
    config.field_selector = fields.map(str::to_owned);
    let events = watcher(api, config).backoff(Patience { failures: 0, latest: None });
    trimmed(events)
}

fn trimmed<K: Resource>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
) -> impl Stream<Item = Outcome<K>> {
    events.map(|event| match event {
        Ok(event) => Ok(event.modify(|object| object.meta_mut().managed_fields = None)),
        Err(error) => Err(Failure::of_watch(&error)),
    })
}

/// Growing pauses. kube resets a back-off at each event, and announcing a re-list is one: only quiet time counts here.
struct Patience {
    failures: u32,
    latest: Option<Instant>,
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = transport::pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.latest = Some(Instant::now());
        Some(pause)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        if self.latest.is_some_and(|latest| latest.elapsed() > CALM) {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_latest_events_are_kept() {
        let mut feed: Feed<Event> = Feed::new("events");
        feed.apply(Ok(watcher::Event::Init));
        for second in 0..(2 * MOST_EVENTS + 1) {
            let time = jiff::Timestamp::from_second(10_000 - second as i64).unwrap();
            let event: Event = serde_json::from_value(json!({
                "metadata": {"name": format!("e{second}")}, "involvedObject": {}, "lastTimestamp": time.to_string()
            }))
            .unwrap();
            feed.apply(Ok(watcher::Event::InitApply(event)));
            feed.keep_latest();
        }
        feed.apply(Ok(watcher::Event::InitDone));
        let Read::Known(events) = feed.read(None) else { panic!() };
        assert_eq!(events.len(), MOST_EVENTS);
        assert!(events.iter().any(|event| event.name_any() == "e0"));
    }

    #[test]
    fn back_off_grows_although_a_re_list_is_announced_each_time() {
        let mut patience = Patience { failures: 0, latest: None };
        for _ in 0..6 {
            patience.next();
            patience.reset();
        }
        assert!(patience.next().unwrap() >= Duration::from_secs(1));
    }
}
