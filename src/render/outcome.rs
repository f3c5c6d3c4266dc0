//! The result of a failover or an undo: the verdict first, then the duration of each phase and the new objects.

use super::{Paint, availability, sanitize_line, suggestion, wrapped, wrapped_at};
use crate::duration::{self, clock};
use crate::error::Exit;
use crate::plan::{Action, Plan, Proof};
use crate::recovery::{Ending, PhaseEnd, RunResult};
use crate::suggestion::{Suggestion, kubectl, plugin};
use crate::text::noun;
use crate::topology::Role;

/// Returns the exit code of an ending.
pub(crate) fn exit(ending: &Ending) -> Exit {
    match ending {
        Ending::Failed(error) => error.exit,
        ending => ending.kind().exit().unwrap_or(Exit::Error),
    }
}

/// Returns what to undo to restore missing data, as `undo` takes it: this operation, or the last one of its pod that retained
/// a volume.
pub(crate) fn undoes(plan: &Plan, outcome: &RunResult) -> String {
    let kept_some = outcome.claims.iter().any(|claim| claim.retained_volume.is_some());
    let earlier = plan.act == Action::Failover && !kept_some && !plan.retained.is_empty();
    if earlier { plan.path() } else { plan.id.clone() }
}

/// Returns whether a retained volume may have the missing data: one of this operation, or of an earlier one of its pod.
pub(crate) fn can_be_restored(plan: &Plan, outcome: &RunResult) -> bool {
    outcome.claims.iter().any(|claim| claim.retained_volume.is_some()) || undoes(plan, outcome) != plan.id
}

/// Renders the verdict, and the reasons below it.
pub(crate) fn verdict(plan: &Plan, outcome: &RunResult, paint: Paint) -> String {
    let pod = sanitize_line(&plan.target.pod);
    let time = duration::format(outcome.total);
    let word = outcome.ending.kind().text();
    let mut text = match &outcome.ending {
        Ending::Recovered => match &plan.act {
            Action::Failover => format!("{}: {pod} in {time}\n", paint.ok(word)),
            Action::Undo(of) => {
                let verdict = paint.ok(word);
                format!("{verdict}: {pod} in {time}\n  on the volumes retained by {}\n", sanitize_line(of))
            }
        },
        Ending::Replaced => {
            format!("{}: {pod} is Ready after {time}; verification was skipped\n", paint.warn(word))
        }
        Ending::Unverified(why) => format!(
            "{}: {pod} is Ready after {time}, but its data could not be checked\n{}",
            paint.warn(word),
            wrapped("  ", why)
        ),
        Ending::DataMissing(missing) => {
            let when = match plan.baseline.earlier() {
                Some((what, taken)) => format!("in {} of {}", sanitize_line(&what), sanitize_line(taken)),
                None => {
                    let at = outcome.compared_with.as_deref().and_then(clock);
                    format!("present {}", at.map_or_else(|| "before".to_owned(), |at| format!("at {at}")))
                }
            };
            let line = format!("{word}: {pod} is Ready after {time}, but data {when} is gone");
            // Colors have no width.
            let mut text = wrapped_at("", 2, &line).replacen(word, &paint.bad(word), 1);
            for line in missing {
                text.push_str(&wrapped("  - ", line));
            }
            text
        }
        Ending::CatchingUp(left) => format!(
            "{}: {pod} is Ready after {time}, and still fetching data\n{}",
            paint.warn(word),
            wrapped("  ", left)
        ),
        Ending::TimedOut(why) => {
            format!("{}: {pod} has not recovered after {time}\n{}", paint.bad(word), wrapped("  ", why))
        }
        Ending::ClusterChanged(why) => {
            format!("{}: no longer as planned\n{}", paint.bad(word), wrapped("  ", why))
        }
        Ending::Failed(error) => format!("{}: {}\n", paint.bad(word), sanitize_line(&error.to_string())),
        Ending::Interrupted => format!("{} after {time}\n", paint.warn(word)),
    };
    if outcome.healed > 0 {
        text.push_str(&match outcome.healed {
            1 => "  fixed: a new pod was stuck on a deleted claim; it was deleted again\n".to_owned(),
            many => format!("  fixed: {many} new pods were stuck on a deleted claim; they were deleted again\n"),
        });
    }
    if let Some(restarted) = &outcome.restarted {
        text.push_str(&wrapped("  restarts: ", restarted));
    }
    text
}

/// Renders the result. `next` is the command that resumes an unfinished operation, or undoes one that lost data.
pub(crate) fn outcome(plan: &Plan, outcome: &RunResult, next: &Suggestion, paint: Paint) -> String {
    let mut text = verdict(plan, outcome, paint);
    if let Some(proof) = &outcome.proof {
        text.push_str(&wrapped("  ", proof));
    }
    text.push_str(&availability::outcome(plan, &outcome.reachability, paint));
    for notice in &outcome.notices {
        text.push_str(&wrapped("  note: ", notice));
    }
    let mut rows = Vec::new();
    for (phase, end) in &outcome.phases {
        let (time, detail) = match end {
            PhaseEnd::After(time, detail) => (duration::format(*time), detail.clone()),
            PhaseEnd::Skipped(why) => ("skipped".into(), why.clone()),
            PhaseEnd::Failed(why) => ("failed".into(), why.clone()),
        };
        let lead = format!("  {:<9} {time:>9}  ", phase.name());
        rows.push(wrapped_at(&lead, lead.chars().count(), &detail).trim_end().to_owned());
    }
    text.push_str(&format!("\n  {:<9} {:>9}  DETAIL\n{}\n", "PHASE", "DURATION", rows.join("\n")));
    text.push_str(&identities(plan, outcome));
    if !matches!(outcome.ending, Ending::Recovered | Ending::Replaced) {
        text.push_str(&after(plan, outcome, next, paint));
    }
    text
}

