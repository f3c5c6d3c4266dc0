//! Machine forms: JSON and YAML, each with apiVersion and kind.

use super::harmless::escaped;
use super::is_harmful;
use super::outcome::word;
use crate::cli::Machine;
use crate::error::{Error, Result};
use crate::plan::history::{AsideState, Entry};
use crate::plan::{Act, Plan, Record};
use crate::recovery::{Event, Outcome, PhaseEnd, Reach};
use crate::topology::health::{Health, Report, not_looked_into};
use crate::topology::{ClaimState, Gap, Known, Member, Topology};
use crate::verify::{Check, Testimony, verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// apiVersion of everything here.
pub const API_VERSION: &str = "kubectl-synxdb/v1alpha1";

/// A document in the form that was asked for.
///
/// # Errors
/// None in practice: every document is plain JSON data.
pub fn document(form: &Machine, document: &Value) -> Result<String> {
    Ok(match form {
        Machine::Json => json(document),
        Machine::Yaml => yaml(document)?,
        Machine::JsonPath(template) => template.fill(document),
    })
}

/// The same where documents follow one another: JSON on one line, YAML with `---` before it.
///
/// # Errors
/// As [`document`].
pub fn one_of_many(form: &Machine, document: &Value) -> Result<String> {
    Ok(match form {
        Machine::Json => line(document),
        Machine::Yaml => format!("---\n{}", yaml(document)?),
        Machine::JsonPath(template) => template.fill(document),
    })
}

/// YAML of a document.
///
/// # Errors
/// None in practice: every document is plain JSON data.
pub fn yaml(document: &Value) -> Result<String> {
    let text = serde_saphyr::to_string(document);
    let text = text.map_err(|error| Error::failure("cannot write YAML").because(error.to_string()))?;
    // YAML, too, and the one form of it in which everything can be escaped.
    Ok(if text.contains(|c| is_harmful(c) && c != '\n') { json(document) } else { text })
}

/// JSON of a document, indented.
pub fn json(document: &Value) -> String {
    format!("{}\n", escaped(&format!("{document:#}")))
}

/// JSON of a document, on one line.
pub fn line(document: &Value) -> String {
    format!("{}\n", escaped(&document.to_string()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `status`.
pub fn status(report: &Report, topology: &Topology) -> Value {
    let health = match report.health {
        Health::Healthy => "healthy",
        Health::Degraded => "degraded",
        Health::Unknown => "unknown",
        Health::Absent => "absent",
    };
    let troubles: Vec<Value> = report
        .troubles
        .iter()
        .map(|trouble| json!({"namespace": trouble.namespace, "member": trouble.member, "because": trouble.because}))
        .collect();
    let unknown: Vec<Value> = report.gaps.iter().map(|gap| json!({"what": gap.what, "why": gap.why})).collect();
    let passed_over: Vec<Value> = report
        .passed_over
        .iter()
        .map(|namespace| json!({"namespace": namespace, "why": not_looked_into(namespace)}))
        .collect();
    let namespaces: Vec<Value> = topology
        .spaces
        .iter()
        .map(|space| {
            let members: Vec<Value> = space.components.iter().flat_map(|c| &c.members).map(member).collect();
            json!({"name": space.namespace, "kind": space.kind, "terminating": space.terminating, "members": members})
        })
        .collect();
    json!({
        "apiVersion": API_VERSION,
        "kind": "Status",
        "health": health,
        "members": {"ready": report.members.0, "all": report.members.1},
        "safekeepers": report.safekeepers.map(|(ready, all)| json!({"ready": ready, "all": all})),
        "troubles": troubles,
        "unknown": unknown,
        "notLookedInto": passed_over,
        "namespaces": namespaces,
    })
}

/// `sandbox`: a practice cluster that is ready.
pub fn sandbox(scenario: &str, kubeconfig: &Path) -> Value {
    json!({"apiVersion": API_VERSION, "kind": "Sandbox", "scenario": scenario, "kubeconfig": kubeconfig})
}

/// `sandbox --list`: each scenario's name, and what is different in it.
pub fn scenarios(scenarios: &[(&str, String)]) -> Value {
    let all: Vec<Value> = scenarios.iter().map(|(name, what)| json!({"name": name, "description": what})).collect();
    json!({"apiVersion": API_VERSION, "kind": "Scenarios", "scenarios": all})
}

/// `verify`.
pub fn verification(checks: &[Check], members: &BTreeMap<String, Testimony>) -> Value {
    let all: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "namespace": check.namespace,
                "member": check.member,
                "check": check.kind,
                "result": check.verdict,
                "reason": check.reason,
                "lines": check.lines,
                "ms": millis(check.took),
            })
        })
        .collect();
    json!({
        "apiVersion": API_VERSION,
        "kind": "Verification",
        "result": verdict(checks),
        "checks": all,
        "members": members,
    })
}

