//! What must hold, whatever went wrong: judged from the cluster's own objects and from what the plugin did to them,
//! never from what it says of them.

use super::case::{Case, Denied, SYSTEM};
use super::run::Story;
use super::world::{CLAIMS, Told, VOLUMES, is_ready, is_terminating, mounted, text, uid};
use practice_cluster::api::faults::Mutation;
use practice_cluster::store::Key;
use serde_json::Value;

/// The plugin's annotations on volumes.
const ANNOTATIONS: &str = "kubectl-synxdb/";

/// Everything that does not hold.
pub(crate) fn violations(case: &Case, story: &Story) -> Vec<String> {
    let mut judge = Judge { case, story, found: Vec::new() };
    for number in 0..story.runs.len() {
        judge.is_sound(number);
        judge.changes_what_it_planned(number);
        judge.keeps_volumes(number);
        judge.records_first(number);
        judge.tells_the_truth(number);
    }
    judge.ends();
    judge.is_undone();
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

    /// Its output is what a script expects, and it did not panic.
    fn is_sound(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let known = [0, 1, 4, 6, 7, 8];
        if !run.killed && !run.code.is_some_and(|code| known.contains(&code)) || run.err.contains("panicked") {
            self.wrong(number, format!("it ended with {:?}", run.code));
        }
        let whole = if run.killed { run.lines.len().saturating_sub(1) } else { run.lines.len() };
        if run.lines.iter().take(whole).any(|(_, line)| !line.is_object()) {
            self.wrong(number, "a line is no JSON object");
        }
    }

    /// Nothing is deleted, and no volume changed, but what a plan that it had shown names by its UID. A pod that is
    /// Pending on a claim that is gone or going may be deleted once more.
    fn changes_what_it_planned(&mut self, number: usize) {
        let run = &self.story.runs[number];
        // One that was killed may have had a request under way.
        let plans: Vec<&Value> = self.story.runs[..=number].iter().filter_map(Told::plan).collect();
        let planned = |field: &str, uid: &str| {
            let steps = plans.iter().flat_map(|plan| plan["steps"].as_array().into_iter().flatten());
            steps.into_iter().any(|step| step[field].is_string() && step["uid"] == uid)
        };
        let mut wrong = Vec::new();
        for did in &run.mutations {
            let fine = match (did.verb.as_str(), did.resource.as_str()) {
                ("delete", "pods") => planned("pod", &did.uid) || self.is_stuck(did),
                ("delete", "persistentvolumeclaims") => planned("claim", &did.uid) && self.is_of_target(did),
                ("patch", "persistentvolumes") => {
                    planned("volume", &did.uid) && self.changes_policy_and_record_only(did)
                }
                // Its own, by which it keeps others away.
                ("create" | "update" | "patch" | "delete", "leases") => true,
                _ => is_baseline(did, run),
            };
            if !fine {
                wrong.push(format!("it changed what it had not planned: {did:?}"));
            }
        }
        if let (Some(why), Some(did)) = (self.forbidden(), run.mutations.iter().find(|did| did.verb == "delete"))
            && did.resource != "leases"
        {
            wrong.push(format!("it deleted although {why}: {did:?}"));
        }
        wrong.into_iter().for_each(|what| self.wrong(number, what));
    }

    /// Whether a pod was Pending, without a node, on a claim that was missing or going, when its deletion began.
    fn is_stuck(&self, did: &Mutation) -> bool {
        let history = &self.story.history;
        let key = Key::new("pods", did.namespace.as_str(), did.name.as_str());
        let Some(version) = history.deletion(did, "pods") else { return false };
        let Some(pod) = history.before(&key, version) else { return false };
        // It is deleted as it was seen, so that the pod is the same to the last; its claim may have come back just then.
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

    /// Whether a claim is one that the target's pod mounts.
    fn is_of_target(&self, did: &Mutation) -> bool {
        let command = &self.case.command;
        did.namespace == command.namespace && did.name.ends_with(&format!("-{}", command.pod)) && !command.keep_pvc
    }

    /// A volume is as it was but for its reclaim policy, which is Retain, and the plugin's own annotations.
    fn changes_policy_and_record_only(&self, did: &Mutation) -> bool {
        let key = Key::new(VOLUMES, "", did.name.as_str());
        let Some(now) = self.story.history.at(&key, did.version) else { return false };
        text(&now, "/spec/persistentVolumeReclaimPolicy") == "Retain"
    }

    /// Where a claim was deleted its volume was there with policy Retain, and is there in the end; or there was none;
    /// or its loss was confirmed.
    fn keeps_volumes(&mut self, number: usize) {
        let history = &self.story.history;
        let mut wrong = Vec::new();
        for did in self.story.runs[number].mutations.iter().filter(|did| did.verb == "delete" && did.resource == CLAIMS)
        {
            let key = Key::new(CLAIMS, did.namespace.as_str(), did.name.as_str());
            // Somebody else had done it.
            let Some(version) = history.deletion(did, CLAIMS) else { continue };
            let Some(claim) = history.before(&key, version) else { continue };
            let name = text(&claim, "/spec/volumeName");
            if name.is_empty() || self.loss_is_confirmed(number) {
                continue;
            }
            let volume = Key::new(VOLUMES, "", name);
            let retained = |version| {
                let volume = history.before(&volume, version);
                volume.is_some_and(|volume| text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Retain")
            };
            if !retained(version) {
                wrong.push(format!("claim {} was deleted before its volume was retained", did.name));
            }
            if !retained(self.story.end + 1) {
                wrong.push(format!("volume {name} of claim {}, which was deleted, is gone", did.name));
            }
        }
        wrong.into_iter().for_each(|what| self.wrong(number, what));
    }

    /// Whether the plan said that a volume cannot be retained, and the name was typed all the same.
    fn loss_is_confirmed(&self, number: usize) -> bool {
        let command = &self.case.command;
        let said = self.story.runs[number].plan().is_some_and(|plan| {
            let checks = plan["checks"].as_array().into_iter().flatten();
            plan["risk"] == "high"
                && checks.into_iter().any(|check| check["id"] == "retention" && check["overridden"] == true)
        });
        said && command.allow.1 && command.confirm == Some(true)
    }

    /// Before anything is deleted, the volumes that the plan retains carry a record of this failover.
    fn records_first(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let claims = run.mutations.iter().filter(|did| did.verb == "delete" && did.resource == CLAIMS);
        let first = claims.filter_map(|did| self.story.history.deletion(did, CLAIMS)).next();
        let (Some(version), Some(plan)) = (first, run.plan()) else { return };
        let retained = plan["steps"].as_array().into_iter().flatten().filter(|step| step["action"] == "retain");
        let bare: Vec<String> = retained
            .filter_map(|step| step["volume"].as_str())
            .filter(|volume| {
                let volume = self.story.history.before(&Key::new(VOLUMES, "", *volume), version);
                volume.is_none_or(|volume| record(&volume, &plan["id"]).is_none())
            })
            .map(str::to_owned)
            .collect();
        if !bare.is_empty() {
            self.wrong(number, format!("a claim was deleted before {} carried the record", bare.join(", ")));
        }
    }

    /// What it says at its end is so in the store at that moment.
    fn tells_the_truth(&mut self, number: usize) {
        let run = &self.story.runs[number];
        let (Some((version, result)), Some(plan)) = (run.result(), run.plan()) else {
            let silent = !run.killed && run.line("Error").is_none();
            if silent {
                self.wrong(number, "it ended without a result or an error");
            }
            return;
        };
        let mut wrong = Vec::new();
        let missing = self.missing(plan, *version);
        let lost = self.lost(number, plan, *version);
        match (result["verdict"].as_str().unwrap_or_default(), &missing, lost) {
            ("recovered", None, false) if result["baseline"]["source"] == "nothing" => {
                wrong.push("it said recovered, and compared with nothing".to_owned());
            }
            ("recovered", None, false) => {}
            ("recovered", Some(missing), _) => wrong.push(format!("it said recovered, and {missing}")),
            ("recovered", None, true) => wrong.push("it said recovered, and its data is lost".to_owned()),
            ("data-missing", None, true) => {}
            ("data-missing", missing, _) => wrong.push(format!("it said data-missing; lost: {lost}, {missing:?}")),
            ("unproven", None, _) if self.case.command.namespace != SYSTEM => {}
            ("unproven", None, _) if result["baseline"]["source"] == "nothing" => {}
            ("unproven", missing, _) => wrong.push(format!("it said unproven: {}, {missing:?}", result["reasons"])),
            ("timed-out" | "changed" | "failed" | "interrupted", ..) => {
                if result["resume"].is_null() {
                    wrong.push("it did not say how to go on".to_owned());
                }
            }
            (other, ..) => wrong.push(format!("verdict {other}")),
        }
        // What it says it did, it did.
        for deed in result["done"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut words = deed.split(' ');
            let (what, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let resource = match what {
                "claim" => CLAIMS,
                "volume" => VOLUMES,
                _ => "pods",
            };
            let name = if what == "Pending" { words.next().unwrap_or_default() } else { name };
            let earlier = self.story.runs[..=number].iter().flat_map(|run| &run.mutations);
            if !earlier.into_iter().any(|did| did.resource == resource && did.name == name) && !self.story.meddled {
                wrong.push(format!("it did not do what it says: {deed}"));
            }
        }
        wrong.into_iter().for_each(|what| self.wrong(number, what));
    }

    /// The first of the conditions on pod and claims that does not hold.
    fn missing(&self, plan: &Value, version: u64) -> Option<String> {
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
            match history.at(&Key::new(CLAIMS, namespace, claim), version) {
                Some(now) if replaced["uid"] == uid(&now) => return Some(format!("claim {claim} is the old one")),
                Some(now) if text(&now, "/status/phase") != "Bound" => {
                    return Some(format!("claim {claim} is not Bound"));
                }
                None => return Some(format!("there is no claim {claim}")),
                Some(_) => {}
            }
        }
        None
    }

    /// Whether a storage component had something when this failover's baseline was taken, and has none of it now: a
    /// pageserver's tenants lie on its first disk, where the case says so, and the WAL of a safekeeper that has no peers
    /// always does.
    fn lost(&self, number: usize, plan: &Value, version: u64) -> bool {
        let topology = &self.case.topology;
        let pod = plan["target"]["pod"].as_str().unwrap_or_default();
        let on_its_disk = match pod {
            "pageserver-0" => topology.data_on_volume,
            "safekeeper-0" => topology.safekeepers == 1,
            _ => false,
        };
        if !on_its_disk {
            return false;
        }
        let begun = self.story.runs[..=number].iter().find_map(|run| {
            let (version, first) = run.line("Plan")?;
            (first["id"] == plan["id"]).then_some((*version, first))
        });
        let Some((began, first)) = begun else { return false };
        let disk = |version| {
            let claim = self.story.history.at(&Key::new(CLAIMS, SYSTEM, format!("data-{pod}")), version);
            claim.map(|claim| text(&claim, "/spec/volumeName").to_owned())
        };
        let original = disk(self.story.history.since());
        // What an earlier failover did not find again lies on the first disk, whichever one this one began with.
        if first["baseline"]["source"] == "inherited" {
            return disk(version) != original;
        }
        let compared = first["before"]["component"] == "answered" || first["baseline"]["source"] == "stored";
        compared && disk(began) == original && disk(version) != original
    }

    /// Why nothing may be deleted at all, by what was asked and what the cluster is like.
    fn forbidden(&self) -> Option<&'static str> {
        let (case, command) = (self.case, &self.case.command);
        let confirmed = command.confirm == Some(true);
        if command.confirm == Some(false) {
            return Some("another name was typed");
        }
        match case.knobs.denied {
            Some(Denied::DeletePods) => return Some("it may not delete pods"),
            Some(Denied::DeleteClaims) if !command.keep_pvc => return Some("it may not delete claims"),
            Some(Denied::PatchVolumes) if !(command.keep_pvc || command.allow.1 && confirmed) => {
                return Some("the volumes cannot be retained");
            }
            _ => {}
        }
        let ordinal = command.pod.strip_prefix("safekeeper-")?.parse::<u8>().ok()?;
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
        let costs = !own || !command.keep_pvc;
        let risky = (costs && left < topology.safekeepers / 2 + 1) || (others_down > 0 && !command.keep_pvc);
        (risky && !(command.allow.0 && confirmed)).then_some("the safekeepers would lose their majority")
    }

    /// After the last run, which nothing disturbed, the failover is finished, or the reason why it is not is true.
    fn ends(&mut self) {
        let number = self.story.runs.len() - 1;
        let last = &self.story.runs[number];
        let never = self.case.in_vain();
        let wrong = match (last.code, last.verdict()) {
            (Some(0), "recovered") | (Some(7), "data-missing") | (Some(8), "unproven") => None,
            (Some(6), "timed-out") if never => None,
            (Some(4), "") if self.forbidden().is_some() => None,
            (Some(4), "") if last.reasons().contains("has recovered") && self.has_recovered() => None,
            (code, verdict) => Some(format!("it ended with {code:?} {verdict:?}: {}", last.reasons())),
        };
        if let Some(wrong) = wrong {
            self.wrong(number, wrong);
        }
        if last.verdict() == "recovered"
            && self.story.runs.len() > 1
            && let Some(plan) = last.plan()
        {
            let unfinished =
                plan["steps"].as_array().into_iter().flatten().filter(|step| step["action"] == "retain").any(|step| {
                    let key = Key::new(VOLUMES, "", text(step, "/volume"));
                    let volume = self.story.history.at(&key, self.story.end);
                    !volume.is_some_and(|volume| {
                        record(&volume, &plan["id"]).is_some_and(|record| record["outcome"] == "recovered")
                    })
                });
            if unfinished {
                self.wrong(number, "the record does not say that it is finished");
            }
        }
    }
}

impl Judge<'_> {
    /// Whether an earlier run's failover has recovered, as its record says.
    fn has_recovered(&self) -> bool {
        let plans = self.story.runs.iter().filter_map(Told::plan);
        plans.into_iter().any(|plan| self.missing(plan, self.story.end).is_none() && self.is_recorded(plan))
    }

    /// Whether all the volumes that a plan retains say that it has recovered.
    fn is_recorded(&self, plan: &Value) -> bool {
        let steps = plan["steps"].as_array().into_iter().flatten();
        let mut volumes = steps.filter(|step| step["action"] == "retain").map(|step| text(step, "/volume"));
        volumes.any(|volume| {
            let volume = self.story.history.at(&Key::new(VOLUMES, "", volume), self.story.end);
            let record = volume.and_then(|volume| record(&volume, &plan["id"]));
            record.is_some_and(|record| record["outcome"] == "recovered")
        }) || plan["replacedClaims"].as_array().is_none_or(Vec::is_empty)
    }

    /// An undo, whatever went wrong with it, ends with the volumes that the failover had set aside, and loses none.
    fn is_undone(&mut self) {
        let Some(undo) = &self.story.undo else { return };
        let history = &self.story.history;
        let mut wrong = Vec::new();
        let plans: Vec<&Value> = undo.runs.iter().filter_map(Told::plan).collect();
        let steps = || plans.iter().flat_map(|plan| plan["steps"].as_array().into_iter().flatten());
        for (run, did) in undo.runs.iter().flat_map(|run| run.mutations.iter().map(move |did| (run, did))) {
            let planned = |field: &str| steps().any(|step| step[field].is_string() && step["uid"] == did.uid);
            let fine = match (did.verb.as_str(), did.resource.as_str()) {
                ("delete", "pods") => planned("pod") || self.is_stuck(did),
                ("delete", "persistentvolumeclaims") => planned("claim"),
                ("patch", "persistentvolumes") => planned("volume") || undo.volumes.contains(&did.name),
                (_, "leases") => true,
                _ => is_baseline(did, run),
            };
            if !fine {
                wrong.push(format!("it changed what it had not planned: {did:?}"));
            }
        }
        for (number, run) in undo.runs.iter().enumerate() {
            if run.err.contains("panicked") || (!run.killed && ![0, 1, 4, 6, 7, 8].map(Some).contains(&run.code)) {
                wrong.push(format!("run {} ended with {:?}", number + 1, run.code));
            }
            if let (Some((version, _)), Some(plan), "recovered") = (run.result(), run.plan(), run.verdict())
                && let Some(missing) = self.missing(plan, *version)
            {
                wrong.push(format!("it said recovered, and {missing}"));
            }
        }
        let last = &undo.runs[undo.runs.len() - 1];
        // Killed when all was done: judged by the volumes, which are looked at below.
        let in_place = last.code == Some(4) && undo.runs.len() > 1 && last.reasons().contains("is in place");
        if !in_place && !matches!((last.code, last.verdict()), (Some(0), "recovered") | (Some(8), "unproven")) {
            wrong.push(format!("it ended with {:?} {:?}: {}", last.code, last.verdict(), last.reasons()));
        } else {
            for (claim, volume) in &undo.returns {
                let key = Key::new(CLAIMS, self.case.command.namespace.as_str(), claim.as_str());
                let now = history.at(&key, undo.end);
                if now.is_none_or(|claim| text(&claim, "/spec/volumeName") != volume.as_str()) {
                    wrong.push(format!("claim {claim} is not on volume {volume}"));
                }
            }
        }
        for volume in &undo.volumes {
            if history.at(&Key::new(VOLUMES, "", volume.as_str()), undo.end).is_none() {
                wrong.push(format!("volume {volume} is gone"));
            }
        }
        self.found.extend(wrong.into_iter().map(|what| format!("undo: {what}")));
    }
}

/// Whether this is the stored baseline of whoever was asked, once that was found to be whole.
fn is_baseline(did: &Mutation, run: &Told) -> bool {
    let Some(plan) = run.plan() else { return false };
    let name = format!("kubectl-synxdb-baseline-{}", text(plan, "/proof/pod"));
    (did.verb == "create" || did.verb == "update")
        && (did.resource == "configmaps" && did.namespace == text(plan, "/target/namespace") && did.name == name)
        && (run.killed || run.verdict() == "recovered")
}

/// The record of the failover of that id on a volume.
fn record(volume: &Value, id: &Value) -> Option<Value> {
    let annotations = volume["metadata"]["annotations"].as_object()?;
    let ours = annotations.iter().filter(|(key, _)| key.starts_with(ANNOTATIONS)).filter_map(|(_, text)| text.as_str());
    ours.filter_map(|text| serde_json::from_str::<Value>(text).ok()).find(|record| record["id"] == *id)
}
