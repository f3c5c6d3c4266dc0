//! Waits for the goals of a plan, and reports what is waited for and why it takes long.

use super::state::Executor;
use crate::cluster::write::Written;
use crate::duration::after;
use crate::recovery::events::{Ending, Event, Phase};
use crate::recovery::explain::{CLAIM, POD, STATEFUL_SET, SeenEvents, Wait, WaitTarget, explanation, repeats};
use crate::recovery::goal::{self, Goal, Progress, Trap};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long a replacement pod may wait for a claim that is deleted before the pod is deleted again. Kubernetes 1.27 and
/// later often resolves it within a second.
const TRAP_GRACE: Duration = Duration::from_secs(3);

impl Executor<'_, '_> {
    /// Waits until a goal is reached; woken by watch events, and by time only if time itself matters.
    pub(super) async fn wait_for(&mut self, phase: Phase, goal: Goal) -> Result<(), Ending> {
        loop {
            self.note_lost_lease();
            let topology = self.observe();
            let progress = goal(self.run.plan, &topology);
            let waits = match progress {
                Progress::Reached => return Ok(()),
                Progress::Misbound(why) => {
                    let why = format!("{why}; run again to replace it, too");
                    return Err(self.failed(phase, why.clone(), Ending::ClusterChanged(why)));
                }
                Progress::Waiting(what) => {
                    self.trapped = None;
                    what
                }
                Progress::Trapped(trap) => self.delete_trapped(trap).await?,
            };
            let detail = self.explained(&waits);
            // What is waited for may have come already.
            let detail = match self.watch.outage() {
                Some(outage) => format!("{outage}; last seen: {detail}"),
                None => detail,
            };
            (self.tell)(Event::Detail(phase, detail));
            self.next_change(phase, &waits).await?;
        }
    }

    /// Handles a trap that has lasted long enough: deletes the Pending pod again. A pod that holds the claim ends the
    /// run.
    async fn delete_trapped(&mut self, trap: Trap) -> Result<String, Ending> {
        let since = match &self.trapped {
            Some((known, since)) if trap.is_still(known) => *since,
            _ => Instant::now(),
        };
        let how = if trap.holds { "holds" } else { "is Pending on" };
        let waits = format!("the new pod {how} claim {}, which is {}", trap.claim, trap.state);
        self.trapped = Some((trap.clone(), since));
        if since.elapsed() < TRAP_GRACE {
            return Ok(waits);
        }
        self.trapped = None;
        if trap.holds {
            // Another client recreated it between planning and execution; what the plan does not name is not deleted.
            let why = format!(
                "pod {} (UID {}) holds claim {}, which is {} and stays so; run again to replace it, too",
                trap.pod, trap.uid, trap.claim, trap.state
            );
            return Err(self.failed(Phase::Recreate, why.clone(), Ending::ClusterChanged(why)));
        }
        self.still_alone().await?;
        let namespace = &self.run.plan.target.namespace;
        // Only in the version that was seen: a pod that was scheduled since is no longer trapped.
        let (pod, uid, version) = (&trap.pod, &trap.uid, &trap.version);
        let written = self.run.cluster.delete_pod_of_version(namespace, pod, uid, version).await;
        if let Written::Done { .. } = written.map_err(Ending::Failed)? {
            self.healed += 1;
            self.done.push(format!("Pending pod {} (UID {}) deleted again", trap.pod, trap.uid));
            (self.tell)(Event::Notice(format!(
                "fixed: pod {} (UID {}) was Pending on claim {}, which is {}; it was deleted again",
                trap.pod, trap.uid, trap.claim, trap.state
            )));
        }
        Ok(waits)
    }

    /// Waits for the next event that can change the result.
    pub(super) async fn next_change(&mut self, phase: Phase, waits: &str) -> Result<(), Ending> {
        let sprung = self.trapped.as_ref().map(|(_, since)| after(*since, TRAP_GRACE));
        let ripe = sprung.into_iter().chain(self.wait.as_ref().and_then(Wait::turns_long)).min();
        let wake = async {
            match ripe {
                Some(ripe) => sleep_until(ripe).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.run.interrupt.cancelled() => Err(self.failed(phase, "interrupted".into(), Ending::Interrupted)),
            changed = self.watch.changed() => match changed {
                Ok(_) => Ok(()),
                Err(error) => Err(self.failed(phase, error.to_string(), Ending::Failed(error))),
            },
            () = sleep_until(self.deadline) => {
                let waits = self.explained_in_the_end(waits);
                let ending = Ending::TimedOut(self.late(&waits));
                Err(self.failed(phase, waits, ending))
            }
            () = wake => Ok(()),
        }
    }

    /// Returns what is waited for, with the Warning that explains it: one that came since this wait began, or, once it
    /// has lasted, one since the run began. A refusal that the next step ends is expected.
    fn explained(&mut self, waits: &str) -> String {
        if self.wait.as_ref().is_none_or(|wait| wait.what != waits) {
            let known = self.watch.snapshot().namespaces.first().map(SeenEvents::of).unwrap_or_default();
            self.wait = Some(Wait { what: waits.to_owned(), since: Instant::now(), known });
            return waits.to_owned();
        }
        let long = self.wait.as_ref().is_some_and(Wait::is_long);
        self.explained_by(waits, long)
    }

    /// Returns the same when the time is up: there is no later moment to report more.
    fn explained_in_the_end(&self, waits: &str) -> String {
        self.explained_by(waits, true)
    }

    fn explained_by(&self, waits: &str, long: bool) -> String {
        let (Some(objects), Some(wait)) = (self.watch.snapshot().namespaces.first(), &self.wait) else {
            return waits.to_owned();
        };
        match explanation(&self.subjects(), objects, &wait.known, long.then_some(&self.known)) {
            Some(warning) if !repeats(waits, &warning) => format!("{waits} ({warning})"),
            _ => waits.to_owned(),
        }
    }

    /// Returns what may delay it, the cause before its consequences: a claim that is not bound, its pod, or, as long as
    /// there is no new pod, the controller that should create it.
    fn subjects(&self) -> Vec<WaitTarget> {
        let (plan, topology) = (self.run.plan, self.topology());
        let target = &plan.target;
        let Some((member, pod)) = goal::successor(plan, &topology) else {
            let names = [(STATEFUL_SET, &target.component), (POD, &target.pod)].into_iter();
            let names = names.chain(plan.replaced_claims.iter().map(|claim| (CLAIM, &claim.name)));
            let subject =
                |(kind, name): (_, &String)| WaitTarget { kind, name: name.clone(), new_uid: None, scheduled: false };
            return names.map(subject).collect();
        };
        let is_old = |uid: &Option<String>| plan.replaced_claims.iter().any(|claim| Some(&claim.uid) == uid.as_ref());
        let claims = member.claims.iter().filter(|claim| !claim.bound());
        claims
            .map(|claim| (CLAIM, &claim.name, claim.uid.clone().filter(|_| !is_old(&claim.uid)), false))
            .chain([(POD, &member.name, Some(pod.uid.clone()), pod.node.is_some())])
            .map(|(kind, name, new_uid, scheduled)| WaitTarget { kind, name: name.clone(), new_uid, scheduled })
            .collect()
    }
}
