//! What must hold for pods, claims and volumes in every state of the cluster, from the first to the last.
//!
//! - No pod runs on a retained volume, unless an undo restores that volume.
//! - No volume with data has policy Delete without a claim, and no recorded volume is deleted.
//! - A claim recreated by an undo is bound to the restored volume, unless a user deleted claims by hand.

use super::super::story::Story;
use super::super::world::{CLAIMS, VOLUMES, ephemeral, is_terminating, mounted, text, uid};
use super::records::{claims, records, retains, started};
use practice_cluster::store::{ChangeKind, Key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Returns every violation once.
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
    /// Each pod's operations on record, by namespace and name, the newest first. A record may be on several volumes,
    /// which are written one after the other: all of them count.
    acts: BTreeMap<(String, String), Vec<Value>>,
    /// Claims that were deleted, or are terminating, while an undo was the pod's latest operation, with the volume that
    /// it restores for the next claim of that name.
    awaited: BTreeMap<Key, String>,
    /// Claims, by UID, with the volume that an undo restores for them, if they were created while that undo was the
    /// pod's latest operation, or after one that was deleted then: the volume is for them, even if another user starts
    /// a failover before they exist or are bound.
    returned: BTreeSet<(String, String)>,
}

/// Whether a claim has the right volume, by the records.
enum Bound<'s> {
    /// Nothing contradicts it.
    Right,
    /// This unfinished undo restores that volume instead.
    Instead(&'s str, &'s str),
    /// The volume is retained, and this operation restores none.
    Retained(&'s str),
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

    /// Returns the claims of each pod with operations on record: pod, claim.
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

    /// Returns the volume that a claim is bound to, if both agree.
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
            let Some(undo) = acts.first().filter(|act| act["outcome"] == "unfinished") else { continue };
            for one in undo["claims"].as_array().into_iter().flatten() {
                let key = Key::new(CLAIMS, namespace.as_str(), text(one, "/name"));
                let goes = self.objects.get(&key).is_none_or(|claim| is_terminating(claim));
                if let (true, Some(volume)) = (goes, one["restores"]["volume"].as_str()) {
                    self.awaited.insert(key, volume.to_owned());
                }
            }
        }
    }

    /// Returns pods that run on a wrong volume.
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
                Bound::Retained(id) if runs && !is_for() => {
                    let pod = &key.name;
                    let why = format!("which is retained; {id} restores no volume");
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
        // An operation that names this very claim deletes it: its volume is from before.
        let goes = |act: &Value| {
            let mut same = acts.iter().filter(|other| other["id"] == act["id"]);
            same.any(|act| claims(act, &name).any(|one| one["uid"] == of_claim.as_str()))
        };
        let mut about = acts.iter().filter(|act| claims(act, &name).next().is_some());
        let Some(newest) = about.find(|act| !goes(act)) else { return Bound::Right };
        let id = text(newest, "/id");
        let mut returning =
            newest["claims"].as_array().into_iter().flatten().filter(|one| one["name"] == name.as_str());
        match returning.find_map(|claim| claim["restores"]["volume"].as_str()) {
            Some(returns) if returns == volume => Bound::Right,
            Some(returns) if newest["outcome"] == "unfinished" => Bound::Instead(id, returns),
            Some(_) => Bound::Right,
            None => {
                let retained = acts.iter().any(|record| {
                    let mut of_others = claims(record, &name).filter(|one| one["uid"] != of_claim.as_str());
                    of_others.any(|one| one["volume"] == volume)
                });
                if retained { Bound::Retained(id) } else { Bound::Right }
            }
        }
    }

    /// Returns retained volumes that are unclaimed and would be deleted.
    fn volumes_in_danger(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, records) in &self.records {
            let Some(volume) = self.objects.get(&Key::new(VOLUMES, "", name.as_str())) else { continue };
            let retained = records.iter().any(|record| retains(record, name));
            let reference = &volume["spec"]["claimRef"];
            if !retained || text(volume, "/spec/persistentVolumeReclaimPolicy") == "Retain" {
                continue;
            }
            let claim = Key::new(CLAIMS, text(reference, "/namespace"), text(reference, "/name"));
            let of_claim = text(reference, "/uid");
            let in_use = self.objects.get(&claim).is_some_and(|claim| uid(claim) == of_claim);
            if !in_use && !self.story.meddled.claims.contains(of_claim) {
                wrong.push(format!("volume {name} is retained, but has policy Delete and no claim"));
            }
        }
        wrong
    }

    /// Reports the deletion of a retained volume.
    fn is_lost(&self, key: &Key) -> Option<String> {
        if key.resource != VOLUMES {
            return None;
        }
        let records = self.records.get(&key.name)?;
        let of_claim = self.objects.get(key).map(|volume| text(volume, "/spec/claimRef/uid").to_owned())?;
        let retained = records.iter().any(|record| retains(record, &key.name));
        (retained && !self.story.meddled.claims.contains(&of_claim))
            .then(|| format!("volume {} was retained, and is gone", key.name))
    }
}
