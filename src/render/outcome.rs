//! How a failover ended: the verdict first, then the time of each phase and what is new.

use super::age::{clock, took};
use super::{Paint, availability, count, sanitize_line, wrapped, wrapped_at};
use crate::cli::quoted;
use crate::error::Exit;
use crate::plan::{Action, Plan, Proof};
use crate::recovery::{Ending, Outcome, PhaseEnd};
use crate::topology::Role;

/// The exit code of this ending.
pub fn exit(ending: &Ending) -> Exit {
    match ending {
        Ending::Failed(error) => error.exit,
        ending => ending.kind().exit().unwrap_or(Exit::Error),
    }
}

/// What is to be undone to get back what is missing, as `undo` takes it: this one, or, if it retained nothing, the last of
/// its pod that did.
pub fn undoes(plan: &Plan, outcome: &Outcome) -> String {
    let kept_some = outcome.claims.iter().any(|claim| claim.retained_volume.is_some());
    let earlier = plan.act == Action::Failover && !kept_some && !plan.aside.is_empty();
    if earlier { plan.path() } else { plan.id.clone() }
}

/// Whether there is a retained volume that may have what is missing: of this one, or of an earlier one of its pod.
pub fn can_be_put_back(plan: &Plan, outcome: &Outcome) -> bool {
    outcome.claims.iter().any(|claim| claim.retained_volume.is_some()) || undoes(plan, outcome) != plan.id
}

/// The first line, and the reasons under it.
pub fn verdict(plan: &Plan, outcome: &Outcome, paint: Paint) -> String {
    let pod = sanitize_line(&plan.target.pod);
    let time = took(outcome.total);
    let word = outcome.ending.kind().text();
    let mut text = match &outcome.ending {
        Ending::Recovered => match &plan.act {
            Action::Failover => format!("{}: {pod} is back after {time}\n", paint.ok(word)),
            Action::Undo(of) => {
                let verdict = paint.ok(word);
                format!("{verdict}: {pod} is back after {time}\n  on what {} had set aside\n", sanitize_line(of))
            }
        },
        Ending::Replaced => {
            format!("{}: {pod} is Ready after {time}; whether it answers was not asked\n", paint.warn(word))
        }
        Ending::Unverified(why) => format!(
            "{}: {pod} is Ready after {time}; whether it and its data are back is unknown\n{}",
            paint.warn(word),
            wrapped("  ", why)
        ),
        Ending::DataMissing(missing) => {
            let when = match plan.baseline.earlier() {
                Some((what, taken)) => format!("what {} of {} has", sanitize_line(&what), sanitize_line(taken)),
                None => {
                    let at = outcome.compared_with.as_deref().and_then(clock);
                    format!("what was there {}", at.map_or_else(|| "before".to_owned(), |at| format!("at {at}")))
                }
            };
            let mut text = format!("{}: {pod} is Ready after {time}, and {when} is missing\n", paint.bad(word));
            for line in missing {
                text.push_str(&wrapped("  - ", line));
            }
            text
        }
        Ending::CatchingUp(left) => format!(
            "{}: {pod} is Ready after {time}, and still fetches data\n{}",
            paint.warn(word),
            wrapped("  ", left)
        ),
        Ending::TimedOut(why) => {
            format!("{}: {pod} is not back after {time}\n{}", paint.bad(word), wrapped("  ", why))
        }
        Ending::ClusterChanged(why) => {
            format!("{}: no longer as planned\n{}", paint.bad(word), wrapped("  ", why))
        }
        Ending::Failed(error) => format!("{}: {}\n", paint.bad(word), sanitize_line(&error.to_string())),
        Ending::Interrupted => format!("{} after {time}\n", paint.warn(word)),
    };
    if outcome.healed > 0 {
        text.push_str(&format!(
            "  healed: {} waited for a claim that was gone; {} deleted once more\n",
            count(outcome.healed as usize, "new pod"),
            if outcome.healed == 1 { "it was" } else { "they were" }
        ));
    }
    if let Some(restarted) = &outcome.restarted {
        text.push_str(&wrapped("  restarts: ", restarted));
    }
    text
}

/// The whole account for people. `next` is the command that goes on with what is unfinished, or takes back what lost
/// something.
pub fn outcome(plan: &Plan, outcome: &Outcome, next: &str, paint: Paint) -> String {
    let mut text = verdict(plan, outcome, paint);
    if let Some(proof) = &outcome.proof {
        text.push_str(&wrapped("  proof: ", proof));
    }
    text.push_str(&availability::outcome(plan, &outcome.reachability, paint));
    for notice in &outcome.notices {
        text.push_str(&wrapped("  note: ", notice));
    }
    let mut rows = Vec::new();
    for (phase, end) in &outcome.phases {
        let (time, detail) = match end {
            PhaseEnd::After(time, detail) => (took(*time), detail.clone()),
            PhaseEnd::Skipped(why) => ("skipped".into(), why.clone()),
            PhaseEnd::Failed(why) => ("failed".into(), why.clone()),
        };
        let lead = format!("  {:<9} {time:>9}  ", phase.name());
        rows.push(wrapped_at(&lead, lead.chars().count(), &detail).trim_end().to_owned());
    }
    text.push_str(&format!("\n  {:<9} {:>9}  DETAIL\n{}\n", "PHASE", "TIME", rows.join("\n")));
    text.push_str(&identities(plan, outcome));
    if !matches!(outcome.ending, Ending::Recovered | Ending::Replaced) {
        text.push_str(&after(plan, outcome, next, paint));
    }
    text
}

