//! Which databases are asked during a failover, and how long each was away.

use super::age::took;
use super::{Paint, harmless, wrapped, wrapped_at};
use crate::plan::{NotMeasured, Plan, Probes, Promise};
use crate::recovery::Reach;
use crate::recovery::reach::Account;

/// Under a plan's checks: what will be asked, and what is promised of it.
pub fn plan(probes: &Probes) -> String {
    let mut text = String::new();
    if !probes.databases.is_empty() {
        let every = probes.every();
        let often = match 1000 / every.as_millis().max(1) {
            0 | 1 => format!("every {}", took(every)),
            times => format!("{times} times a second"),
        };
        text.push_str(&format!("\nReachability: SQL is asked {often} meanwhile\n"));
        for target in &probes.databases {
            let lead = format!("  {:<12}  ", promised(target.promise));
            text.push_str(&format!("{lead}{}/{}\n", harmless(&target.namespace), harmless(&target.pod)));
        }
    } else if !probes.not_measured.is_empty() {
        text.push_str("\nReachability\n");
    }
    text + &not_measured(&probes.not_measured, |reason, whose| format!("not measured: {reason}{whose}"))
}

fn promised(promise: Promise) -> &'static str {
    match promise {
        Promise::Stays => "stays",
        Promise::BrieflyAway => "briefly away",
        Promise::None => "no promise",
    }
}

/// Those of one reason together.
fn not_measured(all: &[NotMeasured], words: impl Fn(&str, &str) -> String) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for NotMeasured { namespace, pod, why } in all {
        let name = match (namespace, pod) {
            (Some(namespace), Some(pod)) => Some(format!("{namespace}/{pod}")),
            (Some(namespace), None) => Some(format!("namespace {namespace}")),
            _ => None,
        };
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.extend(name),
            None => reasons.push((why, name.into_iter().collect())),
        }
    }
    let line = |(why, names): (&str, Vec<String>)| {
        let whose = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        wrapped("  ", &words(why, &whose))
    };
    reasons.into_iter().map(line).collect()
}

/// Under the verdict: a database each.
pub fn outcome(plan: &Plan, reachability: &[Reach], paint: Paint) -> String {
    let mut text = String::new();
    let mut rest = Vec::new();
    for reach in reachability {
        match (&reach.measured, &reach.namespace, &reach.pod) {
            (Ok(account), Some(namespace), Some(pod)) => {
                text.push_str(&measured(plan, reach, account, &format!("{namespace}/{pod}"), paint));
            }
            (Err(why), namespace, pod) => {
                rest.push(NotMeasured { namespace: namespace.clone(), pod: pod.clone(), why: why.clone() });
            }
            (Ok(_), ..) => {}
        }
    }
    text + &not_measured(&rest, |reason, whose| format!("SQL was not measured: {reason}{whose}"))
}

fn measured(plan: &Plan, reach: &Reach, account: &Account, name: &str, paint: Paint) -> String {
    let Account { asked, answered, .. } = account;
    if account.longest_gap.is_none() {
        return wrapped("  ", &format!("SQL stayed reachable ({answered} of {asked}) on {name}"));
    }
    let gap = account.longest_gap.map(took).unwrap_or_default();
    let failed = format!("{} of {asked} attempts failed", asked - answered);
    let still = if account.still_away { ", and still is" } else { "" };
    let what = match (account.interruption, account.answered_before, account.first_success_after) {
        (Some(gap), ..) if account.interruptions > 1 => {
            format!("was unreachable for {}, and {} times in all{still} ({failed})", took(gap), account.interruptions)
        }
        (Some(gap), ..) => format!("was unreachable for {}{still} ({failed})", took(gap)),
        (None, true, _) => {
            format!("may have been unreachable for {gap} ({} of {asked} attempts came to nothing)", asked - answered)
        }
        (None, false, Some(after)) => format!("did not answer before, and does since {} ({failed})", took(after)),
        (None, false, None) => format!("did not answer, before or since ({failed})"),
    };
    let mut text = format!("  SQL on {}\n{}", harmless(name), wrapped("    ", &what));
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
