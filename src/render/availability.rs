//! Which databases are probed during a failover, and how long each outage was.

use super::{Paint, sanitize_line, wrapped, wrapped_at};
use crate::duration;
use crate::plan::{ExpectedAvailability, NotMeasured, Plan, Probes};
use crate::recovery::Availability;
use crate::recovery::availability::Downtime;

/// Renders which databases will be probed and what is expected of each, for below a plan's checks.
pub(crate) fn plan(probes: &Probes) -> String {
    let mut text = String::new();
    if !probes.databases.is_empty() {
        let every = probes.every();
        text.push_str(&format!("\nAvailability probe: one query every {}; expected:\n", duration::format(every)));
        for target in &probes.databases {
            let lead = format!("  {:<12}  ", expected_words(target.expected));
            text.push_str(&format!("{lead}{}/{}\n", sanitize_line(&target.namespace), sanitize_line(&target.pod)));
        }
    } else if !probes.not_measured.is_empty() {
        text.push_str("\nAvailability probe\n");
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

fn expected_words(expected: ExpectedAvailability) -> &'static str {
    match expected {
        ExpectedAvailability::NoInterruption => "no outage",
        ExpectedAvailability::BriefInterruption => "brief outage",
        ExpectedAvailability::None => "unspecified",
    }
}

/// Databases that are not measured for the same reason.
struct Group<'p> {
    /// Pods, or namespaces if none of their pods is known.
    names: Vec<String>,
    entire_namespaces: bool,
    why: &'p str,
}

fn groups(all: &[NotMeasured]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for NotMeasured { namespace, pod, why } in all {
        let entire_namespaces = pod.is_none();
        let name = namespace.as_ref().map(|namespace| match pod {
            Some(pod) => format!("{namespace}/{pod}"),
            None => namespace.clone(),
        });
        match groups.iter_mut().find(|group| group.why == why && group.entire_namespaces == entire_namespaces) {
            Some(group) => group.names.extend(name),
            None => groups.push(Group { names: name.into_iter().collect(), entire_namespaces, why }),
        }
    }
    groups
}

/// Renders the availability of each database, for below the verdict.
pub(crate) fn outcome(plan: &Plan, reachability: &[Availability], paint: Paint) -> String {
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
    for Group { names, entire_namespaces, why } in groups(&rest) {
        let whose = match names.join(", ") {
            none if none.is_empty() => none,
            namespaces if entire_namespaces => format!(" in namespace {namespaces}"),
            pods => format!(" on {pods}"),
        };
        text.push_str(&wrapped("  ", &format!("availability not measured{whose}: {why}")));
    }
    text
}

fn measured(plan: &Plan, reach: &Availability, account: &Downtime, name: &str, paint: Paint) -> String {
    let Downtime { asked, answered, .. } = account;
    // On an MPP server a coordinator's answer says nothing about the segments.
    let sql = if account.segments { "SQL on every segment" } else { "SQL" };
    if account.longest_gap.is_none() {
        return wrapped("  ", &format!("{sql} on {name}: no outage ({answered} of {asked} probes succeeded)"));
    }
    let gap = account.longest_gap.map(duration::format).unwrap_or_default();
    let failed = format!("{} of {asked} probes failed", asked - answered);
    let still = if account.still_away { ", ongoing" } else { "" };
    let what = match (account.interruption, account.unknown == asked - answered, account.first_success_after) {
        (None, true, _) => {
            let still = if account.still_away { ", until the end" } else { "" };
            format!("not measured for {gap}{still} ({} of {asked} probes inconclusive)", account.unknown)
        }
        (Some(gap), ..) if account.interruptions > 1 => {
            let times = account.interruptions;
            format!("outage {}, the longest of {times}{still} ({failed})", duration::format(gap))
        }
        (Some(gap), ..) => format!("outage {}{still} ({failed})", duration::format(gap)),
        (None, _, Some(after)) => {
            format!("unreachable before, first reachable after {} ({failed})", duration::format(after))
        }
        (None, _, None) => format!("unreachable before and after ({failed})"),
    };
    let mut text = format!("  {sql} on {}\n{}", sanitize_line(name), wrapped("    ", &what));
    if let Some(reason) = &account.reason {
        text.push_str(&wrapped("    last failure: ", reason));
    }
    if reach.finding() {
        let replaced = plan.target.role;
        let sentence = format!("SQL should stay available while a {replaced} is replaced");
        // Colours have no width.
        let lead = "    finding: ";
        let line = wrapped_at(lead, 6, &sentence);
        text.push_str(&line.replacen("finding:", &paint.warn("finding:"), 1));
    }
    text
}
