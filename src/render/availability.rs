//! Which databases are asked during a failover, and how long each was away.

use super::{Paint, sanitize_line, wrapped, wrapped_at};
use crate::duration;
use crate::plan::{NotMeasured, Plan, Probes, Promise};
use crate::recovery::Availability;
use crate::recovery::availability::Downtime;

/// Under a plan's checks: what will be asked, and what is promised of it.
pub fn plan(probes: &Probes) -> String {
    let mut text = String::new();
    if !probes.databases.is_empty() {
        let every = probes.every();
        let often = match 1000 / every.as_millis().max(1) {
            0 | 1 => format!("every {}", duration::format(every)),
            times => format!("{times} times a second"),
        };
        text.push_str(&format!("\nReachability: SQL is asked {often} meanwhile\n"));
        for target in &probes.databases {
            let lead = format!("  {:<12}  ", promised(target.promise));
            text.push_str(&format!("{lead}{}/{}\n", sanitize_line(&target.namespace), sanitize_line(&target.pod)));
        }
    } else if !probes.not_measured.is_empty() {
        text.push_str("\nReachability\n");
    }
    for Group { names, why, .. } in groups(&probes.not_measured) {
        let lead = "  not measured  ";
        let indent = " ".repeat(lead.len());
        let mut lead = lead.to_owned();
        for name in names {
            text.push_str(&format!("{lead}{}\n", sanitize_line(&name)));
            lead.clone_from(&indent);
        }
        text.push_str(&wrapped_at(&lead, indent.len(), why));
    }
    text
}

fn promised(promise: Promise) -> &'static str {
    match promise {
        Promise::Stays => "stays",
        Promise::BrieflyAway => "briefly away",
        Promise::None => "no promise",
    }
}

/// Those that are not measured for one reason.
struct Group<'p> {
    /// Pods, or namespaces where none of their pods is known.
    names: Vec<String>,
    whole_namespaces: bool,
    why: &'p str,
}

fn groups(all: &[NotMeasured]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for NotMeasured { namespace, pod, why } in all {
        let whole_namespaces = pod.is_none();
        let name = namespace.as_ref().map(|namespace| match pod {
            Some(pod) => format!("{namespace}/{pod}"),
            None => namespace.clone(),
        });
        match groups.iter_mut().find(|group| group.why == why && group.whole_namespaces == whole_namespaces) {
            Some(group) => group.names.extend(name),
            None => groups.push(Group { names: name.into_iter().collect(), whole_namespaces, why }),
        }
    }
    groups
}

/// Under the verdict: a database each.
pub fn outcome(plan: &Plan, reachability: &[Availability], paint: Paint) -> String {
    let mut text = String::new();
    let mut rest = Vec::new();
    for reach in reachability {
        let Availability { namespace, pod, measured: known, .. } = reach;
        match known {
            Ok(account) => {
                let name = [namespace, pod].map(|part| part.as_deref().unwrap_or("<unknown>")).join("/");
                text.push_str(&measured(plan, reach, account, &name, paint));
            }
            Err(why) => rest.push(NotMeasured { namespace: namespace.clone(), pod: pod.clone(), why: why.clone() }),
        }
    }
    for Group { names, whole_namespaces, why } in groups(&rest) {
        let whose = match names.join(", ") {
            none if none.is_empty() => none,
            namespaces if whole_namespaces => format!(" in namespace {namespaces}"),
            pods => format!(" on {pods}"),
        };
        text.push_str(&wrapped("  ", &format!("SQL was not measured{whose}: {why}")));
    }
    text
}

fn measured(plan: &Plan, reach: &Availability, account: &Downtime, name: &str, paint: Paint) -> String {
    let Downtime { asked, answered, .. } = account;
    // On an MPP server a coordinator's answer would say nothing of the segments.
    let sql = if account.segments { "SQL on every segment" } else { "SQL" };
    if account.longest_gap.is_none() {
        return wrapped("  ", &format!("{sql} stayed reachable ({answered} of {asked}) on {name}"));
    }
    let gap = account.longest_gap.map(duration::format).unwrap_or_default();
    let failed = format!("{} of {asked} attempts failed", asked - answered);
    let still = if account.still_away { ", and still is" } else { "" };
    let what = match (account.interruption, account.unknown == asked - answered, account.first_success_after) {
        (None, true, _) => {
            let still = if account.still_away { ", and may still be" } else { "" };
            format!(
                "may have been unreachable for {gap}{still} ({} of {asked} attempts came to nothing)",
                account.unknown
            )
        }
        (Some(gap), ..) if account.interruptions > 1 => {
            let times = account.interruptions;
            format!("was unreachable for {}, the longest of {times} times{still} ({failed})", duration::format(gap))
        }
        (Some(gap), ..) => format!("was unreachable for {}{still} ({failed})", duration::format(gap)),
        (None, _, Some(after)) => {
            format!("did not answer before, and first did after {} ({failed})", duration::format(after))
        }
        (None, _, None) => format!("did not answer, before or since ({failed})"),
    };
    let mut text = format!("  {sql} on {}\n{}", sanitize_line(name), wrapped("    ", &what));
    if let Some(reason) = &account.reason {
        text.push_str(&wrapped("    last failure: ", reason));
    }
    if reach.finding() {
        let replaced = plan.target.role;
        let sentence = format!("it should stay reachable while a {replaced} is replaced");
        // Colours have no width.
        let lead = "    finding: ";
        let line = wrapped_at(lead, 6, &sentence);
        text.push_str(&line.replacen("finding:", &paint.warn("finding:"), 1));
    }
    text
}
