//! The final output of a run is true in the store at that moment.

use super::super::case::SYSTEM;
use super::super::world::{CLAIMS, Told, VOLUMES};
use super::records::{claims, records};
use super::{Judge, is_ready, is_terminating, text, uid};
use practice_cluster::store::Key;
use serde_json::Value;

impl Judge<'_> {
    /// Checks that the final output is true.
    pub(super) fn tells_the_truth(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let (Some((version, result)), Some(plan)) = (run.result(), run.plan()) else {
            let silent = !run.killed && run.line("Error").is_none();
            if silent {
                self.wrong(number, "it ended without a result or an error");
            }
            return;
        };
        let mut wrong = Vec::new();
        // Whatever another user does to the pod while the record is being finished comes after the verification.
        let proven = run.lines.iter().find(|(_, line)| line["phase"] == "verify" && has_ended(line));
        let meddled = !self.story.meddled.is_none();
        let version = match proven.filter(|_| meddled) {
            // The line may be read later than it was written, but it was written before the records.
            Some((version, _)) => run.finished_records_since().map_or(*version, |since| since.min(*version)),
            None => *version,
        };
        let missing = self.missing(plan, version);
        let lost = self.lost(plan, version);
        match (result["outcome"].as_str().unwrap_or_default(), &missing, lost) {
            // The other storage components are as good a reference as its own baseline.
            ("recovered", None, false) if result["baseline"]["source"] == "none" && !is_compared(result) => {
                wrong.push("it said recovered, and compared with nothing".to_owned());
            }
            ("recovered", None, false) => {}
            ("recovered", Some(missing), _) => wrong.push(format!("it said recovered, and {missing}")),
            ("recovered", None, true) => wrong.push("it said recovered, and its data is lost".to_owned()),
            // Compared with the other storage components, it is missed whether or not it answered before.
            ("dataMissing", None, _) if self.is_gone(plan, version) => {}
            ("dataMissing", missing, _) => {
                wrong.push(format!("it said dataMissing; lost: {lost}, {missing:?}"));
            }
            ("unverified", None, _) if plan["target"]["namespace"] != SYSTEM => {}
            ("unverified", None, _) if result["baseline"]["source"] == "none" => {}
            ("unverified", missing, _) => wrong.push(format!("it said unverified: {}, {missing:?}", result["reasons"])),
            ("timedOut" | "clusterChanged" | "failed" | "interrupted", ..) => {
                if result["resume"].is_null() {
                    wrong.push("it did not say how to go on".to_owned());
                }
            }
            (other, ..) => wrong.push(format!("verdict {other}")),
        }
        // The changes that it reports were made.
        for deed in result["changes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut words = deed.split(' ');
            let (what, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let resource = match what {
                "claim" => CLAIMS,
                "volume" => VOLUMES,
                _ => "pods",
            };
            let name = if what == "Pending" { words.next().unwrap_or_default() } else { name };
            let mut all = self.story.runs.iter().flat_map(|run| &run.mutations);
            if !all.any(|did| did.resource == resource && did.name == name) && self.story.meddled.is_none() {
                wrong.push(format!("it did not do what it says: {deed}"));
            }
        }
        wrong.into_iter().for_each(|what| self.wrong(number, what));
    }

    /// Returns the first condition on pod and claims that does not hold.
    pub(super) fn missing(&self, plan: &Value, version: u64) -> Option<String> {
        let history = &self.story.history;
        let target = &plan["target"];
        let (namespace, name) = (text(target, "/namespace"), text(target, "/pod"));
        let Some(pod) = history.at(&Key::new("pods", namespace, name), version) else {
            return Some("there is no pod".to_owned());
        };
        if uid(&pod) == text(target, "/uid") {
            return Some("the pod is the old one".to_owned());
        }
        if is_terminating(&pod) || !is_ready(&pod) {
            return Some("the pod is not Ready, or goes".to_owned());
        }
        for replaced in plan["replacedClaims"].as_array().into_iter().flatten() {
            let claim = text(replaced, "/name");
            let Some(now) = history.at(&Key::new(CLAIMS, namespace, claim), version) else {
                return Some(format!("there is no claim {claim}"));
            };
            let volume = text(&now, "/spec/volumeName");
            if replaced["uid"] == uid(&now) {
                return Some(format!("claim {claim} is the old one"));
            }
            if text(&now, "/status/phase") != "Bound" {
                return Some(format!("claim {claim} is not Bound"));
            }
            match replaced["restores"]["volume"].as_str() {
                Some(returns) if returns != volume => {
                    return Some(format!("claim {claim} is bound to {volume}, and {returns} was to come back"));
                }
                None if self.is_retained_for_another(&now, volume, version) => {
                    return Some(format!("claim {claim} is bound to {volume}, which is retained"));
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a volume is on record as retained for another claim than its current one.
    fn is_retained_for_another(&self, claim: &Value, volume: &str, version: u64) -> bool {
        let name = text(claim, "/metadata/name");
        let found = self.story.history.at(&Key::new(VOLUMES, "", volume), version);
        let records = found.map(|volume| records(&volume)).unwrap_or_default();
        let of_another =
            |record: &Value| claims(record, name).any(|one| one["volume"] == volume && one["uid"] != uid(claim));
        records.iter().any(of_another)
    }

    /// Whether a storage component had data in this operation's baseline, and has none now: a pageserver's tenants are
    /// on its first disk if the case says so, and the WAL of a safekeeper without peers always is.
    fn lost(&self, plan: &Value, version: u64) -> bool {
        self.is_gone(plan, version) && self.had_it(&plan["id"])
    }

    /// Whether what lies on a storage component's first disk is not there, as it runs on another one.
    fn is_gone(&self, plan: &Value, version: u64) -> bool {
        let pod = plan["target"]["pod"].as_str().unwrap_or_default();
        let on_its_disk = match pod {
            "pageserver-0" => self.case.topology.data_on_volume,
            "safekeeper-0" => self.case.topology.safekeepers == 1,
            _ => false,
        };
        on_its_disk && !self.is_first_disk(pod, version)
    }

    fn is_first_disk(&self, pod: &str, version: u64) -> bool {
        let disk = |version| {
            let claim = self.story.history.at(&Key::new(CLAIMS, SYSTEM, format!("data-{pod}")), version);
            claim.map(|claim| text(&claim, "/spec/volumeName").to_owned())
        };
        disk(version) == disk(self.story.history.since())
    }

    /// Whether an operation's baseline has the data of the first disk.
    fn had_it(&self, id: &Value) -> bool {
        let begun = self.story.runs.iter().filter_map(|run| run.line("Plan")).find(|(_, plan)| plan["id"] == *id);
        let Some((began, first)) = begun else { return false };
        // What an earlier failover did not find again is on the first disk, whichever disk this one started with.
        if first["baseline"]["source"] == "inherited" {
            return true;
        }
        // The undo of an unsuccessful operation has the same baseline.
        let undoes = &first["undoes"];
        if undoes.is_string() && !self.has_recovered_once(undoes) {
            return self.had_it(undoes);
        }
        let compared = first["before"]["state"] == "answered" || first["baseline"]["source"] == "stored";
        compared && self.is_first_disk(first["target"]["pod"].as_str().unwrap_or_default(), *began)
    }

    /// Whether one of an operation's runs ended with this verdict.
    fn has_recovered_once(&self, id: &Value) -> bool {
        let of_it = |run: &&Told| run.plan().is_some_and(|plan| plan["id"] == *id);
        self.story.runs.iter().filter(of_it).any(|run| run.verdict() == "recovered")
    }
}

/// Whether a storage component was compared with the others, by its verification.
fn is_compared(result: &Value) -> bool {
    text(result, "/verified").contains("; compared with ")
}

/// Whether an event is the end of its phase.
fn has_ended(event: &Value) -> bool {
    ["done", "skipped", "failed"].contains(&text(event, "/state"))
}
