//! What must hold of pods, claims and volumes in every state that the cluster was in, from the first to the last.
//!
//! - No pod runs on a volume that is on record as set aside, unless an undo returns it.
//! - No volume with data is on Delete without a claim, and none that is on record goes.
//! - A claim that an undo has made again is bound to the volume that returns, unless somebody deleted claims by hand.

use super::super::story::Story;
use super::super::world::{CLAIMS, VOLUMES, ephemeral, is_terminating, mounted, text, uid};
use super::records::{claims, records, sets_aside, started};
use practice_cluster::store::{ChangeKind, Key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that did not hold, each thing once.
pub(super) fn violations(story: &Story) -> Vec<String> {
    let objects = story.history.first_state().clone();
    let (acts, awaited, returned) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut now = State { story, objects, records: BTreeMap::new(), acts, awaited, returned };
    let volumes: Vec<Key> = now.objects.keys().filter(|key| key.resource == VOLUMES).cloned().collect();
    volumes.iter().for_each(|key| now.read_records(key));
    let mut found = BTreeSet::new();
    let mut told = Vec::new();
    for change in story.history.changes().filter(|change| ["pods", CLAIMS, VOLUMES].contains(&change.key.resource)) {
        let mut wrong = Vec::new();
        if change.kind == ChangeKind::Deleted {
            wrong.extend(now.is_lost(&change.key));
            now.objects.remove(&change.key);
        } else {
            now.objects.insert(change.key.clone(), change.object.clone());
        }
        if change.key.resource == VOLUMES {
            now.read_records(&change.key);
        }
        now.note_returned();
        wrong.extend(now.pods_on_wrong_volumes());
        wrong.extend(now.volumes_in_danger());
        for what in wrong {
            if found.insert(what.clone()) {
                told.push(format!("version {}: {what}", change.version));
            }
        }
    }
    told
}

struct State<'s> {
    story: &'s Story,
    objects: BTreeMap<Key, Arc<Value>>,
    /// The records on each volume.
    records: BTreeMap<String, Vec<Value>>,
    /// The acts on record of each pod, by namespace and name, the newest first. Each may be on several volumes, and be
    /// written to one after the other: what any of them has counts.
    acts: BTreeMap<(String, String), Vec<Value>>,
    /// Claims that went, or are going, while an undo was the pod's latest act, with the volume that it returns to the next one
    /// of that name.
    awaited: BTreeMap<Key, String>,
    /// Claims, by UID, with the volume that an undo returns to them, if they came while that undo was the pod's latest act, or
    /// after one that went then: it is for them, though somebody begins a failover before they are there or bound.
    returned: BTreeSet<(String, String)>,
}

/// Whether a claim has the volume that it must have, by what is on record.
enum Bound<'s> {
    /// Nothing is against it.
    Well,
    /// This undo, which is unfinished, returns that volume instead.
    Instead(&'s str, &'s str),
    /// The volume was set aside, and this act brings none back.
    Aside(&'s str),
}

