//! The practice cluster's objects: what a Kubernetes API server keeps in etcd, and the rules that
//! hold for every kind alike.
//!
//! In: JSON objects and intentions (create, update, delete). Out: stored objects, each with a UID
//! and a resourceVersion, and an ordered history that watches are served from. No HTTP and no
//! SynxDB in here: the API and the controllers both work on this.

use crate::api::admission;
use crate::plugins::{self, Asked, Operation};
use crate::resources;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

pub use crate::plugins::Refusal;

/// Where an object is kept: its kind, namespace (empty for cluster-scoped kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Lower-case plural of the kind.
    pub resource: &'static str,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Conditions a change is made under, as in Kubernetes' `Preconditions`.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    /// The object must have this UID.
    pub uid: Option<String>,
    /// The object must be at this resourceVersion.
    pub resource_version: Option<String>,
}

/// Why a change was not made; the API words these as a real server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// 404.
    NotFound,
    /// 409 AlreadyExists.
    AlreadyExists,
    /// 409 Conflict: a precondition on the UID failed: (wanted, found).
    UidMismatch(String, String),
    /// 409 Conflict: the object was changed since the resourceVersion given: (wanted, found).
    Stale(String, String),
    /// 410: the history before this resourceVersion is no longer kept.
    Expired,
    /// 422: what was wrong, one entry a field.
    Invalid(Vec<(String, String)>),
    /// A plugin is against it.
    Refused(Refusal),
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Added,
    /// It was changed, a deletionTimestamp being set included.
    Modified,
    /// It is gone.
    Deleted,
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To which object.
    pub key: Key,
    /// The object after the change, or as it was when it went (with the deletion's resourceVersion).
    pub object: Arc<Value>,
    /// The object before the change: a selector that matched then and no longer does makes a
    /// watch report `DELETED`.
    pub before: Option<Arc<Value>>,
    /// resourceVersion of this change: one counter for the whole store, as in etcd.
    pub version: u64,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Conditions.
    pub preconditions: Preconditions,
    /// `gracePeriodSeconds`; `None` takes the pod's own (0 for every other kind).
    pub grace_seconds: Option<u64>,
    /// Answer as if, change nothing.
    pub dry_run: bool,
}

/// Changes kept for watches to resume from.
const HISTORY: usize = 10_000;

/// Where the counter starts: high enough that an old resourceVersion such as `1` is visibly expired.
const FIRST_VERSION: u64 = 1000;

/// All objects, their history, and the bell that wakes watchers.
pub struct Store {
    state: Arc<Mutex<State>>,
    bell: watch::Sender<u64>,
}

