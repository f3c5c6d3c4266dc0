//! Whether the API server and its admission plugins accept each step and the objects that are created afterwards: tried
//! by dry runs before anything is changed. Pure: answers in, checks out.

use super::checks::{PlanCheck, PlanCheckId, Resolution, block, pass, warn};
use super::{Plan, Risk};
use crate::cli::Allow;
use crate::cluster::Tried;
use crate::topology::Known;
use crate::topology::quota::{Quota, Room, Usage, refused_by_quota};

/// What a dry run tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// A step of the plan.
    Step,
    /// The creation of the new pod or of a new claim.
    Creation,
}

/// One dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// What it tries.
    pub attempt: Attempt,
    /// The change, for people: `pod/wh9527-0 deleted`.
    pub what: String,
    /// What the created object uses of quotas; nothing for a step.
    pub takes: Usage,
    /// The result.
    pub tried: Tried,
}

/// What is known of the namespace's quotas.
#[derive(Clone, Debug)]
pub struct Quotas {
    /// The quotas, or why they are not known.
    pub found: Known<Vec<Quota>>,
    /// What the deleted objects use of them.
    pub goes: Usage,
    /// What the new objects use.
    pub comes: Usage,
}

/// What follows from a refusal to create something.
enum Meaning {
    /// It is refused permanently, for this reason.
    Refused(String),
    /// It is refused only until the old object is gone, for this reason.
    UntilThen(String),
}

/// Returns the checks that follow from dry runs; `untried` lists what could not be tried.
pub fn admission(tries: &[Try], untried: &[String], quotas: &Quotas, allowed: &[Allow]) -> Vec<PlanCheck> {
    let id = PlanCheckId::Admission;
    let mut checks = Vec::new();
    let mut unknown: Vec<String> = untried.to_vec();
    for one in tries {
        let what = &one.what;
        match (&one.tried, one.attempt) {
            // The run looks again, and reports what is gone or replaced by then.
            (Tried::Accepted | Tried::Moot(_), _) => {}
            (Tried::Unknown(why), _) => unknown.push(format!("{what} ({why})")),
            (Tried::Denied(why), Attempt::Step) => {
                let why = format!("the API server rejects this step, {what}: {why}");
                checks.push(block(id, why, "rerun the command once that is allowed; nothing was changed"));
            }
            (Tried::Denied(words), Attempt::Creation) => match meaning(words, &one.takes, quotas) {
                Meaning::UntilThen(why) => checks.push(warn(id, format!("{what}: {why}"))),
                Meaning::Refused(why) => {
                    let why = format!("the API server would reject a replacement object, {what}: {why}");
                    let allow = Allow::RefusedReplacement;
                    checks.push(if allowed.contains(&allow) {
                        PlanCheck { overridden: true, allow: Some(allow), ..warn(id, why) }
                    } else {
                        let next = Resolution::Override(allow);
                        PlanCheck { allow: Some(allow), ..block(id, why, next) }
                    });
                }
            },
        }
    }
    if !unknown.is_empty() {
        let why = format!("unknown whether the API server would accept: {}", unknown.join("; "));
        checks.push(warn(id, why));
    }
    if checks.is_empty() && !tries.is_empty() {
        let created = tries.iter().any(|one| one.attempt == Attempt::Creation);
        let rest = if created { " and the replacement objects" } else { "" };
        checks.push(pass(id, format!("the API server accepts every step{rest} (dry run)")));
    }
    checks
}

/// Returns whether a refusal comes from a quota that the old pod or claim fills. All quotas are compared by their numbers:
/// the server names only the first that refuses, and others may never have room.
fn meaning(words: &str, takes: &Usage, quotas: &Quotas) -> Meaning {
    if !refused_by_quota(words) {
        return Meaning::Refused(words.to_owned());
    }
    let found = match &quotas.found {
        Known::Is(found) => found,
        Known::Unknown(why) => {
            return Meaning::Refused(format!(
                "{words} (the old object may fill a quota, but quotas cannot be read: {why})"
            ));
        }
    };
    let mut then = None;
    for quota in found {
        match quota.room(takes, &quotas.goes, &quotas.comes) {
            Room::Never(why) => {
                return Meaning::Refused(format!(
                    "{words}; quota {} has no room even after the old one is gone: {why}",
                    quota.name
                ));
            }
            Room::Then(why) => {
                then = Some(format!("quota {} is full until the old one is gone ({why})", quota.name));
            }
            Room::Now => {}
        }
    }
    // By the numbers all have room: the reason for the refusal is unknown.
    match then {
        Some(why) => Meaning::UntilThen(why),
        None => Meaning::Refused(words.to_owned()),
    }
}

impl Plan {
    /// Adds the checks that follow from dry runs.
    pub fn admit(&mut self, checks: Vec<PlanCheck>) {
        if checks.iter().any(|check| check.overridden) {
            self.risk = Risk::High;
        }
        self.checks.extend(checks);
    }
}

#[cfg(test)]
mod tests {
    use super::super::PlanVerdict;
    use super::*;
    use serde_json::json;

    /// Returns quotas of three pods each, with so many used.
    fn quotas(used: &[(&str, &str)]) -> Quotas {
        let object = |(name, used): &(&str, &str)| json!({"metadata": {"name": name}, "spec": {"hard": {"pods": "3"}}, "status": {"used": {"pods": used}}});
        let objects: Vec<_> = used.iter().map(|one| serde_json::from_value(object(one)).unwrap()).collect();
        let found = crate::topology::quota::quotas(&objects);
        let pod = serde_json::from_value(json!({"spec": {"containers": []}})).unwrap();
        let mut one = Usage::default();
        one.add_pod(&pod);
        Quotas { found: Known::Is(found), goes: one.clone(), comes: one }
    }