impl State<'_> {
    fn read_records(&mut self, volume: &Key) {
        let found = self.objects.get(volume).map(|volume| records(volume)).unwrap_or_default();
        if found.is_empty() && !self.records.contains_key(&volume.name) {
            return;
        }
        self.records.insert(volume.name.clone(), found);
        self.acts.clear();
        let mut all: Vec<_> = self.records.values().flatten().map(|record| (started(record), record)).collect();
        all.sort_by_key(|(started, _)| std::cmp::Reverse(*started));
        for (_, record) in all {
            let of = (text(record, "/namespace").to_owned(), text(record, "/pod").to_owned());
            self.acts.entry(of).or_default().push(record.clone());
        }
    }

    /// The claims of each pod that has acts on record: pod, claim.
    fn claims(&self) -> Vec<(&Key, &Value, &Value)> {
        let mut all = Vec::new();
        for (namespace, pod) in self.acts.keys() {
            let key = Key::new("pods", namespace.as_str(), pod.as_str());
            let Some((key, pod)) = self.objects.get_key_value(&key) else { continue };
            let names = mounted(pod).into_iter().chain(ephemeral(pod));
            let claims = names.filter_map(|name| self.objects.get(&Key::new(CLAIMS, namespace.as_str(), name)));
            all.extend(claims.map(|claim| (key, &**pod, &**claim)));
        }
        all
    }

    /// The volume that a claim is bound to, by both of them.
    fn volume_of<'c>(&self, claim: &'c Value) -> Option<&'c str> {
        let name = text(claim, "/spec/volumeName");
        let volume = self.objects.get(&Key::new(VOLUMES, "", name))?;
        (text(volume, "/spec/claimRef/uid") == uid(claim)).then_some(name)
    }

    fn note_returned(&mut self) {
        let returned = |(key, _, claim): (&Key, &Value, &Value)| match self.judge(key, claim, "") {
            Bound::Instead(_, returns) => Some((uid(claim).to_owned(), returns.to_owned())),
            _ => None,
        };
        let returned: Vec<_> = self.claims().into_iter().filter_map(returned).collect();
        self.returned.extend(returned);
        let came =
            |key: &Key| self.objects.get(key).filter(|claim| !is_terminating(claim)).map(|claim| uid(claim).to_owned());
        let came: Vec<_> = self.awaited.keys().filter_map(|key| Some((key.clone(), came(key)?))).collect();
        for (key, claim) in came {
            self.returned.extend(self.awaited.remove(&key).map(|volume| (claim, volume)));
        }
        for ((namespace, _), acts) in &self.acts {
            let Some(undo) = acts.first().filter(|act| act["outcome"] == "inProgress") else { continue };
            for one in undo["claims"].as_array().into_iter().flatten() {
                let key = Key::new(CLAIMS, namespace.as_str(), text(one, "/name"));
                let goes = self.objects.get(&key).is_none_or(|claim| is_terminating(claim));
                if let (true, Some(volume)) = (goes, one["restores"]["volume"].as_str()) {
                    self.awaited.insert(key, volume.to_owned());
                }
            }
        }
    }

    /// Pods that run on a volume that they must not have.
    fn pods_on_wrong_volumes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key, pod, claim) in self.claims() {
            let Some(volume) = self.volume_of(claim) else { continue };
            let is_for = || self.returned.contains(&(uid(claim).to_owned(), volume.to_owned()));
            let (name, runs) = (text(claim, "/metadata/name"), text(pod, "/status/phase") == "Running");
            match self.judge(key, claim, volume) {
                Bound::Instead(id, returns) if self.story.meddled.is_none() => {
                    wrong.push(format!("claim {name} is bound to volume {volume}, and undo {id} returns {returns}"));
                }
                Bound::Aside(id) if runs && !is_for() => {
                    let pod = &key.name;
                    let why = format!("which was set aside; {id} brings no volume back");
                    wrong.push(format!("pod {pod} runs on volume {volume}, {why}"));
                }
                _ => {}
            }
        }
        wrong
    }

    fn judge(&self, pod: &Key, claim: &Value, volume: &str) -> Bound<'_> {
        let (name, of_claim) = (text(claim, "/metadata/name").to_owned(), uid(claim).to_owned());
        let of = (pod.namespace.clone(), pod.name.clone());
        let acts = self.acts.get(&of).map_or(&[][..], Vec::as_slice);
        // An act that names this very claim is one that it goes with: what it is bound to is from before.
        let goes = |act: &Value| {
            let mut same = acts.iter().filter(|other| other["id"] == act["id"]);
            same.any(|act| claims(act, &name).any(|one| one["uid"] == of_claim.as_str()))
        };
        let mut about = acts.iter().filter(|act| claims(act, &name).next().is_some());
        let Some(newest) = about.find(|act| !goes(act)) else { return Bound::Well };
        let id = text(newest, "/id");
        let mut returning =
            newest["claims"].as_array().into_iter().flatten().filter(|one| one["name"] == name.as_str());
        match returning.find_map(|claim| claim["restores"]["volume"].as_str()) {
            Some(returns) if returns == volume => Bound::Well,
            Some(returns) if newest["outcome"] == "inProgress" => Bound::Instead(id, returns),
            Some(_) => Bound::Well,
            None => {
                let aside = acts.iter().any(|record| {
                    let mut of_others = claims(record, &name).filter(|one| one["uid"] != of_claim.as_str());
                    of_others.any(|one| one["volume"] == volume)
                });
                if aside { Bound::Aside(id) } else { Bound::Well }
            }
        }
    }

    /// Volumes that are on record as set aside and would go, though nobody has them.
    fn volumes_in_danger(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, records) in &self.records {
            let Some(volume) = self.objects.get(&Key::new(VOLUMES, "", name.as_str())) else { continue };
            let aside = records.iter().any(|record| sets_aside(record, name));
            let reference = &volume["spec"]["claimRef"];
            if !aside || text(volume, "/spec/persistentVolumeReclaimPolicy") == "Retain" {
                continue;
            }
            let claim = Key::new(CLAIMS, text(reference, "/namespace"), text(reference, "/name"));
            let of_claim = text(reference, "/uid");
            let in_use = self.objects.get(&claim).is_some_and(|claim| uid(claim) == of_claim);
            if !in_use && !self.story.meddled.claims.contains(of_claim) {
                wrong.push(format!("volume {name} was set aside, and is on Delete without a claim"));
            }
        }
        wrong
    }

    /// A volume that goes although it is on record as set aside.
    fn is_lost(&self, key: &Key) -> Option<String> {
        if key.resource != VOLUMES {
            return None;
        }
        let records = self.records.get(&key.name)?;
        let of_claim = self.objects.get(key).map(|volume| text(volume, "/spec/claimRef/uid").to_owned())?;
        let aside = records.iter().any(|record| sets_aside(record, &key.name));
        (aside && !self.story.meddled.claims.contains(&of_claim))
            .then(|| format!("volume {} was set aside, and is gone", key.name))
    }
}