fn member(member: &Member) -> Value {
    let pod = member.pod.as_ref().map(|pod| {
        json!({
            "uid": pod.uid,
            "status": pod.status,
            "ready": pod.ready,
            "terminating": pod.terminating.is_some(),
            "containers": {"ready": pod.containers.0, "all": pod.containers.1},
            "restarts": pod.restarts,
            "node": pod.node,
            "created": pod.created.map(|time| time.to_string()),
            "trouble": pod.trouble,
        })
    });
    let claims: Vec<Value> = member
        .claims
        .iter()
        .map(|claim| {
            let volume = match &claim.volume {
                Known::Is(Some(volume)) => json!({"name": volume.name, "uid": volume.uid,
                    "reclaimPolicy": volume.reclaim_policy, "phase": volume.phase}),
                Known::Is(None) | Known::Unknown(_) => {
                    json!(claim.volume_name.as_ref().map(|name| json!({"name": name})))
                }
            };
            let unknown = match &claim.state {
                ClaimState::Unknown(why) => Some(why),
                _ => None,
            };
            json!({
                "name": claim.name,
                "uid": claim.uid,
                "state": if unknown.is_some() { "Unknown" } else { claim.status() },
                "unknownBecause": unknown,
                "storageClass": claim.storage_class,
                "capacity": claim.capacity,
                "volume": volume,
            })
        })
        .collect();
    json!({"name": member.name, "component": member.role, "ready": member.ready(), "pod": pod, "claims": claims})
}

/// The plan, on one line as the stream of a failover has it.
pub fn plan(plan: &Plan) -> Value {
    let mut document = json!({"apiVersion": API_VERSION, "kind": kind(&plan.act, "Plan")});
    merge(&mut document, serde_json::to_value(plan).unwrap_or_default());
    document
}

/// Something that happened in a failover or an undo.
pub fn event(act: &Act, event: &Event) -> Value {
    let body = match event {
        Event::Started(phase) => json!({"phase": phase, "state": "started"}),
        Event::Detail(phase, text) => json!({"phase": phase, "state": "waiting", "detail": text}),
        Event::Done(phase, end) => {
            let mut body = json!({"phase": phase});
            merge(&mut body, phase_end(end));
            body
        }
        Event::Notice(text) => json!({"state": "notice", "detail": text}),
    };
    let mut document = json!({"apiVersion": API_VERSION, "kind": kind(act, "Event")});
    merge(&mut document, body);
    document
}

/// `history`.
pub fn history(entries: &[Entry], gaps: &[Gap]) -> Value {
    let acts: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let record = &entry.record;
            let undoes = match &record.act {
                Act::Failover => None,
                Act::Undo(of) => Some(of),
            };
            let volumes: Vec<Value> = entry
                .aside
                .iter()
                .map(|aside| {
                    let (state, why) = aside_state(&aside.state);
                    json!({"name": aside.volume, "size": aside.size, "claim": aside.claim, "state": state, "reason": why})
                })
                .collect();
            json!({
                "id": record.id,
                "act": if undoes.is_some() { "undo" } else { "failover" },
                "undoes": undoes,
                "started": record.started,
                "finished": record.finished,
                "milliseconds": entry.took.map(|took| took.as_millis()).and_then(|took| u64::try_from(took).ok()),
                "who": record.who,
                "context": record.context,
                "namespace": record.namespace,
                "pod": record.pod,
                "outcome": record.outcome,
                "undoneBy": entry.undone_by,
                "canBeUndone": entry.can_be_undone(),
                "volumes": volumes,
            })
        })
        .collect();
    let unknown: Vec<Value> = gaps.iter().map(|gap| json!({"what": gap.what, "why": gap.why})).collect();
    json!({"apiVersion": API_VERSION, "kind": "History", "acts": acts, "unknown": unknown})
}