/// Old and new UIDs, and what is kept.
fn identities(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::new();
    if outcome.new_pod.is_some() || !outcome.claims.is_empty() {
        text.push('\n');
    }
    let none = || "none yet".to_owned();
    if let Some((name, uid)) = &outcome.new_pod {
        let renamed = if *name == plan.target.pod { String::new() } else { format!(" ({})", sanitize_line(name)) };
        let old = if outcome.old_uid.is_empty() { "gone before".into() } else { sanitize_line(&outcome.old_uid) };
        let (pod, uid) = (sanitize_line(&plan.target.pod), sanitize_line(uid));
        text.push_str(&format!("  pod {pod}\n    old UID {old}\n    new UID {uid}{renamed}\n"));
    }
    for claim in &outcome.claims {
        // An undo may find none.
        let old = if claim.old_uid.is_empty() { "none".into() } else { sanitize_line(&claim.old_uid) };
        text.push_str(&format!(
            "  claim {}\n    old UID {old}\n    new UID {}\n",
            sanitize_line(&claim.name),
            claim.new_uid.as_deref().map_or_else(none, sanitize_line)
        ));
        if let Some(volume) = &claim.retained_volume {
            text.push_str(&format!("    the old volume {} is kept\n", sanitize_line(volume)));
        }
        if let Some(volume) = &claim.returned_volume {
            text.push_str(&format!("    volume {} is in use again\n", sanitize_line(volume)));
        }
        if let (Some(volume), Some(policy)) = (&claim.returned_volume, &claim.earlier_policy) {
            let patch = format!("'{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"{}\"}}}}'", sanitize_line(policy));
            let volume = sanitize_line(&quoted(volume));
            let again = sanitize_line(policy);
            text.push_str(&format!("    it stays on Retain: its data is not proven. To set it back to {again}:\n"));
            text.push_str(&format!("    kubectl patch persistentvolume {volume} -p {patch}\n"));
        }
    }
    text
}

/// What was done, and what to do next.
fn after(plan: &Plan, outcome: &Outcome, next: &str, paint: Paint) -> String {
    let mut text = String::from("\n");
    if outcome.done.is_empty() {
        text.push_str("Nothing was deleted.\n");
    } else {
        text.push_str("Done so far:\n");
        for line in &outcome.done {
            text.push_str(&format!("  {}\n", sanitize_line(line)));
        }
    }
    let status = || format!("kubectl synxdb status -n {}", quoted(&plan.target.namespace));
    let kept: Vec<&str> = outcome.claims.iter().filter_map(|claim| claim.retained_volume.as_deref()).collect();
    let command = match &outcome.ending {
        // Asking again would not prove more.
        Ending::Unverified(_) if matches!(plan.proof, Proof::Skipped { .. }) => status(),
        Ending::Unverified(_) if plan.lacks_baseline() => {
            text.push_str("To have a baseline the next time: while it is healthy, this stores one.\n");
            next.to_owned()
        }
        Ending::Interrupted | Ending::TimedOut(_) | Ending::Failed(_) | Ending::Unverified(_) => next.to_owned(),
        Ending::CatchingUp(_) => {
            text.push_str("Nothing is missing so far. This waits on, deletes nothing more, and verifies the rest:\n");
            next.to_owned()
        }
        // Its old disk could vote twice, and the others hold what it lacks.
        Ending::DataMissing(_) if plan.target.role == Role::Safekeeper && plan.act == Action::Failover => {
            text.push_str("The other safekeepers hold the WAL that it lacks. Do not put the old disk back: it could vote twice.\n");
            text.push_str(
                "Once it fetches the rest from them, this waits on, deletes nothing more, and verifies it:\n",
            );
            next.to_owned()
        }
        Ending::DataMissing(_) if !kept.is_empty() => {
            let volumes = if kept.len() == 1 { "volume" } else { "volumes" };
            text.push_str(&format!("The old {volumes}, which may have what is missing, can be put back:\n"));
            next.to_owned()
        }
        Ending::DataMissing(_) if undoes(plan, outcome) != plan.id => {
            text.push_str("This one retained no volume. What is missing may be on one that an earlier one retained:\n");
            next.to_owned()
        }
        // What was begun is on record, and the same command finishes it.
        Ending::ClusterChanged(_) if !outcome.done.is_empty() || plan.resumes.is_some() => next.to_owned(),
        Ending::ClusterChanged(_) | Ending::DataMissing(_) => status(),
        Ending::Recovered | Ending::Replaced => return text,
    };
    if let (Ending::TimedOut(_), Some(node)) = (&outcome.ending, &plan.target.lost_node) {
        text.push_str(&format!("The way out, once the machine of node {} is verified off:\n", sanitize_line(node)));
        let node = sanitize_line(&quoted(node));
        let taint = format!("kubectl taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute");
        text.push_str(&format!("{} {taint}\n", paint.hint("next:")));
    }
    if let Some(accept) = &outcome.accept {
        text.push_str(&format!("{} {}\n", paint.hint("next:"), sanitize_line(&command)));
        text.push_str("If all of it was removed on purpose since then: this accepts it, and proves the rest.\n");
        text.push_str(&format!("{} {}\n", paint.hint("next:"), sanitize_line(accept)));
        return text;
    }
    if let (Ending::TimedOut(_), Some(undo)) = (&outcome.ending, &outcome.undo) {
        text.push_str("If it never comes up on what it has now: this puts back what was set aside.\n");
        text.push_str(&format!("{} {}\n", paint.hint("next:"), sanitize_line(undo)));
        text.push_str("If it comes up by itself: this waits on, and proves it.\n");
    }
    text.push_str(&format!("{} {}\n", paint.hint("next:"), sanitize_line(&command)));
    if let Ending::Failed(error) = &outcome.ending {
        for hint in &error.hints {
            text.push_str(&format!("{} {}\n", paint.hint("next:"), sanitize_line(hint)));
        }
    }
    text
}
