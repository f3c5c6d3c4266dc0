//! Never two storage components at once: nothing of one is deleted while another one is down, or while the last
//! operation on another one did not succeed, unless the risk was accepted.

use super::super::case::SYSTEM;
use super::super::world::{Told, VOLUMES};
use super::records::{records, started};
use super::{Judge, is_ready, is_terminating, text};
use practice_cluster::store::Key;
use serde_json::Value;

impl Judge<'_> {
    /// Checks that nothing was deleted while another storage component was down all the time while the plan was made.
    pub(super) fn keeps_storage_apart(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let Some((version, plan)) = run.line("Plan") else { return };
        let Some(did) = run.mutations.iter().find(|did| did.verb == "delete" && did.resource != "leases") else {
            return;
        };
        if run.has("--allow=second-storage") {
            return;
        }
        let (target, versions) = (text(plan, "/target/pod"), run.began..=*version);
        if text(plan, "/target/namespace") != SYSTEM {
            return;
        }
        // If both are down, one of them has to be first.
        let stood = versions.clone().all(|version| self.is_up(target, version));
        for other in self.others(target) {
            let down = stood && versions.clone().all(|version| !self.is_up(&other, version));
            let why = self.open(&other, run.began).filter(|open| self.open(&other, *version).as_ref() == Some(open));
            let why = why.or_else(|| down.then(|| format!("{other} was not Ready")));
            if let Some(why) = why {
                self.wrong(number, format!("two storage components were away at once, as {why}: {did:?}"));
                return;
            }
        }
    }

    /// Whether another storage component was down at some time while this run planned.
    pub(super) fn is_second_storage(&self, run: &Told) -> bool {
        let Some((version, plan)) = run.line("Plan") else { return false };
        let away = |other: &String| {
            let mut versions = run.began..=*version;
            versions.any(|version| !self.is_up(other, version) || self.open(other, version).is_some())
        };
        self.others(text(plan, "/target/pod")).iter().any(away)
    }

    /// Returns the storage components that must not be down together with this one; among safekeepers, the quorum
    /// decides instead.
    fn others(&self, target: &str) -> Vec<String> {
        match target {
            "pageserver-0" => (0..self.case.topology.safekeepers).map(|n| format!("safekeeper-{n}")).collect(),
            _ if target.starts_with("safekeeper-") => vec!["pageserver-0".to_owned()],
            _ => Vec::new(),
        }
    }

    fn is_up(&self, pod: &str, version: u64) -> bool {
        let pod = self.story.history.at(&Key::new("pods", SYSTEM, pod), version);
        pod.is_some_and(|pod| is_ready(&pod) && !is_terminating(&pod))
    }

    /// Returns the last operation on a pod, if it is on record as unsuccessful.
    fn open(&self, pod: &str, version: u64) -> Option<String> {
        let history = &self.story.history;
        let mut all: Vec<Value> = Vec::new();
        for name in history.names(VOLUMES) {
            let volume = history.at(&Key::new(VOLUMES, "", name), version);
            all.extend(volume.map(|volume| records(&volume)).unwrap_or_default());
        }
        all.retain(|record| text(record, "/namespace") == SYSTEM && text(record, "/pod") == pod);
        let newest = all.into_iter().max_by_key(started)?;
        let open = ["unfinished", "catchingUp", "dataMissing"].contains(&text(&newest, "/outcome"));
        open.then(|| format!("{} of {pod} is {}", text(&newest, "/id"), text(&newest, "/outcome")))
    }
}