fn aside_state(state: &AsideState) -> (&'static str, Option<&String>) {
    match state {
        AsideState::Kept => ("kept", None),
        AsideState::Reserved => ("reserved", None),
        AsideState::InPlace => ("in-place", None),
        AsideState::Lost(why) => ("lost", Some(why)),
        AsideState::Unknown(why) => ("unknown", Some(why)),
    }
}

/// `history release`: volumes, and the reclaim policy that each has again.
pub fn released(record: &Record, volumes: &[(String, String)]) -> Value {
    let volumes: Vec<Value> =
        volumes.iter().map(|(name, policy)| json!({"name": name, "reclaimPolicy": policy})).collect();
    json!({"apiVersion": API_VERSION, "kind": "Release", "id": record.id, "namespace": record.namespace,
           "pod": record.pod, "volumes": volumes})
}

fn phase_end(end: &PhaseEnd) -> Value {
    match end {
        PhaseEnd::After(time, detail) => json!({"state": "done", "milliseconds": millis(*time), "detail": detail}),
        PhaseEnd::Skipped(why) => json!({"state": "skipped", "detail": why}),
        PhaseEnd::Failed(why) => json!({"state": "failed", "detail": why}),
    }
}

/// `FailoverPlan`, `UndoResult`, ….
fn kind(act: &Act, what: &str) -> String {
    let act = match act {
        Act::Failover => "Failover",
        Act::Undo(_) => "Undo",
    };
    format!("{act}{what}")
}

/// A step that the server was asked about and did not carry out.
pub fn rehearsed(plan: &Plan, what: &str) -> Value {
    json!({"apiVersion": API_VERSION, "kind": kind(&plan.act, "Event"), "state": "dry-run", "detail": what})
}

/// The account of a failover.
pub fn outcome(plan: &Plan, outcome: &Outcome, reasons: &[String], resume: Option<&str>) -> Value {
    let phases: Vec<Value> = outcome
        .phases
        .iter()
        .map(|(phase, end)| {
            let mut row = json!({"phase": phase});
            merge(&mut row, phase_end(end));
            row
        })
        .collect();
    json!({
        "apiVersion": API_VERSION,
        "kind": kind(&plan.act, "Result"),
        "id": plan.id,
        "verdict": word(&outcome.ending),
        "reasons": reasons,
        "namespace": plan.target.namespace,
        "pod": plan.target.pod,
        "component": plan.target.role,
        "milliseconds": millis(outcome.total),
        "healed": outcome.healed,
        "oldUid": outcome.old_uid,
        "newUid": outcome.new_pod.as_ref().map(|pod| &pod.1),
        "newPod": outcome.new_pod.as_ref().map(|pod| &pod.0),
        "claims": outcome.claims,
        "proof": outcome.proof,
        "done": outcome.done,
        "notices": outcome.notices,
        "phases": phases,
        "reachability": outcome.reachability.iter().map(reach).collect::<Vec<_>>(),
        "resume": resume,
    })
}

/// How long a database was away; milliseconds since the run began, by the client's monotonic clock.
fn reach(reach: &Reach) -> Value {
    let mut row = json!({
        "namespace": reach.namespace,
        "pod": reach.pod,
        "promise": reach.promise,
        "finding": reach.finding(),
    });
    let measured = match &reach.measured {
        Ok(account) => json!({
            "asked": account.asked,
            "answered": account.answered,
            "unknown": account.unknown,
            "answeredBefore": account.answered_before,
            "firstFailureMs": account.first_failure.map(millis),
            "firstSuccessAfterMs": account.first_success_after.map(millis),
            "longestGapMs": account.longest_gap.map(millis),
            "stillAway": account.still_away,
            "reason": account.reason,
            "notMeasured": null,
        }),
        Err(why) => json!({
            "asked": 0,
            "answered": 0,
            "unknown": 0,
            "answeredBefore": null,
            "firstFailureMs": null,
            "firstSuccessAfterMs": null,
            "longestGapMs": null,
            "stillAway": null,
            "reason": null,
            "notMeasured": why,
        }),
    };
    merge(&mut row, measured);
    row
}

/// An error, for a reader of JSON.
pub fn error(error: &Error) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Error",
        "exitCode": error.exit.code(),
        "what": error.what,
        "why": error.why,
        "next": error.hints,
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