    fn quota(used: &str) -> Quotas {
        quotas(&[("team", used)])
    }

    fn tried(attempt: Attempt, tried: Tried) -> Try {
        Try { attempt, what: "pod/p created".into(), takes: quota("1").comes, tried }
    }

    #[test]
    fn every_answer_has_its_meaning() {
        use Attempt::{Creation, Step};
        let exceeded = || Tried::Denied("exceeded quota: team, requested: pods=1".into());
        let denied = || Tried::Denied("the guard says no".into());
        let unread = || Quotas { found: Known::Unknown("forbidden".into()), ..quota("3") };
        for (attempt, answer, quotas, verdict, says) in [
            (Step, Tried::Accepted, quota("3"), PlanVerdict::Pass, "accepts every step (dry run)"),
            (Creation, Tried::Accepted, quota("3"), PlanVerdict::Pass, "and the replacement objects"),
            (Step, denied(), quota("3"), PlanVerdict::Block, "the guard says no"),
            (Creation, denied(), quota("3"), PlanVerdict::Block, "the guard says no"),
            (Step, Tried::Unknown("no dry runs".into()), quota("3"), PlanVerdict::Warn, "no dry runs"),
            (Creation, Tried::Unknown("no dry runs".into()), quota("3"), PlanVerdict::Warn, "no dry runs"),
            // Exactly full: the deleted pod makes room.
            (
                Creation,
                exceeded(),
                quota("3"),
                PlanVerdict::Warn,
                "is full until the old one is gone (pods: 3 of 3 are used)",
            ),
            (
                Creation,
                exceeded(),
                quota("4"),
                PlanVerdict::Block,
                "has no room even after the old one is gone: pods: 4 of 3 are used",
            ),
            // Another refusal, which a full quota does not excuse.
            (Creation, denied(), quota("3"), PlanVerdict::Block, "the guard says no"),
            // A message that names a quota is not a quota's refusal.
            (Creation, Tried::Denied("team says no".into()), quota("3"), PlanVerdict::Block, "team says no"),
            // A quota denies although it has room by its numbers.
            (Creation, exceeded(), quota("1"), PlanVerdict::Block, "exceeded quota: team"),
            (Creation, exceeded(), unread(), PlanVerdict::Block, "quotas cannot be read"),
        ] {
            let checks = admission(&[tried(attempt, answer.clone())], &[], &quotas, &[]);
            assert_eq!(checks.len(), 1, "{checks:?}");
            assert_eq!(checks[0].verdict, verdict, "{attempt:?} {answer:?}: {checks:?}");
            assert!(checks[0].reason.contains(says), "{checks:?}");
        }
    }

    /// The server names the first quota that refuses, whichever that is. All are compared, and one that has no room even
    /// after the old one is gone decides.
    #[test]
    fn all_quotas_are_compared_whichever_the_server_names() {
        let named = |name: &str| Tried::Denied(format!("exceeded quota: {name}, requested: pods=1"));
        for (used, verdict, says) in [
            (&[("team", "3"), ("org", "2")][..], PlanVerdict::Warn, "quota team is full until the old one is gone"),
            (&[("team", "3"), ("org", "3")], PlanVerdict::Warn, "is full until the old one is gone"),
            (
                &[("team", "3"), ("org", "4")],
                PlanVerdict::Block,
                "quota org has no room even after the old one is gone",
            ),
            (
                &[("org", "4"), ("team", "3")],
                PlanVerdict::Block,
                "quota org has no room even after the old one is gone",
            ),
            // The named one need not be among those found; the numbers still count.
            (&[("other", "3")], PlanVerdict::Warn, "quota other is full until the old one is gone"),
            (&[("team", "2"), ("org", "2")], PlanVerdict::Block, "exceeded quota"),
            (&[], PlanVerdict::Block, "exceeded quota"),
        ] {
            for name in ["team", "org"] {
                let checks = admission(&[tried(Attempt::Creation, named(name))], &[], &quotas(used), &[]);
                assert_eq!(checks[0].verdict, verdict, "{name} {used:?}: {checks:?}");
                assert!(checks[0].reason.contains(says), "{name} {used:?}: {checks:?}");
            }
        }
    }

    /// A refused step would be refused again; a replacement may be created by a user with the rights.
    #[test]
    fn only_the_creation_can_be_overridden() {
        let allowed = [Allow::RefusedReplacement];
        let denied = |attempt| [tried(attempt, Tried::Denied("no".into()))];
        let step = admission(&denied(Attempt::Step), &[], &quota("1"), &allowed);
        assert_eq!((step[0].verdict, step[0].overridden), (PlanVerdict::Block, false));
        let creation = admission(&denied(Attempt::Creation), &[], &quota("1"), &allowed);
        assert_eq!((creation[0].verdict, creation[0].overridden), (PlanVerdict::Warn, true));
        // Which override it is, or would be, is part of the check.
        assert_eq!(creation[0].allow, Some(Allow::RefusedReplacement));
        let blocked = admission(&denied(Attempt::Creation), &[], &quota("1"), &[]);
        assert_eq!((blocked[0].verdict, blocked[0].allow), (PlanVerdict::Block, Some(Allow::RefusedReplacement)));
        assert_eq!(step[0].allow, None);
    }

    #[test]
    fn what_was_not_tried_is_reported_and_no_pass() {
        let accepted = [tried(Attempt::Step, Tried::Accepted)];
        let untried = ["the new pod (its template is not read)".to_owned()];
        let checks = admission(&accepted, &untried, &quota("1"), &[]);
        assert_eq!((checks.len(), checks[0].verdict), (1, PlanVerdict::Warn));
        assert!(admission(&[], &[], &quota("1"), &[]).is_empty());
    }
}
