//! Fidelity: how a failover looks to a watcher. Both kinds of cluster share one snapshot, so that the practice cluster
//! does what the real one did.
//!
//! Omitted is what depends on the kind of storage, or on timing: Events about claims, attaching, a scheduler's or
//! controller's rejections that are resolved a moment later, probes that fail before the first success.

use crate::member::Before;
use crate::world::{Account, World};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, runtime::WatchStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fmt::Write as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const POD: &str = "wh9527-0";
const CLAIM: &str = "data-wh9527-0";
const RECORD: &str = "kubectl-synxdb/record-";

/// Reasons of omitted Events.
const LEFT_OUT: [&str; 5] = ["SuccessfulAttachVolume", "FailedScheduling", "FailedCreate", "Unhealthy", "NodeNotReady"];

/// Pairs in the order that the plugin, or a controller, relies on.
const ORDER: [(&str, &str); 10] = [
    ("old volume kept", "old claim terminating"),
    ("old claim terminating", "old pod terminating"),
    ("old pod terminating", "old pod ended"),
    ("old pod gone", "old claim gone"),
    ("old claim gone", "new claim created"),
    ("old claim gone", "old volume released"),
    ("new claim created", "new pod created"),
    ("new claim bound", "new pod scheduled"),
    ("new volume bound", "new claim bound"),
    ("new pod ready", "old volume tells the outcome"),
];

/// One event of a watch.
struct Told {
    kind: &'static str,
    /// Whether it existed when the watch began.
    first: bool,
    gone: bool,
    object: Value,
}

#[test]
fn a_failover_as_a_watcher_sees_it() {
    let world = World::shared();
    let account = world.account("story", |_| {});
    let before = Before::of(&world, &account.namespace, POD);
    let mut watched = Watched::start(&account);
    let mut story = Story::new(&before);
    // Before the failover: everything is in place when the first change comes.
    watched.until(&world, &mut story, &["old pod ready", "old claim bound", "old volume bound"]);
    story.began();
    account.run(&["failover", POD, "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    let end = ["old pod gone", "old claim gone", "new pod ready", "new claim bound", "old volume tells the outcome"];
    watched.until(&world, &mut story, &end);
    // Events are written asynchronously.
    let created = "StatefulSet: statefulset-controller: SuccessfulCreate";
    watched.until(&world, &mut story, &["old volume released", "new pod: kubelet: Started", created]);
    insta::assert_snapshot!("story", story.told());
}

/// Watches on all relevant objects, in one stream.
struct Watched(UnboundedReceiver<Told>);

impl Watched {
    fn start(account: &Account<'_>) -> Self {
        let (to, from) = unbounded_channel();
        let world = account.world;
        world.block_on(async {
            follow::<Pod>("pod", world.within(&account.namespace), to.clone());
            follow::<PersistentVolumeClaim>("claim", world.within(&account.namespace), to.clone());
            follow::<k8s_openapi::api::core::v1::Event>("event", world.within(&account.namespace), to.clone());
            follow::<PersistentVolume>("volume", world.cluster_wide(), to);
        });
        Self(from)
    }

    /// Reads events until all of these milestones were reached.
    #[track_caller]
    fn until(&mut self, world: &World, story: &mut Story, milestones: &[&str]) {
        let reached = async {
            while !milestones.iter().all(|milestone| story.has(milestone)) {
                story.take(self.0.recv().await.unwrap());
            }
        };
        if world.in_time(reached).is_none() {
            panic!("not all of {milestones:?} came within {:?}\n{}", world.limit(), story.told());
        }
    }
}

fn follow<K>(kind: &'static str, api: Api<K>, to: UnboundedSender<Told>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
{
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        let mut first = true;
        while let Some(event) = events.next().await {
            let (gone, object) = match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => (false, object),
                Ok(Event::Delete(object)) => (true, object),
                Ok(Event::InitDone) => {
                    first = false;
                    continue;
                }
                Ok(Event::Init) | Err(_) => continue,
            };
            if to.send(Told { kind, first, gone, object: serde_json::to_value(object).unwrap() }).is_err() {
                return;
            }
        }
    });
}

/// The milestones so far, each with the first resourceVersion at which it was reached.
struct Story {
    namespace: String,
    pod: String,
    claim: String,
    /// Names of old and new objects by UID.
    names: BTreeMap<String, String>,
    at: BTreeMap<String, u64>,
    /// The same, in the order of each object's own watch.
    reached: Vec<String>,
    at_first: usize,
}

impl Story {
    fn new(before: &Before<'_>) -> Self {
        Self {
            namespace: before.namespace.clone(),
            pod: before.uid.clone(),
            claim: before.claims[CLAIM].uid.clone(),
            names: BTreeMap::new(),
            at: BTreeMap::new(),
            reached: Vec::new(),
            at_first: 0,
        }
    }

    fn began(&mut self) {
        self.at_first = self.reached.len();
    }

    fn has(&self, milestone: &str) -> bool {
        self.at.contains_key(milestone)
    }

    fn take(&mut self, told: Told) {
        let object = &told.object;
        let version = text(object, "/metadata/resourceVersion").parse().expect("resourceVersions are numbers");
        let milestones = match told.kind {
            "pod" => self.pod(object, told.gone),
            "claim" => self.claim(object, told.gone),
            "volume" => self.volume(object, told.gone),
            // How the account was created does not matter here.
            _ if told.first => Vec::new(),
            _ => self.event(object),
        };
        for milestone in milestones {
            if !self.has(&milestone) {
                self.at.insert(milestone.clone(), version);
                self.reached.push(milestone);
            }
        }
    }

