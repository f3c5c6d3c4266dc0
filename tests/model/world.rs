//! What happened: every change of the store with its time, every change that the plugin made, every word that it
//! said.

use practice_cluster::api::faults::Mutation;
use practice_cluster::store::{Change, ChangeKind, Key, Store};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
pub(crate) const VOLUMES: &str = "persistentvolumes";

/// The store's own history.
pub(crate) struct History {
    start: Instant,
    since: u64,
    changes: Vec<(Instant, Change)>,
    /// Everything as it was before the first of them.
    before: BTreeMap<Key, Arc<Value>>,
}

impl History {
    /// Begins; the objects are those of the store's present version.
    pub(crate) fn of(store: &Store) -> (History, u64) {
        let version = store.version();
        let kinds = ["pods", CLAIMS, VOLUMES, "statefulsets", "nodes"];
        let mut before = BTreeMap::new();
        for kind in kinds {
            for object in store.list_at(kind, None, version).expect("nothing is forgotten yet") {
                before.insert(
                    Key::new(kind, text(&object, "/metadata/namespace"), text(&object, "/metadata/name")),
                    object,
                );
            }
        }
        (History { start: Instant::now(), since: version, changes: Vec::new(), before }, version)
    }

    pub(crate) fn add(&mut self, change: Change) {
        self.changes.push((Instant::now(), change));
    }

    /// Version at which it begins.
    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    /// Version of the latest change.
    pub(crate) fn latest(&self) -> u64 {
        self.changes.last().map_or(self.since, |(_, change)| change.version)
    }

    /// Version of the change with which a request began the deletion of an object; `None` where it was going already.
    pub(crate) fn deletion(&self, did: &Mutation, resource: &'static str) -> Option<u64> {
        let key = Key::new(resource, did.namespace.as_str(), did.name.as_str());
        let within = |version| did.since < version && version <= did.version;
        let began = |change: &Change| {
            let goes = change.kind == ChangeKind::Deleted || is_terminating(&change.object);
            goes && change.before.as_ref().is_none_or(|before| !is_terminating(before))
        };
        let mut changes = self.changes.iter().map(|(_, change)| change).filter(|change| change.key == key);
        changes
            .find(|change| within(change.version) && uid(&change.object) == did.uid && began(change))
            .map(|c| c.version)
    }

    /// The version by which an object came to be.
    pub(crate) fn first(&self, key: &Key, of: &str) -> Option<u64> {
        let mut changes = self.changes.iter().map(|(_, change)| change);
        changes.find(|change| change.key == *key && uid(&change.object) == of).map(|change| change.version)
    }

    /// The object as it was just before that version, and so before the change that made it.
    pub(crate) fn before(&self, key: &Key, version: u64) -> Option<Arc<Value>> {
        let latest = self.changes.iter().rev().find(|(_, change)| change.key == *key && change.version < version);
        match latest {
            Some((_, change)) if change.kind == ChangeKind::Deleted => None,
            Some((_, change)) => Some(change.object.clone()),
            None => self.before.get(key).cloned(),
        }
    }

    /// The object as it was when that version had been made.
    pub(crate) fn at(&self, key: &Key, version: u64) -> Option<Arc<Value>> {
        self.before(key, version + 1)
    }

    /// What befell pods, claims and volumes, a line each.
    pub(crate) fn in_words(&self) -> String {
        let mut lines = Vec::new();
        for (time, change) in &self.changes {
            if ["pods", CLAIMS, VOLUMES].contains(&change.key.resource) {
                let object = &change.object;
                lines.push(format!(
                    "  {:6} ms  {} {:?} {} {} {} {} {}",
                    time.duration_since(self.start).as_millis(),
                    change.version,
                    change.kind,
                    change.key.resource,
                    change.key.name,
                    short(text(object, "/metadata/uid")),
                    text(object, "/status/phase"),
                    if object["metadata"]["deletionTimestamp"].is_string() { "Terminating" } else { "" },
                ));
            }
        }
        lines.join("\n")
    }
}

/// One run of the plugin.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) arguments: Vec<String>,
    pub(crate) killed: bool,
    /// `None`: killed.
    pub(crate) code: Option<i32>,
    /// Its JSON lines, each with the store's version when it came.
    pub(crate) lines: Vec<(u64, Value)>,
    pub(crate) err: String,
    /// What it changed.
    pub(crate) mutations: Vec<Mutation>,
}

impl Told {
    /// The first line of that kind: `Plan` is one of a failover or an undo.
    pub(crate) fn line(&self, kind: &str) -> Option<&(u64, Value)> {
        self.lines.iter().find(|(_, line)| line["kind"].as_str().is_some_and(|said| said.ends_with(kind)))
    }

    pub(crate) fn plan(&self) -> Option<&Value> {
        self.line("Plan").map(|(_, plan)| plan)
    }

    pub(crate) fn result(&self) -> Option<&(u64, Value)> {
        self.line("Result")
    }

    pub(crate) fn verdict(&self) -> &str {
        self.result().map_or("", |(_, result)| result["verdict"].as_str().unwrap_or_default())
    }

    /// All reasons that it gave.
    pub(crate) fn reasons(&self) -> String {
        let result = self.result().map(|(_, result)| result["reasons"].to_string()).unwrap_or_default();
        let error = self.line("Error").map(|(_, error)| error.to_string()).unwrap_or_default();
        format!("{result}{error}")
    }

    pub(crate) fn in_words(&self) -> String {
        let mut lines = vec![format!("$ kubectl synxdb {}", self.arguments.join(" "))];
        lines.extend(self.lines.iter().map(|(version, line)| format!("  [{version}] {line}")));
        lines.push(format!("  stderr: {}", self.err.trim_end()));
        lines.extend(self.mutations.iter().map(|mutation| format!("  did {mutation:?}")));
        lines.push(format!("  exit code {:?}{}", self.code, if self.killed { ", killed" } else { "" }));
        lines.join("\n")
    }
}

pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// Names of the claims that a pod mounts.
pub(crate) fn mounted(pod: &Value) -> Vec<String> {
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    volumes
        .iter()
        .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
        .map(str::to_owned)
        .collect()
}

fn short(uid: &str) -> &str {
    uid.get(..8).unwrap_or(uid)
}
