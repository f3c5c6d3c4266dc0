//! All objects of the practice cluster, with one lock.

use super::change::ChangeKind;
use super::error::StoreError;
use super::history::{FIRST_VERSION, State};
use super::metadata::{bump_generation, can_be_removed, generated_name, keep_identity, mark_deleted, seconds};
use super::preconditions::{DeleteOptions, Preconditions};
use super::watcher::Watcher;
use crate::admission::{self, AdmissionRequest, Operation};
use crate::key::Key;
use crate::resources;
use crate::sync::lock;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// All objects, their history, and the channel that wakes watchers.
pub struct Store {
    state: Arc<Mutex<State>>,
    notifier: watch::Sender<u64>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Arc<Store> {
        let state =
            State { objects: BTreeMap::new(), history: VecDeque::new(), version: FIRST_VERSION, oldest: FIRST_VERSION };
        Arc::new(Store { state: Arc::new(Mutex::new(state)), notifier: watch::Sender::new(FIRST_VERSION) })
    }

    /// Adds an object and returns it as stored: uid, creationTimestamp, resourceVersion, generation, apiVersion,
    /// kind and the defaults of [`crate::admission`] are filled in. An empty name in the key, with
    /// `metadata.generateName`, gets a generated one.
    ///
    /// # Errors
    /// `AlreadyExists`; `Invalid` if there is no name; `Refused`.
    pub fn create(&self, mut key: Key, mut object: Value, dry_run: bool) -> Result<Arc<Value>, StoreError> {
        if !object.is_object() {
            return Err(StoreError::Invalid(vec![(String::new(), "must be an object".to_owned())]));
        }
        let mut state = lock(&self.state);
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        if key.name.is_empty() {
            let Some(prefix) = object["metadata"]["generateName"].as_str() else {
                let message = "Required value: name or generateName is required".to_owned();
                return Err(StoreError::Invalid(vec![("metadata.name".to_owned(), message)]));
            };
            key.name = generated_name(prefix);
        }
        if state.objects.contains_key(&key) {
            return Err(StoreError::AlreadyExists);
        }
        if let Some(resource) = resources::by_plural(key.resource) {
            object["apiVersion"] = json!(resource.api_version());
            object["kind"] = json!(resource.kind);
            if resource.has_generation() {
                object["metadata"]["generation"] = json!(1);
            }
        }
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name);
        if !key.namespace.is_empty() {
            metadata["namespace"] = json!(key.namespace);
        }
        metadata["uid"] = json!(uuid::Uuid::new_v4().to_string());
        metadata["creationTimestamp"] = json!(seconds(Timestamp::now()));
        if let Some(metadata) = metadata.as_object_mut() {
            for name in ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"] {
                metadata.shift_remove(name);
            }
        }
        let classes = state.of_kind("storageclasses", None).map(|(_, class)| &**class);
        admission::admit(key.resource, &mut object, classes);
        let asked = AdmissionRequest { operation: Operation::Create, key: &key, object: &object, dry_run };
        let refusal = admission::refusal(&asked, &|kind, namespace| {
            state.of_kind(kind, namespace).map(|(_, object)| object.clone()).collect()
        });
        if let Some(refusal) = refusal {
            return Err(StoreError::Refused(refusal));
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        let object = state.record(ChangeKind::Added, key, object, None);
        self.notify(state);
        Ok(object)
    }

    /// The object of that key.
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        lock(&self.state).objects.get(key).cloned()
    }

    /// Objects of a kind (`namespace` `None`: in all), sorted by namespace and name, and the store's version.
    pub fn list(&self, resource: &'static str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let state = lock(&self.state);
        let objects = state.of_kind(resource, namespace).map(|(_, object)| object.clone()).collect();
        (objects, state.version)
    }

    /// [`Store::list`] as it was at an earlier version: what the later pages of a paged list are taken from.
    ///
    /// # Errors
    /// `Expired` where history no longer reaches back that far.
    pub fn list_at(
        &self,
        resource: &'static str,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<Vec<Arc<Value>>, StoreError> {
        let state = lock(&self.state);
        if version < state.oldest {
            return Err(StoreError::Expired);
        }
        let mut objects: BTreeMap<&Key, &Arc<Value>> = state.of_kind(resource, namespace).collect();
        for change in state.history.iter().rev().take_while(|change| change.version > version) {
            let (key, before) = (&change.key, &change.before);
            if key.resource != resource || namespace.is_some_and(|namespace| namespace != key.namespace) {
                continue;
            }
            match before {
                Some(before) => objects.insert(key, before),
                None => objects.remove(key),
            };
        }
        Ok(objects.into_values().cloned().collect())
    }

    /// Reads, changes and writes back under the lock: `change` edits a copy. Without a difference there is no new
    /// version. A terminating object is removed once it has no finalizer left and (pods) its grace period is 0.
    ///
    /// Identity and deletion marks cannot be changed this way: edits to them are dropped.
    ///
    /// # Errors
    /// `NotFound`, `UidMismatch`, `Stale`, and what `change` returns (then nothing is written).
    pub fn update(
        &self,
        key: &Key,
        preconditions: &Preconditions,
        dry_run: bool,
        change: impl FnOnce(&mut Value) -> Result<(), StoreError>,
    ) -> Result<Arc<Value>, StoreError> {
        let mut state = lock(&self.state);
        let before = state.objects.get(key).cloned().ok_or(StoreError::NotFound)?;
        preconditions.check(&before)?;
        let mut object = (*before).clone();
        change(&mut object)?;
        keep_identity(&before, &mut object);
        if object == *before {
            return Ok(before);
        }
        if before["metadata"]["generation"].is_u64() && object.get("spec") != before.get("spec") {
            bump_generation(&mut object);
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        let kind = if can_be_removed(&object) { ChangeKind::Deleted } else { ChangeKind::Modified };
        let object = state.record(kind, key.clone(), object, Some(before));
        self.notify(state);
        Ok(object)
    }

    /// Deletes an object. A pod that runs on a node and has a grace period above 0 gets its deletionTimestamp
    /// (now + grace) and stays until the node's controller deletes it with grace 0. Other kinds are removed
    /// immediately, or get their deletionTimestamp while finalizers remain. Returns the object and whether it is gone.
    ///
    /// # Errors
    /// `NotFound`, `UidMismatch`, `Stale`.
    pub fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<(Arc<Value>, bool), StoreError> {
        let mut state = lock(&self.state);
        let before = state.objects.get(key).cloned().ok_or(StoreError::NotFound)?;
        options.preconditions.check(&before)?;
        let mut object = (*before).clone();
        mark_deleted(key, &mut object, options.grace_seconds);
        let gone = can_be_removed(&object);
        if options.dry_run || (object == *before && !gone) {
            return Ok((Arc::new(object), gone));
        }
        let kind = if gone { ChangeKind::Deleted } else { ChangeKind::Modified };
        let object = state.record(kind, key.clone(), object, Some(before));
        self.notify(state);
        Ok((object, gone))
    }

    /// All changes after `since`, then live ones as they happen.
    ///
    /// # Errors
    /// `Expired` where history no longer reaches back that far.
    pub fn watch(&self, since: u64) -> Result<Watcher, StoreError> {
        if since < lock(&self.state).oldest {
            return Err(StoreError::Expired);
        }
        Ok(Watcher { state: self.state.clone(), notifier: self.notifier.subscribe(), seen: since })
    }

    /// Returns the version of the last change: a list's `metadata.resourceVersion`.
    pub fn version(&self) -> u64 {
        lock(&self.state).version
    }

    /// The oldest version from which a watch can resume.
    pub fn oldest(&self) -> u64 {
        lock(&self.state).oldest
    }

    /// Drops the history, so that older watches and pages expire.
    pub fn compact(&self) {
        let mut state = lock(&self.state);
        state.history.clear();
        state.oldest = state.version;
    }

    /// Wakes the watchers, after releasing the lock so that they find it free.
    fn notify(&self, state: MutexGuard<'_, State>) {
        let version = state.version;
        drop(state);
        self.notifier.send_modify(|current| *current = version.max(*current));
    }
}
