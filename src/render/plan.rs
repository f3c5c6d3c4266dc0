//! The plan, as shown above the prompt.

use super::{Paint, availability, sanitize_line, wrapped};
use crate::duration;
use crate::plan::{Action, ComparedWith, Plan, PlanCheck, PlanVerdict, Proof, Risk, Step};
use std::time::Duration;

/// Renders the steps, the verification and the checks.
pub(crate) fn plan(plan: &Plan, paint: Paint) -> String {
    let target = &plan.target;
    let (what, act) = match &plan.act {
        Action::Failover => ("Failover of".to_owned(), "failover"),
        Action::Undo(of) => (format!("Undo of {} on", sanitize_line(of)), "undo"),
    };
    let mut text = format!(
        "{} {} ({})\n  in namespace {}\n",
        paint.strong(what),
        paint.strong(&target.pod),
        target.role,
        sanitize_line(&target.namespace)
    );
    if let Some(resumes) = &plan.resumes {
        let since = if resumes.started.is_empty() { String::new() } else { format!(" from {}", resumes.started) };
        let rest =
            if plan.deletes() { "the remaining steps follow" } else { "deletions are done; waiting and verifying" };
        let may = plan.act == Action::Failover && !resumes.started.is_empty();
        let hint = if may { " (--start-over starts over)" } else { "" };
        text.push_str(&format!("  {}\n  {rest}{hint}\n", paint.warn(format!("resuming {act} {}{since}:", resumes.id))));
    }
    text.push('\n');
    for (number, name, what) in rows(plan) {
        text.push_str(&format!("  {number:<1} {name:<9} {}\n", sanitize_line(&what)));
    }
    text.push_str("\nChecks\n");
    for check in &plan.checks {
        let line = wrapped("        ", &format!("{}{}", check.reason, overriding(check)));
        text.push_str(&format!("  {} {}", verdict(check, paint), line.trim_start()));
    }
    if let Some(journal) = &plan.journal {
        text.push_str("\nRecord\n");
        text.push_str(&wrapped("  ", &format!("no volume can carry it; it is kept in {journal}")));
    }
    text.push_str(&availability::plan(&plan.probes));
    if plan.risk == Risk::High {
        text.push_str(&format!("\n{}\n", paint.bad("High risk: a check was overridden.")));
    }
    text
}

/// Returns the six phases: number, name and steps; a phase of several lines is named on the first only.
fn rows(plan: &Plan) -> Vec<(&'static str, &'static str, String)> {
    let ephemeral: Vec<&str> =
        plan.replaced_claims.iter().filter(|claim| claim.ephemeral).map(|claim| claim.name.as_str()).collect();
    let no_claims = match (plan.keep_claims, ephemeral.is_empty()) {
        (true, true) => "claims are kept",
        (true, false) => "claims that do not belong to the pod are kept",
        (false, _) => "no claim left to delete",
    };
    let each = |word: fn(&Step) -> Option<String>| plan.steps.iter().filter_map(word).collect::<Vec<_>>();
    let mut wait = vec![match plan.replaced_claims.len() {
        0 => "wait for a new pod".to_owned(),
        1 => "wait for a new pod and a new claim, Bound".to_owned(),
        many => format!("wait for a new pod and {many} new claims, Bound"),
    }];
    let back = plan.replaced_claims.iter().filter_map(|claim| claim.returns.as_ref());
    wait.extend(back.map(|back| format!("to volume {}", back.volume)));
    let mut pod = each(delete_pod);
    if !pod.is_empty() {
        pod.extend(ephemeral.iter().map(|claim| format!("claim {claim} is deleted with it")));
    }
    let phases = [
        ("1", "retain", each(retain), no_claims),
        ("2", "claim", each(delete_claim), no_claims),
        ("3", "pod", pod, "the pod is gone or terminating already"),
        ("4", "recreate", wait, ""),
        ("5", "ready", vec![ready(plan)], ""),
        ("6", "verify", proof(plan), ""),
    ];
    let mut rows = Vec::new();
    for (number, name, lines, otherwise) in phases {
        if lines.is_empty() {
            rows.push((number, name, format!("nothing to do: {otherwise}")));
        }
        for (index, line) in lines.into_iter().enumerate() {
            rows.push(if index == 0 { (number, name, line) } else { ("", "", line) });
        }
    }
    rows
}

