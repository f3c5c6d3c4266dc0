//! How an operation ended: in success, by the commands that the plugin printed, or for a true reason.

use super::super::case::{Denied, Storage};
use super::super::world::{Told, VOLUMES};
use super::{CLAIMS, Judge, record, text};
use practice_cluster::store::Key;
use serde_json::Value;

impl Judge<'_> {
    /// Checks that after the last, undisturbed run the operation is finished, or the reason why not is true.
    pub(super) fn ends(&mut self, number: usize) {
        let act = &self.story.acts[number];
        let mut own = act.runs.clone().filter(|run| !self.story.runs[*run].second);
        let Some(at) = own.clone().next_back() else { return };
        let last = &self.story.runs[at];
        let in_vain = self.case.in_vain() || self.case.is_short() && last.has_verb("failover");
        let wrong = match (last.code, last.verdict()) {
            (Some(0), "recovered") | (Some(7), "dataMissing") | (Some(8), "unverified") => None,
            // The lack of a volume was accepted.
            (Some(6), "timedOut") if in_vain || last.has("--allow=storage-class") && self.lacks_volumes(last) => None,
            (Some(4), "") if self.is_refused_for_a_true_reason(last) => None,
            (code, verdict) => Some(format!("it ended with {code:?} {verdict:?}: {}", last.reasons())),
        };
        if let Some(wrong) = wrong {
            self.wrong(at, wrong);
        }
        let first = own.next();
        if act.calm && last.is_finished() && first != Some(at) && !in_vain {
            self.wrong(at, "nothing disturbed it, and it did not end in its first run");
        }
        if let (true, "recovered", Some(plan)) = (first != Some(at), last.verdict(), last.plan()) {
            let unfinished = last.steps().filter(|step| step["action"] == "retain").any(|step| {
                let key = Key::new(VOLUMES, "", text(step, "/volume"));
                let volume = self.story.history.at(&key, act.end);
                let record = volume.and_then(|volume| record(&volume, &plan["id"]));
                record.is_none_or(|record| record["outcome"] != "recovered")
            });
            if unfinished {
                self.wrong(at, "the record does not say that it is finished");
            }
        }
    }

    /// Checks that an undo, whatever went wrong, ends with the retained volumes in place.
    pub(super) fn is_undone(&mut self, number: usize) {
        let (act, story) = (&self.story.acts[number], self.story);
        let Some(undoes) = &act.undoes else { return };
        let runs = act.runs.clone().filter(|run| !story.runs[*run].second);
        let Some(at) = runs.clone().next_back() else { return };
        let last = &story.runs[at];
        let of_this = last.plan().is_some_and(|plan| plan["undoes"] == undoes.as_str());
        // Abandoned or refused: the other rules apply.
        if act.given_up || !of_this || !last.is_finished() {
            return;
        }
        for (claim, volume) in &act.returns {
            if !self.has_volume(claim, volume, act.end) {
                self.wrong(at, format!("undo: claim {claim} is not on volume {volume}"));
            }
        }
    }

    fn has_volume(&self, claim: &str, volume: &str, version: u64) -> bool {
        let key = Key::new(CLAIMS, self.case.command.namespace.as_str(), claim);
        self.story.history.at(&key, version).is_some_and(|claim| text(&claim, "/spec/volumeName") == volume)
    }

    /// Whether a refusal states a true reason.
    fn is_refused_for_a_true_reason(&self, run: &Told) -> bool {
        let reasons = run.reasons();
        let version = run.line("Error").map(|(version, _)| *version).unwrap_or_default();
        let in_place = || {
            let mut undos = self.story.acts.iter().filter(|act| act.undoes.is_some());
            let is_back = |(claim, volume): &(String, String)| self.has_volume(claim, volume, version);
            reasons.contains("is in use") && undos.any(|act| act.returns.iter().all(is_back))
        };
        self.forbidden(run).is_some()
            || reasons.contains("has recovered") && self.has_recovered()
            || in_place()
            || self.lacks_volumes(run)
            || reasons.contains("two storage components would be down at once") && self.is_second_storage(run)
    }

    /// Whether there was no volume for a new claim, and none was provisioned.
    fn lacks_volumes(&self, run: &Told) -> bool {
        let Some((version, _)) = run.line("Plan") else { return false };
        if self.case.topology.storage == Storage::Provisioned || run.has("--keep-pvc") || !run.has_verb("failover") {
            return false;
        }
        let history = &self.story.history;
        let free = history
            .names(VOLUMES)
            .into_iter()
            .filter_map(|name| history.at(&Key::new(VOLUMES, "", name), *version))
            .filter(|volume| {
                volume["spec"]["claimRef"].is_null() && text(volume, "/metadata/name").starts_with("by-hand")
            });
        free.count() < usize::from(self.case.claims())
    }

    /// Returns why nothing at all may be deleted, given the command and the cluster.
    pub(super) fn forbidden(&self, run: &Told) -> Option<&'static str> {
        let (case, confirmed) = (self.case, self.is_confirmed(run));
        let keep_pvc = run.has("--keep-pvc");
        if case.command.confirm == Some(false) {
            return Some("another name was typed");
        }
        match case.knobs.denied {
            Some(Denied::DeletePods) => return Some("it may not delete pods"),
            Some(Denied::DeleteClaims) if !keep_pvc => return Some("it may not delete claims"),
            Some(Denied::PatchVolumes) if self.loses_volumes(run) => {
                let allowed = run.has("--allow=unretained-volume") && confirmed && run.has_verb("failover");
                if !allowed {
                    return Some("the volumes cannot be retained");
                }
            }
            _ => {}
        }
        let target = run.plan().map_or(case.command.pod.as_str(), |plan| text(&plan["target"], "/pod"));
        let ordinal = target.strip_prefix("safekeeper-")?.parse::<u8>().ok()?;
        let topology = &case.topology;
        let ordered = !topology.parallel;
        if ordered && topology.down.is_some_and(|down| down < ordinal) {
            return Some("an ordered set keeps the pod away");
        }
        // An ordered set has none beyond the one that is down.
        let down = topology.down.map_or(0, |down| if ordered { topology.safekeepers - down } else { 1 });
        let own = topology.down.is_some_and(|down| down == ordinal || (ordered && down < ordinal));
        let others_down = down - u8::from(own);
        let left = topology.safekeepers - 1 - others_down;
        let costs = !own || !keep_pvc;
        let risky = (costs && left < topology.safekeepers / 2 + 1) || (others_down > 0 && !keep_pvc);
        (risky && !(run.has("--allow=quorum-loss") && confirmed)).then_some("the safekeepers would lose their majority")
    }

    /// Whether this run deletes claims: all of them, or those that belong to the pod.
    fn loses_volumes(&self, run: &Told) -> bool {
        !run.has("--keep-pvc") || self.case.topology.ephemeral
    }

    /// Whether an operation has recovered, by its record.
    fn has_recovered(&self) -> bool {
        let end = self.story.acts.last().map(|act| act.end).unwrap_or_default();
        let mut plans = self.story.runs.iter().filter_map(Told::plan);
        plans.any(|plan| self.missing(plan, end).is_none() && self.is_recorded(plan, end))
    }

    /// Whether all the volumes that a plan retains record that it has recovered.
    fn is_recorded(&self, plan: &Value, version: u64) -> bool {
        let steps = plan["steps"].as_array().into_iter().flatten();
        let mut volumes = steps.filter(|step| step["action"] == "retain").map(|step| text(step, "/volume"));
        volumes.any(|volume| {
            let volume = self.story.history.at(&Key::new(VOLUMES, "", volume), version);
            let record = volume.and_then(|volume| record(&volume, &plan["id"]));
            record.is_some_and(|record| record["outcome"] == "recovered")
        }) || plan["replacedClaims"].as_array().is_none_or(Vec::is_empty)
    }
}

impl Told {
    fn has_verb(&self, verb: &str) -> bool {
        self.arguments.first().is_some_and(|first| first == verb)
    }
}