    /// Returns the object's name, as old or new.
    fn named(&mut self, object: &Value, kind: &str, old: &str) -> String {
        let uid = text(object, "/metadata/uid").to_owned();
        let name = format!("{} {kind}", if uid == old { "old" } else { "new" });
        self.names.insert(uid, name.clone());
        name
    }

    fn pod(&mut self, pod: &Value, gone: bool) -> Vec<String> {
        if text(pod, "/metadata/name") != POD {
            return Vec::new();
        }
        let old = self.pod.clone();
        let name = self.named(pod, "pod", &old);
        let phase = text(pod, "/status/phase");
        let conditions = pod["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True");
        let going = pod["metadata"]["deletionTimestamp"].is_string();
        let ended = matches!(phase, "Succeeded" | "Failed");
        reached(
            &name,
            &[
                ("created", true),
                ("scheduled", pod["spec"]["nodeName"].is_string()),
                ("running", phase == "Running"),
                ("ready", ready),
                ("terminating", going),
                ("ended", ended),
                ("gone", gone),
            ],
        )
    }

    fn claim(&mut self, claim: &Value, gone: bool) -> Vec<String> {
        if text(claim, "/metadata/name") != CLAIM {
            return Vec::new();
        }
        let old = self.claim.clone();
        let name = self.named(claim, "claim", &old);
        reached(
            &name,
            &[
                ("created", true),
                ("bound", text(claim, "/status/phase") == "Bound"),
                ("terminating", claim["metadata"]["deletionTimestamp"].is_string()),
                ("gone", gone),
            ],
        )
    }

    fn volume(&mut self, volume: &Value, gone: bool) -> Vec<String> {
        let reference = &volume["spec"]["claimRef"];
        if reference["namespace"] != *self.namespace || reference["name"] != CLAIM {
            return Vec::new();
        }
        let name = format!("{} volume", if reference["uid"] == *self.claim { "old" } else { "new" });
        let phase = text(volume, "/status/phase");
        let kept = text(volume, "/spec/persistentVolumeReclaimPolicy") == "Retain";
        let annotations = volume["metadata"]["annotations"].as_object();
        let record = annotations.into_iter().flatten().find(|(key, _)| key.starts_with(RECORD));
        let record: Value = serde_json::from_str(record.and_then(|(_, text)| text.as_str()).unwrap_or("null")).unwrap();
        reached(
            &name,
            &[
                ("created", true),
                ("bound", phase == "Bound"),
                ("kept", kept),
                ("tells of the failover", record["outcome"] == "unfinished"),
                ("released", phase == "Released"),
                ("tells the outcome", record["outcome"] == "recovered"),
                ("gone", gone),
            ],
        )
    }

    fn event(&mut self, event: &Value) -> Vec<String> {
        let reason = text(event, "/reason");
        let about = match text(event, "/involvedObject/kind") {
            "Pod" => self.names.get(text(event, "/involvedObject/uid")).cloned(),
            "StatefulSet" if text(event, "/involvedObject/name") == "wh9527" => Some("StatefulSet".to_owned()),
            _ => None,
        };
        let told = [text(event, "/reportingComponent"), text(event, "/source/component")];
        let who = told.into_iter().find(|who| !who.is_empty()).unwrap_or_default();
        match about {
            _ if LEFT_OUT.contains(&reason) => Vec::new(),
            Some(about) => vec![format!("{about}: {who}: {reason}")],
            None => Vec::new(),
        }
    }

    /// Returns the story as text: each object's milestones in order, then which came before which.
    fn told(&self) -> String {
        let mut text = String::new();
        for who in ["old pod", "new pod", "old claim", "new claim", "old volume", "new volume"] {
            let of_it = |milestones: &[String]| {
                let own = milestones.iter().filter_map(|milestone| milestone.strip_prefix(who)?.strip_prefix(' '));
                own.map(str::to_owned).collect::<Vec<_>>().join(", ")
            };
            let (first, then) = self.reached.split_at(self.at_first);
            let first = of_it(first);
            if !first.is_empty() {
                writeln!(text, "{who}, before: {first}").unwrap();
            }
            writeln!(text, "{who}: {}", of_it(then)).unwrap();
        }
        text.push('\n');
        let mut events: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for (milestone, version) in &self.at {
            if let Some((about, reason)) = milestone.rsplit_once(": ") {
                events.entry(about.to_owned()).or_default().push((*version, reason.to_owned()));
            }
        }
        for (about, mut reasons) in events {
            reasons.sort();
            let reasons: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
            writeln!(text, "Events, {about}: {}", reasons.join(", ")).unwrap();
        }
        text.push('\n');
        for (first, then) in ORDER {
            let answer = match (self.at.get(first), self.at.get(then)) {
                (Some(first), Some(then)) if first < then => "yes",
                (Some(_), Some(_)) => "no",
                _ => "not both were seen",
            };
            writeln!(text, "{first}, then {then}: {answer}").unwrap();
        }
        text
    }
}

fn reached(name: &str, milestones: &[(&str, bool)]) -> Vec<String> {
    milestones.iter().filter(|(_, reached)| *reached).map(|(word, _)| format!("{name} {word}")).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
