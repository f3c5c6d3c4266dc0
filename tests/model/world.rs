//! What happened: every change of the store with its time, every change by the plugin, and its entire output.

use super::case::Refused;
use practice_cluster::api::faults::Mutation;
use practice_cluster::store::{Change, ChangeKind, Key, Store};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
pub(crate) const VOLUMES: &str = "persistentvolumes";

/// The store's own history.
pub(crate) struct History {
    start: Instant,
    since: u64,
    changes: Vec<(Instant, Change)>,
    /// The state before the first change.
    before: BTreeMap<Key, Arc<Value>>,
}

impl History {
    /// Starts with the objects of the store's current version.
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

    /// Returns the version at which it begins.
    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    /// Returns the version of the latest change.
    pub(crate) fn latest(&self) -> u64 {
        self.changes.last().map_or(self.since, |(_, change)| change.version)
    }

    /// Returns the version of the change with which a request began the deletion of an object; `None` if it was already
    /// terminating.
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

    /// Returns the version in which an object was created.
    pub(crate) fn first(&self, key: &Key, of: &str) -> Option<u64> {
        let mut changes = self.changes.iter().map(|(_, change)| change);
        changes.find(|change| change.key == *key && uid(&change.object) == of).map(|change| change.version)
    }

    /// Returns the object just before that version, that is, before the change that made it.
    pub(crate) fn before(&self, key: &Key, version: u64) -> Option<Arc<Value>> {
        let latest = self.changes.iter().rev().find(|(_, change)| change.key == *key && change.version < version);
        match latest {
            Some((_, change)) if change.kind == ChangeKind::Deleted => None,
            Some((_, change)) => Some(change.object.clone()),
            None => self.before.get(key).cloned(),
        }
    }

    /// Returns the object in that version.
    pub(crate) fn at(&self, key: &Key, version: u64) -> Option<Arc<Value>> {
        self.before(key, version + 1)
    }

    /// Returns the initial state.
    pub(crate) fn first_state(&self) -> &BTreeMap<Key, Arc<Value>> {
        &self.before
    }

    /// Returns the names of all objects of a kind that ever existed, each once.
    pub(crate) fn names(&self, resource: &str) -> BTreeSet<&str> {
        let changed = self.changes.iter().map(|(_, change)| &change.key);
        let of_kind = changed.chain(self.before.keys()).filter(|key| key.resource == resource);
        of_kind.map(|key| key.name.as_str()).collect()
    }

