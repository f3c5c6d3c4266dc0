//! The objects of the store and their history, behind its lock.

use super::change::{Change, ChangeKind};
use crate::key::Key;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Changes kept for watches to resume from.
pub(super) const HISTORY: usize = 10_000;

/// Where the counter starts: high enough that an old resourceVersion such as `1` is visibly expired.
pub(super) const FIRST_VERSION: u64 = 1000;

/// What the lock protects. Every write is one assignment, so that a panic leaves it consistent.
pub(super) struct State {
    pub(super) objects: BTreeMap<Key, Arc<Value>>,
    pub(super) history: VecDeque<Change>,
    /// Version of the last change.
    pub(super) version: u64,
    /// A watch can resume from this version or a later one.
    pub(super) oldest: u64,
}

impl State {
    /// Objects of a kind in key order.
    pub(super) fn of_kind(
        &self,
        resource: &'static str,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let from = Key::new(resource, namespace.unwrap_or_default(), "");
        let namespace = namespace.map(str::to_owned);
        self.objects.range(from..).take_while(move |(key, _)| {
            key.resource == resource && namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
        })
    }

    /// Gives the object the next version, stores or removes it, and writes history.
    pub(super) fn record(
        &mut self,
        kind: ChangeKind,
        key: Key,
        mut object: Value,
        before: Option<Arc<Value>>,
    ) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        if kind == ChangeKind::Deleted {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key.clone(), object.clone());
        }
        if self.history.len() == HISTORY
            && let Some(dropped) = self.history.pop_front()
        {
            self.oldest = dropped.version;
        }
        self.history.push_back(Change { kind, key, object: object.clone(), before, version: self.version });
        object
    }
}