fn delete_claim(step: &Step) -> Option<String> {
    match step {
        Step::DeleteClaim { claim, uid } => Some(format!("delete claim {claim} ({})", short(uid))),
        _ => None,
    }
}

fn delete_pod(step: &Step) -> Option<String> {
    match step {
        Step::DeletePod { pod, uid } => Some(format!("delete pod {pod} ({})", short(uid))),
        _ => None,
    }
}

fn retain(step: &Step) -> Option<String> {
    match step {
        Step::Retain { volume, policy, .. } if policy == "Retain" => {
            Some(format!("volume {volume} is set to Retain already"))
        }
        Step::Retain { volume, .. } => Some(format!("set volume {volume} to Retain")),
        Step::Reserve { volume, .. } => Some(format!("reserve volume {volume}")),
        Step::Unreserve { volume, .. } => Some(format!("drop the reservation of volume {volume}")),
        _ => None,
    }
}

fn ready(plan: &Plan) -> String {
    match plan.settle_milliseconds {
        0 => "wait until the new pod is Ready".to_owned(),
        settle => {
            format!("wait until the new pod has been Ready for {}", duration::format(Duration::from_millis(settle)))
        }
    }
}

/// Returns the beginning of a UID, enough to distinguish two; JSON has all of it.
fn short(uid: &str) -> String {
    format!("UID {}…", uid.chars().take(8).collect::<String>())
}

fn proof(plan: &Plan) -> Vec<String> {
    match &plan.proof {
        Proof::Sql { pod, endpoint, warehouse, canary } => {
            let mut lines = vec![format!("connect to {pod}:{} as {}", endpoint.port, endpoint.user)];
            // A single warehouse needs no name.
            if let Some(warehouse) = warehouse.as_ref().filter(|warehouse| warehouse.proven && !warehouse.only) {
                lines.push(format!("in warehouse {}", sanitize_line(&warehouse.name)));
            }
            lines.push(compared(&plan.baseline));
            if let Some(schema) = canary {
                lines.push(match (&plan.act, &plan.resumes) {
                    (Action::Failover, None) => "write a canary table before, read it after, then drop it, in".into(),
                    (Action::Failover, Some(_)) => {
                        "read the canary table that was written before, then drop it, in".into()
                    }
                    (Action::Undo(of), _) => format!("read the canary table that {of} wrote, then drop it, in"),
                });
                lines.push(format!("database postgres, schema {schema}"));
            }
            lines
        }
        Proof::Page { pod, endpoint, .. } => {
            vec![
                format!("query the status endpoint {pod}:{}{}", endpoint.port, endpoint.path),
                compared(&plan.baseline),
            ]
        }
        Proof::Skipped { reason } => vec![format!("skipped: {}", sanitize_line(reason))],
    }
}

fn compared(baseline: &ComparedWith) -> String {
    match baseline {
        ComparedWith::Fresh { .. } => "and compare with the baseline".to_owned(),
        ComparedWith::Stored { .. } => "and compare with the stored baseline".to_owned(),
        ComparedWith::Inherited { from, .. } => format!("and compare with the baseline that {from} recorded"),
        ComparedWith::Nothing { .. } => "without a baseline to compare with".to_owned(),
    }
}

/// Returns the flag that overrides a block, or that did.
fn overriding(check: &PlanCheck) -> String {
    match check.allow {
        Some(allow) if check.overridden => format!(" (overridden by --allow {})", allow.flag()),
        Some(allow) => format!(" (override with --allow {})", allow.flag()),
        None => String::new(),
    }
}

fn verdict(check: &PlanCheck, paint: Paint) -> String {
    match check.verdict {
        PlanVerdict::Pass => paint.ok("pass "),
        PlanVerdict::Warn => paint.warn("warn "),
        PlanVerdict::Block => paint.bad("block"),
    }
}