    /// Returns every change since then, in order.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().map(|(_, change)| change)
    }

    /// Describes the changes of pods, claims and volumes, one line each.
    pub(crate) fn in_words(&self) -> String {
        let mut lines = Vec::new();
        for (time, change) in &self.changes {
            if ["pods", CLAIMS, VOLUMES].contains(&change.key.resource) {
                let object = &change.object;
                lines.push(format!(
                    "  {:6} ms  {} {:?} {} {} {} {} {} {} {}",
                    time.duration_since(self.start).as_millis(),
                    change.version,
                    change.kind,
                    change.key.resource,
                    change.key.name,
                    short(text(object, "/metadata/uid")),
                    text(object, "/status/phase"),
                    if object["metadata"]["deletionTimestamp"].is_string() { "Terminating" } else { "" },
                    text(object, "/spec/volumeName"),
                    of_volume(object),
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
    /// Version of the store when it was started.
    pub(crate) began: u64,
    /// Whether a second operator ran it.
    pub(crate) second: bool,
    /// What the server rejected during the run.
    pub(crate) refused: Option<Refused>,
    pub(crate) killed: bool,
    /// `None`: killed.
    pub(crate) code: Option<i32>,
    /// Its JSON lines, each with the store's version at that time.
    pub(crate) lines: Vec<(u64, Value)>,
    pub(crate) err: String,
    /// Its changes.
    pub(crate) mutations: Vec<Mutation>,
}

impl Told {
    /// Whether this flag was given.
    pub(crate) fn has(&self, flag: &str) -> bool {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let mut pairs = self.arguments.windows(2);
        self.arguments.iter().any(|word| word == flag)
            || (!value.is_empty() && pairs.any(|pair| pair[0] == name && pair[1] == value))
    }

    /// Returns the first line of that kind: `Plan` is the plan of a failover or an undo.
    pub(crate) fn line(&self, kind: &str) -> Option<&(u64, Value)> {
        self.lines.iter().find(|(_, line)| line["kind"].as_str().is_some_and(|said| said.ends_with(kind)))
    }

    pub(crate) fn plan(&self) -> Option<&Value> {
        self.line("Plan").map(|(_, plan)| plan)
    }

    /// Returns the steps of its plan.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Value> {
        self.plan().and_then(|plan| plan["steps"].as_array()).into_iter().flatten()
    }

    pub(crate) fn result(&self) -> Option<&(u64, Value)> {
        self.line("Result")
    }

    pub(crate) fn verdict(&self) -> &str {
        self.result().map_or("", |(_, result)| result["outcome"].as_str().unwrap_or_default())
    }

    /// Whether it was refused before anything was changed.
    pub(crate) fn is_refused(&self) -> bool {
        self.code == Some(4) && self.result().is_none()
    }

    /// Whether it ended with nothing left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.code.is_some() && ["recovered", "unverified", "dataMissing"].contains(&self.verdict())
    }

    /// Returns all reasons that it printed.
    pub(crate) fn reasons(&self) -> String {
        let result = self.result().map(|(_, result)| result["reasons"].to_string()).unwrap_or_default();
        let error = self.line("Error").map(|(_, error)| error.to_string()).unwrap_or_default();
        format!("{result}{error}")
    }

    /// Returns the store's version before it wrote the outcome into the records; `None` if it did not.
    pub(crate) fn finished_records_since(&self) -> Option<u64> {
        let deleted = self.mutations.iter().rposition(|did| did.verb == "delete" && did.resource != "leases");
        let after = &self.mutations[deleted.map_or(0, |at| at + 1)..];
        // Without a deletion, the first ones are what it did before it waited.
        deleted.and(after.iter().find(|did| did.resource == VOLUMES)).map(|did| did.since)
    }

    /// Whether it reports that something did not answer in time.
    pub(crate) fn is_late(&self) -> bool {
        let late = |text: &str| text.contains("no response within");
        late(&self.err) || self.lines.iter().any(|(_, line)| late(&line.to_string()))
    }

    /// Returns the next command that it prints, without `kubectl synxdb`; `None` if there is none that acts.
    pub(crate) fn next(&self) -> Option<Vec<String>> {
        if let Some((_, result)) = self.result() {
            return command(result["resume"].as_str()?);
        }
        let next = self.line("Error").map(|(_, error)| error["next"].as_array().cloned().unwrap_or_default());
        next.unwrap_or_default().iter().filter_map(Value::as_str).find_map(command)
    }

    pub(crate) fn in_words(&self) -> String {
        let who = if self.second { " (second operator)" } else { "" };
        let mut lines = vec![format!("$ kubectl synxdb {}{who}", self.arguments.join(" "))];
        lines.extend(self.lines.iter().map(|(version, line)| format!("  [{version}] {line}")));
        lines.push(format!("  stderr: {}", self.err.trim_end()));
        lines.extend(self.mutations.iter().map(|mutation| format!("  did {mutation:?}")));
        lines.push(format!("  exit code {:?}{}", self.code, if self.killed { ", killed" } else { "" }));
        lines.join("\n")
    }
}

/// Returns the words of a failover or an undo in a text, which may continue after it. No name here needs quotes.
fn command(text: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = text.strip_prefix("kubectl synxdb ")?.split(' ').collect();
    if !["failover", "undo"].contains(words.first()?) {
        return None;
    }
    let mut all: Vec<String> = words.iter().take(2).map(|word| (*word).to_owned()).collect();
    let mut rest = words.iter().skip(2).peekable();
    while let Some(flag) = rest.next_if(|word| word.starts_with("--")) {
        all.push((*flag).to_owned());
        if !flag.contains('=') {
            all.extend(rest.next_if(|word| !word.starts_with("--")).map(|value| (*value).to_owned()));
        }
    }
    Some(all)
}

/// What was deleted by hand.
#[derive(Debug, Default)]
pub(crate) struct Meddled {
    /// UIDs of claims, including those deleted with a pod.
    pub(crate) claims: BTreeSet<String>,
    /// UIDs of pods.
    pub(crate) pods: BTreeSet<String>,
}

impl Meddled {
    pub(crate) fn is_none(&self) -> bool {
        self.claims.is_empty() && self.pods.is_empty()
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

/// Returns the names of the claims that a pod mounts and that stay without it.
pub(crate) fn mounted(pod: &Value) -> Vec<String> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let names = volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    names.map(str::to_owned).collect()
}

/// Returns the names of the claims of a pod's generic ephemeral volumes.
pub(crate) fn ephemeral(pod: &Value) -> Vec<String> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let own = volumes.filter(|volume| volume["ephemeral"].is_object());
    own.map(|volume| format!("{}-{}", text(pod, "/metadata/name"), text(volume, "/name"))).collect()
}

/// Whether a claim belongs to the pod of that UID.
pub(crate) fn is_owned(claim: &Value, pod: &str) -> bool {
    let owners = claim["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|owner| owner["uid"] == pod)
}

/// Returns a volume's policy and claim.
fn of_volume(object: &Value) -> String {
    let spec = &object["spec"];
    let Some(policy) = spec["persistentVolumeReclaimPolicy"].as_str() else { return String::new() };
    format!("{policy} {} {}", text(spec, "/claimRef/name"), short(text(spec, "/claimRef/uid")))
}

fn short(uid: &str) -> &str {
    uid.get(..8).unwrap_or(uid)
}
