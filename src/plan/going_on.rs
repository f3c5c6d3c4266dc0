//! What a resumed run adds to the record of its operation.

use super::{Plan, Record, RecordedClaim, Step};

impl Record {
    /// Adds what a resumed run retains in addition: the volume of a claim that came since the operation began.
    pub fn goes_on(&mut self, plan: &Plan, manifest: impl Fn(&str) -> Option<serde_json::Value>) {
        for step in &plan.steps {
            let Step::Retain { volume, claim: name, policy, .. } = step else { continue };
            let Some(wanted) = plan.replaced_claims.iter().find(|claim| claim.name == *name) else { continue };
            match self.claims.iter_mut().find(|claim| claim.name == *name && claim.uid == wanted.uid) {
                Some(known) if known.volume.is_none() => {
                    known.volume = Some(volume.clone());
                    known.reclaim_policy = Some(policy.clone());
                }
                Some(_) => {}
                None => self.claims.push(RecordedClaim {
                    name: name.clone(),
                    uid: wanted.uid.clone(),
                    volume: Some(volume.clone()),
                    reclaim_policy: Some(policy.clone()),
                    returns: wanted.returns.clone(),
                    manifest: manifest(name),
                }),
            }
        }
    }
}