struct State {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    /// Version of the last change.
    version: u64,
    /// A watch can resume from this version or a later one.
    oldest: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Key {
    /// The key of an object; `namespace` is empty for cluster-scoped kinds.
    pub fn new(resource: &'static str, namespace: impl Into<String>, name: impl Into<String>) -> Key {
        Key { resource, namespace: namespace.into(), name: name.into() }
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Arc<Store> {
        let state =
            State { objects: BTreeMap::new(), history: VecDeque::new(), version: FIRST_VERSION, oldest: FIRST_VERSION };
        Arc::new(Store { state: Arc::new(Mutex::new(state)), bell: watch::Sender::new(FIRST_VERSION) })
    }

    /// Adds an object and returns it as stored: uid, creationTimestamp, resourceVersion, generation, apiVersion,
    /// kind and the defaults of [`admission`] are filled in. An empty name in the key, with
    /// `metadata.generateName`, gets a generated one.
    ///
    /// # Errors
    /// `AlreadyExists`; `Invalid` where there is no name; `Refused`.
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
        let asked = Asked { operation: Operation::Create, key: &key, object: &object, dry_run };
        let refusal = plugins::refusal(&asked, &|kind, namespace| {
            state.of_kind(kind, namespace).map(|(_, object)| object.clone()).collect()
        });
        if let Some(refusal) = refusal {
            return Err(StoreError::Refused(refusal));
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        let object = state.record(ChangeKind::Added, key, object, None);
        self.ring(state);
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

    /// Reads, changes and writes back under the lock: `change` edits a copy. Nothing different, no new version.
    /// The object goes when it is being deleted, its last finalizer went and (pods) its grace is 0.
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
        let kind = if may_go(&object) { ChangeKind::Deleted } else { ChangeKind::Modified };
        let object = state.record(kind, key.clone(), object, Some(before));
        self.ring(state);
        Ok(object)
    }

    /// Deletes an object. A pod that runs on a node and has a grace period above 0 gets its deletionTimestamp
    /// (now + grace) and stays until the node's controller deletes it with grace 0. Other kinds go at once, or get
    /// their deletionTimestamp while finalizers remain. Returns the object and whether it is gone.
    ///
    /// # Errors
    /// `NotFound`, `UidMismatch`, `Stale`.
    pub fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<(Arc<Value>, bool), StoreError> {
        let mut state = lock(&self.state);
        let before = state.objects.get(key).cloned().ok_or(StoreError::NotFound)?;
        options.preconditions.check(&before)?;
        let mut object = (*before).clone();
        mark_deleted(key, &mut object, options.grace_seconds);
        let gone = may_go(&object);
        if options.dry_run || (object == *before && !gone) {
            return Ok((Arc::new(object), gone));
        }
        let kind = if gone { ChangeKind::Deleted } else { ChangeKind::Modified };
        let object = state.record(kind, key.clone(), object, Some(before));
        self.ring(state);
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
        Ok(Watcher { state: self.state.clone(), bell: self.bell.subscribe(), seen: since })
    }

    /// Version of the last change: what a list's `metadata.resourceVersion` says.
    pub fn version(&self) -> u64 {
        lock(&self.state).version
    }

    /// The oldest version from which a watch can resume.
    pub fn oldest(&self) -> u64 {
        lock(&self.state).oldest
    }

    /// Forgets the history, so that older watches and pages expire.
    pub fn compact(&self) {
        let mut state = lock(&self.state);
        state.history.clear();
        state.oldest = state.version;
    }

    /// Wakes the watchers, after the lock is let go so that they find it free.
    fn ring(&self, state: MutexGuard<'_, State>) {
        let version = state.version;
        drop(state);
        self.bell.send_modify(|current| *current = version.max(*current));
    }
}

impl State {
    /// Objects of a kind in key order.
    fn of_kind(&self, resource: &'static str, namespace: Option<&str>) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let from = Key::new(resource, namespace.unwrap_or_default(), "");
        let namespace = namespace.map(str::to_owned);
        self.objects.range(from..).take_while(move |(key, _)| {
            key.resource == resource && namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
        })
    }

    /// Gives the object the next version, stores or removes it, and writes history.
    fn record(&mut self, kind: ChangeKind, key: Key, mut object: Value, before: Option<Arc<Value>>) -> Arc<Value> {
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

/// A place in the history, moving forward.
pub struct Watcher {
    state: Arc<Mutex<State>>,
    bell: watch::Receiver<u64>,
    seen: u64,
}

impl Watcher {
    /// The next change. `None` when the store is gone, or when this watcher fell so far behind that history no
    /// longer holds its next change (answer 410 then, see [`Watcher::expired`]). Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            // Mark the bell as heard before looking: a change after the look rings again.
            self.bell.borrow_and_update();
            {
                let state = lock(&self.state);
                if self.seen < state.oldest {
                    return None;
                }
                let at = state.history.partition_point(|change| change.version <= self.seen);
                if let Some(change) = state.history.get(at) {
                    self.seen = change.version;
                    return Some(change.clone());
                }
            }
            self.bell.changed().await.ok()?;
        }
    }

    /// Version of the last change handed out (or from which the watch started).
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The oldest version from which a watch can resume.
    pub fn oldest(&self) -> u64 {
        lock(&self.state).oldest
    }

    /// Whether history no longer holds the change after the last one handed out.
    pub fn expired(&self) -> bool {
        self.seen < lock(&self.state).oldest
    }
}

impl Preconditions {
    /// No conditions.
    pub fn none() -> Preconditions {
        Preconditions::default()
    }

    /// The object must have this UID.
    pub fn uid(uid: impl Into<String>) -> Preconditions {
        Preconditions { uid: Some(uid.into()), resource_version: None }
    }

    fn check(&self, object: &Value) -> Result<(), StoreError> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        if let Some(wanted) = &self.uid
            && *wanted != text("uid")
        {
            return Err(StoreError::UidMismatch(wanted.clone(), text("uid")));
        }
        if let Some(wanted) = &self.resource_version
            && *wanted != text("resourceVersion")
        {
            return Err(StoreError::Stale(wanted.clone(), text("resourceVersion")));
        }
        Ok(())
    }
}

/// A panic elsewhere must not take the store with it: every write is one assignment, so the data is whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// RFC 3339 with whole seconds, as Kubernetes' `metav1.Time`.
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A name that begins so, cut where it would be too long, and ends in five letters or digits that spell no words.
pub fn generated_name(prefix: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    const LONGEST: usize = 58;
    let random = uuid::Uuid::new_v4();
    let suffix = random.as_bytes()[..5].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    let end = prefix.floor_char_boundary(LONGEST);
    prefix[..end].chars().chain(suffix).collect()
}

/// Puts back what an update may not change.
fn keep_identity(before: &Value, object: &mut Value) {
    for name in ["apiVersion", "kind"] {
        object[name] = before[name].clone();
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for name in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match before["metadata"].get(name) {
            Some(value) => metadata.insert(name.to_owned(), value.clone()),
            None => metadata.shift_remove(name),
        };
    }
}

fn bump_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_u64() {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

/// Sets or shortens the deletion's time (Kubernetes' `rest.BeforeDelete` and the pod strategy's
/// `CheckGracefulDelete`).
fn mark_deleted(key: &Key, object: &mut Value, grace: Option<u64>) {
    let now = Timestamp::now();
    if let Some(at) = object["metadata"]["deletionTimestamp"].as_str() {
        // Already being deleted: the grace period can only be made shorter.
        let current = object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
        let (Some(grace), Ok(at)) = (grace, at.parse::<Timestamp>()) else { return };
        if grace < current {
            let earlier = at.saturating_sub(SignedDuration::from_secs((current - grace).cast_signed()));
            object["metadata"]["deletionTimestamp"] = json!(seconds(earlier.unwrap_or(now)));
            object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        }
        return;
    }
    let grace = if key.resource == "pods" {
        let unscheduled = object["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
        let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        if unscheduled || finished {
            0
        } else {
            grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30)
        }
    } else {
        0
    };
    let at = now.saturating_add(SignedDuration::from_secs(grace.min(i32::MAX as u64).cast_signed())).unwrap_or(now);
    object["metadata"]["deletionTimestamp"] = json!(seconds(at));
    object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    bump_generation(object);
}

/// Whether nothing keeps a deleted object any longer.
fn may_go(object: &Value) -> bool {
    let metadata = &object["metadata"];
    // A namespace has finalizers of its own kind: its contents go first.
    let emptied = object["kind"] != "Namespace" || object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty);
    emptied
        && metadata["deletionTimestamp"].is_string()
        && metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && metadata["finalizers"].as_array().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests;
