//! The result of a run: what happened to claims, volumes and pod.

use super::state::Executor;
use crate::plan::{ReplacedClaim, Step};
use crate::recovery::events::{ClaimChange, Ending, RunResult};
use crate::recovery::goal;
use crate::topology::Topology;
use std::time::Duration;

impl Executor<'_, '_> {
    pub(super) fn outcome(self, ending: Ending, total: Duration) -> RunResult {
        let plan = self.run.plan;
        let topology = self.topology();
        let successor = goal::successor(plan, &topology);
        let retained = |claim: &str| {
            plan.steps.iter().find_map(|step| match step {
                Step::Retain { volume, claim: of, .. } if of == claim => Some(volume.clone()),
                _ => None,
            })
        };
        let recorded = |claim: &str| {
            self.run.record.claims.iter().find(|other| other.name == claim).and_then(|other| other.volume.clone())
        };
        let claims = plan.replaced_claims.iter().map(|claim| {
            let found = successor.and_then(|(member, _)| goal::new_claim(plan, member, claim));
            let new = found.filter(|found| found.uid.as_ref() != Some(&claim.uid));
            let has = new.filter(|new| new.bound()).and_then(|new| new.volume_name.clone());
            let returned = has.filter(|has| claim.returns.as_ref().is_some_and(|back| back.volume == *has));
            ClaimChange {
                name: claim.name.clone(),
                old_uid: claim.uid.clone(),
                new_uid: new.and_then(|new| new.uid.clone()),
                retained_volume: retained(&claim.name)
                    .or_else(|| plan.resumes.as_ref().and_then(|_| recorded(&claim.name)))
                    .filter(|volume| still_kept(&topology, volume, &self.retained)),
                earlier_policy: returned.as_ref().and(withheld(&ending, claim)),
                returned_volume: returned,
            }
        });
        RunResult {
            compared_with: self.run.before.as_ref().and_then(|before| before.taken().map(str::to_owned)),
            phases: self.phases,
            total,
            old_uid: plan.target.uid.clone(),
            new_pod: successor.map(|(member, pod)| (member.name.clone(), pod.uid.clone())),
            claims: claims.collect(),
            healed: self.healed,
            restarts: self.settling.restarts(),
            restarted: self.settling.restarted(),
            proof: self.proof,
            done: self.done,
            notices: self.notices,
            reachability: Vec::new(),
            accept: None,
            undo: None,
            ending,
        }
    }
}

/// Returns whether a volume that should be retained exists and would outlive its claim: the plan's intention is one
/// thing, the final state another. If volumes cannot be read, only what the server confirmed to this run counts as
/// retained.
fn still_kept(topology: &Topology, volume: &str, retained: &[String]) -> bool {
    match topology.recorded.iter().find(|recorded| recorded.name == volume) {
        Some(recorded) => recorded.reclaim_policy == "Retain",
        None => topology.unread_volumes().is_some() && retained.iter().any(|name| name == volume),
    }
}

/// Returns the original reclaim policy of a restored volume that does not get it back: if it is not verified that it
/// holds the right data, another disk may be the right one, so nothing is given up. `None` if it has the policy again,
/// or will have it once the operation is finished.
fn withheld(ending: &Ending, claim: &ReplacedClaim) -> Option<String> {
    let unproven = matches!(ending, Ending::Replaced | Ending::Unverified(_) | Ending::DataMissing(_));
    let policy = claim.returns.as_ref()?.reclaim_policy.clone();
    policy.filter(|policy| unproven && policy != "Retain")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Returns;
    use crate::testing::{snapshot, unreadable};
    use crate::topology::{Layout, build};

    /// The plan's intention alone does not make it retained.
    #[test]
    fn only_what_is_known_to_be_kept_is_said_to_be() {
        let world = |policy: &str, volume: &str, readable: bool| {
            let yaml = format!(
                "
namespace: a
volumes: [{{name: {volume}, class: standard, policy: {policy}}}]
records: [{{id: f1, pod: wh1-0, age: 9, claims: [{{name: c, uid: u, volume: pv-1, policy: Delete}}]}}]"
            );
            let mut snapshot = snapshot(&[&yaml]);
            if !readable {
                snapshot.volumes = unreadable("persistentvolumes", None);
            }
            build(&snapshot, &Layout::shipped().unwrap())
        };
        let now = ["pv-1".to_owned()];
        for (topology, retained, expected) in [
            (world("Retain", "pv-1", true), &[][..], true),
            (world("Retain", "pv-1", true), &now[..], true),
            // Retaining it was denied, or another client reverted it.
            (world("Delete", "pv-1", true), &[], false),
            (world("Delete", "pv-1", true), &now, false),
            // It is gone.
            (world("Retain", "pv-2", true), &now, false),
            // Volumes cannot be read: only the server's confirmation counts.
            (world("Retain", "pv-1", false), &[], false),
            (world("Retain", "pv-1", false), &now, true),
        ] {
            assert_eq!(still_kept(&topology, "pv-1", retained), expected, "{:?} {retained:?}", topology.recorded);
        }
    }

    /// A restored volume gets its policy back only after verification.
    #[test]
    fn what_is_not_proven_stays_on_retain() {
        let claim = |policy: Option<&str>| ReplacedClaim {
            name: "c".into(),
            uid: "u".into(),
            returns: Some(Returns {
                volume: "pv-1".into(),
                uid: "v".into(),
                reclaim_policy: policy.map(str::to_owned),
            }),
            ephemeral: false,
        };
        let why = || "why".to_owned();
        for (ending, policy, expected) in [
            (Ending::Replaced, Some("Delete"), Some("Delete")),
            (Ending::Unverified(why()), Some("Delete"), Some("Delete")),
            (Ending::DataMissing(vec![why()]), Some("Delete"), Some("Delete")),
            (Ending::Recovered, Some("Delete"), None),
            (Ending::Replaced, Some("Retain"), None),
            (Ending::Replaced, None, None),
            // The run that finishes it reports it.
            (Ending::TimedOut(why()), Some("Delete"), None),
            (Ending::Interrupted, Some("Delete"), None),
        ] {
            assert_eq!(withheld(&ending, &claim(policy)).as_deref(), expected, "{ending:?} {policy:?}");
        }
        let none = ReplacedClaim { returns: None, ..claim(None) };
        assert_eq!(withheld(&Ending::Replaced, &none), None);
    }
}
