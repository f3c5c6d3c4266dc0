//! What must always hold: judged from the cluster's own objects and the plugin's changes to them, never from its
//! output.

mod apart;
mod ends;
mod records;
mod states;
mod truth;

use super::case::{Case, How};
use super::story::Story;
use super::world::{CLAIMS, Told, VOLUMES, ephemeral, is_owned, is_ready, is_terminating, mounted, text, uid};
use practice_cluster::api::faults::Mutation;
use practice_cluster::store::Key;
use records::record;
use serde_json::Value;

/// Returns every violated rule.
pub(crate) fn violations(case: &Case, story: &Story) -> Vec<String> {
    let mut judge = Judge { case, story, found: Vec::new() };
    for number in 0..story.runs.len() {
        judge.is_sound(number);
        judge.changes_what_it_planned(number);
        judge.respects_refusals(number);
        judge.keeps_volumes(number);
        judge.records_first(number);
        judge.keeps_storage_apart(number);
        judge.tells_the_truth(number);
    }
    for number in 0..story.acts.len() {
        judge.ends(number);
        judge.is_undone(number);
    }
    judge.found.extend(states::violations(story));
    judge.found
}

struct Judge<'s> {
    case: &'s Case,
    story: &'s Story,
    found: Vec<String>,
}

impl Judge<'_> {
    fn wrong(&mut self, number: usize, what: impl Into<String>) {
        self.found.push(format!("run {}: {}", number + 1, what.into()));
    }

    /// Checks that its output is what a script expects, that it did not panic, and that it prints how to resume.
    fn is_sound(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let known = [0, 1, 3, 4, 6, 7, 8];
        if !run.killed && !run.code.is_some_and(|code| known.contains(&code)) || run.err.contains("panicked") {
            self.wrong(number, format!("it ended with {:?}", run.code));
        }
        let whole = if run.killed { run.lines.len().saturating_sub(1) } else { run.lines.len() };
        if run.lines.iter().take(whole).any(|(_, line)| !line.is_object()) {
            self.wrong(number, "a line is no JSON object");
        }
    }

    /// Checks that nothing was deleted, and no volume changed, except objects that a printed plan names by UID. A pod
    /// that is Pending on a missing or terminating claim may be deleted again.
    fn changes_what_it_planned(&mut self, number: usize) {
        let run = &self.story.runs[number];
        // A killed run may have had a request in flight, and any run may resume another one's operation.
        let steps: Vec<&Value> = self.story.runs.iter().flat_map(Told::steps).collect();
        let planned = |field: &str, uid: &str| steps.iter().any(|step| step[field].is_string() && step["uid"] == uid);
        let mut wrong = Vec::new();
        for did in &run.mutations {
            let fine = match (did.verb.as_str(), did.resource.as_str()) {
                ("delete", "pods") => planned("pod", &did.uid) || self.is_stuck(did),
                ("delete", "persistentvolumeclaims") => planned("claim", &did.uid) && self.is_of_target(run, did),
                ("patch", "persistentvolumes") => {
                    planned("volume", &did.uid) && self.is_kept_or_in_use(&did.name, did.version)
                }
                // Its own lock.
                ("create" | "update" | "patch" | "delete", "leases") => true,
                _ => is_baseline(did, run),
            };
            if !fine {
                wrong.push(format!("it changed what it had not planned: {did:?}"));
            }
        }
        // A pod that waits for a deleted claim does not count towards any quorum.
        let heals = |did: &Mutation| did.resource == "pods" && self.is_stuck(did);
        let deletes = |did: &&Mutation| did.verb == "delete" && did.resource != "leases" && !heals(did);
        if let (Some(why), Some(did)) = (self.forbidden(run), run.mutations.iter().find(deletes)) {
            wrong.push(format!("it deleted although {why}: {did:?}"));
        }
        wrong.into_iter().for_each(|what| self.wrong(number, what));
    }

    /// Checks that nothing is deleted if the server rejects a step, or the replacement, in a dry run.
    fn respects_refusals(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let Some(refused) = run.refused.filter(|refused| refused.how == How::Always) else { return };
        let deletes = |what: &str| run.steps().any(|step| step[what].is_string() && step["action"] == action(what));
        let meets = match (refused.verb, refused.resource) {
            ("patch", _) => run.steps().any(|step| step["volume"].is_string()),
            (_, CLAIMS) => deletes("claim"),
            _ => deletes("pod"),
        };
        let checks = run.plan().and_then(|plan| plan["checks"].as_array()).into_iter().flatten();
        let unknown = checks.into_iter().any(|check| check["check"] == "admission" && check["result"] == "warning");
        let deleted = run.mutations.iter().find(|did| did.verb == "delete" && did.resource != "leases");
        if let (true, false, Some(did)) = (meets, unknown, deleted) {
            let (verb, resource) = (refused.verb, refused.resource);
            self.wrong(number, format!("it deleted although the server refuses to {verb} {resource}: {did:?}"));
        }
    }

    /// Whether a pod was Pending, without a node, on a missing or terminating claim when its deletion began.
    fn is_stuck(&self, did: &Mutation) -> bool {
        let history = &self.story.history;
        let key = Key::new("pods", did.namespace.as_str(), did.name.as_str());
        let Some(version) = history.deletion(did, "pods") else { return false };
        let Some(pod) = history.before(&key, version) else { return false };
        // It is deleted in the observed state, so the pod is unchanged; its claim may have come back just then.
        let waits = |claim: String| {
            let claim = Key::new(CLAIMS, did.namespace.as_str(), claim);
            let came = history.first(&key, &did.uid).unwrap_or(version);
            let gone_or_going = |at| history.before(&claim, at).is_none_or(|claim| is_terminating(&claim));
            (came..=version).any(gone_or_going)
        };
        text(&pod, "/status/phase") == "Pending"
            && text(&pod, "/spec/nodeName").is_empty()
            && mounted(&pod).into_iter().any(waits)
    }

    /// Whether the target's pod mounts this claim, and the plan deletes it.
    fn is_of_target(&self, run: &Told, did: &Mutation) -> bool {
        let target = run.plan().map(|plan| &plan["target"]);
        let pod = target.map_or(self.case.command.pod.as_str(), |target| text(target, "/pod"));
        did.name.ends_with(&format!("-{pod}")) && !run.has("--keep-pvc")
    }

    /// Whether a volume would outlive its claim, or is in use.
    fn is_kept_or_in_use(&self, volume: &str, version: u64) -> bool {
        let history = &self.story.history;
        let Some(volume) = history.at(&Key::new(VOLUMES, "", volume), version) else { return false };
        if text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Retain" {
            return true;
        }
        let reference = &volume["spec"]["claimRef"];
        let claim = Key::new(CLAIMS, text(reference, "/namespace"), text(reference, "/name"));
        history.at(&claim, version).is_some_and(|claim| uid(&claim) == text(reference, "/uid"))
    }

    /// Checks for each deleted claim, and each deleted pod that owns claims, that the volume existed with policy Retain
    /// and still exists; or that there was none; or that its loss was confirmed.
    fn keeps_volumes(&mut self, number: usize) {
        let history = &self.story.history;
        let run = &self.story.runs[number];
        if self.loss_is_confirmed(run) {
            return;
        }
        let mut wrong = Vec::new();
        for did in run.mutations.iter().filter(|did| did.verb == "delete") {
            let resource = if did.resource == CLAIMS { CLAIMS } else { "pods" };
            // Another actor had done it.
            let Some(version) = history.deletion(did, resource) else { continue };
            let key = Key::new(resource, did.namespace.as_str(), did.name.as_str());
            let Some(object) = history.before(&key, version) else { continue };
            let claims = if resource == CLAIMS {
                vec![object]
            } else if text(&object, "/status/phase") == "Pending" {
                // It never wrote anything.
                continue;
            } else {
                let of_it = |claim: String| history.before(&Key::new(CLAIMS, did.namespace.as_str(), claim), version);
                ephemeral(&object).into_iter().filter_map(of_it).filter(|claim| is_owned(claim, &did.uid)).collect()
            };
            for claim in claims {
                let (claim, name) = (text(&claim, "/metadata/name"), text(&claim, "/spec/volumeName"));
                if name.is_empty() {
                    continue;
                }
                let volume = history.before(&Key::new(VOLUMES, "", name), version);
                if volume.is_none_or(|volume| text(&volume, "/spec/persistentVolumeReclaimPolicy") != "Retain") {
                    wrong.push(format!("claim {claim} went before its volume was retained"));
                }
                let act = self.story.acts.iter().find(|act| act.runs.contains(&number));
                if !act.is_some_and(|act| self.is_kept_or_in_use(name, act.end)) {
                    wrong.push(format!("volume {name} of claim {claim}, which went, is lost"));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.wrong(number, what));
    }

    /// Whether the plan said that a volume cannot be retained, and the name was typed anyway.
    fn loss_is_confirmed(&self, run: &Told) -> bool {
        let said = run.plan().is_some_and(|plan| {
            let checks = plan["checks"].as_array().into_iter().flatten();
            plan["risk"] == "high"
                && checks.into_iter().any(|check| check["check"] == "retention" && check["overridden"] == true)
        });
        said && run.has("--allow=unretained-volume") && self.is_confirmed(run)
    }

    /// Whether the pod's name was typed.
    fn is_confirmed(&self, run: &Told) -> bool {
        run.has(&format!("--confirm={}", self.case.command.pod))
    }

    /// Checks that the volumes in the plan carry a record of it before anything is deleted.
    fn records_first(&mut self, number: usize) {
        let (run, history) = (&self.story.runs[number], &self.story.history);
        let deletions = run.mutations.iter().filter(|did| did.verb == "delete").filter_map(|did| {
            let resource = if did.resource == CLAIMS { CLAIMS } else { "pods" };
            history.deletion(did, resource)
        });
        let (Some(version), Some(plan)) = (deletions.min(), run.plan()) else { return };
        let bare: Vec<String> = run
            .steps()
            .filter(|step| step["action"] == "retain")
            .filter_map(|step| step["volume"].as_str())
            .filter(|volume| {
                let volume = history.before(&Key::new(VOLUMES, "", *volume), version);
                volume.is_none_or(|volume| record(&volume, &plan["id"]).is_none())
            })
            .map(str::to_owned)
            .collect();
        if !bare.is_empty() {
            self.wrong(number, format!("something was deleted before {} carried the record", bare.join(", ")));
        }
    }
}

/// Returns the step that deletes a resource.
fn action(what: &str) -> &'static str {
    if what == "pod" { "deletePod" } else { "deleteClaim" }
}

/// Whether this change stores the baseline of a component that was verified.
fn is_baseline(did: &Mutation, run: &Told) -> bool {
    let Some(plan) = run.plan() else { return false };
    let name = format!("kubectl-synxdb-baseline-{}", text(plan, "/verification/pod"));
    (did.verb == "create" || did.verb == "update")
        && (did.resource == "configmaps" && did.namespace == text(plan, "/target/namespace") && did.name == name)
        && (run.killed || run.verdict() == "recovered")
}