/// Renders old and new UIDs, and the retained volumes.
fn identities(plan: &Plan, outcome: &RunResult) -> String {
    let mut text = String::new();
    if outcome.new_pod.is_some() || !outcome.claims.is_empty() {
        text.push('\n');
    }
    let pending = || "pending".to_owned();
    if let Some((name, uid)) = &outcome.new_pod {
        let renamed = if *name == plan.target.pod { String::new() } else { format!(" ({})", sanitize_line(name)) };
        let old = if outcome.old_uid.is_empty() { "already gone".into() } else { sanitize_line(&outcome.old_uid) };
        let (pod, uid) = (sanitize_line(&plan.target.pod), sanitize_line(uid));
        text.push_str(&format!("  pod {pod}\n    old UID {old}\n    new UID {uid}{renamed}\n"));
    }
    for claim in &outcome.claims {
        // An undo may find no claim.
        let old = if claim.old_uid.is_empty() { "none".into() } else { sanitize_line(&claim.old_uid) };
        text.push_str(&format!(
            "  claim {}\n    old UID {old}\n    new UID {}\n",
            sanitize_line(&claim.name),
            claim.new_uid.as_deref().map_or_else(pending, sanitize_line)
        ));
        if let Some(volume) = &claim.retained_volume {
            text.push_str(&format!("    old volume {} retained\n", sanitize_line(volume)));
        }
        if let Some(volume) = &claim.returned_volume {
            text.push_str(&format!("    volume {} restored\n", sanitize_line(volume)));
        }
        if let (Some(volume), Some(policy)) = (&claim.returned_volume, &claim.earlier_policy) {
            let patch = format!("{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"{policy}\"}}}}");
            let command = kubectl("patch persistentvolume").word(volume).flag("-p", patch).to_string();
            let again = sanitize_line(policy);
            text.push_str(&format!(
                "    its reclaim policy stays Retain until its data is verified; to set it back to {again}:\n"
            ));
            text.push_str(&format!("    {}\n", sanitize_line(&command)));
        }
    }
    text
}

/// Renders what was done, and what to do next.
fn after(plan: &Plan, outcome: &RunResult, next: &Suggestion, paint: Paint) -> String {
    let mut text = String::from("\n");
    if outcome.done.is_empty() {
        text.push_str("Nothing was deleted.\n");
    } else {
        text.push_str("Done so far:\n");
        for line in &outcome.done {
            text.push_str(&format!("  {}\n", sanitize_line(line)));
        }
    }
    let status = || Suggestion::from(plugin("status").namespace(&plan.target.namespace));
    let retained: Vec<&str> = outcome.claims.iter().filter_map(|claim| claim.retained_volume.as_deref()).collect();
    let command = match &outcome.ending {
        // Repeating it would not verify more.
        Ending::Unverified(_) if matches!(plan.proof, Proof::Skipped { .. }) => status(),
        Ending::Unverified(_) if plan.lacks_baseline() => {
            text.push_str("To store a baseline for the next time, while the component is healthy:\n");
            next.clone()
        }
        Ending::Interrupted | Ending::TimedOut(_) | Ending::Failed(_) | Ending::Unverified(_) => next.clone(),
        Ending::CatchingUp(_) => {
            text.push_str(
                "Nothing is missing so far. To keep waiting and verify the rest, without further deletions:\n",
            );
            next.clone()
        }
        // Its old disk could vote twice, and the others have what it lacks.
        Ending::DataMissing(_) if plan.target.role == Role::Safekeeper && plan.act == Action::Failover => {
            text.push_str(
                "The other safekeepers have the WAL that it lacks. Do not restore the old disk: it could vote twice.\n",
            );
            text.push_str(
                "Once it fetches the rest from them, to keep waiting and verify it, without further deletions:\n",
            );
            next.clone()
        }
        Ending::DataMissing(_) if !retained.is_empty() => {
            let volumes = noun(retained.len(), "volume");
            text.push_str(&format!("To restore the old {volumes}, which may have the missing data:\n"));
            next.clone()
        }
        Ending::DataMissing(_) if undoes(plan, outcome) != plan.id => {
            text.push_str("This operation retained no volume. To restore one that an earlier operation retained:\n");
            next.clone()
        }
        // What was begun is on record, and the same command resumes it.
        Ending::ClusterChanged(_) if !outcome.done.is_empty() || plan.resumes.is_some() => next.clone(),
        Ending::ClusterChanged(_) | Ending::DataMissing(_) => status(),
        Ending::Recovered | Ending::Replaced => return text,
    };
    if let (Ending::TimedOut(_), Some(node)) = (&outcome.ending, &plan.target.lost_node) {
        text.push_str(&format!("Once the machine of node {} is verified to be off:\n", sanitize_line(node)));
        let taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
        text.push_str(&suggestion(&kubectl("taint nodes").word(node).word(taint).into(), paint));
    }
    if let Some(accept) = &outcome.accept {
        text.push_str(&suggestion(&command, paint));
        text.push_str("If all of it was removed on purpose since then: to accept that and verify the rest:\n");
        text.push_str(&suggestion(&accept.clone().into(), paint));
        return text;
    }
    if let (Ending::TimedOut(_), Some(undo)) = (&outcome.ending, &outcome.undo) {
        text.push_str("If it never starts on the new volumes: to restore the retained ones:\n");
        text.push_str(&suggestion(&undo.clone().into(), paint));
        text.push_str("If it starts by itself: to keep waiting and verify it:\n");
    }
    text.push_str(&suggestion(&command, paint));
    if let Ending::Failed(error) = &outcome.ending {
        for hint in &error.hints {
            text.push_str(&suggestion(hint, paint));
        }
    }
    text
}
